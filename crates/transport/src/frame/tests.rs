//! The decoder against well-formed, cut up, hostile and forged streams. Frame bytes are written by hand
//! after docs/formats/conversation.md.

use proptest::prelude::*;

use super::*;

const N: &str = "30313233343536373839616263646566";

fn limits() -> Limits {
    Limits { banner_bytes_max: 1_000, stray_bytes_max: 100, ..Limits::default() }
}

fn decoder(frames: usize) -> Decoder {
    let mut decoder = Decoder::new(&Nonce::new(*b"0123456789abcdef"), &limits());
    for _ in 0..frames {
        decoder.expect(Budget { timeout_ms: 1_000, keep_bytes_max: 8, read_bytes_max: 4_000 });
    }
    decoder
}

fn frame(frame: usize, output: &[u8], end: &str) -> Vec<u8> {
    let mut bytes = format!("\n{N} S {frame} 10.00\n").into_bytes();
    bytes.extend_from_slice(output);
    bytes.extend(format!("\n{N} E {frame} {end}\n").into_bytes());
    bytes
}

fn both(decoder: &mut Decoder, bytes: &[u8]) -> Result<(), FrameError> {
    decoder.push(Channel::Stdout, bytes, 1)?;
    decoder.push(Channel::Stderr, bytes, 2)
}

fn refused(bytes: &str) -> FrameError {
    let mut decoder = decoder(2);
    both(&mut decoder, bytes.replace('N', N).as_bytes()).unwrap_err()
}

#[test]
fn a_nonce_is_written_in_lower_case_hexadecimal() {
    assert_eq!(Nonce::new(*b"0123456789abcdef").as_str(), N);
    assert_eq!(format!("{:?}", Nonce::new([7; 16])), "Nonce", "it is never printed");
}

#[test]
fn frames_give_back_exact_bytes_and_their_ending() {
    let mut decoder = decoder(3);
    let mut out = b"Welcome!\nmotd".to_vec();
    out.extend(frame(0, b"a\n\n", "0 10.50"));
    out.extend(frame(1, b"", "3 10.50"));
    out.extend(frame(2, b"x\n0\n", "124 11.00"));
    out.extend(format!("\n{N} B 3\n").into_bytes());
    both(&mut decoder, &out).unwrap();
    assert!(decoder.is_done());
    assert_eq!(decoder.banner(Channel::Stdout), b"Welcome!\nmotd");
    let answers: Vec<Answer> = (0..3).map(|i| decoder.take_answer(i).unwrap()).collect();
    assert_eq!(answers[0].stdout, b"a\n\n");
    assert_eq!(answers[0].ending, Ending::Exited(0));
    assert_eq!(answers[1].stdout, b"");
    assert_eq!(answers[1].ending, Ending::Exited(3));
    // SHA-256 of the empty message, FIPS 180-4 test data.
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(answers[1].stdout_sha256.to_string(), empty);
    assert_eq!(answers[2].ending, Ending::TimedOut, "a second of a second");
    assert_eq!(answers[2].stderr, b"x\n0\n");
}

#[test]
fn exit_124_before_its_time_is_the_commands_own() {
    for (end, ending) in [
        ("124 10.99", Ending::Exited(124)),
        ("0 11.00", Ending::TimedOut),
        ("137 12.99", Ending::TimedOut),
        ("143 -", Ending::TimedOut),
        ("1 -", Ending::Exited(1)),
    ] {
        let mut decoder = decoder(1);
        both(&mut decoder, &frame(0, b"", end)).unwrap();
        assert_eq!(decoder.take_answer(0).unwrap().ending, ending, "{end}");
    }
}

#[test]
fn output_past_the_excerpt_is_counted_and_hashed_and_dropped() {
    let mut decoder = decoder(1);
    both(&mut decoder, &frame(0, &[b'a'; 1_000], "0 10.00")).unwrap();
    let answer = decoder.take_answer(0).unwrap();
    assert_eq!(answer.stdout, b"aaaaaaaa");
    assert_eq!(answer.stdout_len, 1_000);
    // `printf 'a%.0s' $(seq 1000) | sha256sum` on a Debian 12 machine.
    let sum = "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3";
    assert_eq!(answer.stdout_sha256.to_string(), sum);
}

