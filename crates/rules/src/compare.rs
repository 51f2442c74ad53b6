//! Comparators: how an observed text, number or list is held against the wanted one.
//!
//! Knows nothing of probes. A value that cannot be compared as asked is a problem, never a verdict.

use regex::Regex;

use crate::compile::Scope;
use crate::error::At;
use crate::located::{Located, Text};
use crate::source::value::ListSource;

/// The comparator fields of one method, as written; exactly one must be set.
#[derive(Debug, Default)]
pub(crate) struct ComparatorSource<'a> {
    pub(crate) equal: Option<&'a Text>,
    pub(crate) not_equal: Option<&'a Text>,
    pub(crate) at_least: Option<&'a Text>,
    pub(crate) at_most: Option<&'a Text>,
    pub(crate) one_of: Option<&'a Located<ListSource>>,
    pub(crate) none_of: Option<&'a Located<ListSource>>,
    pub(crate) matches: Option<&'a Text>,
    pub(crate) not_matches: Option<&'a Text>,
    pub(crate) includes: Option<&'a Located<ListSource>>,
    pub(crate) excludes: Option<&'a Located<ListSource>>,
    pub(crate) subset_of: Option<&'a Located<ListSource>>,
    pub(crate) present: Option<&'a Located<bool>>,
    pub(crate) absent: Option<&'a Located<bool>>,
}

/// Declares a method's shape together with the comparator fields.
///
/// The fields are repeated in each shape because unknown keys can only be refused without `flatten`.
macro_rules! comparing {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$field_meta])* pub(crate) $field: $type,)*
            #[serde(default)] equal: Option<$crate::located::Text>,
            #[serde(default)] not_equal: Option<$crate::located::Text>,
            /// Numeric.
            #[serde(default)] at_least: Option<$crate::located::Text>,
            /// Numeric.
            #[serde(default)] at_most: Option<$crate::located::Text>,
            #[serde(default)] one_of: Option<$crate::located::Located<$crate::source::value::ListSource>>,
            #[serde(default)] none_of: Option<$crate::located::Located<$crate::source::value::ListSource>>,
            /// Regular expression, not anchored.
            #[serde(default)] matches: Option<$crate::located::Text>,
            /// Regular expression, not anchored.
            #[serde(default)] not_matches: Option<$crate::located::Text>,
            /// The list holds all of these.
            #[serde(default)] includes: Option<$crate::located::Located<$crate::source::value::ListSource>>,
            /// The list holds none of these.
            #[serde(default)] excludes: Option<$crate::located::Located<$crate::source::value::ListSource>>,
            /// The list holds nothing but these.
            #[serde(default)] subset_of: Option<$crate::located::Located<$crate::source::value::ListSource>>,
            /// `true`: it is set.
            #[serde(default)] present: Option<$crate::located::Located<bool>>,
            /// `true`: it is not set.
            #[serde(default)] absent: Option<$crate::located::Located<bool>>,
        }

        impl $name {
            fn comparator(&self) -> $crate::compare::ComparatorSource<'_> {
                $crate::compare::ComparatorSource {
                    equal: self.equal.as_ref(),
                    not_equal: self.not_equal.as_ref(),
                    at_least: self.at_least.as_ref(),
                    at_most: self.at_most.as_ref(),
                    one_of: self.one_of.as_ref(),
                    none_of: self.none_of.as_ref(),
                    matches: self.matches.as_ref(),
                    not_matches: self.not_matches.as_ref(),
                    includes: self.includes.as_ref(),
                    excludes: self.excludes.as_ref(),
                    subset_of: self.subset_of.as_ref(),
                    present: self.present.as_ref(),
                    absent: self.absent.as_ref(),
                }
            }
        }
    };
}
pub(crate) use comparing;

/// Largest compiled regular expression. Bytes.
const REGEX_BYTES_MAX: usize = 1_048_576;

/// One comparison with its wanted value, names resolved.
#[derive(Debug, Clone)]
pub(crate) enum Comparator {
    Equal(String),
    NotEqual(String),
    AtLeast(i64),
    AtMost(i64),
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
    Matches(Regex),
    NotMatches(Regex),
    Includes(Vec<String>),
    Excludes(Vec<String>),
    SubsetOf(Vec<String>),
    Present,
    Absent,
}

/// How texts of one method are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Exact,
    /// ASCII letters compare without regard to case.
    Fold,
}

