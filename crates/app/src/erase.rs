//! Destroying recorded bytes for good, and holds that forbid it (LED-40, LED-41). Entries, tiles and
//! checkpoints are never touched: proofs and roots stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use ledger::EntryKind;
use model::Digest;
use model::record::{AuditPhase, BodyErased, ErasedBlob, HoldChanged, LogEvent};
use serde_json::{Value, json};
use store::blobs::Store;
use store::log::StoredEntry;

use crate::context::{App, nonces};
use crate::error::{Error, Kind};
use crate::prune::{is_needed, row_of};

/// Subject of a hold that protects everything.
pub const EVERYTHING: &str = "*";
/// Longest name of a hold. Bytes.
const NAME_BYTES_MAX: usize = 128;

/// What an erasure destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    pub blobs: Vec<BodyErased>,
}

impl App {
    /// Destroys the body of an entry, and the evidence and manifest that it names unless `body_only`.
    ///
    /// # Errors
    /// When there is no such entry, it is erased already, it is one that verification needs, a hold forbids it,
    /// or nobody else approved it.
    pub async fn erase(
        &self,
        index: u64,
        (reason, approved_by): (&str, &str),
        body_only: bool,
    ) -> Result<Erased, Error> {
        self.check_approval((reason, approved_by))?;
        let (log, index) = self.entry_at(index).await?;
        if log.tenant.log != self.tenant.log {
            let message =
                format!("that entry is in {}, which has ended and takes no erasures", log.tenant.origin);
            return Err(Error::new(Kind::Denied, message));
        }
        let stored = self.db.list_entries(&self.tenant, (index, 1)).await?.pop();
        let stored = stored
            .filter(|stored| stored.index == index)
            .ok_or_else(|| Error::new(Kind::NotFound, format!("the log has no entry {index}")))?;
        let blobs = self.blobs_of(&stored, (reason, approved_by), body_only).await?;
        let subject = format!("entry:{index}");
        let detail = json!({"reason": reason, "approved_by": approved_by, "blobs": blobs.len()});
        let audit = self.audit("ledger.erased", AuditPhase::Event, subject, &detail)?;
        self.db.erase((&self.tenant, &audit), &blobs, self.now(), &mut nonces()).await?;
        Ok(Erased { blobs })
    }

    /// Demands a reason, and the approval of somebody else.
    pub(crate) fn check_approval(&self, (reason, approved_by): (&str, &str)) -> Result<(), Error> {
        if reason.trim().is_empty() || approved_by.trim().is_empty() {
            return Err(Error::new(
                Kind::Usage,
                "what is destroyed needs a reason and somebody who approved it",
            ));
        }
        if approved_by.trim() != approved_by || approved_by.chars().any(is_unseen) {
            let message = format!(
                "{approved_by:?} names nobody: it has white space at an end, or a sign that is not seen"
            );
            return Err(Error::new(Kind::Usage, message).hint("name who approved it as people write it"));
        }
        if person(approved_by) == person(&self.actor) {
            let message = format!("{approved_by} asks for it and cannot approve it as well");
            return Err(Error::new(Kind::Denied, message).hint("name somebody else by --approved-by"));
        }
        Ok(())
    }

