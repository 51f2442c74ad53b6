//! Records the hosts of `plumb demo` again: run by hand after the commands of the rules have changed, as root:
//! `cargo test -p app --test record_demo -- --ignored`. It then overwrites `demo/*.json`.
//!
//! The scripts in `demo/` beside this file bring two test hosts to two states each. Nothing of an answer
//! is made up but for what belongs to the recording machine: its kernel and the disk behind `/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::path::Path;

use app::content::{Content, Source};
use model::{Endpoint, Hello, Output};
use rules::{Corpus, SelectError, Selection};
use secrecy::SecretString;
use testkit::host::{HostOptions, Sudo, TestHost, Tree};
use transport::{
    Capture, Credentials, HostKeyCheck, Limits, Privilege, Request, SshTarget, Target, converse,
    load_private_key,
};

/// Who logs in; the name is seen in the recorded accounts.
const USER: &str = "ops";
/// Their password for sudo; only its kind is recorded.
const PASSWORD: &str = "only on a test host";
/// What the recording says of itself.
const SOURCE: &str = "recorded on a Debian 12 test host; stand-ins: kernel version, command line and parameters \
                      outside net, and the mount of /";
/// The kernel that both hosts would run.
const RELEASE: &str = "6.1.0-31-amd64";
/// How the mount of `/` begins on a test host; it names folders of the recording machine.
const ROOT_MOUNT: &str = "=overlay / overlay ";
/// What stands for it.
const ROOT_MOUNT_SHOWN: &str = "=/dev/vda1 / ext4 rw,relatime,errors=remount-ro 0 0";

/// What both hosts show of a kernel that is not theirs: the values of Debian 12.
const KERNEL: [(&str, &str); 10] = [
    ("/proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz-6.1.0-31-amd64 root=/dev/vda1 ro quiet"),
    ("/proc/sys/kernel/randomize_va_space", "2"),
    ("/proc/sys/kernel/kptr_restrict", "0"),
    ("/proc/sys/kernel/dmesg_restrict", "1"),
    ("/proc/sys/kernel/yama/ptrace_scope", "0"),
    ("/proc/sys/kernel/unprivileged_bpf_disabled", "2"),
    ("/proc/sys/net/core/bpf_jit_harden", "0"),
    ("/proc/sys/fs/suid_dumpable", "0"),
    ("/proc/sys/fs/protected_symlinks", "1"),
    ("/proc/sys/fs/protected_hardlinks", "1"),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "overwrites the recordings that the demo is made of; run it by hand"]
async fn the_demo_hosts_are_recorded_in_both_states() {
    let content = Content::open(Source::default()).expect("the shipped rules load");
    let tree = Tree::debian12().expect("the tree is there or can be built");
    let stories = [("demo-web", ["web-1", "web-2"]), ("demo-db", ["db-1", "db-2"])];
    for (name, states) in stories {
        let host = started(&tree, name);
        for state in states {
            host.must(&script(state)).expect("the host comes to its state");
            let capture = recorded(content.corpus(), &host).await;
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
            std::fs::write(folder.join(state).with_extension("json"), capture.to_json().unwrap() + "\n")
                .unwrap();
        }
    }
}

fn started(tree: &Tree, name: &str) -> TestHost {
    let options =
        HostOptions { hostname: Some(name.to_owned()), own_network: true, ..HostOptions::default() };
    let host = TestHost::start(tree, &options).expect("a host starts");
    host.add_user(USER, PASSWORD, "/bin/bash", Sudo::Password).unwrap();
    host.authorize(USER).unwrap();
    for (path, value) in KERNEL {
        host.fake_proc(path, value).unwrap();
    }
    host.must(&script("both")).unwrap();
    host
}

fn script(state: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo").join(state).with_extension("sh");
    std::fs::read_to_string(path).expect("every state has its script")
}

async fn recorded(corpus: &Corpus, host: &TestHost) -> Capture {
    let key = std::fs::read(host.root_key()).unwrap();
    let target = SshTarget {
        endpoint: Endpoint { address: host.address().to_string().parse().unwrap(), port: host.port() },
        user: USER.to_owned(),
        credentials: Credentials {
            keys: vec![load_private_key(&key, None).unwrap()],
            ..Credentials::default()
        },
        privilege: Privilege::Sudo { password: Some(SecretString::from(PASSWORD)) },
        known_key_types: Vec::new(),
        host_key: HostKeyCheck::new(|_key| async { Ok(()) }),
    };
    let request = Request {
        target: Target::Ssh(Box::new(target)),
        limits: Limits::default(),
        nonce_seed: *b"a test host only",
    };
    let plan = |hello: &Hello| -> Result<_, SelectError> {
        let selected = corpus.select(&Selection::default(), &hello.platform)?;
        Ok(rules::plan(selected, rules::TIMEOUT_MS).commands)
    };
    let conversation = converse(request, plan, &|_progress| {}).await.expect("the host answers");
    let mut capture = Capture::record(&conversation, SOURCE).expect("no answer was cut");
    RELEASE.clone_into(&mut capture.hello.platform.kernel);
    let texts = &mut capture.probes.get_mut("text_files").expect("rules read files").stdout;
    let Output::Text(text) = texts else { panic!("the text of files is text") };
    assert_eq!(text.matches(ROOT_MOUNT).count(), 1);
    let lines = text.lines().map(|line| if line.starts_with(ROOT_MOUNT) { ROOT_MOUNT_SHOWN } else { line });
    *text = lines.map(|line| format!("{line}\n")).collect();
    capture
}