impl ComparatorSource<'_> {
    fn count(&self) -> usize {
        let texts = [self.equal, self.not_equal, self.at_least, self.at_most, self.matches, self.not_matches];
        let lists = [self.one_of, self.none_of, self.includes, self.excludes, self.subset_of];
        texts.iter().flatten().count()
            + lists.iter().flatten().count()
            + [self.present, self.absent].iter().flatten().count()
    }

    /// Checks and resolves the comparator; complaints go to `scope` with the method's place `at`.
    pub(crate) fn compile(&self, scope: &mut Scope<'_>, at: At, case: Case) -> Option<Comparator> {
        if self.count() != 1 {
            let found = self.count();
            scope.error(
                at,
                format!(
                    "exactly one comparator is needed, found {found}: equal, not_equal, at_least, at_most, one_of, \
                     none_of, matches, not_matches, includes, excludes, subset_of, present, absent"
                ),
            );
            return None;
        }
        self.compile_flag(scope)
            .or_else(|| self.compile_text(scope, case))
            .or_else(|| self.compile_list(scope))
    }

    /// Compiles the comparator when one is written, else gives none without a complaint.
    pub(crate) fn compile_optional(&self, scope: &mut Scope<'_>, at: At, case: Case) -> Option<Comparator> {
        if self.count() == 0 { None } else { self.compile(scope, at, case) }
    }

    fn compile_flag(&self, scope: &mut Scope<'_>) -> Option<Comparator> {
        for (flag, name, comparator) in
            [(self.present, "present", Comparator::Present), (self.absent, "absent", Comparator::Absent)]
        {
            if let Some(flag) = flag {
                if !flag.value {
                    scope.error(flag.at, format!("{name} can only be true"));
                }
                return Some(comparator);
            }
        }
        None
    }

    fn compile_text(&self, scope: &mut Scope<'_>, case: Case) -> Option<Comparator> {
        if let Some(text) = self.equal {
            return scope.text(text).map(Comparator::Equal);
        }
        if let Some(text) = self.not_equal {
            return scope.text(text).map(Comparator::NotEqual);
        }
        if let Some(text) = self.at_least {
            return scope.integer(text).map(Comparator::AtLeast);
        }
        if let Some(text) = self.at_most {
            return scope.integer(text).map(Comparator::AtMost);
        }
        if let Some(text) = self.matches {
            return compile_regex(scope, text, case).map(Comparator::Matches);
        }
        let text = self.not_matches?;
        compile_regex(scope, text, case).map(Comparator::NotMatches)
    }

    fn compile_list(&self, scope: &mut Scope<'_>) -> Option<Comparator> {
        if let Some(list) = self.one_of {
            return scope.list(list).map(Comparator::OneOf);
        }
        if let Some(list) = self.none_of {
            return scope.list(list).map(Comparator::NoneOf);
        }
        if let Some(list) = self.includes {
            return scope.list(list).map(Comparator::Includes);
        }
        if let Some(list) = self.excludes {
            return scope.list(list).map(Comparator::Excludes);
        }
        let list = self.subset_of?;
        scope.list(list).map(Comparator::SubsetOf)
    }
}

/// Compiles a regular expression with a size limit; complaints carry its place.
pub(crate) fn compile_regex(scope: &mut Scope<'_>, text: &Text, case: Case) -> Option<Regex> {
    let pattern = scope.pattern(text)?;
    let built = regex::RegexBuilder::new(&pattern)
        .size_limit(REGEX_BYTES_MAX)
        .case_insensitive(case == Case::Fold)
        .build();
    match built {
        Ok(regex) => Some(regex),
        Err(err) => {
            let reason = err.to_string();
            let last = reason.lines().last().unwrap_or("it does not compile");
            scope.error(text.at, format!("{pattern:?} is not a regular expression: {last}"));
            None
        }
    }
}

/// What was found for a setting: each occurrence, and how an occurrence splits into a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// Every value; empty when the setting is not there.
    pub(crate) values: &'a [String],
    /// Splits a value into list items; white space when none.
    pub(crate) separator: Option<&'a str>,
    pub(crate) case: Case,
}