    async fn blobs_of(
        &self,
        stored: &StoredEntry,
        (reason, approved_by): (&str, &str),
        body_only: bool,
    ) -> Result<Vec<BodyErased>, Error> {
        let index = stored.index;
        let entry = ledger::Entry::parse(&stored.entry)
            .map_err(|err| Error::internal(format!("entry {index} does not read: {err}")))?;
        if holds_a_claim(entry.kind) {
            let message = format!(
                "entry {index} is of a fact or an edge, or of a row in quarantine, whose value stands in its row too and stays"
            );
            return Err(
                Error::new(Kind::Denied, message).hint("retire it; what was recorded cannot be erased yet")
            );
        }
        if is_needed(entry.kind) {
            let message = format!("entry {index} is of kind {}, which verification needs", entry.kind);
            return Err(Error::new(Kind::Denied, message));
        }
        let is_gone = stored.body.is_empty() && entry.body_len > 0;
        let row = if is_gone { self.recorded_row(&entry).await? } else { row_of(&stored.body)? };
        let row = &row;
        let mut subjects = self.subjects_of(row).await?;
        let erased = |blob, erased_sha256, size: usize| BodyErased {
            erased_index: index,
            blob,
            erased_sha256,
            erased_size: Some(size as u64),
            retention_days: None,
            reason: reason.to_owned(),
            approved_by: approved_by.to_owned(),
        };
        let mut blobs = Vec::new();
        if !is_gone {
            blobs.push(erased(ErasedBlob::Body, Digest(entry.body_sha256), stored.body.len()));
        }
        let named = [
            (ErasedBlob::Evidence, Store::Evidence, "evidence_sha256"),
            (ErasedBlob::Manifest, Store::Manifests, "manifest_sha256"),
        ];
        for (blob, store, member) in named.into_iter().filter(|_named| !body_only) {
            let Some(text) = row.get(member).and_then(Value::as_str) else { continue };
            let sha256 = text.parse().map_err(|err| Error::internal(format!("{member}: {err}")))?;
            // What is gone already was erased before, or by retention.
            let Some(bytes) = self.db.find_blob(&self.tenant, store, sha256).await? else { continue };
            // The same bytes may be what another host answered.
            subjects.extend(self.db.hosts_naming(&self.tenant, sha256).await?.into_iter().map(subject_of));
            blobs.push(erased(blob, sha256, bytes.len()));
        }
        if blobs.is_empty() {
            let pruned = self.db.pruned(&self.tenant).await?;
            let is_pruned = pruned.into_iter().any(|(from, to)| (from..to).contains(&index));
            let how = if is_pruned { "removed by retention" } else { "erased" };
            let rest = if body_only { "" } else { ", and nothing that it names is left" };
            let message = format!("the body of entry {index} was {how} already{rest}");
            return Err(Error::new(Kind::Conflict, message));
        }
        self.refuse_held(index, &subjects).await?;
        Ok(blobs)
    }

    /// Reads the row that an entry is about, whose body is gone: it names what else may be erased. Nothing for rows that name
    /// nothing.
    async fn recorded_row(&self, entry: &ledger::Entry) -> Result<Value, Error> {
        let value = |read: Result<Value, serde_json::Error>| {
            read.map_err(|err| Error::internal(format!("could not read {}: {err}", entry.row)))
        };
        if entry.kind == EntryKind::FindingChanged {
            let change = self.db.find_change(&self.tenant, &entry.row).await?;
            return change.map_or(Ok(Value::Null), |change| value(serde_json::to_value(change)));
        }
        if entry.kind == EntryKind::ScanManifest {
            let scan = entry
                .row
                .parse()
                .map_err(|err| Error::internal(format!("an entry names the scan {:?}: {err}", entry.row)))?;
            let scan = self.db.find_scan(&self.tenant, scan).await?;
            return scan.map_or(Ok(Value::Null), |scan| value(serde_json::to_value(scan)));
        }
        Ok(Value::Null)
    }

    /// Refuses what a hold protects: a hold names a host, or everything.
    async fn refuse_held(&self, index: u64, subjects: &BTreeSet<String>) -> Result<(), Error> {
        for hold in self.holds().await?.into_values() {
            if hold.subject == EVERYTHING || subjects.contains(&hold.subject) {
                let message = format!("the hold {:?} protects entry {index}: {}", hold.hold, hold.reason);
                return Err(
                    Error::new(Kind::Denied, message).hint("release it by `plumb ledger hold release`")
                );
            }
        }
        Ok(())
    }

