use serde_json::json;

use super::*;
use crate::tree::Node;

#[test]
fn every_text_reads_back_as_it_was() {
    for text in [
        "",
        "no",
        "0644",
        "a: b # c",
        "\"'\\",
        "a\nb\tc\r",
        "\u{85}\u{2028}\u{feff}\u{0}",
        "größe \u{1f512}",
        "{{ x }}",
        "- a",
    ] {
        let written = document("made\nup", &[("text", json!({"inner": [text], "odd key": text}))]);
        let node: Node = rules::parse_yaml("x", &written).unwrap_or_else(|err| panic!("{err}\n{written}"));
        let node = node.find("text").unwrap();
        let list = node.find("inner").unwrap().items("inner").unwrap();
        assert_eq!(list[0].text("inner").unwrap(), text, "{written}");
        assert_eq!(node.find("odd key").unwrap().text("odd").unwrap(), text, "{written}");
    }
}
