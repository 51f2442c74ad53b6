//! The one table of exit statuses (docs/exit-status.md, LIF-08).

use std::process::ExitCode;

use app::Kind;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Success,
    /// It ran, and the answer is no: something fails, or something does not verify.
    AnswerIsNo,
    /// A scan found nothing failing and did not assess everything.
    Incomplete,
    Usage,
    /// The database, a file or the disk could not be reached.
    Unavailable,
    Internal,
    Configuration,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::AnswerIsNo => 2,
            Self::Incomplete => 3,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::Configuration => 78,
        }
    }

    /// Maps what went wrong to its status.
    pub(crate) const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Usage | Kind::NotFound | Kind::Conflict | Kind::Denied => Self::Usage,
            Kind::Config => Self::Configuration,
            Kind::Unavailable => Self::Unavailable,
            Kind::Internal => Self::Internal,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
