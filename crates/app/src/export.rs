//! Exporting the log as a bundle that verifies offline (docs/formats/bundle.md).

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ledger::bundle::{BundleFile, BundleWriter, CONTINUES, Folder, Range, WriteError};
use ledger::tree::{Frontier, leaf_hash};
use ledger::verify::Continuation;
use ledger::{Hash, VerifierKey};
use model::record::ErasedBlob;
use model::{Classification, Digest};
use serde::Deserialize;
use store::blobs::Store;
use store::log::PAGE_MAX;

use crate::checkpoint;
use crate::context::App;
use crate::error::{Error, Kind};

/// Most checkpoints of an ended log that are read back.
const CHECKPOINTS_MAX: u32 = 1_000_000;

/// Blobs that the exported bodies name, so that the same range gives the same bundle (LED-25).
#[derive(Debug, Default)]
struct Named {
    evidence: BTreeSet<Digest>,
    manifests: BTreeSet<Digest>,
}

/// The members of a body that name blobs.
#[derive(Debug, Deserialize)]
struct NamingBody {
    row: NamingRow,
}

#[derive(Debug, Deserialize)]
struct NamingRow {
    evidence_sha256: Option<Digest>,
    manifest_sha256: Option<Digest>,
}

impl Named {
    fn note(&mut self, body: &[u8]) -> Result<(), Error> {
        let body: NamingBody = serde_json::from_slice(body)
            .map_err(|err| Error::internal(format!("a stored body does not read: {err}")))?;
        self.evidence.extend(body.row.evidence_sha256);
        self.manifests.extend(body.row.manifest_sha256);
        Ok(())
    }
}

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    pub folder: PathBuf,
    /// Root of the tree over the entries up to the end of the range.
    pub(crate) root_at_end: Option<Hash>,
    /// The public keys that it verifies with: that of its log, and of each log that this one goes on with.
    pub vkeys: Vec<String>,
    pub entries: u64,
    pub files: u64,
    pub bytes: u64,
}

/// Writes files below a folder that is made for them.
struct Sink {
    folder: PathBuf,
    files: u64,
    bytes: u64,
}

impl Sink {
    /// Makes everything durable at once: a bundle has a file for each body, and to wait for each of them would
    /// take longer than all other work.
    fn sync(&self) -> Result<(), Error> {
        let synced = fs::File::open(&self.folder).and_then(|folder| Ok(rustix::fs::syncfs(&folder)?));
        synced.map_err(|err| {
            Error::new(Kind::Unavailable, format!("could not write {}: {err}", self.folder.display()))
                .hint("remove the unfinished folder, then export again")
        })
    }

    fn write(&mut self, file: &BundleFile) -> Result<(), Error> {
        let path = self.folder.join(&file.path);
        let failed = |err: std::io::Error| {
            Error::new(Kind::Unavailable, format!("could not write {}: {err}", path.display()))
                .hint("remove the unfinished folder, then export again")
        };
        if let Some(parent) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
        }
        let mut out =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        out.write_all(&file.bytes).map_err(failed)?;
        self.files += 1;
        self.bytes += file.bytes.len() as u64;
        Ok(())
    }
}

impl App {
    /// Exports the whole log under a fresh checkpoint into a new or empty folder.
    ///
    /// # Errors
    /// When the folder holds something, cannot be written, or the log does not have its checkpoint's root; when something in
    /// the log is above the classification that is asked for.
    pub async fn export(&self, folder: &Path, up_to: Classification) -> Result<Exported, Error> {
        let mut exported = self.export_range(folder, None, up_to).await?;
        let mut folder = folder.to_owned();
        let mut chapters = self.chapters().await?;
        while let Some(continuation) = chapters.pop().and_then(|chapter| chapter.continues) {
            exported.vkeys.push(continuation.key.to_string());
            let Some(before) = chapters.last() else { break };
            if before.tenant.vkey != continuation.key.to_string() {
                exported.vkeys.push(before.tenant.vkey.clone());
            }
            folder = folder.join(CONTINUES);
            if let Some(older) = self.over(&before.tenant).export_ended(&folder, &continuation).await? {
                exported.entries += older.entries;
                exported.files += older.files;
                exported.bytes += older.bytes;
            }
        }
        Ok(exported)
    }

    /// Refuses to write a bundle for somebody who may not see all of it: a part of it would not verify (FCT-28).
    pub(crate) async fn refuse_restricted(&self, up_to: Classification) -> Result<(), Error> {
        if up_to == Classification::Restricted || !self.db.has_restricted(&self.tenant).await? {
            return Ok(());
        }
        let message =
            "the record holds what is marked as restricted, and a bundle is whole or does not verify";
        Err(Error::new(Kind::Usage, message).hint("export it with --restricted, for readers who may see it"))
    }

