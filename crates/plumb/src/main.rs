//! `plumb`: arguments, configuration, lifecycle, and what people and scripts see. Decides nothing itself.

mod cli;
mod commands;
mod config;
mod console;
mod exit;
mod output;
mod progress;
mod prompt;

use std::process::ExitCode;

use clap::Parser as _;

use cli::Cli;
use exit::Exit;

/// Threads of a command that does much at once.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    // A panic is our defect: it must not look like an answer (LIF-08).
    let said = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        said(info);
        console::error(
            "internal error: this is a defect of plumb",
            Some("please report it with the lines above"),
        );
        std::process::exit(i32::from(Exit::Internal.code()));
    }));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) => return usage(&err).into(),
    };
    if cli.global.quiet {
        console::be_quiet();
    }
    let mut runtime = if cli.command.is_work() {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        // Threads would cost an answer more time than they save.
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = runtime.worker_threads(WORKERS).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(err) => {
            console::error(&format!("could not start: {err}"), None);
            return Exit::Internal.into();
        }
    };
    let exit = runtime.block_on(commands::run(cli));
    // A prompt or a resolver that still waits in a thread of its own must not hold the answer back.
    runtime.shutdown_background();
    exit.into()
}

/// Shows help and version on stdout with success, everything else on stderr as a usage error.
fn usage(err: &clap::Error) -> Exit {
    let shown = err.print();
    // A help text that nobody reads to its end (`plumb --help | head`) is no failure.
    drop(shown);
    if err.use_stderr() { Exit::Usage } else { Exit::Success }
}
