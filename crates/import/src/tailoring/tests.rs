//! Tailorings by hand, after the schema of XCCDF 1.2 and the ids of ComplianceAsCode.

use super::*;

fn names() -> Names {
    let rules = [("sshd_x", "sshd_x"), ("sshd_set_x", "sshd_x"), ("pair", "one"), ("pair", "two")];
    let mut names = Names::default();
    for (name, rule) in rules {
        names.rules.entry(name.to_owned()).or_default().insert(rule.to_owned());
    }
    names.profiles.extend(["baseline", "cis-l1-server"].map(str::to_owned));
    names
}

fn tailoring(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<x:Tailoring xmlns:x=\"http://checklists.nist.gov/xccdf/1.2\" id=\"xccdf_s_tailoring_t\">\n\
         <x:version time=\"2026-01-01T00:00:00\">1</x:version>\n{inside}</x:Tailoring>\n"
    )
}

fn profile(inside: &str) -> Result<String, String> {
    let whole = format!("<x:Profile id=\"xccdf_s_profile_site\"{inside}</x:Profile>\n");
    profile_of(&tailoring(&whole), "site", &names())
}

#[test]
fn what_is_selected_deselected_and_set_becomes_a_profile() {
    let text = profile(
        " extends=\"xccdf_org.ssgproject.content_profile_cis_level1_server\">\n<x:title>Ours &amp; theirs</x:title>\n\
         <x:select idref=\"xccdf_org.ssgproject.content_rule_pair\" selected=\"false\"/>\n\
         <x:select idref=\"xccdf_org.ssgproject.content_rule_sshd_set_x\" selected=\"true\"/>\n\
         <x:set-value idref=\"xccdf_org.ssgproject.content_value_var_password_pam_minlen\">15</x:set-value>\n\
         <x:set-value idref=\"xccdf_local.plumbline_value_sshd_x.max\">7</x:set-value>\n",
    );
    assert_eq!(
        text.unwrap(),
        "id: \"site\"\ntitle: \"Ours & theirs\"\ndescription: \"Read from an XCCDF tailoring.\"\n\
         extends: \"cis-l1-server\"\ninclude: {rules: [\"sshd_x\"]}\nexclude: {rules: [\"one\", \"two\"]}\n\
         values: {\"pwquality_minlen\": {\"min_length\": 15}, \"sshd_x\": {\"max\": 7}}\n"
    );
    // Of two words about one rule the later counts.
    let twice = ">\n<x:select idref=\"xccdf_a_rule_sshd_x\" selected=\"false\"/>\n<x:select idref=\"xccdf_a_rule_sshd_x\" selected=\"1\"/>\n";
    let text = profile(twice).unwrap();
    assert!(text.contains("include: {rules: [\"sshd_x\"]}\nexclude: {rules: []}\n"), "{text}");
}

#[test]
fn what_has_no_counterpart_is_named_with_its_line() {
    let said = |inside: &str| profile(inside).unwrap_err();
    let select = |id: &str, how: &str| format!(">\n<x:select idref=\"{id}\" selected=\"{how}\"/>\n");
    assert_eq!(said(&select("xccdf_a_rule_gone", "true")), "line 5: no rule is known as \"gone\"");
    assert_eq!(
        said(&select("xccdf_a_rule_sshd_x", "maybe")),
        "line 5: selected is true or false, not \"maybe\""
    );
    assert_eq!(said(&select("sshd_x", "true")), "line 5: \"sshd_x\" is no id of a rule");
    assert_eq!(said(" extends=\"xccdf_a_profile_none\">"), "line 4: no profile is known as \"none\"");
    assert_eq!(
        said(">\n<x:refine-rule idref=\"xccdf_a_rule_sshd_x\" severity=\"low\"/>\n"),
        "line 5: <refine-rule> of a tailoring is not followed here"
    );
    assert_eq!(
        said(">\n<x:set-value idref=\"xccdf_a_value_odd\">1</x:set-value>\n"),
        "line 5: no value is known as \"odd\""
    );
    assert!(said(">\n<x:title>&site;</x:title>\n").contains("&site; is not read"));
    let two = "<x:Profile id=\"xccdf_a_profile_a\"/><x:Profile id=\"xccdf_a_profile_b\"/>";
    assert!(profile_of(&tailoring(two), "t", &names()).unwrap_err().contains("several profiles"));
    assert!(profile_of(&tailoring(""), "t", &names()).unwrap_err().contains("no Profile"));
    assert!(profile_of("<Tailoring/>", "t", &names()).unwrap_err().contains("no element of XCCDF 1.2"));
    assert!(profile_of("<x:Tailoring", "t", &names()).is_err());
    // A file that was cut off is not followed as far as it goes.
    let whole = tailoring(
        "<x:Profile id=\"xccdf_a_profile_a\">\n<x:select idref=\"xccdf_a_rule_pair\" selected=\"1\"/>\n</x:Profile>\n",
    );
    assert!(profile_of(&whole, "t", &names()).is_ok());
    for end in [whole.find("</x:Profile>").unwrap(), whole.find("</x:Tailoring>").unwrap()] {
        assert!(profile_of(&whole[..end], "t", &names()).unwrap_err().contains("ends within an element"));
    }
    let nothing = profile(">\n<x:set-value idref=\"xccdf_a_value_sshd_x.max\"/>\n").unwrap();
    assert!(nothing.contains("\"max\": \"\""), "an empty value is a value: {nothing}");
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aa\">]><x/>";
    assert!(profile_of(bomb, "t", &names()).unwrap_err().contains("document types"));
}
