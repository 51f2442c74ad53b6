//! What a host says: framed answers, captures of them, os-release.

use model::Platform;
use transport::frame::{Answer, Budget, Channel, Decoder, Nonce};
use transport::{Capture, Limits};

/// What the corpus was written with.
const NONCE: [u8; 16] = *b"fuzz fuzz fuzz f";
/// Frames that are expected.
const FRAMES: usize = 3;
/// What stands between the two streams of an input.
const BETWEEN: &[u8] = b"\n=====\n";

/// However the bytes are cut into pieces, the answers are the same, and so is whether there are any.
///
/// An input is a byte that says how long pieces are, standard output, a line of `=`, standard error.
pub(crate) fn frames(bytes: &[u8]) {
    let Some((size, streams)) = bytes.split_first() else { return };
    let at = streams.windows(BETWEEN.len()).position(|window| window == BETWEEN);
    let (stdout, stderr) = match at {
        Some(at) => (&streams[..at], &streams[at + BETWEEN.len()..]),
        None => (streams, &b""[..]),
    };
    let whole = decoded(stdout, stderr, usize::MAX);
    let pieces = decoded(stdout, stderr, usize::from(*size).max(1));
    assert_eq!(whole, pieces, "the length of pieces changes the answers");
}

/// All answers; nothing when the streams are no conversation.
fn decoded(stdout: &[u8], stderr: &[u8], size: usize) -> Option<Vec<Option<Answer>>> {
    let limits =
        Limits { banner_bytes_max: 256, kept_bytes_max: 1_024, stray_bytes_max: 128, ..Limits::default() };
    let mut decoder = Decoder::new(&Nonce::new(NONCE), &limits);
    for _frame in 0..FRAMES {
        decoder.expect(Budget { timeout_ms: 1_000, keep_bytes_max: 256, read_bytes_max: 512 });
    }
    for (channel, bytes) in [(Channel::Stdout, stdout), (Channel::Stderr, stderr)] {
        for piece in bytes.chunks(size) {
            decoder.push(channel, piece, 0).ok()?;
        }
    }
    let answers: Vec<Option<Answer>> = (0..FRAMES).map(|frame| decoder.take_answer(frame)).collect();
    let kept: usize = answers.iter().flatten().map(|answer| answer.stdout.len()).sum();
    assert!(kept <= limits.kept_bytes_max, "{kept} bytes were kept");
    Some(answers)
}

/// A capture that is read reads back from what it writes.
pub(crate) fn capture(bytes: &[u8]) {
    if let Ok(capture) = Capture::from_json(bytes) {
        let written = capture.to_json();
        assert!(written.is_ok(), "it was read and cannot be written: {written:?}");
        let again = Capture::from_json(written.unwrap_or_default().as_bytes());
        assert_eq!(again.ok(), Some(capture));
    }
}

/// A platform has an id, and no control characters for anybody's terminal.
pub(crate) fn os_release(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(platform) = Platform::from_os_release(&text, "x86_64", "6.1.0") {
        assert!(!platform.id.is_empty());
        let fields = [&platform.id, &platform.version, &platform.name];
        for field in fields.into_iter().chain(&platform.id_like) {
            assert!(field.len() <= 256 * 4 && !field.chars().any(char::is_control), "{field:?}");
        }
    }
}
