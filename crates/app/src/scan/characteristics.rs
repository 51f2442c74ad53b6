//! From a host's answers to the observed facts and the edges that change.

use std::collections::BTreeMap;

use decide::observed::{Change as Differing, Known, Told, changes as compare, family};
use model::{ClaimKey, ClaimKind, Classification, FactType, HostId, Subject, Version};
use rules::{Masker, Plan};
use serde::Serialize;
use store::StoreError;
use store::facts::observed::{Change, Observed};
use store::facts::read::Wanted;
use transport::Conversation;

use crate::context::App;
use crate::error::Error;

/// What the answers say of a host.
pub(super) struct Found {
    facts: Told<String>,
    edges: Told<ClaimKey>,
}

/// Returns what the answers say of the host: one fact a family, so that a first scan records a handful and not one for each
/// package. A family that is too long for one value is left out.
pub(super) fn told(
    plan: &Plan,
    (host, conversation): (HostId, &Conversation),
    masker: &Masker,
) -> Result<Found, Error> {
    let families = rules::characteristics(plan, &conversation.hello, &conversation.observations, masker);
    let mut edges = Told::new();
    for (name, family) in rules::relations(host, &families) {
        let values = family.into_iter().map(|(key, value)| Ok((key, canonical(&value)?)));
        edges.insert(name.to_owned(), values.collect::<Result<_, Error>>()?);
    }
    let mut facts = Told::new();
    for (name, family) in families {
        let value = canonical(&family)?;
        if value.len() <= model::fact::VALUE_BYTES_MAX {
            facts.insert(name.to_owned(), BTreeMap::from([(name.to_owned(), value)]));
        }
    }
    Ok(Found { facts, edges })
}

fn canonical(value: &impl Serialize) -> Result<String, Error> {
    let unwritable = |err: &dyn std::fmt::Display| Error::internal(format!("could not write a fact: {err}"));
    let bytes = ledger::canonical::to_bytes(value).map_err(|err| unwritable(&err))?;
    String::from_utf8(bytes).map_err(|err| unwritable(&err))
}

/// Compares what was found with what is in force.
pub(super) async fn changes(app: &App, host: HostId, found: &Found) -> Result<Observed, StoreError> {
    let subject = Subject::host(host);
    let wanted = Wanted {
        kind: ClaimKind::Fact,
        subject: &subject,
        name: None,
        last: Some(FactType::Observed.as_str()),
        up_to: Classification::Restricted,
    };
    let active = app.db.list_active(&app.tenant, &wanted).await?;
    let known: BTreeMap<String, Known> = active
        .into_iter()
        .map(|stored| {
            let is_of_scan = stored.version.is_of_scan();
            let Version { key, value, seq, .. } = stored.version;
            let name = key.name().to_owned();
            // What somebody put is a scan's to replace under the very name that it tells, and nowhere below.
            let family = Some(family(&name).to_owned()).filter(|family| is_of_scan || *family == name);
            (name, Known { value, seq, family })
        })
        .collect();
    let key = |predicate: String| ClaimKey::Fact {
        subject: subject.clone(),
        predicate,
        fact_type: FactType::Observed,
    };
    let facts = compare(&known, &found.facts).into_iter().map(|change| stored(change, key));
    let edges = changed_edges(app, host, found).await?.into_iter().map(|change| stored(change, |key| key));
    Ok(Observed { changes: facts.chain(edges).collect(), seen: found.facts.keys().cloned().collect() })
}

async fn changed_edges(
    app: &App,
    host: HostId,
    found: &Found,
) -> Result<Vec<Differing<ClaimKey>>, StoreError> {
    if found.edges.is_empty() {
        return Ok(Vec::new());
    }
    let active = app.db.list_edges_of_host(&app.tenant, host).await?;
    let known: BTreeMap<ClaimKey, Known> = active
        .into_iter()
        .map(|stored| {
            let family = source(&stored.version);
            let Version { key, value, seq, .. } = stored.version;
            (key, Known { value, seq, family })
        })
        .collect();
    Ok(compare(&known, &found.edges))
}

/// Returns the family that a scan read an edge from; none for one that somebody put.
fn source(edge: &Version) -> Option<String> {
    if !edge.is_of_scan() {
        return None;
    }
    let value: serde_json::Value = serde_json::from_str(&edge.value).ok()?;
    value["source"].as_str().map(str::to_owned)
}

fn stored<K>(change: Differing<K>, key: impl Fn(K) -> ClaimKey) -> Change {
    Change { key: key(change.key), value: change.value, replaces: change.replaces }
}
