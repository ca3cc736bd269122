//! `hashlith`: builds, asks, checks and writes out static key-value indexes.
#![deny(unsafe_code)]

mod build_report;
mod building;
mod commands;
mod escaped;
mod failure;
mod histogram;
mod input_args;
mod meter;
mod open;
mod output;
mod process;
mod signals;
mod size;
mod stdin_pump;
mod table;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
