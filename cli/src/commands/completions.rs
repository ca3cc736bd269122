//! `hashlith completions`: what a shell needs to complete command lines.

use crate::failure::Failure;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::{self, Write};

/// Write a completion script for a shell to standard output
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith completions bash > ~/.local/share/bash-completion/completions/hashlith
  hashlith completions zsh > ~/.zfunc/_hashlith
  hashlith completions fish > ~/.config/fish/completions/hashlith.fish")]
pub struct Args {
    /// The shell
    shell: Shell,
}

impl Args {
    /// Writes the script.
    pub fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "hashlith", &mut script);
        io::stdout().lock().write_all(&script).map_err(|error| Failure::output(&error))
    }
}
