//! Each command: from arguments to one use case, from its answer to output and exit status.

mod db;
mod demo;
mod facts;
mod graph;
mod host;
mod known_hosts;
mod ledger;
mod log;
mod posture;
mod profile;
mod prove;
mod rules;
mod scan;
mod store;
mod why;
mod witness;

use app::{App, Config, Error, Login, Mode};

use crate::cli::{
    Cli, Command, DbCommand, EdgeCommand, FactCommand, Global, HoldCommand, HostCommand, KnownHostsCommand,
    LedgerCommand, MigrateArgs, StoreCommand,
};
use crate::exit::Exit;
use crate::output::clean;
use crate::{config, console};

/// Runs a command and says what went wrong, in one line and a hint.
pub(crate) async fn run(cli: Cli) -> Exit {
    let done = match config::echo() {
        Ok(is_on) => {
            if is_on {
                app::echo(console::warn);
            }
            dispatch(cli).await
        }
        Err(err) => Err(err),
    };
    match done {
        Ok(exit) => exit,
        Err(err) => {
            console::error(&err.message, err.hint.as_deref());
            Exit::of(err.kind)
        }
    }
}

async fn dispatch(cli: Cli) -> Result<Exit, Error> {
    let global = &cli.global;
    match cli.command {
        Command::Scan(args) => scan::run(global, *args).await,
        Command::Why(args) => over(existing(global).await?, async |app| why::run(app, &args).await).await,
        Command::Posture(args) => {
            over(existing(global).await?, async |app| posture::show(app, &args).await).await
        }
        Command::History(args) => {
            over(existing(global).await?, async |app| posture::history(app, &args).await).await
        }
        Command::Diff(args) => {
            over(existing(global).await?, async |app| posture::diff(app, &args).await).await
        }
        Command::Evidence(args) => {
            over(existing(global).await?, async |app| posture::evidence(app, &args).await).await
        }
        Command::Host(command) => {
            let app = match &command {
                HostCommand::List(_) | HostCommand::Show(_) | HostCommand::Remove(_) => {
                    existing(global).await?
                }
                HostCommand::Add(_) => created(global).await?,
            };
            match &command {
                HostCommand::List(_) | HostCommand::Show(_) => {
                    over(app, async |app| host::run(app, command).await).await
                }
                HostCommand::Add(_) | HostCommand::Remove(_) => {
                    signing(app, async |app| host::run(app, command).await).await
                }
            }
        }
        Command::KnownHosts(command) => known_hosts_command(global, command).await,
        Command::Rules(command) => rules::run(global, &command),
        Command::Profile(command) => profile::run(global, &command),
        Command::Ledger(command) => ledger_command(global, command).await,
        Command::State(crate::cli::StateCommand::Verify(args)) => {
            over(existing(global).await?, async |app| ledger::state(app, args).await).await
        }
        Command::Verify(args) => ledger::verify_bundle(&args),
        Command::Fact(command) => fact_command(global, command).await,
        Command::Edge(command) => edge_command(global, command).await,
        Command::Graph(command) => {
            over(recorded(global).await?, async |app| graph::run(app, &command).await).await
        }
        Command::Witness(command) => witness::run(command).await,
        Command::Migrate(args) => migrate(global, &args).await,
        Command::Db(DbCommand::Check(args)) => db::check(global, args).await,
        Command::Db(DbCommand::Copy(args)) => db::copy(global, &args).await,
        Command::Store(StoreCommand::Repair(args)) => store::repair(global, &args).await,
        Command::Demo(args) => demo::run(global, &args).await,
    }
}

async fn known_hosts_command(global: &Global, command: KnownHostsCommand) -> Result<Exit, Error> {
    match &command {
        KnownHostsCommand::List(_) => {
            over(existing(global).await?, async |app| known_hosts::run(app, command).await).await
        }
        KnownHostsCommand::Import(_) | KnownHostsCommand::Approve(_) | KnownHostsCommand::Revoke(_) => {
            signing(created(global).await?, async |app| known_hosts::run(app, command).await).await
        }
    }
}

