//! `plumb fact` and `plumb edge`: recording what is so, and asking what was known when.

use std::io::Read as _;

use app::facts::{AsOf, Claim, Difference, Expected, Filter, Recorded, Wish};
use app::{App, Error, Kind};
use model::{ClaimKey, ClaimKind, Classification, FactType, fact};
use serde_json::{Value, json};

use crate::cli::{
    EdgeCommand, EdgeListArgs, Expect, FactAsOfArgs, FactCommand, FactDiffArgs, FactGetArgs, FactHistoryArgs,
    InstantArgs, ListFormat, Point, PutArgs, RetireArgs,
};
use crate::console;
use crate::exit::Exit;
use crate::output::Table;

/// Most bytes that are read as a value: one in canonical form may be written longer, with spaces and escapes.
const INPUT_BYTES_MAX: u64 = 8 * fact::VALUE_BYTES_MAX as u64;

pub(super) async fn fact(app: &App, command: FactCommand) -> Result<Exit, Error> {
    match command {
        FactCommand::Put(args) => {
            let key = fact_key(app, &args.subject, &args.predicate, args.fact_type).await?;
            put(app, key, (&args.value, &args.put)).await
        }
        FactCommand::Get(args) => get(app, &args).await,
        FactCommand::History(args) => history(app, &args).await,
        FactCommand::AsOf(args) => fact_as_of(app, &args).await,
        FactCommand::Diff(args) => diff(app, &args).await,
        FactCommand::Retire(args) => {
            let key = fact_key(app, &args.subject, &args.predicate, args.fact_type).await?;
            retire(app, &key, &args.retire).await
        }
    }
}

pub(super) async fn edge(app: &App, command: EdgeCommand) -> Result<Exit, Error> {
    match command {
        EdgeCommand::Put(args) => {
            let key = edge_key(app, (&args.subject, &args.target), &args.relation).await?;
            put(app, key, (&args.value, &args.put)).await
        }
        EdgeCommand::Retire(args) => {
            let key = edge_key(app, (&args.subject, &args.target), &args.relation).await?;
            retire(app, &key, &args.retire).await
        }
        EdgeCommand::List(args) => list(app, &args).await,
    }
}

async fn fact_key(app: &App, subject: &str, predicate: &str, fact_type: FactType) -> Result<ClaimKey, Error> {
    Ok(ClaimKey::Fact { subject: app.subject(subject).await?, predicate: predicate.to_owned(), fact_type })
}

async fn edge_key(app: &App, (subject, target): (&str, &str), relation: &str) -> Result<ClaimKey, Error> {
    Ok(ClaimKey::Edge {
        subject: app.subject(subject).await?,
        relation: relation.to_owned(),
        target: app.subject(target).await?,
    })
}

const fn expected(expect: Expect) -> Expected {
    match expect {
        Expect::Absent => Expected::Absent,
        Expect::Token(token) => Expected::Token(token),
    }
}

pub(super) fn recorded(point: Option<Point>) -> Recorded {
    match point {
        None => Recorded::Now,
        Some(Point::At(at)) => Recorded::At(at),
        Some(Point::TreeSize(size)) => Recorded::TreeSize(size),
    }
}

/// Returns the value as it was given, or what standard input holds for `-`.
fn given(value: &str) -> Result<Vec<u8>, Error> {
    if value != "-" {
        return Ok(value.as_bytes().to_vec());
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(INPUT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|err| Error::new(Kind::Unavailable, format!("could not read standard input: {err}")))?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        let message = format!("standard input has more than {INPUT_BYTES_MAX} bytes, which is no value");
        return Err(Error::new(Kind::Usage, message));
    }
    Ok(bytes)
}

async fn put(app: &App, key: ClaimKey, (value, args): (&str, &PutArgs)) -> Result<Exit, Error> {
    let wish = Wish {
        key,
        value: given(value)?,
        valid_from: args.valid_from,
        reason: args.reason.clone(),
        classification: if args.restricted { Classification::Restricted } else { Classification::Normal },
        expected: args.expect.map(expected),
    };
    let kind = wish.key.kind();
    let (claim, is_new) = app.put_claim(&wish).await?;
    app::checkpoint::cut(app).await?;
    if !is_new {
        console::note("unchanged: this value is in force already");
    }
    match args.format {
        ListFormat::Json => {
            let mut document = document(&claim)?;
            document["unchanged"] = Value::Bool(!is_new);
            console::print(&super::named_json(schema(kind), &document)?)?;
        }
        ListFormat::Text => console::print(table(kind, &[claim]).as_bytes())?,
    }
    Ok(Exit::Success)
}

