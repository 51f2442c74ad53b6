//! What people write: rules, known_hosts, instants, addresses, targets.

use model::{Address, Timestamp};
use rules::{Corpus, Selection};

/// A rule is refused with its place, or loads, plans and runs its tests.
pub(crate) fn rule(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let id = text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap_or("nameless").to_owned();
    match Corpus::load(&[(format!("rules/fuzz/{id}.yaml"), text)]) {
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a complaint");
            assert!(errors.iter().all(|err| err.line >= 1 && err.column >= 1), "{errors:?}");
        }
        Ok(corpus) => {
            let tests = rules::run_rule_tests(&corpus).len();
            assert_eq!(tests, corpus.rules().map(|rule| rule.tests).sum::<usize>());
            if let Ok(selected) = corpus.select(&Selection::default(), &debian_12()) {
                for command in rules::plan(selected, rules::TIMEOUT_MS).commands {
                    assert!(!command.script.contains('\0'), "a script holds NUL");
                }
            }
        }
    }
}

/// Whatever stands in an imported file, it is told by place, and what is made of it loads, plans and is marked.
pub(crate) fn imported(bytes: &[u8]) {
    // The bytes are a rule and, at the same time, variables.
    let files = ["rules/own/fuzz.yml", "defaults.yml"].map(|path| (path.to_owned(), bytes.to_vec()));
    let import = import::load(&files, &[]);
    assert!(import.is_ok(), "no variable was given: {:?}", import.err());
    let Ok(import::Import { files, report }) = import else { return };
    assert!(report.items.iter().all(|item| item.line >= 1 && item.column >= 1 && !item.message.is_empty()));
    // Nothing disappears: each file is a rule, is refused, or was read as variables.
    let told = report.items.iter().any(|item| item.file == "rules/own/fuzz.yml");
    assert!(told, "{report:?}");
    let loaded = Corpus::load(&files);
    assert!(loaded.is_ok(), "{:?}", loaded.err());
    let Ok(corpus) = loaded else { return };
    assert!(corpus.rules().all(|rule| rule.imported.is_some()));
    assert_eq!(corpus.rules().len(), report.of(import::ItemKind::Loaded).count());
    if let Ok(selected) = corpus.select(&Selection::default(), &debian_12()) {
        let commands = rules::plan(selected, rules::TIMEOUT_MS).commands;
        assert!(commands.iter().all(|command| !command.script.contains('\0')), "a script holds NUL");
    }
}

fn debian_12() -> model::Platform {
    model::Platform {
        id: "debian".to_owned(),
        id_like: Vec::new(),
        version: "12".to_owned(),
        name: "Debian".to_owned(),
        arch: "x86_64".to_owned(),
        kernel: "6.1.0".to_owned(),
    }
}

/// Each line is a key, passed over with a reason (or a host of it is), or empty; matching one never panics.
pub(crate) fn known_hosts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok((lines, skipped)) = app::known_hosts::parse(&text) else { return };
    assert!(lines.len().max(skipped.len()) <= text.lines().count());
    for line in &lines {
        assert!(!line.key_type.is_empty() && !line.wire_key.is_empty());
        for (address, port) in line.endpoints() {
            assert!(port != 0, "{address:?} {port}");
            assert_eq!(address.parse::<Address>().map(|dialled| dialled.to_string()), Ok(address));
        }
        // Whether they match depends on the bytes; that asking ends is what is tested.
        for (address, port) in [("web-1.example.org", 22), ("192.0.2.10", 2222)] {
            let matches = line.matches(address, port);
            assert_eq!(matches, line.matches(address, port));
        }
    }
}

/// An instant reads back as it was written.
pub(crate) fn timestamp(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(instant) = text.parse::<Timestamp>()
    {
        assert_eq!(instant.to_string().parse::<Timestamp>(), Ok(instant));
    }
}

/// An address reads back as it was written: it has one form (SSH-03).
pub(crate) fn address(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(address) = text.parse::<Address>()
    {
        assert_eq!(address.to_string().parse::<Address>(), Ok(address));
    }
}

/// A target has a host without white space, and a port that is none or a real one.
pub(crate) fn target(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(typed) = app::targets::parse(text)
    {
        assert!(!typed.host.is_empty() && !typed.host.contains(char::is_whitespace), "{typed:?}");
        assert!(typed.port != Some(0) && typed.user.as_deref() != Some(""), "{typed:?}");
    }
}