/// Brings the schema up to date.
async fn migrate(global: &Global, args: &MigrateArgs) -> Result<Exit, Error> {
    let done = app::migrate(&config::load_of_owner(global), &args.grant).await?;
    let from = done.from.map_or_else(String::new, |from| format!(", brought from version {from}"));
    console::print(format!("{}: schema version {}{from}\n", clean(&done.place), done.now).as_bytes())?;
    Ok(Exit::Success)
}

async fn fact_command(global: &Global, command: FactCommand) -> Result<Exit, Error> {
    match &command {
        FactCommand::Put(_) => {
            signing(created(global).await?, async |app| facts::fact(app, command).await).await
        }
        FactCommand::Retire(_) => {
            signing(recorded(global).await?, async |app| facts::fact(app, command).await).await
        }
        FactCommand::Get(_) | FactCommand::History(_) | FactCommand::AsOf(_) | FactCommand::Diff(_) => {
            over(recorded(global).await?, async |app| facts::fact(app, command).await).await
        }
    }
}

async fn edge_command(global: &Global, command: EdgeCommand) -> Result<Exit, Error> {
    match &command {
        EdgeCommand::Put(_) => {
            signing(created(global).await?, async |app| facts::edge(app, command).await).await
        }
        EdgeCommand::Retire(_) => {
            signing(recorded(global).await?, async |app| facts::edge(app, command).await).await
        }
        EdgeCommand::List(_) => {
            over(recorded(global).await?, async |app| facts::edge(app, command).await).await
        }
    }
}

async fn ledger_command(global: &Global, command: LedgerCommand) -> Result<Exit, Error> {
    let app = match &command {
        LedgerCommand::Init(args) => {
            created_as(&Config { origin_prefix: args.origin.clone(), ..config::load(global) }).await?
        }
        // Of the old ledger there may be no database to open.
        LedgerCommand::Continue(args) => log::go_on(global, args).await?,
        // It says what is wrong with a schema, too.
        LedgerCommand::Verify(_) => {
            let config = Config { login: Login::Verifier, ..config::load(global) };
            app::open(&config, Mode::Ledger).await?
        }
        LedgerCommand::Status(_)
        | LedgerCommand::Checkpoint
        | LedgerCommand::Export(_)
        | LedgerCommand::Events(_)
        | LedgerCommand::Seal(_)
        | LedgerCommand::RotateKey(_)
        | LedgerCommand::Hold(_)
        | LedgerCommand::Prove(_) => recorded(global).await?,
        // They empty bodies, which only the owner of the tables may.
        LedgerCommand::Erase(_) | LedgerCommand::Prune(_) => {
            app::open(&config::load_of_owner(global), Mode::Ledger).await?
        }
    };
    let submission = submission(&command);
    let work = async |app: &App| match command {
        LedgerCommand::Init(_) => log::init(app).await,
        LedgerCommand::Continue(_) => log::name(app).await,
        LedgerCommand::Status(args) => ledger::status(app, args).await,
        LedgerCommand::Checkpoint => {
            app.require_key()?;
            log::checkpoint(app).await
        }
        LedgerCommand::Verify(args) => ledger::verify(app, &args).await,
        LedgerCommand::Export(args) => ledger::export(app, &args).await,
        LedgerCommand::Events(args) => log::events(app, args).await,
        LedgerCommand::Seal(args) => log::seal(app, &args).await,
        LedgerCommand::RotateKey(args) => log::rotate_key(app, &args).await,
        LedgerCommand::Erase(args) => log::erase(app, &args).await,
        LedgerCommand::Prune(args) => log::prune(app, &args).await,
        LedgerCommand::Hold(command) => log::hold(app, command).await,
        LedgerCommand::Prove(args) => prove::run(app, &args).await,
    };
    match submission {
        Submission::None => over(app, work).await,
        Submission::Before => over(app, async |app| witness::first(app, work).await).await,
        Submission::After => signing(app, work).await,
        Submission::Both => {
            let both = async |app: &App| {
                app.require_key()?;
                witness::first(app, async |app| witness::after(app, work).await).await
            };
            over(app, both).await
        }
    }
}