async fn retire(app: &App, key: &ClaimKey, args: &RetireArgs) -> Result<Exit, Error> {
    let claim = app.retire_claim(key, (&args.reason, args.expect.map(expected), args.sight.up_to())).await?;
    app::checkpoint::cut(app).await?;
    match args.format {
        ListFormat::Json => console::print(&super::named_json(schema(key.kind()), &document(&claim)?)?)?,
        ListFormat::Text => console::print(table(key.kind(), &[claim]).as_bytes())?,
    }
    Ok(Exit::Success)
}

async fn get(app: &App, args: &FactGetArgs) -> Result<Exit, Error> {
    let which = (&*args.subject, args.predicate.as_ref(), args.fact_type);
    let filter = fact_filter(app, which, args.sight.up_to()).await?;
    let claims = app.active_claims(&filter).await?;
    match args.format {
        ListFormat::Json => {
            let document = json!({"schema": "plumbline.facts/1", "facts": documents(&claims)?});
            console::print(&super::json(&document)?)?;
        }
        ListFormat::Text => console::print(table(filter.kind, &claims).as_bytes())?,
    }
    Ok(Exit::Success)
}

async fn fact_filter(
    app: &App,
    (subject, predicate, fact_type): (&str, Option<&String>, Option<FactType>),
    up_to: Classification,
) -> Result<Filter, Error> {
    Ok(Filter {
        kind: ClaimKind::Fact,
        subject: app.subject(subject).await?,
        name: predicate.cloned(),
        last: fact_type.map(|fact_type| fact_type.as_str().to_owned()),
        up_to,
    })
}

async fn history(app: &App, args: &FactHistoryArgs) -> Result<Exit, Error> {
    let subject = app.subject(&args.subject).await?;
    let fact_type = match args.fact_type {
        Some(fact_type) => Some(fact_type),
        None => app.only_fact_type(&subject, (&args.predicate, args.sight.up_to())).await?,
    };
    let claims = match fact_type {
        Some(fact_type) => {
            let key = ClaimKey::Fact { subject, predicate: args.predicate.clone(), fact_type };
            app.claim_history(&key, (args.before, args.limit, args.sight.up_to())).await?
        }
        None => Vec::new(),
    };
    match args.format {
        ListFormat::Json => {
            let full = claims.len() == args.limit as usize;
            let next = claims.last().filter(|_last| full).map(|claim| claim.stored.version.seq);
            let versions = documents(&claims)?;
            let document = json!({"schema": "plumbline.facts/1", "facts": versions, "next_before": next});
            console::print(&super::json(&document)?)?;
        }
        ListFormat::Text => console::print(versions(&claims).as_bytes())?,
    }
    Ok(Exit::Success)
}

async fn fact_as_of(app: &App, args: &FactAsOfArgs) -> Result<Exit, Error> {
    let which = (&*args.subject, args.predicate.as_ref(), args.fact_type);
    let filter = fact_filter(app, which, args.sight.up_to()).await?;
    let answer = as_of(app, &filter, &args.instants).await?;
    show_as_of(&answer, (filter.kind, args.format))
}

async fn as_of(app: &App, filter: &Filter, instants: &InstantArgs) -> Result<AsOf, Error> {
    app.claims_as_of(filter, (instants.at, recorded(instants.recorded_at))).await
}

fn show_as_of(answer: &AsOf, (kind, format): (ClaimKind, ListFormat)) -> Result<Exit, Error> {
    let name = match kind {
        ClaimKind::Fact => "facts",
        ClaimKind::Edge => "edges",
    };
    match format {
        ListFormat::Json => {
            let document = json!({
                "schema": format!("plumbline.{name}/1"),
                "valid_at": answer.valid_at,
                "recorded_at": answer.recorded_at,
                "tree_size": answer.tree_size,
                name: documents(&answer.claims)?,
            });
            console::print(&super::json(&document)?)?;
        }
        ListFormat::Text => {
            console::note(&format!(
                "valid at {}  recorded at {}  tree size {}",
                answer.valid_at, answer.recorded_at, answer.tree_size
            ));
            console::print(table(kind, &answer.claims).as_bytes())?;
        }
    }
    Ok(Exit::Success)
}

async fn list(app: &App, args: &EdgeListArgs) -> Result<Exit, Error> {
    let filter = Filter {
        kind: ClaimKind::Edge,
        subject: app.subject(&args.subject).await?,
        name: args.relation.clone(),
        last: None,
        up_to: args.sight.up_to(),
    };
    if args.instants.at.is_some() || args.instants.recorded_at.is_some() {
        return show_as_of(&as_of(app, &filter, &args.instants).await?, (filter.kind, args.format));
    }
    let claims = app.active_claims(&filter).await?;
    match args.format {
        ListFormat::Json => {
            let document = json!({"schema": "plumbline.edges/1", "edges": documents(&claims)?});
            console::print(&super::json(&document)?)?;
        }
        ListFormat::Text => console::print(table(filter.kind, &claims).as_bytes())?,
    }
    Ok(Exit::Success)
}

