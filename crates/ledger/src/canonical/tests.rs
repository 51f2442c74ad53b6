//! Tests of canonical JSON: published vectors first, then what the profile adds.

use std::cell::Cell;

use proptest::prelude::*;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::parse::read;
use super::text::es6_number;
use super::to_bytes;
use super::{InvalidValue, NotCanonical, Problem, is_canonical, parse, parse_canonical, text_or_b64};
use crate::{hex, sha256};

fn problem(text: impl AsRef<[u8]>) -> Problem {
    parse(text.as_ref()).expect_err("the text must be refused").problem
}

fn offset(text: impl AsRef<[u8]>) -> usize {
    parse(text.as_ref()).expect_err("the text must be refused").offset
}

#[test]
fn led_01_the_six_published_pairs_come_out_byte_for_byte() {
    macro_rules! pair {
        ($name:literal) => {
            (
                $name,
                include_bytes!(concat!("../../testdata/jcs/", $name, ".in.json")).as_slice(),
                include_bytes!(concat!("../../testdata/jcs/", $name, ".out.json")).as_slice(),
            )
        };
    }
    let pairs = [
        pair!("arrays"),
        pair!("french"),
        pair!("structures"),
        pair!("unicode"),
        pair!("values"),
        pair!("weird"),
    ];
    for (name, input, output) in pairs {
        let rendered = to_bytes(&parse(input).expect(name)).expect(name);
        assert_eq!(String::from_utf8_lossy(&rendered), String::from_utf8_lossy(output), "{name}");
        assert!(is_canonical(output), "{name}");
    }
}

/// The sequence of doubles of the published generator: fixed values, a run of 2,000, then a hash chain.
fn published_numbers() -> impl Iterator<Item = f64> {
    let fixed: Vec<u64> = include_str!("../../testdata/jcs/numbers.txt")
        .lines()
        .map(|line| u64::from_str_radix(line, 16).expect("a hexadecimal number"))
        .collect();
    let serial = (0..2_000).map(|step| 0x0010_0000_0000_0000 + step);
    let chained = std::iter::successors(Some(sha256(&[0; 32])), |block| Some(sha256(block)))
        .flat_map(|block| block.as_chunks::<8>().0.to_vec())
        .map(u64::from_le_bytes)
        .filter(|bits| f64::from_bits(*bits) != 0.0 && f64::from_bits(*bits).is_finite());
    fixed.into_iter().chain(serial).chain(chained).map(f64::from_bits)
}

#[test]
fn led_01_the_first_100_000_lines_of_the_published_number_file_have_its_digest() {
    let mut file = String::new();
    for number in published_numbers().take(100_000) {
        file.push_str(&format!("{:x},{}\n", number.to_bits(), es6_number(number)));
    }
    assert_eq!(file.len(), 4_031_728);
    assert_eq!(
        hex::encode(&sha256(file.as_bytes())),
        "22776e6d4b49fa294a0d0f349268e5c28808fe7e0cb2bcbe28f63894e494d4c7"
    );
}

