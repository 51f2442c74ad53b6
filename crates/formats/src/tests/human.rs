//! The format for people, to the letter.

use crate::report::Outcome;
use model::{ComplianceState, ReasonCode, Severity, Status};

use super::sample::{host, hostile, measured, options, report, rule, web_1, web_2, with_reason, written};
use crate::{Format, Options};

const HUMAN: fn() -> Options<'static> = || options(Format::Human);

#[test]
fn one_host_shows_failing_rules_worst_first_then_errors_then_the_headline() {
    let expected = "\
web-1  Debian GNU/Linux 12 (bookworm)

  FAIL   high      sshd_root  Title of sshd_root
         expected  no
         found     yes  (/etc/ssh/sshd_config:32)
         changed   state_changed

  FAIL   low       sshd_banner  Title of sshd_banner
         expected  no
         found     yes  (/etc/ssh/sshd_config:32)

  ERROR  medium    shadow_perms  permission_denied: /etc/shadow

web-1  33.3 % non_compliant   3/6 assessed  1 pass  2 fail (1 high 1 low)  1 error  1 skipped  1 not applicable   \
3 changed   1.2 s
";
    assert_eq!(written(&report(vec![web_1()]), &HUMAN()), expected);
}

#[test]
fn errors_with_one_reason_stand_in_one_block_with_their_rules_below() {
    let error = |id: &str, text: &str| {
        with_reason(rule(id, Severity::Medium, Status::Error), ReasonCode::PermissionDenied, text)
    };
    let mut results: Vec<_> =
        (1..=5).map(|n| error(&format!("sshd_a_setting_number_{n}"), "sshd -T left with 255")).collect();
    results.insert(2, error("shadow_perms", "/etc/shadow"));
    let text = written(&report(vec![host("h", Outcome::Measured(Box::new(measured(results))))]), &HUMAN());
    // Three ids of 23 characters make 83 columns with the indent; a fourth would make 108, over the 100.
    let expected = "
  ERROR  5 rules   permission_denied: sshd -T left with 255
         sshd_a_setting_number_1, sshd_a_setting_number_2, sshd_a_setting_number_3,
         sshd_a_setting_number_4, sshd_a_setting_number_5
  ERROR  medium    shadow_perms  permission_denied: /etc/shadow

h  ";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn several_hosts_end_in_aligned_headlines_and_a_total() {
    let text = written(&report(vec![web_1(), web_2()]), &HUMAN());
    let expected = "
web-2  NOT MEASURED  auth_failed: could not log in as ann

hint: name a key with --identity

web-1  33.3 % non_compliant   3/6 assessed  1 pass  2 fail (1 high 1 low)  1 error  1 skipped  1 not applicable   \
3 changed   1.2 s
web-2  NOT MEASURED           auth_failed

2 hosts  1 measured  1 not measured  2 fail (1 high 1 low)  1 error
";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn a_lone_host_that_was_not_measured_says_so_once() {
    let expected = "\
web-2  NOT MEASURED  auth_failed: could not log in as ann

hint: name a key with --identity
";
    assert_eq!(written(&report(vec![web_2()]), &HUMAN()), expected);
}

#[test]
fn nothing_assessed_never_looks_compliant() {
    let result = rule("a", Severity::High, Status::NotApplicable);
    let mut scan = measured(vec![with_reason(result, ReasonCode::SubjectAbsent, "none")]);
    // Even when the host's standing from elsewhere is good.
    (scan.state, scan.score, scan.scan.is_full) =
        (ComplianceState::Compliant, Some("100.0".to_owned()), true);
    let expected = "\
web-1  Debian GNU/Linux 12 (bookworm)

  nothing was assessed

web-1  not assessed   0/1 assessed  0 pass  0 fail  1 not applicable   3 changed   1.2 s
";
    assert_eq!(written(&report(vec![host("web-1", Outcome::Measured(Box::new(scan)))]), &HUMAN()), expected);
}