async fn diff(app: &App, args: &FactDiffArgs) -> Result<Exit, Error> {
    let subject = app.subject(&args.subject).await?;
    let answer = app
        .diff_facts((&subject, args.sight.up_to()), (recorded(Some(args.from)), recorded(args.to)))
        .await?;
    if args.format == ListFormat::Json {
        let one = |difference: &Difference| -> Result<Value, Error> {
            Ok(json!({
                "what": difference.what(),
                "before": difference.before.as_ref().map(document).transpose()?,
                "after": difference.after.as_ref().map(document).transpose()?,
            }))
        };
        let differences = answer.differences.iter().map(one).collect::<Result<Vec<Value>, Error>>()?;
        let document = json!({
            "schema": "plumbline.fact_diff/1",
            "from_tree_size": answer.from_tree_size,
            "to_tree_size": answer.to_tree_size,
            "differences": differences,
        });
        console::print(&super::json(&document)?)?;
        return Ok(Exit::Success);
    }
    console::note(&format!("tree size {} to {}", answer.from_tree_size, answer.to_tree_size));
    let mut table = Table::new(["what", "subject", "predicate", "type", "before", "after"]);
    for difference in &answer.differences {
        let key = &difference.key;
        let value = |claim: &Option<Claim>| claim.as_ref().map_or_else(String::new, value_of);
        table.row([
            difference.what().to_owned(),
            key.subject().to_string(),
            key.name().to_owned(),
            key.last().to_owned(),
            value(&difference.before),
            value(&difference.after),
        ]);
    }
    console::print(table.render(console::stdout_is_terminal()).as_bytes())?;
    Ok(Exit::Success)
}

fn value_of(claim: &Claim) -> String {
    claim.stored.version.value.clone()
}

/// Returns the shape of one version.
const fn schema(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::Fact => "plumbline.fact_view/1",
        ClaimKind::Edge => "plumbline.edge_view/1",
    }
}

/// Renders a version for programs: every stored field, its value as JSON, its token and its place in the ledger.
fn document(claim: &Claim) -> Result<Value, Error> {
    let unreadable = |err: serde_json::Error| Error::new(Kind::Internal, format!("a stored value: {err}"));
    let mut document = serde_json::to_value(&claim.stored.version).map_err(unreadable)?;
    document["value"] = serde_json::from_str(&claim.stored.version.value).map_err(unreadable)?;
    document["token"] = json!(claim.token);
    document["log_index"] = json!(claim.stored.log_index);
    document["superseded_index"] = json!(claim.stored.superseded_index);
    document["last_seen_at"] = json!(claim.last_seen_at);
    Ok(document)
}

fn documents(claims: &[Claim]) -> Result<Vec<Value>, Error> {
    claims.iter().map(document).collect()
}

fn table(kind: ClaimKind, claims: &[Claim]) -> String {
    let headers = match kind {
        ClaimKind::Edge => ["subject", "relation", "target"],
        ClaimKind::Fact => ["subject", "predicate", "type"],
    };
    let more = ["value", "valid from", "recorded at", "by", "token"];
    let mut table = Table::new(headers.into_iter().chain(more));
    for claim in claims {
        let version = &claim.stored.version;
        table.row([
            version.key.subject().to_string(),
            version.key.name().to_owned(),
            version.key.last().to_owned(),
            version.value.clone(),
            version.t_valid.to_string(),
            version.t_recorded.to_string(),
            version.actor.clone(),
            claim.token.clone(),
        ]);
    }
    table.render(console::stdout_is_terminal())
}

/// Renders versions of one key with how each ended.
fn versions(claims: &[Claim]) -> String {
    let mut table = Table::new([
        "seq",
        "value",
        "valid from",
        "valid to",
        "recorded at",
        "by",
        "reason",
        "ended at",
        "ended by",
        "end reason",
        "token",
    ]);
    let instant = |at: Option<model::Timestamp>| at.map_or_else(String::new, |at| at.to_string());
    for claim in claims {
        let version = &claim.stored.version;
        table.row([
            version.seq.to_string(),
            version.value.clone(),
            version.t_valid.to_string(),
            instant(version.t_invalid),
            version.t_recorded.to_string(),
            version.actor.clone(),
            version.reason.clone().unwrap_or_default(),
            instant(version.t_superseded),
            version.superseded_actor.clone().unwrap_or_default(),
            version.superseded_reason.clone().unwrap_or_default(),
            claim.token.clone(),
        ]);
    }
    table.render(console::stdout_is_terminal())
}
