//! What this process takes of a server's connections at most, beside what the server has for it (DBS-17).

use super::{Check, FEWER, fine, row, wrong};
use crate::Db;
use crate::db::Server;

/// Above so much of what there is, it is told. Percent.
const TOLD_PERCENT: i64 = 80;

/// What the server has: of all, for this role and for this database. What has no limit is -1. The setting for connections
/// that are reserved to a role is there since version 16.
const LIMITS: &str = "
SELECT CAST(current_setting('max_connections') AS BIGINT) AS all_of_them,
  CAST(current_setting('superuser_reserved_connections') AS BIGINT)
    + CAST(coalesce(current_setting('reserved_connections', true), '0') AS BIGINT) AS reserved,
  CAST(r.rolconnlimit AS BIGINT) AS of_role,
  CAST(d.datconnlimit AS BIGINT) AS of_database
FROM pg_roles AS r, pg_database AS d
WHERE r.rolname = current_user AND d.datname = current_database()";

pub(super) async fn look(db: &Db, server: &Server) -> Result<Check, sqlx::Error> {
    let row = row(db, LIMITS).await?;
    let limits = ["all_of_them", "reserved", "of_role", "of_database"].map(|column| row.get::<i64>(column));
    let [all, reserved, of_role, of_database] = limits;
    let (all, reserved) = (all?, reserved?);
    let free = all.saturating_sub(reserved);
    let limited = [("this role", of_role?), ("this database", of_database?)];
    let limited = limited.into_iter().filter(|(_whose, limit)| *limit >= 0);
    let mut has = format!("the server has {free} ({all} less {reserved} reserved)");
    let mut available = free;
    for (whose, limit) in limited {
        has += &format!(", {limit} for {whose}");
        available = available.min(limit);
    }
    Ok(judge(server, available, &has))
}

/// Holds what is declared against what there is.
fn judge(server: &Server, available: i64, has: &str) -> Check {
    let pools = server.declared();
    let each: u32 = pools.iter().map(|(_sort, count)| count).sum();
    let (total, processes) = (i64::from(each) * i64::from(server.share()), server.share());
    let pools = pools.map(|(sort, count)| format!("{count} {sort}")).join(" + ");
    let said = format!("{pools} = {each}, times {processes} = {total} at most; {has}");
    if total > available {
        return wrong("connections", said, FEWER);
    }
    if total.saturating_mul(100) > available.saturating_mul(TOLD_PERCENT) {
        return fine("connections", format!("{said}: more than {TOLD_PERCENT} % of them"));
    }
    fine("connections", said)
}
