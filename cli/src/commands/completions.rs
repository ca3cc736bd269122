//! `hashlith completions` and `hashlith man`: made from the definition of the command line.

use crate::failure::Failure;
use clap_complete::Shell;
use std::io::{self, Write};

/// Write a completion script for a shell to standard output
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith completions bash > ~/.local/share/bash-completion/completions/hashlith
  hashlith completions zsh > ~/.zfunc/_hashlith
  hashlith completions fish > ~/.config/fish/completions/hashlith.fish")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Writes the script for this command line.
    pub fn run(self, mut all: clap::Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut all, "hashlith", &mut script);
        write(&script)
    }
}

/// Write the manual page of hashlith, or of one of its commands, to standard output
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hashlith man > ~/.local/share/man/man1/hashlith.1
  hashlith man build | man -l -")]
pub struct Man {
    /// The command [default: hashlith itself]
    command: Option<String>,
}

impl Man {
    /// Writes the page.
    pub fn run(self, mut all: clap::Command) -> Result<(), Failure> {
        all.build();
        let command = match &self.command {
            None => all,
            Some(name) => {
                let found = all.find_subcommand(name).cloned();
                found.ok_or_else(|| {
                    Failure::usage(format!("there is no command `{name}`: see hashlith --help"))
                })?
            }
        };
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(|error| Failure::output(&error))?;
        write(&page)
    }
}

fn write(text: &[u8]) -> Result<(), Failure> {
    io::stdout().lock().write_all(text).map_err(|error| Failure::output(&error))
}
