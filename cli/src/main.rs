//! The `hashlith` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(hashlith_cli::run(std::env::args_os()))
}
