//! Telling every statement with the time it took, for whoever wants to see what this program asks of its database
//! (DBS-29). Tells the text of a statement and never a value that is bound to it.
//!
//! The driver tells each statement that it runs, as an event; those that begin and end a transaction it does not, so they
//! are told here as the same kind of event.

use std::fmt;
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What the driver's events about statements are named after.
const TARGET: &str = "sqlx::query";
/// Most of a statement that is told. Characters.
const TEXT_MAX: usize = 4_000;

/// Has every statement told from now on, to the end of the process: one line each, without its end.
///
/// A second call changes nothing.
pub fn echo(say: fn(&str)) {
    // Whoever was first listens already.
    drop(tracing::subscriber::set_global_default(Echo(say)));
}

/// Runs what the driver does not tell, and tells it when it is done: with the wait for a connection, where there was one.
pub(super) async fn told<T>(text: &str, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    tracing::debug!(target: TARGET, summary = text, elapsed_secs = began.elapsed().as_secs_f64());
    done
}

/// Listens to events about statements and to nothing else.
struct Echo(fn(&str));

impl Subscriber for Echo {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The driver asks first, by what is neither event nor span.
        !metadata.is_span() && metadata.target() == TARGET
    }

    // Spans are never enabled, so none has a number.
    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut seen = Seen::default();
        event.record(&mut seen);
        (self.0)(&seen.line());
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// What an event says of a statement.
#[derive(Default)]
struct Seen {
    /// The first words, or all where there are few.
    summary: String,
    /// Empty where the summary is the whole.
    statement: String,
    took: Duration,
}

impl Visit for Seen {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.statement),
            _ => {}
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.took = Duration::try_from_secs_f64(value).unwrap_or_default();
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn fmt::Debug) {}
}

impl Seen {
    /// Writes the statement in one line, behind the time it took.
    fn line(&self) -> String {
        let whole = if self.statement.is_empty() { &self.summary } else { &self.statement };
        let words: Vec<&str> = whole.split_whitespace().collect();
        let text = words.join(" ");
        let cut = text.char_indices().nth(TEXT_MAX).map(|(at, _)| at);
        let (text, more) = cut.map_or((text.as_str(), ""), |at| (&text[..at], " ..."));
        format!("sql: {:.3} ms: {text}{more}", self.took.as_secs_f64() * 1_000.0)
    }
}