#[test]
fn a_clean_host_says_in_one_line_that_nothing_fails() {
    let mut scan = measured(vec![rule("a", Severity::High, Status::Pass)]);
    (scan.state, scan.score) = (ComplianceState::Compliant, Some("100.0".to_owned()));
    let expected = "\
web-1  Debian GNU/Linux 12 (bookworm)

  nothing fails

web-1  100.0 % compliant   1/1 assessed  1 pass  0 fail   3 changed   1.2 s
";
    assert_eq!(written(&report(vec![host("web-1", Outcome::Measured(Box::new(scan)))]), &HUMAN()), expected);
}

#[test]
fn a_lens_shows_its_controls_and_keeps_its_score_apart_from_the_host() {
    let mut report = report(vec![web_1()]);
    report.framework = Some("cis".to_owned());
    let text = written(&report, &HUMAN());
    assert!(text.contains("         controls  cis 1.1.0: 5.1.20\n"), "{text}");
    assert!(!text.contains("AC-6"), "{text}");
    // 1 of 3 assessed passes: 33.3, cut.
    assert!(text.contains("\nweb-1  33.3 % under cis   3/6 assessed"), "{text}");
    assert!(text.ends_with("   whole host 33.3 % non_compliant\n"), "{text}");
}

#[test]
fn a_partial_scan_does_not_pass_its_score_off_as_the_host_s() {
    let mut scan = measured(vec![rule("a", Severity::High, Status::Pass)]);
    scan.scan.is_full = false;
    let text = written(&report(vec![host("web-1", Outcome::Measured(Box::new(scan)))]), &HUMAN());
    let headline = "web-1  100.0 % of the selection   1/1 assessed  1 pass  0 fail   3 changed   1.2 s   \
                    whole host 33.3 % non_compliant\n";
    assert!(text.ends_with(headline), "{text}");
}

#[test]
fn verbose_lists_what_does_not_fail_and_how_to_fix_what_does() {
    let text = written(&report(vec![web_1()]), &Options { verbose: true, ..HUMAN() });
    assert!(text.contains("         fix       Fix sshd_root.\n"), "{text}");
    assert!(text.contains("\n  SKIP   low       walk  deselected: turned off\n"), "{text}");
    assert!(text.contains("\n  N/A    low       gdm  subject_absent: no gdm\n"), "{text}");
    assert!(text.contains("\n  PASS   low       aide  Title of aide\n"), "{text}");
}

#[test]
fn unsigned_content_is_marked_once() {
    let mut report = report(vec![web_1(), web_2()]);
    report.content_signed = false;
    let text = written(&report, &HUMAN());
    assert!(text.starts_with("unsigned content: the rules came from a directory"), "{text}");
    assert_eq!(text.matches("unsigned").count(), 1);
}

#[test]
fn color_adds_escape_sequences_and_changes_no_word() {
    let report = report(vec![web_1(), web_2()]);
    let plain = written(&report, &HUMAN());
    let colored = written(&report, &Options { color: true, ..HUMAN() });
    assert!(colored.contains("\x1b[1;31mFAIL \x1b[0m"), "{colored}");
    assert!(!plain.contains('\x1b'));
    let mut stripped = colored;
    for code in ["1", "2", "1;31", "32", "33", "36", "0"] {
        stripped = stripped.replace(&format!("\x1b[{code}m"), "");
    }
    assert_eq!(stripped, plain);
}

#[test]
fn a_hostile_value_stays_on_its_line() {
    let text = written(&hostile(), &HUMAN());
    assert!(
        text.contains(
            "\n         expected  =1+1\\u{1b}[2J\\u{9b}31m\\u{7f}\\u{202e}gpj\\u{200b}\\u{2028}]]><b>&\"',\\r\\n\\tü漢\n"
        ),
        "{text}"
    );
}

#[test]
fn a_long_value_is_cut() {
    let mut result = rule("a", Severity::High, Status::Fail);
    result.actual = "x".repeat(100_000);
    let text =
        written(&report(vec![host("h", Outcome::Measured(Box::new(measured(vec![result]))))]), &HUMAN());
    assert!(text.contains(&format!("found     {}…  (/etc/ssh/sshd_config:32)\n", "x".repeat(300))));
    assert!(text.len() < 1_000);
}
