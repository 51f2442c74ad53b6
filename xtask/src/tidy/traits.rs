//! A trait is for things that ship in two forms; one implementation wants the concrete type.

use super::rust_text::words;
use super::{Finding, Rule, RustSource};

/// How many implementations outside tests make a trait worth its name.
const ENOUGH: usize = 2;

pub(crate) fn check(sources: &[RustSource<'_>]) -> Vec<Finding> {
    let product: Vec<&RustSource<'_>> = sources.iter().filter(|source| !source.file.is_test()).collect();
    let implemented: Vec<String> = product.iter().flat_map(|source| implemented(&source.text.code)).collect();
    let mut findings = Vec::new();
    for source in product {
        for at in words(&source.text.code, "trait") {
            let name = word(&source.text.code[at + "trait".len()..]);
            let count = implemented.iter().filter(|found| **found == name).count();
            if count < ENOUGH {
                findings.push(source.file.finding(source.text.line(at), Rule::LonelyTrait, name));
            }
        }
    }
    findings
}

/// Returns the last name of each trait that is implemented, once for each implementation.
fn implemented(code: &str) -> Vec<String> {
    let headers = words(code, "impl").filter_map(|at| {
        let header = &code[at + "impl".len()..];
        Some(&header[..header.find(['{', ';'])?])
    });
    headers.filter_map(trait_of).collect()
}

/// Returns the trait of an `impl` header, `<T: Bound> path::Name<X> for Type`; none without `for`.
fn trait_of(header: &str) -> Option<String> {
    let header = skip_generics(header.trim_start()).trim_start().trim_start_matches('!');
    let path = header.split_once(" for ").or_else(|| header.split_once("\nfor "))?.0;
    let path = path.split('<').next()?.trim();
    Some(path.rsplit("::").next()?.to_owned())
}

fn skip_generics(header: &str) -> &str {
    let mut depth = 0_i32;
    for (at, c) in header.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if !header[..at].ends_with('-') => depth -= 1,
            _other => {}
        }
        if depth == 0 {
            return if at == 0 { header } else { &header[at + 1..] };
        }
    }
    header
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