/// When the witnesses of a command get the newest checkpoint.
enum Submission {
    None,
    /// Before the work: it shows or exports the cosignatures.
    Before,
    /// After the work, which signs a checkpoint.
    After,
    /// It exports the cosignatures and then signs another checkpoint.
    Both,
}

const fn submission(command: &LedgerCommand) -> Submission {
    match command {
        LedgerCommand::Status(_)
        | LedgerCommand::Verify(_)
        | LedgerCommand::Events(_)
        // The policy of the old ledger does not name the new one.
        | LedgerCommand::Continue(_)
        | LedgerCommand::Hold(HoldCommand::List(_)) => Submission::None,
        LedgerCommand::Checkpoint | LedgerCommand::Export(_) | LedgerCommand::Prove(_) => Submission::Before,
        LedgerCommand::Seal(_) => Submission::Both,
        LedgerCommand::Init(_)
        | LedgerCommand::RotateKey(_)
        | LedgerCommand::Erase(_)
        | LedgerCommand::Prune(_)
        | LedgerCommand::Hold(HoldCommand::Add(_) | HoldCommand::Release(_)) => Submission::After,
    }
}

/// Does the work of a command and ends all use of the database, however the work went.
async fn over(app: App, work: impl AsyncFnOnce(&App) -> Result<Exit, Error>) -> Result<Exit, Error> {
    let exit = work(&app).await;
    app.close().await;
    exit
}

/// Like [`over`], for a command that may sign a checkpoint: its witnesses get it at the end.
async fn signing(app: App, work: impl AsyncFnOnce(&App) -> Result<Exit, Error>) -> Result<Exit, Error> {
    let work = async |app: &App| {
        app.require_key()?;
        witness::after(app, work).await
    };
    over(app, work).await
}

/// Opens what is there; a missing database is an error.
async fn existing(global: &Global) -> Result<App, Error> {
    app::open(&config::load(global), Mode::Existing).await
}

/// Opens what is there, for a command that needs no rules.
async fn recorded(global: &Global) -> Result<App, Error> {
    app::open(&config::load(global), Mode::Ledger).await
}

/// Opens, making what is missing, and says what was made.
async fn created(global: &Global) -> Result<App, Error> {
    created_as(&config::load(global)).await
}

async fn created_as(config: &Config) -> Result<App, Error> {
    let app = app::open(config, Mode::Create).await?;
    // Whatever comes of the command, the log has a checkpoint and verifies.
    app::checkpoint::begin(&app).await?;
    if app.is_new() {
        console::note(&format!("made {} with a new ledger and signing key", app.database()));
        console::note(&format!("public key of the ledger: {}", app.vkey()));
    }
    Ok(app)
}

/// Makes the path of a key absolute, because it is saved with the host; `~/` stays as written.
fn absolute(path: &str) -> Result<String, Error> {
    if path.starts_with("~/") {
        return Ok(path.to_owned());
    }
    let absolute = std::path::absolute(path)
        .map_err(|err| Error::new(app::Kind::Usage, format!("{path:?} is not a path: {err}")))?;
    let text = absolute.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::new(app::Kind::Usage, format!("{path:?} is not UTF-8")))
}

/// A document with the name and the version of its shape in front.
#[derive(serde::Serialize)]
struct Named<'d, D> {
    schema: &'static str,
    #[serde(flatten)]
    document: &'d D,
}

/// Renders a document that does not say its shape itself, for scripts.
fn named_json(schema: &'static str, document: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    json(&Named { schema, document })
}

/// Renders a document for scripts.
fn json(document: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(document)
        .map_err(|err| Error::new(app::Kind::Internal, format!("could not write JSON: {err}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}
