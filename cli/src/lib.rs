//! The `hashlith` command as a library: the program and the Python package are two ways to call it.
//!
//! [`run`] is the whole command. What the Python package needs of its parts is public: [`building`] turns files into
//! an index, [`open`] and [`failure`] say what went wrong, [`info_json`] tells what is in an index, [`meter`] draws
//! progress, [`size`] and [`hash_choice`] read what users write.
#![deny(unsafe_code)]

mod build_report;
pub mod building;
mod commands;
mod escaped;
pub mod failure;
pub mod hash_choice;
mod histogram;
mod input_args;
pub mod meter;
pub mod open;
mod output;
mod process;
mod signals;
pub mod size;
mod stdin_pump;
mod supervising;
mod table;

pub use commands::{info_json, verify_failure};

use clap::Parser;
use failure::{Failure, code};
use std::ffi::OsString;

/// Does what a command line says, the program's name first, and gives the exit code. Output goes to the standard
/// streams of the process. A build catches SIGINT, SIGTERM and SIGHUP from then on.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let done = match commands::Cli::try_parse_from(arguments) {
        Ok(command) => command.run(),
        Err(error) => {
            // Help goes to standard output, what is wrong to standard error; a closed one has no reader.
            let _ = error.print();
            Err(Failure::Silent(u8::try_from(error.exit_code()).unwrap_or(code::USAGE)))
        }
    };
    match done {
        Ok(()) => 0,
        Err(failure) => failure.report(),
    }
}
