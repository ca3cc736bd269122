//! The `hashlith` command: it parses command lines, calls the crate [`hashlith`], and renders what comes back.
//!
//! The program and the `hashlith` script of the Python wheel both call [`run`]; it is the only thing to call here.
#![deny(unsafe_code)]

mod advice;
mod arguments;
mod commands;
mod failure;
mod open;
mod output;
mod process;
mod report;
mod signals;
mod stdin_pump;
mod supervising;
mod table;

use clap::{CommandFactory, Parser};
use failure::{Failure, code};
use std::ffi::OsString;

/// Does what a command line says, the program's name first, and gives the exit code. Output goes to the standard
/// streams of the process. A build catches SIGINT, SIGTERM and SIGHUP from then on.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let done = match commands::Cli::try_parse_from(arguments) {
        Ok(command) => command.run(),
        Err(error) => {
            // Help goes to standard output, errors to standard error; a closed stream has no reader.
            let _ = error.print();
            Err(Failure::Silent(u8::try_from(error.exit_code()).unwrap_or(code::USAGE)))
        }
    };
    match done {
        Ok(()) => 0,
        Err(failure) => failure.report(),
    }
}

/// The command line as clap knows it: for completions and manual pages.
fn command_line() -> clap::Command {
    commands::Cli::command()
}
