use super::{Source, choose, one_line, stanzas};

fn source(uri: &str, suites: &[&str]) -> Source {
    Source { uri: uri.into(), suites: suites.iter().map(|&suite| suite.into()).collect() }
}

#[test]
fn stanzas_give_every_address_with_the_suites_of_its_stanza() {
    let text = "Types: deb\n# a comment\nURIs: http://mirror.test/debian http://other.test/debian\n\
                Suites: bookworm bookworm-updates\nComponents: main\n\n\
                Types: deb\nURIs: http://mirror.test/security\nSuites:\n bookworm-security\n\n\
                Types: deb-src\nURIs: http://source.test/debian\nSuites: bookworm\n\n\
                Enabled: no\nTypes: deb\nURIs: http://off.test/debian\nSuites: bookworm\n";
    assert_eq!(
        stanzas(text),
        [
            source("http://mirror.test/debian", &["bookworm", "bookworm-updates"]),
            source("http://other.test/debian", &["bookworm", "bookworm-updates"]),
            source("http://mirror.test/security", &["bookworm-security"]),
        ]
    );
}

#[test]
fn lines_give_the_address_and_the_suite_behind_the_options() {
    let text = "# deb http://off.test/debian bookworm main\n\
                deb [arch=amd64 signed-by=/k.gpg] https://mirror.test/debian bookworm main contrib # why\n\
                deb-src http://source.test/debian bookworm main\ndeb http://tool.test/apt stable main\n";
    assert_eq!(
        one_line(text),
        [source("https://mirror.test/debian", &["bookworm"]), source("http://tool.test/apt", &["stable"])]
    );
}

#[test]
fn the_address_of_the_suite_wins_over_other_archives() {
    let sources =
        [source("http://a.test/debian", &["trixie"]), source("http://b.test/debian", &["bookworm"])];
    assert_eq!(choose(&sources, "bookworm").as_deref(), Some("http://b.test/debian"));
}

#[test]
fn on_another_release_a_debian_archive_is_taken_and_nothing_else() {
    let sources = [source("http://tool.test/apt", &["stable"]), source("http://a.test/debian/", &["trixie"])];
    assert_eq!(choose(&sources, "bookworm").as_deref(), Some("http://a.test/debian/"));
    assert_eq!(choose(&sources[..1], "bookworm"), None);
}

#[test]
fn an_address_that_debootstrap_cannot_read_is_passed_over() {
    let sources =
        [source("mirror+file:/etc/mirrors", &["bookworm"]), source("file:/srv/debian", &["bookworm"])];
    assert_eq!(choose(&sources, "bookworm").as_deref(), Some("file:/srv/debian"));
}
