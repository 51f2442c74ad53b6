//! `sshd`: one effective setting of the SSH server, as `sshd -T` gives it. Does not read its files.

use crate::compare::{Case, Comparator, comparing};
use crate::compile::Scope;
use crate::error::At;
use crate::located::Text;
use crate::methods::Missing;

comparing! {
    /// One effective setting of the SSH server (sshd -T); values compare without regard to case.
    SshdSource {
        /// Keyword, in lower case.
        setting: Text,
        /// Splits the value into a list; white space when not set.
        #[serde(default)]
        separator: Option<Text>,
        /// What it means when sshd does not name the setting; else that is an error.
        #[serde(default)]
        missing: Option<Missing>,
    }
}

/// See [`SshdSource`].
#[derive(Debug, Clone)]
pub(crate) struct Sshd {
    pub(crate) setting: String,
    pub(crate) comparator: Comparator,
    pub(crate) separator: Option<String>,
    pub(crate) missing: Option<Missing>,
}

impl SshdSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<Sshd> {
        let setting = scope.word(&self.setting, "an sshd keyword", "");
        if setting.as_ref().is_some_and(|word| word.bytes().any(|b| b.is_ascii_uppercase())) {
            scope.error(self.setting.at, "sshd -T gives keywords in lower case");
        }
        let comparator = self.comparator().compile(scope, at, Case::Fold);
        let separator = self.separator.as_ref().and_then(|text| scope.text(text));
        Some(Sshd { setting: setting?, comparator: comparator?, separator, missing: self.missing })
    }
}
