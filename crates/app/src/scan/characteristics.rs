//! From a host's answers to the observed facts that change.

use std::collections::BTreeMap;

use decide::observed::{Known, Told, changes as compare};
use model::{ClaimKind, FactType, HostId, Subject};
use rules::{Masker, Plan};
use store::StoreError;
use store::facts::observed::{Change, Observed};
use store::facts::read::Wanted;
use transport::Conversation;

use crate::context::App;
use crate::error::Error;

/// Returns what the answers say of the host: one fact a family, so that a first scan records a handful and not one for each
/// package. A family that is too long for one value is left out.
pub(super) fn told(plan: &Plan, conversation: &Conversation, masker: &Masker) -> Result<Told, Error> {
    let families = rules::characteristics(plan, &conversation.hello, &conversation.observations, masker);
    let mut told = Told::new();
    for (name, family) in families {
        let value = ledger::canonical::to_bytes(&family)
            .map_err(|err| Error::internal(format!("could not write a fact: {err}")))?;
        let value = String::from_utf8(value)
            .map_err(|err| Error::internal(format!("could not write a fact: {err}")))?;
        if value.len() <= model::fact::VALUE_BYTES_MAX {
            told.insert(name.to_owned(), BTreeMap::from([(name.to_owned(), value)]));
        }
    }
    Ok(told)
}

/// Compares what was told with what is in force.
pub(super) async fn changes(app: &App, host: HostId, told: &Told) -> Result<Observed, StoreError> {
    let subject = Subject::host(host);
    let wanted = Wanted {
        kind: ClaimKind::Fact,
        subject: &subject,
        name: None,
        last: Some(FactType::Observed.as_str()),
    };
    let active = app.db.list_active(&app.tenant, &wanted).await?;
    let known: BTreeMap<String, Known> = active
        .into_iter()
        .map(|stored| {
            let version = stored.version;
            (version.key.name().to_owned(), Known { value: version.value, seq: version.seq })
        })
        .collect();
    let changes = compare(&known, told).into_iter().map(|change| Change {
        predicate: change.predicate,
        value: change.value,
        replaces: change.replaces,
    });
    Ok(Observed { changes: changes.collect(), seen: told.keys().cloned().collect() })
}
