use super::{Class, Problem};

/// What ERR-02 says of each state of PostgreSQL.
#[test]
fn err_02_states_of_postgresql_have_their_class() {
    let table: [(&[&str], Class); 4] = [
        (
            &[
                "08000", "08006", "53000", "53200", "53300", "57P01", "57P02", "57P03", "40001", "40P01",
                "55P03", "25P03",
            ],
            Class::Transient,
        ),
        (&["23505"], Class::Conflict),
        (&["42501", "28P01", "28000"], Class::Security),
        (
            &[
                "22P02", "22001", "42P01", "42703", "42601", "23001", "23502", "23503", "23514", "XX001",
                "99999", "",
            ],
            Class::Permanent,
        ),
    ];
    for (states, class) in table {
        for state in states {
            assert_eq!(Problem::of_state(state, "why").class(), class, "{state}");
        }
    }
}

/// What ERR-02 says of each result of SQLite, and of waiting for a connection.
#[test]
fn err_02_results_of_sqlite_have_their_class() {
    let table = [
        (5, Class::Transient),
        (6, Class::Transient),
        (5 | 1 << 8, Class::Transient),
        (8, Class::Permanent),
        (11, Class::Permanent),
        (13, Class::Permanent),
        (26, Class::Permanent),
        (1, Class::Permanent),
        (0, Class::Permanent),
    ];
    for (code, class) in table {
        assert_eq!(Problem::of_result(code, "why").class(), class, "{code}");
    }
    let unique = Problem::of_result(19 | 8 << 8, "UNIQUE constraint failed: hosts.name");
    assert_eq!(unique.class(), Class::Conflict);
    assert_eq!(Problem::of_result(19 | 1 << 8, "CHECK constraint failed").class(), Class::Permanent);
    assert_eq!(Problem::of(&sqlx::Error::PoolTimedOut).class(), Class::Transient);
}
