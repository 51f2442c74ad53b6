use super::*;

#[test]
fn led_42_the_holder_of_a_lock_is_named() {
    let file = tempfile::tempfile().unwrap();
    assert_eq!(holder(&file), "another process");
    file.lock().unwrap();
    assert_eq!(holder(&file), format!("process {}", std::process::id()));
}

#[test]
fn a_line_tells_of_one_file_and_of_whoever_holds_it() {
    let line = "12: FLOCK  ADVISORY  WRITE 708 fd:01:2490393 0 EOF";
    assert_eq!(holds(line, "fd:01:2490393"), Some(708));
    assert_eq!(holds(line, "fd:01:249039"), None);
    assert_eq!(holds("12: -> FLOCK  ADVISORY  WRITE 709 fd:01:2490393 0 EOF", "fd:01:2490393"), None);
    assert_eq!(holds("3: POSIX  ADVISORY  READ  5433 08:01:7864448 128 128", "08:01:7864448"), None);
    assert_eq!(holds("", "fd:01:1"), None);
    assert_eq!(place(0xfd01, 2_490_393), "fd:01:2490393");
}
