//! The subcommands, a file for each: its arguments, and how it shows its result.

mod build;
mod completions;
mod dump;
mod get;
mod info;
mod merge;
mod verify;

use crate::failure::Failure;
use clap::{CommandFactory, Parser, Subcommand};

const FIRST_STEPS: &str = "\
Build an index from a folder of pickled dicts, and look up a key:
  hashlith build my-pickles/ -o my.hlith
  hashlith get my.hlith somekey

Exit codes:
  0  success
  1  failure: the message says what went wrong, where, and what to do
  2  the command line is wrong
  3  get: a key is not in the index
  4  the index is damaged, or the file is not an index
  130, 143  stopped by SIGINT or SIGTERM, after cleaning up";

/// A read-only dict bigger than RAM, in one memory-mapped file
#[derive(Parser)]
#[command(name = "hashlith", version, after_help = FIRST_STEPS, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Build(build::Args),
    Get(get::Args),
    Info(info::Args),
    Merge(merge::Merge),
    Split(merge::Split),
    Verify(verify::Args),
    Dump(dump::Args),
    Completions(completions::Completions),
    Man(completions::Man),
}

impl Cli {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Build(args) => args.run(),
            Command::Get(args) => args.run(),
            Command::Info(args) => args.run(),
            Command::Merge(args) => args.run(),
            Command::Split(args) => args.run(),
            Command::Verify(args) => args.run(),
            Command::Dump(args) => args.run(),
            Command::Completions(args) => args.run(Cli::command()),
            Command::Man(args) => args.run(Cli::command()),
        }
    }
}
