//! Who works on a PostgreSQL database: giving roles their rights, and refusing to work as one that nothing keeps apart.

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::{Readers, query};
use crate::codec::Reader;
use crate::error::{Problem, StoreError, doing};
use crate::privileges::{Grant, Role, revokes};

/// As whom a command works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// As a role with rights of the matrix.
    Everyday,
    /// As the owner of the tables, who alone empties bodies.
    Owner,
    /// As a role with rights of the matrix, to say what is wrong: with a schema that is not as it was made, too.
    Verifier,
    /// As the owner of the tables, to mend a schema that is not as it was made.
    Repairer,
}

impl Login {
    /// Tells whether it takes the owner of the tables.
    const fn owns(self) -> bool {
        matches!(self, Self::Owner | Self::Repairer)
    }

    /// Tells whether a schema that is not as it was made is taken as it is.
    pub(super) const fn takes_any_schema(self) -> bool {
        matches!(self, Self::Verifier | Self::Repairer)
    }
}

/// What the server says of who is connected. Flags are numbers, as everywhere.
const WHO: &str = "
SELECT CAST(current_user AS TEXT) AS role,
  CAST(CASE WHEN r.rolsuper THEN 1 ELSE 0 END AS BIGINT) AS is_superuser,
  CAST(CASE WHEN r.rolbypassrls THEN 1 ELSE 0 END AS BIGINT) AS is_unbound,
  CAST(CASE WHEN pg_has_role(c.relowner, 'MEMBER') THEN 1 ELSE 0 END AS BIGINT) AS is_owner,
  CAST(CASE WHEN EXISTS (SELECT 1 FROM log_heads) THEN 1 ELSE 0 END AS BIGINT) AS sees_all
FROM pg_roles AS r
JOIN pg_class AS c ON c.oid = 'public.log_heads'::regclass
WHERE r.rolname = current_user";

/// Looks, without a tenant, whether whoever is connected is kept to a tenant's rows and to rights of its own (DBS-02,
/// FCT-25); returns why not.
pub(super) async fn unsafe_because(on: Readers<'_>, login: Login) -> Result<Option<Problem>, StoreError> {
    let said = "ask who is connected";
    let row = query(WHO).fetch_one(on).await.map_err(doing(said))?;
    let row = Reader::new("pg_roles", "role", &row)?;
    let role = row.text("role")?;
    let why = if row.flag("is_superuser")? {
        format!("{role} is a superuser, whom neither row security nor rights bind")
    } else if row.flag("is_unbound")? {
        format!("{role} bypasses row security")
    } else if !login.owns() && row.flag("is_owner")? {
        format!("{role} owns the tables or is a member of who does, and could take their guards away")
    } else if login.owns() && !row.flag("is_owner")? {
        format!("{role} does not own the tables, and only their owner may do this")
    } else if row.flag("sees_all")? {
        "rows are seen without a tenant, so row security is not in force".to_owned()
    } else {
        return Ok(None);
    };
    Ok(Some(Problem::WrongRole(why)))
}

/// What a database has to be in to keep any text.
pub(crate) const ENCODING: &str = "UTF8";

/// Refuses to make or change a schema as somebody who is no ordinary owner of the database, and to make one in a database that
/// does not keep any text.
pub(super) async fn refuse_migrator(tx: &mut PgConnection) -> Result<(), StoreError> {
    let said = "ask who is connected";
    let row = sqlx::query(
        "SELECT CAST(current_user AS TEXT) AS role, r.rolsuper OR r.rolbypassrls AS is_unbound,
           pg_has_role(d.datdba, 'USAGE') AS is_owner, current_setting('server_encoding') AS encoding,
           to_regclass('public.schema_migrations') IS NULL AS is_new
         FROM pg_roles AS r, pg_database AS d
         WHERE r.rolname = current_user AND d.datname = current_database()",
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(doing(said))?;
    let role: String = row.try_get("role").map_err(doing(said))?;
    let encoding: String = row.try_get("encoding").map_err(doing(said))?;
    if encoding != ENCODING && row.try_get("is_new").map_err(doing(said))? {
        let problem = format!(
            "the database is in {encoding}, which refuses some texts of hosts: make it in {ENCODING}"
        );
        return Err(StoreError::Invalid { problem });
    }
    let why = if row.try_get("is_unbound").map_err(doing(said))? {
        format!(
            "{role} is a superuser or bypasses row security; make an ordinary role the owner of the database"
        )
    } else if !row.try_get::<bool, _>("is_owner").map_err(doing(said))? {
        format!("{role} does not own the database, and only its owner may change the schema")
    } else {
        return Ok(());
    };
    Err(StoreError::Database {
        doing: "bring the schema up to date",
        problem: Problem::WrongRole(why),
        source: sqlx::Error::Configuration("role".into()),
    })
}

/// Takes everything from PUBLIC, and gives each role what stands in the matrix for it and nothing else.
pub(super) async fn grant(tx: &mut PgConnection, grants: &[Grant]) -> Result<(), StoreError> {
    let said = "give roles their rights";
    for (at, grant) in grants.iter().enumerate() {
        if grants[..at].iter().any(|other| other.to == grant.to) {
            let problem = format!("{} is to have two parts, and has the rights of one", grant.to.as_str());
            return Err(StoreError::Invalid { problem });
        }
        refuse_grantee(tx, grant).await?;
    }
    let row = sqlx::query("SELECT quote_ident(current_database()) AS name").fetch_one(&mut *tx).await;
    let database: String = row.and_then(|row| row.try_get("name")).map_err(doing(said))?;
    let mut all = revokes("PUBLIC", &database);
    for grant in grants {
        all += &grant.statements(&database);
    }
    sqlx::raw_sql(AssertSqlSafe(all)).execute(&mut *tx).await.map_err(doing(said))?;
    Ok(())
}

/// Refuses a role that is not there or has more than it would be given.
async fn refuse_grantee(tx: &mut PgConnection, grant: &Grant) -> Result<(), StoreError> {
    let said = "look at a role";
    let to = grant.to.as_str();
    let invalid = |why: &str| Err(StoreError::Invalid { problem: format!("the role {to} {why}") });
    let found = sqlx::query(
        "SELECT r.rolsuper AS is_superuser, r.rolbypassrls AS is_unbound, r.rolcanlogin AS logs_in,
           pg_has_role(r.oid, d.datdba, 'MEMBER') AS is_owner
         FROM pg_roles AS r, pg_database AS d
         WHERE r.rolname = $1 AND d.datname = current_database()",
    )
    .bind(to)
    .fetch_optional(&mut *tx)
    .await
    .map_err(doing(said))?;
    let Some(row) = found else { return invalid("is not there: make it first, by CREATE ROLE") };
    let is = |column: &str| row.try_get::<bool, _>(column).map_err(doing(said));
    if is("is_superuser")? || is("is_unbound")? && grant.role != Role::Admin {
        return invalid("is a superuser or bypasses row security, and no right would bind it");
    }
    if is("is_owner")? {
        return invalid("owns the database or is a member of who does, and no right would bind it");
    }
    if is("logs_in")? && !grant.role.logs_in() {
        return invalid("can log in, and nobody does as this part: ALTER ROLE it to NOLOGIN");
    }
    Ok(())
}
