//! Conversations with the real `sh` of this machine.

mod support;

use model::Ending;
use support::{ask, command};

#[tokio::test]
async fn a_local_host_says_what_it_is_and_answers_each_command() {
    let got = ask(vec![command("one", "echo 1"), command("two", "echo two >&2; exit 3")]).await.unwrap();
    assert_eq!(got.hello.platform.id, "debian");
    assert!(got.hello.tools.contains(&"stat".to_owned()));
    assert_eq!(got.observations[0].stdout, b"1\n");
    assert_eq!(got.observations[1].stderr, b"two\n");
    assert_eq!(got.observations[1].ending, Ending::Exited(3));
}
