//! What covers what, by hand from auditctl(8).

use super::{Line, Rule, parse};

fn rule(text: &str) -> Rule {
    match parse(text) {
        Ok(Line::Rule(rule) | Line::First(rule)) => *rule,
        other => panic!("{text}: {other:?}"),
    }
}

/// Returns what of `wanted` the lines do not record.
fn missing(wanted: &str, lines: &[&str]) -> Vec<String> {
    let rules: Vec<Rule> = lines.iter().map(|line| rule(line)).collect();
    rule(wanted).missing_in(&rules)
}

#[test]
fn a_watch_is_the_same_in_both_ways_of_writing_it() {
    let wanted = "-w /etc/sudoers -p wa";
    for line in [
        "-w /etc/sudoers -p wa -k scope",
        "-w /etc/sudoers -p wxa",
        "-w /etc/sudoers",
        "-w /etc -p wa",
        "-a always,exit -F path=/etc/sudoers -F perm=wa -F key=scope",
        "-a exit,always -S all -F path=/etc/sudoers -F perm=aw",
        "-a always,exit -F dir=/etc/ -F perm=wa",
    ] {
        assert!(missing(wanted, &[line]).is_empty(), "{line}");
    }
    for line in [
        "-w /etc/sudoers -p r",
        "-w /etc/sudoers.d -p wa",
        "-w /etc/sud -p wa",
        // The folder itself, and nothing in it (auditctl(8), path and dir).
        "-a always,exit -F path=/etc -F perm=wa",
        "-a never,exit -F path=/etc/sudoers -F perm=wa",
        "-a always,exit -F path=/etc/sudoers -F perm=wa -F auid>=1000",
        "-a always,exit -S openat -F path=/etc/sudoers -F perm=wa",
    ] {
        assert!(!missing(wanted, &[line]).is_empty(), "{line}");
    }
    let of_one_kind = ["-a always,exit -F arch=b64 -S all -F path=/etc/sudoers -F perm=wa"];
    assert_eq!(missing(wanted, &of_one_kind), ["b32 /etc/sudoers"]);
}

#[test]
fn system_calls_may_stand_in_several_rules_and_conditions_in_any_order() {
    let wanted = "-a always,exit -F arch=b64 -S chmod,fchmod -F auid>=1000 -F auid!=unset -k perm_mod";
    let one = "-a always,exit -F arch=b64 -S fchmod -F auid!=-1 -F auid>=1000 -F key=x";
    let other = "-a exit,always -F arch=b64 -S chmod -S chown -F loginuid>=1000 -F auid!=4294967295";
    assert!(missing(wanted, &[one, other]).is_empty());
    assert_eq!(missing(wanted, &[one]), ["b64 chmod"]);
    // Fewer conditions record more; a further one records less.
    assert!(missing(wanted, &["-a always,exit -F arch=b64 -S all"]).is_empty());
    let narrower = "-a always,exit -F arch=b64 -S chmod,fchmod -F auid>=1000 -F auid!=unset -F uid=0";
    assert_eq!(missing(wanted, &[narrower]).len(), 2);
    assert_eq!(missing(wanted, &["-a always,exit -F arch=b32 -S chmod,fchmod"]).len(), 2);
}

#[test]
fn the_first_rule_that_speaks_of_an_event_decides() {
    let wanted = "-a always,exit -F arch=b64 -S mount";
    let yes = "-a always,exit -F arch=b64 -S mount";
    assert_eq!(missing(wanted, &["-a never,exit -F arch=b64 -S mount", yes]), ["b64 mount"]);
    assert!(missing(wanted, &[yes, "-a never,exit -F arch=b64 -S mount"]).is_empty());
    assert!(missing(wanted, &["-a never,exit -F arch=b64 -S umount", yes]).is_empty());
    assert_eq!(missing(wanted, &["-a never,task", yes]), ["b64 mount"]);
}

#[test]
fn comparisons_of_fields_have_no_order() {
    let wanted = "-a always,exit -F arch=b64 -C euid!=uid -F auid!=unset -S execve";
    let line = "-a always,exit -F arch=b64 -S execve -C uid!=euid -F auid!=-1 -k user_emulation";
    assert!(missing(wanted, &[line]).is_empty());
}

#[test]
fn lines_that_record_nothing_are_told_apart_and_odd_ones_are_refused() {
    assert_eq!(parse("# -w /etc/passwd -p wa"), Ok(Line::Other));
    assert_eq!(parse(""), Ok(Line::Other));
    assert_eq!(parse("-b 8192"), Ok(Line::Other));
    assert_eq!(parse("--backlog_wait_time 60000"), Ok(Line::Other));
    assert_eq!(parse("-D"), Ok(Line::DeleteAll));
    assert_eq!(parse("-e 2"), Ok(Line::Enabled(2)));
    for odd in [
        "-w",
        "-a always,exit -F",
        "-a sometimes,exit",
        "-x y",
        "-F arch",
        "-e two",
        "-d always,exit -S mount",
        "-W /etc",
    ] {
        assert!(parse(odd).is_err(), "{odd}");
    }
}
