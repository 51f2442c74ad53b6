//! What is made of what ssh says, and of a program that does not end or does not stop.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::tokens::{Values, expand};
use super::{Unanswered, run, understand};

fn sh(script: &str) -> Command {
    #[expect(clippy::disallowed_methods, reason = "a program that ssh is not")]
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

async fn failure(script: &str, limit: Duration) -> String {
    match run(sh(script), limit).await {
        Err(Unanswered::Failed(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_program_that_does_not_end_or_says_too_much_is_not_waited_for() {
    let soon = Duration::from_millis(200);
    assert!(failure("exec sleep 1000", soon).await.contains("did not answer within"));
    // Its child has the pipe after its own end.
    assert!(failure("sleep 5 & exit 0", soon).await.contains("did not answer within"));
    let late = Duration::from_secs(60);
    assert!(failure("cat /dev/zero", late).await.contains("more than"));
    assert!(failure("cat /dev/zero >&2", late).await.contains("more than"));
}

#[tokio::test]
async fn what_a_program_complains_of_is_one_line_that_can_be_shown() {
    let late = Duration::from_secs(60);
    let said =
        failure("printf 'debug1: reading\\n\\nbad: line 2: \\033[2Jno\\nmore\\n' >&2; exit 255", late).await;
    assert_eq!(said, "bad: line 2: ?[2Jno");
    let long = failure("printf '%5000s' x | tr ' ' y >&2; exit 1", late).await;
    assert_eq!(long.chars().count(), 200);
    assert!(failure("exit 3", late).await.contains('3'), "a status is better than nothing");
    assert_eq!(run(sh("echo yes; echo no >&2"), late).await.unwrap(), "yes\n");
    #[expect(clippy::disallowed_methods, reason = "a program that nobody has")]
    let nobodys = Command::new("/nonexistent/ssh");
    assert_eq!(run(nobodys, late).await, Err(Unanswered::Missing));
}

#[test]
fn only_settings_that_matter_are_taken_and_none_of_them_may_lack() {
    let said = "host web\nuser ann\nhostname 192.0.2.1\nport 2201\nidentityfile ~/a b\nidentityfile none\n\
                proxyjump none\nproxyusefdpass no\ntag\n";
    let answer = understand(said).unwrap();
    assert_eq!((&*answer.hostname, answer.port, &*answer.user), ("192.0.2.1", 2201, "ann"));
    assert_eq!(answer.identity_files, ["~/a b", "none"]);
    assert_eq!(answer.between, None);
    let behind = understand(&format!("{said}proxycommand nc %h %p\n")).unwrap();
    assert_eq!(behind.between, Some(("ProxyCommand", "nc %h %p".to_owned())));
    for lacking in ["hostname 192.0.2.1\n", "user ann\n", "port 2201\n"] {
        assert!(understand(&said.replace(lacking, "")).is_err(), "{lacking:?}");
    }
    assert!(understand(&said.replace("2201", "ssh")).is_err());
}

/// ssh_config(5), section TOKENS.
#[test]
fn tokens_of_a_key_file_are_expanded_and_others_refused() {
    let home = Path::new("/home/ann");
    let values = Values { home, typed: "web", host: "192.0.2.1", port: 22, user: "root", local_user: "ann" };
    let expanded = |written: &str| expand(written, &values).map(|path| path.to_str().unwrap().to_owned());
    assert_eq!(expanded("~/.ssh/id").unwrap(), "/home/ann/.ssh/id");
    assert_eq!(expanded("~").unwrap(), "/home/ann");
    assert_eq!(expanded("%d/%n-%h-%p-%r-%u-100%%").unwrap(), "/home/ann/web-192.0.2.1-22-root-ann-100%");
    assert_eq!(expanded("/etc/a~b").unwrap(), "/etc/a~b");
    for other in ["~bob/id", "/etc/%i", "/etc/%", "${HOME}/id"] {
        assert!(expanded(other).is_err(), "{other}");
    }
}