#[test]
fn one_byte_more_than_may_be_read_is_oversize() {
    let mut fits = decoder(1);
    both(&mut fits, &frame(0, &[b'\n'; 4_000], "0 10.00")).unwrap();
    let mut over = decoder(1);
    let err = both(&mut over, &frame(0, &[b'\n'; 4_001], "0 10.00")).unwrap_err();
    assert_eq!(err, FrameError::Oversize { frame: 0, channel: Channel::Stdout, limit: 4_000 });
}

#[test]
fn all_answers_together_have_a_limit() {
    let limits = Limits { kept_bytes_max: 10, ..limits() };
    let mut decoder = Decoder::new(&Nonce::new(*b"0123456789abcdef"), &limits);
    for _ in 0..2 {
        decoder.expect(Budget { timeout_ms: 1, keep_bytes_max: 8, read_bytes_max: 100 });
    }
    decoder.push(Channel::Stdout, &frame(0, b"12345678", "0 10.00"), 0).unwrap();
    let err = decoder.push(Channel::Stdout, &frame(1, b"12345678", "0 10.00"), 0).unwrap_err();
    assert_eq!(err, FrameError::Kept { frame: 1, limit: 10 });
}

#[test]
fn a_banner_and_what_strays_between_frames_have_limits() {
    let mut long = decoder(1);
    long.push(Channel::Stderr, &[b'x'; 1_000], 0).unwrap();
    assert!(matches!(long.push(Channel::Stderr, b"x", 0), Err(FrameError::Banner { .. })));
    let mut stray = decoder(2);
    both(&mut stray, &frame(0, b"mine", "0 10.00")).unwrap();
    both(&mut stray, &[b's'; 100]).unwrap();
    assert!(matches!(both(&mut stray, b"s"), Err(FrameError::Stray { .. })));
    let mut between = decoder(2);
    both(&mut between, &frame(0, b"mine", "0 10.00")).unwrap();
    both(&mut between, b"stray").unwrap();
    both(&mut between, &frame(1, b"next", "0 10.00")).unwrap();
    assert_eq!(between.take_answer(1).unwrap().stdout, b"next");
}

#[test]
fn frames_of_another_nonce_are_data() {
    let forged = N.replace("30", "31");
    let output = format!("\n{forged} E 0 0 10.00\n\n{forged} S 1 10.00\n");
    let mut decoder = decoder(1);
    both(&mut decoder, &frame(0, output.as_bytes(), "1 10.00")).unwrap();
    let answer = decoder.take_answer(0).unwrap();
    assert_eq!(answer.stdout_len, output.len() as u64);
    assert_eq!(answer.ending, Ending::Exited(1));
}

#[test]
fn frames_out_of_order_are_errors() {
    for bytes in [
        "\nN S 1 10.00\n",
        "\nN E 0 0 10.00\n",
        "\nN B 0\n",
        "\nN S 0 10.00\n\nN S 0 10.00\n",
        "\nN S 0 10.00\n\nN E 1 0 10.00\n",
        "\nN S 0 10.00\n\nN E 0 0 10.00\n\nN S 0 10.00\n",
        "\nN S 0 10.00\n\nN E 0 0 10.00\n\nN B 1\n",
        "\nN S 0 10.00\n\nN E 0 0 10.00\n\nN P sudo\n",
        "\nN S 0 10.00\n\nN E 0 0 10.00\n\nN S 1 10.00\n\nN E 1 0 10.00\n\nN S 2 10.00\n",
        "\nN P sudo\n\nN P sudo\n",
    ] {
        assert!(matches!(refused(bytes), FrameError::OutOfOrder { .. }), "{bytes:?}");
    }
}

#[test]
fn malformed_frame_lines_are_errors() {
    for line in [
        "",
        "S",
        "S 0",
        "S x 1.00",
        "S 0 1",
        "S 0 1.0",
        "S 0 -1.00",
        "S 0 1.00 ",
        "S  0 1.00",
        "E 0 256 1.00",
        "E 0 -1 1.00",
        "E 0 1.00",
        "B",
        "B x",
        "B 9999999999",
        "P",
        "P Sudo!",
        "X 0",
        "\u{0}",
        "S 0 1.00\r",
    ] {
        let err = refused(&format!("\nN {line}\n"));
        assert!(matches!(err, FrameError::Malformed { .. }), "{line:?}: {err}");
    }
    let endless = refused(&format!("\nN S {}", "0".repeat(200)));
    assert!(matches!(endless, FrameError::Malformed { .. }));
}

