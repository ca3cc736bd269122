//! The `hashlith` command: parses command lines, calls the crate [`hashlith`], and renders the results.
//!
//! The program and the `hashlith` script of the Python wheel call [`run`], the only public function.
#![deny(unsafe_code)]

mod advice;
mod allocator;
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

use clap::Parser;
use failure::{Failure, code};
use std::ffi::OsString;

/// Runs a command line, which begins with the program's name, and returns the exit code. Output goes to the standard streams
/// of the process. A build or a merge catches SIGINT, SIGTERM and SIGHUP from then on.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    allocator::return_large_buffers();
    let done = match commands::Cli::try_parse_from(arguments) {
        Ok(command) => command.run(),
        Err(error) => {
            // Prints help to standard output, errors to standard error. If the stream is closed, nobody misses it.
            let _ = error.print();
            Err(Failure::Silent(u8::try_from(error.exit_code()).unwrap_or(code::USAGE)))
        }
    };
    match done {
        Ok(()) => 0,
        Err(failure) => failure.report(),
    }
}
