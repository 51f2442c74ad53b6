//! The lines of a proof text, each with its offset, and what both kinds of proof have in common.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{HASHES_MAX, PROOF_BYTES_MAX, ProofTextError};
use crate::Hash;
use crate::checkpoint::{CheckpointError, TreeHead};
use crate::note::{Note, NoteError};

/// A text that is read line by line; every line ends with LF.
pub(super) struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lines<'a> {
    /// Begins a text and demands its first line.
    pub(super) fn open(bytes: &'a [u8], header: &str) -> Result<Self, ProofTextError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(ProofTextError::TooLong);
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|err| ProofTextError::at(err.valid_up_to(), "it is not UTF-8"))?;
        let mut lines = Self { text, at: 0 };
        match lines.next()? {
            (_, line) if line == header => Ok(lines),
            _ => Err(ProofTextError::at(0, format!("the first line is not {header}"))),
        }
    }

    /// Returns the next line without its line feed.
    pub(super) fn next(&mut self) -> Result<(usize, &'a str), ProofTextError> {
        let (start, rest) = (self.at, &self.text[self.at..]);
        let Some(end) = rest.find('\n') else {
            return Err(ProofTextError::at(self.text.len(), "the text ends too early"));
        };
        self.at += end + 1;
        Ok((start, &rest[..end]))
    }

    /// Returns what follows, with its offset.
    pub(super) fn rest(&self) -> (usize, &'a str) {
        (self.at, &self.text[self.at..])
    }

    /// Reads base64 hashes, one a line, up to an empty line and past it.
    pub(super) fn hashes(&mut self) -> Result<Vec<Hash>, ProofTextError> {
        let mut hashes = Vec::new();
        loop {
            let (at, line) = self.next()?;
            if line.is_empty() {
                return Ok(hashes);
            }
            if hashes.len() == HASHES_MAX {
                return Err(ProofTextError::at(at, "a proof has at most 63 hashes"));
            }
            let hash = STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok());
            hashes.push(hash.ok_or_else(|| ProofTextError::at(at, "the line is not 32 bytes in base64"))?);
        }
    }
}

/// Returns base64 lines of hashes and the empty line behind them.
pub(super) fn hash_lines(hashes: &[Hash]) -> String {
    let lines: String = hashes.iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
    lines + "\n"
}

/// Reads a checkpoint that stands at an offset of the text, without judging its signatures.
pub(super) fn head(at: usize, note: &str) -> Result<TreeHead, ProofTextError> {
    let read = Note::parse(note.as_bytes()).map_err(CheckpointError::from);
    read.and_then(|note| TreeHead::parse(&note.text)).map_err(|err| {
        let inner = match &err {
            CheckpointError::Malformed { offset, .. }
            | CheckpointError::Note(NoteError::Malformed { offset, .. }) => *offset,
            CheckpointError::Note(_) | CheckpointError::OtherName { .. } => 0,
        };
        ProofTextError::at(at + inner, format!("checkpoint: {err}"))
    })
}
