//! `keepsake`: the engine from a shell.
//!
//! Reads arguments and surroundings, starts the log, runs one command and turns its result into an exit code.
//! What commands do stands in their own rooms. Rooms it touches: all of this program.

mod args;
mod ask;
mod bench;
mod demo;
mod exit;
mod forget;
mod found;
mod ingest;
mod interrupt;
mod model_files;
mod models;
mod open;
mod output;
mod read;
mod remember;
mod shapes;
mod transfer;
mod upkeep;
mod words;
mod work;

use std::env;
use std::io::Write;
use std::process::ExitCode;

use crate::args::{Args, Command};
use crate::exit::{Exit, Failure};
use crate::models::Environment;
use crate::open::Surroundings;

fn main() -> ExitCode {
    let args = Args::read();
    start_log(args.global.verbose);
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&failure, args.global.verbose > 0);
            ExitCode::from(failure.exit() as u8)
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    let (global, around) = (&args.global, &surroundings());
    match &args.command {
        Command::Models(args) => model_files::run(args, global, around),
        Command::Remember(args) => remember::run(args, global, around),
        Command::Ingest(args) => ingest::run(args, global, around),
        Command::Ask(args) => ask::run(args, global, around),
        Command::Search(args) => read::search(args, global, around),
        Command::List(args) => read::list(args, global, around),
        Command::Show(args) => read::show(args, global, around),
        Command::History(args) => read::history(args, global, around),
        Command::Forget(args) => forget::run(args, global, around),
        Command::Expire(args) => forget::expire(args, global, around),
        Command::Undo(args) => forget::undo(args, global, around),
        Command::Confirm(args) => forget::confirm(args, global, around),
        Command::Export(args) => transfer::export(args, global, around),
        Command::Import(args) => transfer::import(args, global, around),
        Command::Verify => upkeep::verify(global, around),
        Command::Repair => upkeep::repair(global, around),
        Command::Rekey(args) => upkeep::rekey(args, global, around),
        Command::Compact => upkeep::compact(global, around),
        Command::Stats => read::stats(global, around),
        Command::Bench { rest } => bench::run(rest, global, around),
        Command::Demo(args) => demo::run(args, global, around),
    }
}

fn surroundings() -> Surroundings {
    let home = env::home_dir().filter(|home| home.is_absolute());
    let (keepsake_home, cache) = (env::var_os("KEEPSAKE_HOME"), env::var_os("XDG_CACHE_HOME"));
    let program = env::current_exe().ok().and_then(|path| path.canonicalize().ok());
    Surroundings {
        models: Environment { keepsake_home, cache, home: home.clone() }.store_home(),
        home,
        data: env::var_os("XDG_DATA_HOME"),
        program: program.and_then(|path| path.parent().map(ToOwned::to_owned)),
    }
}

/// Silent unless `-v` or `RUST_LOG` asks. Only our own records pass: another crate's could quote a text.
fn start_log(verbose: u8) {
    let mut log = env_logger::Builder::new();
    match verbose {
        0 => log.filter_level(log::LevelFilter::Off).parse_default_env(),
        1 => log.filter_level(log::LevelFilter::Info),
        _ => log.filter_level(log::LevelFilter::Debug),
    };
    log.format(|out, record| {
        if record.target().starts_with("keepsake") {
            writeln!(out, "{} {}: {}", record.level(), record.target(), record.args())?;
        }
        Ok(())
    });
    log.init();
}

fn report(failure: &Failure, with_causes: bool) {
    if failure.exit() == Exit::Closed {
        return;
    }
    output::note(&format!("keepsake: {}", output::harmless(&failure.to_string())));
    if with_causes {
        for cause in failure.causes() {
            output::note(&format!("  because: {}", output::harmless(&cause)));
        }
    }
}