#[test]
fn led_02_the_published_parsing_suite_is_refused_and_accepted_as_the_profile_says() {
    let suite: Vec<Value> =
        serde_json::from_str(include_str!("../../testdata/json-reject/parsing.json")).expect("the suite");
    // Of the texts that a reader may take or leave, only numbers that round to zero are taken.
    let taken = ["i_number_double_huge_neg_exp.json", "i_number_real_underflow.json"];
    // Of the texts that JSON allows, the profile refuses repeated keys.
    let refused = ["y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"];
    for case in &suite {
        let name = case["name"].as_str().expect("a name");
        let digits = case["hex"].as_str().expect("bytes").as_bytes();
        let bytes: Vec<u8> = digits
            .chunks_exact(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let accept = taken.contains(&name) || (name.starts_with("y_") && !refused.contains(&name));
        assert_eq!(parse(&bytes).is_ok(), accept, "{name}: {:?}", parse(&bytes));
    }
    assert_eq!(suite.len(), 316);
}

#[test]
fn led_02_a_hundred_thousand_open_brackets_are_refused_at_the_sixty_fifth() {
    assert_eq!(problem("[".repeat(100_000)), Problem::TooDeep);
    assert_eq!(offset("[".repeat(100_000)), 64);
    assert_eq!(problem(r#"[{"":"#.repeat(50_000)), Problem::TooDeep);
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(is_canonical(nested(64).as_bytes()));
    assert_eq!(problem(nested(65)), Problem::TooDeep);
    let deep = (0..65).fold(json!(1), |inner, _depth| json!([inner]));
    assert_eq!(to_bytes(&deep).expect_err("too deep").problem, Problem::TooDeep);
}

#[test]
fn led_02_each_refused_token_says_why_and_where() {
    let cases: &[(&[u8], usize, Problem)] = &[
        (b"NaN", 0, Problem::UnexpectedByte),
        (b"[Infinity]", 1, Problem::UnexpectedByte),
        (b"-Infinity", 1, Problem::BadNumber),
        (b"[1, 1e999]", 4, Problem::NotFinite),
        (b"-1e999", 0, Problem::NotFinite),
        (b"9007199254740992", 0, Problem::IntegerTooLarge),
        (b"-9007199254740992", 0, Problem::IntegerTooLarge),
        (b"123456789012345678901234567890", 0, Problem::IntegerTooLarge),
        (b"9007199254740992.0", 0, Problem::IntegerTooLarge),
        (b"1e20", 0, Problem::IntegerTooLarge),
        (br#"{"a":1,"b":2,"a":1}"#, 13, Problem::DuplicateKey),
        (br#"{"a":1,"\u0061":1}"#, 7, Problem::DuplicateKey),
        (br#""\ud800""#, 1, Problem::LoneSurrogate),
        (br#""\udc00""#, 1, Problem::LoneSurrogate),
        (br#""x\ud800\u0041""#, 2, Problem::LoneSurrogate),
        (b"\"\xed\xa0\x80\"", 1, Problem::NotUtf8),
        (b"\"\xff\"", 1, Problem::NotUtf8),
        (b"\xef\xbb\xbf{}", 0, Problem::ByteOrderMark),
        (b"{} x", 3, Problem::TrailingBytes),
        (b"\"a\nb\"", 2, Problem::ControlCharacter),
        (b"01", 1, Problem::BadNumber),
        (b"", 0, Problem::UnexpectedEnd),
        (b"[1,", 3, Problem::UnexpectedEnd),
    ];
    for (text, offset, problem) in cases {
        let expected = InvalidValue { offset: *offset, problem: problem.clone() };
        assert_eq!(parse(text), Err(expected), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn led_02_a_refused_text_does_not_disturb_the_next_one() {
    assert!(parse(b"[1e999").is_err());
    assert_eq!(parse(b"[1]"), Ok(json!([1])));
}

#[test]
fn the_writer_refuses_what_the_reader_would_refuse() {
    assert_eq!(to_bytes(&f64::NAN).expect_err("NaN").problem, Problem::NotFinite);
    assert_eq!(to_bytes(&[f32::INFINITY]).expect_err("infinity").problem, Problem::NotFinite);
    assert_eq!(to_bytes(&u64::MAX).expect_err("large").problem, Problem::IntegerTooLarge);
    assert_eq!(to_bytes(&(1_u64 << 53)).expect_err("large").problem, Problem::IntegerTooLarge);
    assert_eq!(to_bytes(&-(1_i64 << 53)).expect_err("large").problem, Problem::IntegerTooLarge);
    assert_eq!(to_bytes(&1e16).expect_err("would read as an integer").problem, Problem::IntegerTooLarge);
    let keys = std::collections::BTreeMap::from([(1, 2)]);
    assert_eq!(to_bytes(&keys).expect_err("key").problem, Problem::KeyNotString);
}

/// An object whose members come in this order.
struct Members<'k>(&'k [(&'k str, u8)]);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

#[test]
fn the_writer_refuses_a_map_that_repeats_a_key() {
    let cases: [&[(&str, u8)]; 4] = [
        &[("a", 1), ("a", 2)],
        &[("b", 1), ("a", 2), ("b", 3)],
        &[("b", 1), ("b", 2), ("a", 3)],
        &[("\n", 1), ("", 2), ("\n", 3)],
    ];
    for members in cases {
        assert_eq!(to_bytes(&Members(members)).expect_err("twice").problem, Problem::DuplicateKey);
    }
}

#[test]
fn the_writer_puts_members_in_order_however_they_come() {
    let one = Members(&[("b", 1)]);
    assert_eq!(to_bytes(&[one]).unwrap(), br#"[{"b":1}]"#);
    let mixed = Members(&[("b\"", 1), ("", 2), ("a,", 3), ("\u{fb33}", 4), ("\u{1f600}", 5)]);
    let expected = "{\"\":2,\"a,\":3,\"b\\\"\":1,\"\u{1f600}\":5,\"\u{fb33}\":4}";
    assert_eq!(to_bytes(&(0, mixed, "x")).unwrap(), format!("[0,{expected},\"x\"]").as_bytes());
}

#[test]
fn numbers_have_their_es6_form() {
    let cases = [
        ("-0", "0"),
        ("-0.0", "0"),
        ("1.0", "1"),
        ("2e2", "200"),
        ("0.1", "0.1"),
        ("1e21", "1e+21"),
        ("1E-7", "1e-7"),
        ("0.000001", "0.000001"),
        ("9007199254740991", "9007199254740991"),
        ("-9007199254740991.0", "-9007199254740991"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
    ];
    for (literal, expected) in cases {
        let rendered = to_bytes(&parse(literal.as_bytes()).expect(literal)).expect(literal);
        assert_eq!(String::from_utf8(rendered).expect("text"), expected, "{literal}");
    }
}

#[test]
fn equal_values_have_equal_bytes_and_are_equal() {
    let (left, right) = (br#"{"a":1,"b":2}"#, br#"{ "b":2.0, "a":1e0 }"#);
    assert_eq!(parse(left), parse(right));
    assert_eq!(to_bytes(&parse(right).unwrap()).unwrap(), left);
}

#[test]
fn keys_are_in_the_order_of_utf_16_code_units() {
    // U+1F600 begins with the unit D83D, before U+FB33 in UTF-16 and behind it in UTF-8.
    let value = json!({"\u{fb33}": 1, "\u{1f600}": 2, "\u{80}": 3});
    assert_eq!(to_bytes(&value).unwrap(), "{\"\u{80}\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}".as_bytes());
}

/// Answers differently each time it is asked, and counts how often that was.
struct Fickle(Cell<u32>);

impl Serialize for Fickle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.set(self.0.get() + 1);
        serializer.serialize_u32(self.0.get())
    }
}

#[test]
fn led_03_a_value_is_serialized_once() {
    let fickle = Fickle(Cell::new(0));
    assert_eq!(to_bytes(&fickle).unwrap(), b"1");
    assert_eq!(fickle.0.get(), 1);
}

#[test]
fn led_05_bytes_have_one_written_form() {
    assert_eq!(text_or_b64(b"/etc/ssh"), json!("/etc/ssh"));
    assert_eq!(text_or_b64(b"/tmp/\xff"), json!({"b64": "L3RtcC//"}));
    // A file may be named like the encoded form: text stays text.
    assert_eq!(text_or_b64(br#"{"b64":""}"#), json!(r#"{"b64":""}"#));
}

#[derive(Serialize)]
enum Shape {
    Unit,
    New(u8),
    Tuple(u8, char),
    Struct { z: Option<u8>, a: () },
}

#[test]
fn enums_go_by_name_and_keep_their_usual_json_shape() {
    let shapes = [Shape::Unit, Shape::New(1), Shape::Tuple(2, 'x'), Shape::Struct { z: Some(3), a: () }];
    let written: Value = serde_json::from_slice(&to_bytes(&shapes).unwrap()).unwrap();
    assert_eq!(written, serde_json::to_value(&shapes).unwrap());
    let expected = r#"["Unit",{"New":1},{"Tuple":[2,"x"]},{"Struct":{"a":null,"z":3}}]"#;
    assert_eq!(to_bytes(&shapes).unwrap(), expected.as_bytes());
}

#[test]
fn led_06_line_separators_other_than_line_feed_are_data_and_line_feed_is_escaped() {
    let text = "a\u{2028}b\u{2029}c\u{85}d\re\nf";
    let bytes = to_bytes(text).unwrap();
    assert_eq!(bytes, "\"a\u{2028}b\u{2029}c\u{85}d\\re\\nf\"".as_bytes());
    assert_eq!(parse(&bytes), Ok(json!(text)));
}

#[test]
fn a_text_that_is_not_canonical_is_located() {
    let cases = [(r#"{"b":1,"a":2}"#, 2), (r#"{"a": 1}"#, 5), (r#"["\u0041"]"#, 2), ("[1.0]", 2), ("1 ", 1)];
    for (text, offset) in cases {
        assert_eq!(parse_canonical(text.as_bytes()), Err(NotCanonical::Differs { offset }), "{text}");
    }
}

/// Any JSON value that the profile can hold: all scalars, extreme numbers, nesting.
fn any_value() -> impl Strategy<Value = Value> {
    let integer = -((1_i64 << 53) - 1)..=(1_i64 << 53) - 1;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        integer.prop_map(Value::from),
        any::<f64>()
            .prop_filter_map("in the profile", |n| to_bytes(&Value::from(n)).is_ok().then(|| Value::from(n))),
        any::<String>().prop_map(Value::from),
        proptest::collection::vec(any::<char>(), 0..8)
            .prop_map(|chars| Value::from(String::from_iter(chars))),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn led_04_stored_bytes_give_back_the_same_bytes(value in any_value(), wraps in 0_usize..50) {
        let value = (0..wraps).fold(value, |inner, _wrap| json!([inner]));
        let bytes = to_bytes(&value).unwrap();
        let again = parse(&bytes).unwrap();
        prop_assert_eq!(&to_bytes(&again).unwrap(), &bytes);
        prop_assert!(is_canonical(&bytes));
        prop_assert_eq!(to_bytes(&again).unwrap(), bytes);
    }

    #[test]
    fn led_28_no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(value) = parse(&bytes) {
            prop_assert!(is_canonical(&to_bytes(&value).unwrap()));
        }
    }

    #[test]
    fn led_28_no_json_like_text_makes_the_reader_panic(text in r#"[\[\]{}",:0-9eE.+\-\\u dDfFaAtrulsn ]{0,40}"#) {
        if let Ok(value) = parse(text.as_bytes()) {
            prop_assert!(is_canonical(&to_bytes(&value).unwrap()));
        }
    }

    /// What the reader takes for canonical as it reads must be what the writer writes, whatever was changed.
    #[test]
    fn led_60_no_changed_byte_of_a_canonical_text_is_taken_for_canonical(
        value in any_value(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), changed_to()), 64),
    ) {
        let bytes = to_bytes(&value).unwrap();
        for (at, to) in changes {
            let mut changed = bytes.clone();
            let at = at.index(bytes.len());
            changed.splice(at..=at, to);
            let Ok((value, canonical)) = read(&changed) else { continue };
            let same = to_bytes(&value).unwrap() == changed;
            prop_assert!(same || !canonical, "{:?}", String::from_utf8_lossy(&changed));
            prop_assert_eq!(is_canonical(&changed), same);
        }
    }
}

/// What one byte of a text becomes: another byte, nothing, a space before it or another way to write something.
fn changed_to() -> impl Strategy<Value = Vec<u8>> {
    let texts = [" ", "", "0", "-0", "1.0", "1e2", "\\u0041", "\\u001F", "\\u0008", "\\/", "\"a\":1,", "[]"];
    prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        proptest::sample::select(texts.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
    ]
}

#[test]
fn usual_texts_are_seen_to_be_canonical_as_they_are_read() {
    for text in [r#"{"a":[1,-2.5,1e+21],"b":{"":null},"\u0000":"\u001f\n\"\\"}"#, r#"{"\u0000":"ü","a":0}"#]
    {
        let (_value, canonical) = read(text.as_bytes()).expect("a text");
        assert_eq!(canonical, is_canonical(text.as_bytes()), "{text}");
    }
    let usual = r#"{"nonce":"00","row":{"a":[1,-2.5,1e+21],"b":{"":null,"c":"ü\n\u001f"}},"schema":"s"}"#;
    assert!(read(usual.as_bytes()).expect("a text").1);
}
