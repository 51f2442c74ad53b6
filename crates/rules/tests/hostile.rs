//! Hostile and broken answers: evaluation is total, and nothing passes that was not shown.

mod common;

use std::sync::OnceLock;

use common::{answer, hello, masker, plan_all, shipped};
use model::{Ending, Observation, Status};
use proptest::prelude::*;
use rules::Plan;

fn plan() -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| {
        let mut plan = plan_all(&shipped());
        plan.ask_what_it_is(rules::TIMEOUT_MS);
        plan
    })
}

fn statuses(answers: &[Observation]) -> Vec<Status> {
    assert!(rules::characteristics(plan(), &hello(0), answers, &masker(&[])).len() <= 12);
    let results = rules::evaluate(plan(), &hello(0), answers, &masker(&[]));
    let ids: Vec<_> = results.iter().map(|result| &result.rule_id).collect();
    assert!(ids.iter().copied().eq(plan().rule_ids()), "one result per rule, in order");
    results.iter().map(|result| result.status).collect()
}

/// Bytes that look like answers more often than chance would have it.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<Vec<u8>>(),
        prop::sample::select(vec![
            "--\n",
            ".\n",
            ".0\0",
            "@/etc/passwd\n:/etc/passwd\n=root:x:0:0::/root:/bin/sh\n",
            "dpkg\n",
            "=kernel/x 1\n",
            "-x\n",
            "!x\n",
            "?x\n",
            "%/etc/passwd\n",
            "644:0:0:root:root:regular file:/etc/passwd\n",
            "stat: cannot statx '/x': Permission denied\n",
            "root:locked:1:2:3:4:-:-\n",
            "a b installed\n",
            "setuid:4755:root:root:/x\0",
            "permitrootlogin no\n",
            "@9 /e\tPermitRootLogin \"\n",
            "cron.service enabled enabled\n",
            "\u{feff}=\r\n",
            "loadable x\n",
            "builtin x\n",
            "\x1b[2J\n",
            "\\\n",
            "32768\ntcp 0100007F:0016 sshd\n",
            "=root\nED25519 SHA256:aaa\n",
            "{\"User_Specs\": [{\"User_List\": [{}]}]}",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_answer_makes_evaluation_panic(parts in prop::collection::vec((bytes(), bytes(), 0..256_i32), 16)) {
        let commands = plan().commands.iter();
        let answers: Vec<Observation> = commands
            .zip(&parts)
            .map(|(command, (stdout, stderr, exit))| answer(&command.key, *exit, stdout, stderr))
            .collect();
        statuses(&answers);
        let calm: Vec<Observation> = answers.iter().map(|o| answer(&o.key, 0, &o.stdout, &o.stderr)).collect();
        statuses(&calm);
    }

    #[test]
    fn an_answer_without_its_end_mark_decides_nothing(stdout in bytes()) {
        let torn = [stdout, b"\ntorn".to_vec()].concat();
        let answers: Vec<Observation> =
            plan().commands.iter().map(|command| answer(&command.key, 0, &torn, b"")).collect();
        prop_assert!(statuses(&answers).iter().all(|status| *status == Status::Error));
    }
}

#[test]
fn silence_timeouts_cut_answers_and_missing_tools_decide_nothing() {
    let each = |change: &dyn Fn(&mut Observation)| {
        let answers: Vec<Observation> = plan()
            .commands
            .iter()
            .map(|command| {
                let mut observation = answer(&command.key, 0, b".\n", b"sh: not found");
                change(&mut observation);
                observation
            })
            .collect();
        assert!(statuses(&answers).iter().all(|status| *status == Status::Error));
    };
    each(&|o| o.ending = Ending::NoAnswer);
    each(&|o| o.ending = Ending::TimedOut);
    each(&|o| o.stdout_len += 1);
    each(&|o| o.ending = Ending::Exited(127));
    each(&|o| o.ending = Ending::Exited(126));
    assert!(statuses(&[]).iter().all(|status| *status == Status::Error));
}