    /// Returns what a hold would have to name to protect a record: its host, that of the scan which it is about.
    pub(crate) async fn subjects_of(&self, row: &Value) -> Result<BTreeSet<String>, Error> {
        let text = |name: &str| row.get(name).and_then(Value::as_str);
        let mut subjects: BTreeSet<String> = text("host_id").map(subject_of).into_iter().collect();
        let subject = text("subject").unwrap_or_default();
        if let Some(Ok(scan)) = subject.strip_prefix("scan:").map(str::parse) {
            let scan = self.db.find_scan(&self.tenant, scan).await?;
            subjects.extend(scan.map(|scan| subject_of(scan.host_id)));
        }
        subjects.insert(subject.to_owned());
        Ok(subjects)
    }

    /// Returns the holds in force, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn holds(&self) -> Result<BTreeMap<String, HoldChanged>, Error> {
        let mut holds = BTreeMap::new();
        let mut changes = Vec::new();
        // A hold outlives the log that it was put in.
        for log in self.db.list_logs(self.tenant.id).await? {
            changes.extend(self.db.list_events(&log.tenant, Some(EntryKind::HoldChanged)).await?);
        }
        for stored in changes {
            if let LogEvent::HoldChanged(hold) = stored.record.event {
                if hold.active {
                    holds.insert(hold.hold.clone(), hold);
                } else {
                    holds.remove(&hold.hold);
                }
            }
        }
        Ok(holds)
    }

    /// Puts a hold on a host, by its name, or on everything.
    ///
    /// # Errors
    /// When the name is taken or empty, or no such host is known.
    pub async fn add_hold(&self, name: &str, host: Option<&str>, reason: &str) -> Result<(), Error> {
        check_hold(name, reason)?;
        if self.holds().await?.contains_key(name) {
            return Err(Error::new(Kind::Conflict, format!("there is a hold {name:?} already")));
        }
        let subject = match host {
            Some(host) => subject_of(self.load_host(host).await?.record.host_id),
            None => EVERYTHING.to_owned(),
        };
        self.change_hold(HoldChanged {
            hold: name.to_owned(),
            active: true,
            subject,
            reason: reason.to_owned(),
        })
        .await
    }

    /// Ends a hold.
    ///
    /// # Errors
    /// When there is none of this name.
    pub async fn release_hold(&self, name: &str, reason: &str) -> Result<(), Error> {
        check_hold(name, reason)?;
        let Some(hold) = self.holds().await?.remove(name) else {
            return Err(Error::new(Kind::NotFound, format!("there is no hold {name:?}"))
                .hint("`plumb ledger hold list` shows them"));
        };
        self.change_hold(HoldChanged { active: false, reason: reason.to_owned(), ..hold }).await
    }

    async fn change_hold(&self, hold: HoldChanged) -> Result<(), Error> {
        let action = if hold.active { "ledger.hold_added" } else { "ledger.hold_released" };
        let detail = json!({"hold": hold.hold, "subject": hold.subject, "reason": hold.reason});
        self.record(&[LogEvent::HoldChanged(hold)], action, &detail).await
    }
}

/// Returns whom a name means, whoever writes it: names of logins differ in more than case or the word before them.
fn person(name: &str) -> String {
    let name = name.to_lowercase();
    name.strip_prefix("local:").unwrap_or(&name).trim().to_owned()
}

/// Tells whether a character is there and not seen, so that two names look like one: a control character, or what fonts leave out
/// (Unicode, DerivedCoreProperties.txt, Default_Ignorable_Code_Point).
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Tells whether an entry speaks of a fact or an edge: emptying its body would leave the value where it is read.
const fn holds_a_claim(kind: EntryKind) -> bool {
    matches!(
        kind,
        EntryKind::FactPut
            | EntryKind::FactRetired
            | EntryKind::EdgePut
            | EntryKind::EdgeRetired
            | EntryKind::Seam
    )
}

/// Returns the name of a host as the subject of a hold.
fn subject_of(host: impl Display) -> String {
    format!("host:{host}")
}

fn check_hold(name: &str, reason: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(Error::new(
            Kind::Usage,
            "the name of a hold has 1 to 128 bytes and no control characters",
        ));
    }
    if reason.trim().is_empty() {
        return Err(Error::new(Kind::Usage, "a hold needs a reason"));
    }
    Ok(())
}
