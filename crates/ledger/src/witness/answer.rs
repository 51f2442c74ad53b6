//! What a witness answers: cosignature lines, or why not, each with its HTTP status.

use super::request::RequestError;
use crate::checkpoint::decimal;
use crate::note::NoteSignature;

/// Content type of the size in an answer of status 409.
pub const CONTENT_TYPE_SIZE: &str = "text/x.tlog.size";
/// Largest answer that a client reads. Bytes.
pub const ANSWER_BYTES_MAX: usize = 65_536;
/// Most cosignature lines that a client reads in one answer.
const LINES_MAX: usize = 16;

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the log is not known here")]
    UnknownOrigin,
    #[error("no valid signature of a known key of the log")]
    Signature,
    #[error("the newest cosigned checkpoint has {size} entries")]
    Conflict { size: u64 },
    #[error("the checkpoint is not proven to extend the newest cosigned one")]
    Inconsistent,
}

impl Refusal {
    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Request(_) => 400,
            Self::Signature => 403,
            Self::UnknownOrigin => 404,
            Self::Conflict { .. } => 409,
            Self::Inconsistent => 422,
        }
    }

    /// Returns the content type of the body.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => CONTENT_TYPE_SIZE,
            Self::Request(_) | Self::UnknownOrigin | Self::Signature | Self::Inconsistent => {
                "text/plain; charset=utf-8"
            }
        }
    }

    /// Returns the body: the size of the newest cosigned head for a conflict, a sentence otherwise.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::Conflict { size } => format!("{size}\n"),
            Self::Request(_) | Self::UnknownOrigin | Self::Signature | Self::Inconsistent => {
                format!("{self}\n")
            }
        }
    }
}

/// What a client reads in a witness's answer. The cosignatures are not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Cosigned(Vec<NoteSignature>),
    /// The witness knows a head of this size.
    Conflict {
        size: u64,
    },
    /// Any other status; 422 says that the log is not consistent with what the witness saw.
    Refused {
        status: u16,
    },
}

/// An answer that does not follow the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("the answer is too long")]
    TooLong,
    #[error("line {line} of the answer is not a signature line")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    #[error("the answer of status 409 is not a size of type text/x.tlog.size")]
    Size,
}

impl Answer {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`AnswerError`] when status and body do not go together.
    pub fn parse(status: u16, content_type: Option<&str>, body: &[u8]) -> Result<Self, AnswerError> {
        if body.len() > ANSWER_BYTES_MAX {
            return Err(AnswerError::TooLong);
        }
        match status {
            200 => Ok(Self::Cosigned(cosignatures(body)?)),
            409 => {
                let size = std::str::from_utf8(body).ok().and_then(|text| text.strip_suffix('\n'));
                let size = size.and_then(decimal).filter(|_size| content_type == Some(CONTENT_TYPE_SIZE));
                Ok(Self::Conflict { size: size.ok_or(AnswerError::Size)? })
            }
            status => Ok(Self::Refused { status }),
        }
    }
}

fn cosignatures(body: &[u8]) -> Result<Vec<NoteSignature>, AnswerError> {
    let mut lines = Vec::new();
    for (at, line) in body.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let wrong = AnswerError::Line { line: at + 1 };
        if at == LINES_MAX {
            return Err(AnswerError::TooLong);
        }
        let line = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
        lines.push(line.and_then(NoteSignature::parse).ok_or(wrong)?);
    }
    if lines.is_empty() { Err(AnswerError::Line { line: 1 }) } else { Ok(lines) }
}
