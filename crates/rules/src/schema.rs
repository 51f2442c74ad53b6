//! The JSON Schema of a rule file, from the types that read it.

/// Returns the JSON Schema (draft 2020-12) of a rule file.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(crate::source::file::RuleFile).to_value()
}