impl Seen<'_> {
    /// Returns the items of all values as one list, in order.
    pub(crate) fn items(&self) -> Vec<String> {
        let mut items = Vec::new();
        for value in self.values {
            match self.separator {
                Some(separator) => {
                    items.extend(
                        value
                            .split(separator)
                            .map(str::trim)
                            .filter(|item| !item.is_empty())
                            .map(str::to_owned),
                    );
                }
                None => items.extend(value.split_whitespace().map(str::to_owned)),
            }
        }
        items
    }

    fn same(&self, left: &str, right: &str) -> bool {
        match self.case {
            Case::Exact => left == right,
            Case::Fold => left.eq_ignore_ascii_case(right),
        }
    }

    fn holds(&self, list: &[String], wanted: &str) -> bool {
        list.iter().any(|item| self.same(item, wanted))
    }
}

impl Comparator {
    /// Tells whether the comparator speaks of presence only, so that a missing value is decided.
    pub(crate) const fn judges_presence(&self) -> bool {
        matches!(self, Self::Present | Self::Absent)
    }

    /// Tells whether the comparator looks at a list.
    pub(crate) const fn judges_list(&self) -> bool {
        matches!(self, Self::Includes(_) | Self::Excludes(_) | Self::SubsetOf(_))
    }

    /// Decides. With several values each must satisfy a text or number comparator; list comparators see
    /// the items of all values.
    ///
    /// # Errors
    /// When a value is not a number and a number is compared: the problem in words.
    pub(crate) fn judge(&self, seen: &Seen<'_>) -> Result<bool, String> {
        match self {
            Self::Present => return Ok(!seen.values.is_empty()),
            Self::Absent => return Ok(seen.values.is_empty()),
            Self::Includes(wanted) => {
                let items = seen.items();
                return Ok(wanted.iter().all(|want| seen.holds(&items, want)));
            }
            Self::Excludes(unwanted) => {
                let items = seen.items();
                return Ok(!unwanted.iter().any(|unwanted| seen.holds(&items, unwanted)));
            }
            Self::SubsetOf(allowed) => return Ok(seen.items().iter().all(|item| seen.holds(allowed, item))),
            Self::Equal(_)
            | Self::NotEqual(_)
            | Self::AtLeast(_)
            | Self::AtMost(_)
            | Self::OneOf(_)
            | Self::NoneOf(_)
            | Self::Matches(_)
            | Self::NotMatches(_) => {}
        }
        let mut all = !seen.values.is_empty();
        for value in seen.values {
            all &= self.judge_one(value, seen)?;
        }
        Ok(all)
    }

    fn judge_one(&self, value: &str, seen: &Seen<'_>) -> Result<bool, String> {
        Ok(match self {
            Self::Equal(wanted) => seen.same(value, wanted),
            Self::NotEqual(unwanted) => !seen.same(value, unwanted),
            Self::AtLeast(least) => number(value)? >= *least,
            Self::AtMost(most) => number(value)? <= *most,
            Self::OneOf(wanted) => seen.holds(wanted, value),
            Self::NoneOf(unwanted) => !seen.holds(unwanted, value),
            Self::Matches(regex) => regex.is_match(value),
            Self::NotMatches(regex) => !regex.is_match(value),
            Self::Includes(_) | Self::Excludes(_) | Self::SubsetOf(_) | Self::Present | Self::Absent => false,
        })
    }

    /// Says what is wanted, in words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Equal(wanted) => quote_empty(wanted),
            Self::NotEqual(unwanted) => format!("not {}", quote_empty(unwanted)),
            Self::AtLeast(least) => format!("at least {least}"),
            Self::AtMost(most) => format!("at most {most}"),
            Self::OneOf(wanted) => format!("one of {}", wanted.join(", ")),
            Self::NoneOf(unwanted) => format!("none of {}", unwanted.join(", ")),
            Self::Matches(regex) => format!("matches {regex}"),
            Self::NotMatches(regex) => format!("does not match {regex}"),
            Self::Includes(wanted) => format!("includes {}", wanted.join(", ")),
            Self::Excludes(unwanted) => format!("includes none of {}", unwanted.join(", ")),
            Self::SubsetOf(allowed) => format!("nothing but {}", allowed.join(", ")),
            Self::Present => "is set".to_owned(),
            Self::Absent => "is not set".to_owned(),
        }
    }
}

fn quote_empty(text: &str) -> String {
    if text.is_empty() { "an empty value".to_owned() } else { text.to_owned() }
}

fn number(value: &str) -> Result<i64, String> {
    value.trim().parse().map_err(|_err| format!("{value:?} is not a whole number"))
}

#[cfg(test)]
mod tests;
