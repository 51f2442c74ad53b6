//! Writes a rule file in our format: block style for people, every text in quotes so that it reads back exactly.

use serde_json::Value;

/// Writes top-level keys in the order given.
pub(crate) fn document(head: &str, entries: &[(&str, Value)]) -> String {
    let mut out = format!("# {}\n", one_line(head));
    for (key, value) in entries {
        entry(&mut out, key, value, 0);
    }
    out
}

fn entry(out: &mut String, key: &str, value: &Value, depth: usize) {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let key = if plain { key.to_owned() } else { quoted(key) };
    out.push_str(&format!("{:depth$}{key}:", "", depth = depth * 2));
    if let Some(entries) = block(value) {
        out.push('\n');
        entries.iter().for_each(|(key, value)| entry(out, key, value, depth + 1));
    } else if let Some(items) = value.as_array().filter(|items| items.iter().any(Value::is_object)) {
        out.push('\n');
        items.iter().for_each(|item| list_item(out, item, depth + 1));
    } else {
        out.push_str(&format!(" {}\n", flow(value)));
    }
}

/// Returns the entries of a map that is written over several lines.
fn block(value: &Value) -> Option<&serde_json::Map<String, Value>> {
    value.as_object().filter(|entries| !entries.is_empty())
}

fn list_item(out: &mut String, item: &Value, depth: usize) {
    let indent = depth * 2;
    match block(item) {
        Some(entries) => {
            out.push_str(&format!("{:indent$}-\n", ""));
            entries.iter().for_each(|(key, value)| entry(out, key, value, depth + 1));
        }
        None => out.push_str(&format!("{:indent$}- {}\n", "", flow(item))),
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{}: {}", quoted(key), flow(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain.to_string(),
    }
}

/// Quotes a text as YAML's double-quoted style reads it; what is not printable is escaped (YAML 1.2, 5.7).
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