    /// Exports what was kept of a log that ended, under its newest checkpoint over no more than that; nothing where it
    /// has none.
    async fn export_ended(
        &self,
        folder: &Path,
        continuation: &Continuation,
    ) -> Result<Option<Exported>, Error> {
        let mut keys = self.keys().await?;
        if !keys.contains(&continuation.key) {
            keys.push(continuation.key.clone());
        }
        // One behind what was kept may be of a fork, signed between a restore and the end of the log.
        let stored = self.db.list_checkpoints(&self.tenant, CHECKPOINTS_MAX).await?;
        let (size, note) = match stored.into_iter().find(|stored| stored.size <= continuation.kept) {
            _ if continuation.kept == continuation.head.size => {
                (continuation.kept, continuation.checkpoint.clone().into_bytes())
            }
            Some(newest) => (newest.size, self.cosigned_note(&newest).await?),
            None => return Ok(None),
        };
        self.export_under(folder, (size, &note, &keys), Range::whole(size)).await.map(Some)
    }

    /// Exports a range of the log; without a range, the whole of it.
    ///
    /// # Errors
    /// As [`App::export`].
    pub(crate) async fn export_range(
        &self,
        folder: &Path,
        range: Option<Range>,
        up_to: Classification,
    ) -> Result<Exported, Error> {
        let occupied = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
        if occupied {
            return Err(Error::new(Kind::Usage, format!("{} is not empty", folder.display()))
                .hint("name a folder that does not exist yet"));
        }
        checkpoint::cut(self).await?;
        let head = self.db.list_checkpoints(&self.tenant, 1).await?.pop();
        let head = head.ok_or_else(|| Error::internal("the log has no checkpoint"))?;
        // What is recorded from here on is not in it.
        self.refuse_restricted(up_to).await?;
        let range = range.unwrap_or(Range::whole(head.size));
        let (note, keys) = (self.cosigned_note(&head).await?, self.keys().await?);
        self.export_under(folder, (head.size, &note, &keys), range).await
    }

    /// Exports a range under a checkpoint over `size` entries.
    async fn export_under(
        &self,
        folder: &Path,
        (size, note, keys): (u64, &[u8], &[VerifierKey]),
        range: Range,
    ) -> Result<Exported, Error> {
        let mut writer = BundleWriter::new(note, keys, Some(range)).map_err(|err| broken(&err))?;
        for checkpoint in self.handovers().await?.into_iter().filter(|older| older.size < size) {
            writer.handover(checkpoint.size, &checkpoint.note);
        }
        let mut sink = Sink { folder: folder.to_owned(), files: 0, bytes: 0 };
        let (named, root_at_end) = self.export_entries(&mut writer, &mut sink, (size, range)).await?;
        let sets = [
            (Store::Evidence, Folder::Evidence, ErasedBlob::Evidence, &named.evidence),
            (Store::Manifests, Folder::Manifests, ErasedBlob::Manifest, &named.manifests),
        ];
        for (store, folder, blob, digests) in sets {
            let erased = self.db.erased(&self.tenant, blob).await?;
            for digest in digests {
                let Some(bytes) = self.db.find_blob(&self.tenant, store, *digest).await? else {
                    if erased.contains(&digest.to_string()) {
                        continue;
                    }
                    return Err(Error::internal(format!("{} {digest} is missing", store.table())));
                };
                if let Some(file) = writer.blob(folder, &bytes).map_err(|err| broken(&err))? {
                    sink.write(&file)?;
                }
            }
        }
        for file in writer.finish().map_err(|err| broken(&err))? {
            sink.write(&file)?;
        }
        sink.sync()?;
        let entries = range.to - range.from;
        let vkeys = vec![self.tenant.vkey.clone()];
        Ok(Exported {
            folder: sink.folder,
            root_at_end,
            vkeys,
            entries,
            files: sink.files,
            bytes: sink.bytes,
        })
    }

    async fn export_entries(
        &self,
        writer: &mut BundleWriter,
        sink: &mut Sink,
        (size, range): (u64, Range),
    ) -> Result<(Named, Option<Hash>), Error> {
        let mut named = Named::default();
        let (mut tree, mut root_at_end) = (Frontier::new(), None);
        let mut next = 0;
        while next < size {
            let page = self.db.list_entries(&self.tenant, (next, PAGE_MAX)).await?;
            let Some(last) = page.last() else {
                return Err(Error::internal(format!("entry {next} of the log is missing")));
            };
            next = last.index + 1;
            for entry in page.into_iter().filter(|entry| entry.index < size) {
                for file in writer.entry(&entry.entry).map_err(|err| broken(&err))? {
                    sink.write(&file)?;
                }
                if entry.index < range.to {
                    let full = |err| Error::internal(format!("could not compute the tree: {err}"));
                    tree.push(leaf_hash(&entry.entry)).map_err(full)?;
                    root_at_end = (tree.size() == range.to).then(|| tree.root());
                }
                // An emptied body was erased, which another entry says.
                if !(range.from..range.to).contains(&entry.index) || entry.body.is_empty() {
                    continue;
                }
                if let Some(file) = writer.blob(Folder::Bodies, &entry.body).map_err(|err| broken(&err))? {
                    sink.write(&file)?;
                }
                named.note(&entry.body)?;
            }
        }
        Ok((named, root_at_end))
    }
}

fn broken(err: &WriteError) -> Error {
    let source = std::error::Error::source(err).map_or_else(String::new, |source| format!(": {source}"));
    Error::internal(format!("could not export the log: {err}{source}"))
}
