use super::RustText;

#[track_caller]
fn check_code(text: &str, code: &str) {
    assert_eq!(RustText::of(text).code, code);
    assert_eq!(RustText::of(text).comments.len(), text.len());
}

#[test]
fn comments_are_blank_in_the_code_and_nest() {
    check_code("a // b\nc", "a     \nc");
    check_code("a /* b /* c */ d */ e", "a                   e");
    check_code("a /// \"\nb", "a      \nb");
}

#[test]
fn literals_keep_their_quotes_only() {
    check_code(r#"f("a\"b", 'c', '\'', '\u{1}')"#, r#"f("    ", ' ', '  ', '     ')"#);
    check_code(r##"f(r#"a"b"#, br"c", b"d")"##, r##"f(r#"   "#, br" ", b" ")"##);
    check_code("f(\"// no comment\")", "f(\"             \")");
}

#[test]
fn lifetimes_and_raw_names_are_code() {
    check_code(
        "fn f<'a>(x: &'a str) -> r#type { 'l: loop {} }",
        "fn f<'a>(x: &'a str) -> r#type { 'l: loop {} }",
    );
    check_code("for_(\"x\")", "for_(\" \")");
}

#[test]
fn characters_of_several_bytes_keep_the_length() {
    let text = "let a = 'ä'; // ö\nlet b = \"ü\";";
    let told_apart = RustText::of(text);
    assert_eq!(told_apart.code.len(), text.len());
    assert_eq!(told_apart.strings[0].1, "ü");
}

#[test]
fn strings_know_their_line() {
    let text = RustText::of("a\nb(\"one\ntwo\")\nc(\"three\")");
    let lines: Vec<(usize, &str)> = text.strings.iter().map(|(at, s)| (text.line(*at), s.as_str())).collect();
    assert_eq!(lines, [(2, "one\ntwo"), (4, "three")]);
}

#[test]
fn functions_are_found_with_their_bodies_and_attributes() {
    let source = "/// doc }\n#[test]\nfn one() { if x { y } }\ntrait T { fn none(&self); fn two(&self) -> [u8; 2] { z } }\n\
                  type F = fn(u8) -> u8;\n#[tokio::test(flavor = \"x\")]\nasync fn three<T: Fn() -> u8>(f: T) where T: Copy { w }";
    let text = RustText::of(source);
    let found: Vec<(String, usize, &str, bool)> = text
        .functions()
        .into_iter()
        .map(|f| (f.name.clone(), text.line(f.start), &text.code[f.body.clone()], f.is_test(&text.code)))
        .collect();
    assert_eq!(
        found,
        [
            ("one".into(), 3, "{ if x { y } }", true),
            ("two".into(), 4, "{ z }", false),
            ("three".into(), 7, "{ w }", true),
        ]
    );
}

#[test]
fn a_file_that_is_cut_short_is_read_to_its_end() {
    for text in ["fn f() { \"abc", "fn f() { r#\"abc", "/* abc", "'", "'\\", "\"\\", "fn f() {"] {
        assert_eq!(RustText::of(text).code.len(), text.len(), "{text}");
        assert!(RustText::of(text).functions().len() <= 1);
    }
}