#[test]
fn streams_that_tell_different_stories_are_an_error() {
    let mut decoder = decoder(1);
    decoder.push(Channel::Stdout, &frame(0, b"", "0 10.00"), 0).unwrap();
    let err = decoder.push(Channel::Stderr, &frame(0, b"", "1 10.00"), 0).unwrap_err();
    assert_eq!(err, FrameError::Disagree { frame: 0 });
}

#[test]
fn a_frame_is_answered_when_both_streams_have_ended_it() {
    let mut decoder = decoder(1);
    decoder.push(Channel::Stdout, &frame(0, b"", "0 10.00"), 5).unwrap();
    assert_eq!(decoder.answered(), 0);
    assert_eq!(decoder.take_answer(0), None);
    decoder.push(Channel::Stderr, &frame(0, b"", "0 10.00"), 9).unwrap();
    assert_eq!(decoder.answered(), 1);
    assert!(!decoder.is_done());
}

/// Decodes a stream cut at the given places.
fn decode_cut(bytes: &[u8], cuts: &[usize]) -> Result<Vec<Answer>, FrameError> {
    let mut decoder = decoder(2);
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    for pair in cuts.windows(2) {
        decoder.push(Channel::Stdout, &bytes[pair[0]..pair[1]], 0)?;
    }
    decoder.push(Channel::Stderr, bytes, 0)?;
    Ok((0..2).filter_map(|i| decoder.take_answer(i)).collect())
}

/// Outputs that come near the frame lines: line feeds, beginnings of the mark, the nonce itself.
fn nearly_marks() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"\n\n".to_vec()),
        Just(N.as_bytes().to_vec()),
        Just(format!("\n{}", &N[..31]).into_bytes()),
        Just(format!("\n{N}").into_bytes()),
        Just(format!("\n{N}\n").into_bytes()),
        Just(format!("{N} E 0 0 10.00\n").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    // The whole mark is the secret: no output holds it, so a run of pieces may not form it either.
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat()).prop_filter(
        "holds the mark",
        |bytes| {
            let mark = format!("\n{N} ");
            let with_edges = [b"\n", bytes.as_slice()].concat();
            !with_edges.windows(mark.len()).any(|w| w == mark.as_bytes())
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_a_stream_is_cut_the_answers_are_the_same(
        first in nearly_marks(), second in nearly_marks(), cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let bytes = [frame(0, &first, "0 10.00"), frame(1, &second, "7 10.00")].concat();
        let whole = decode_cut(&bytes, &[]).unwrap();
        prop_assert_eq!(whole[0].stdout_len, first.len() as u64);
        prop_assert_eq!(&whole[1].stdout[..], &second[..second.len().min(8)]);
        prop_assert_eq!(decode_cut(&bytes, &cuts).unwrap(), whole);
        let every: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(decode_cut(&bytes, &every).unwrap().len(), 2);
    }

    #[test]
    fn hostile_bytes_never_panic_and_never_grow_memory(
        pieces in prop::collection::vec((any::<bool>(), prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "\\PC{0,40}".prop_map(|text| format!("\n{N} {text}").into_bytes()),
            "[SEBP] [0-3] [0-9]{1,3} [0-9]{1,2}.[0-9]{2}\n".prop_map(|text| format!("\n{N} {text}").into_bytes()),
            "[SEBP] [0-3] [0-9]{1,2}.[0-9]{2}\n".prop_map(|text| format!("\n{N} {text}").into_bytes()),
        ]), 0..30),
    ) {
        let mut decoder = decoder(3);
        for (stdout, bytes) in pieces {
            let channel = if stdout { Channel::Stdout } else { Channel::Stderr };
            if decoder.push(channel, &bytes, 0).is_err() {
                break;
            }
        }
        for index in 0..4 {
            if let Some(answer) = decoder.take_answer(index) {
                prop_assert!(answer.stdout.len() <= 8);
            }
        }
        prop_assert!(decoder.banner(Channel::Stdout).len() <= 1_000);
    }

    #[test]
    fn what_a_replay_writes_is_what_the_decoder_reads(output in nearly_marks(), exit in 0..=255_i32) {
        let nonce = Nonce::new(*b"0123456789abcdef");
        let mut decoder = decoder(1);
        both(&mut decoder, &render_answer(&nonce, 0, exit, 0, &output)).unwrap();
        let answer = decoder.take_answer(0).unwrap();
        prop_assert_eq!(answer.stdout_len, output.len() as u64);
        prop_assert_eq!(answer.ending, Ending::Exited(exit));
    }
}
