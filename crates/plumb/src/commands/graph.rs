//! `plumb graph`: walking along the edges.

use app::graph::{Direction, Hop, Told, Way};
use app::{App, Error};
use serde_json::{Value, json};

use super::facts::recorded;
use crate::cli::{self, GraphCommand, ListFormat, PathArgs, TraverseArgs, WalkArgs};
use crate::console;
use crate::exit::Exit;
use crate::output::Table;

pub(super) async fn run(app: &App, command: &GraphCommand) -> Result<Exit, Error> {
    match command {
        GraphCommand::Traverse(args) => traverse(app, args).await,
        GraphCommand::Path(args) => path(app, args).await,
    }
}

async fn way(app: &App, (start, depth): (&str, u32), args: &WalkArgs) -> Result<Way, Error> {
    Ok(Way {
        start: app.subject(start).await?,
        direction: match args.direction {
            cli::Direction::Out => Direction::Out,
            cli::Direction::In => Direction::In,
            cli::Direction::Both => Direction::Both,
        },
        relation: args.relation.clone(),
        depth,
        valid_at: args.instants.at,
        recorded: recorded(args.instants.recorded_at),
        up_to: args.sight.up_to(),
    })
}

async fn traverse(app: &App, args: &TraverseArgs) -> Result<Exit, Error> {
    let way = way(app, (&args.start, args.depth), &args.walk).await?;
    let told = app.traverse(&way).await?;
    if told.walked.truncated {
        console::warn("there is more: what follows is the nearest part");
    }
    show(&told, ("edges", &told.walked.hops), args.walk.format)?;
    Ok(Exit::Success)
}

async fn path(app: &App, args: &PathArgs) -> Result<Exit, Error> {
    let way = way(app, (&args.start, args.depth), &args.walk).await?;
    let goal = app.subject(&args.goal).await?;
    let (told, path) = app.find_path(&way, &goal).await?;
    let Some(path) = path else {
        console::note(&format!("no way from {} to {goal} in {} edges", way.start, args.depth));
        if args.walk.format == ListFormat::Json {
            let document = document(&told, ("path", Value::Null));
            console::print(&super::json(&document)?)?;
        }
        return Ok(Exit::AnswerIsNo);
    };
    show(&told, ("path", &path), args.walk.format)?;
    Ok(Exit::Success)
}

fn document(told: &Told, (name, hops): (&str, Value)) -> Value {
    json!({
        "schema": "plumbline.graph/1",
        "valid_at": told.valid_at,
        "recorded_at": told.recorded_at,
        "tree_size": told.tree_size,
        "node_count": told.walked.node_count,
        "truncated": told.walked.truncated,
        name: hops,
    })
}

fn show(told: &Told, (name, hops): (&str, &[Hop]), format: ListFormat) -> Result<(), Error> {
    if format == ListFormat::Json {
        let one = |hop: &Hop| json!({"depth": hop.depth, "subject": hop.subject, "relation": hop.relation, "target": hop.target});
        let document = document(told, (name, hops.iter().map(one).collect()));
        return console::print(&super::json(&document)?);
    }
    let mut table = Table::new(["depth", "subject", "relation", "target"]);
    for hop in hops {
        let (subject, target) = (hop.subject.to_string(), hop.target.to_string());
        table.row([hop.depth.to_string(), subject, hop.relation.clone(), target]);
    }
    console::print(table.render(console::stdout_is_terminal()).as_bytes())
}
