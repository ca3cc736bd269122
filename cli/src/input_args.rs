//! The options that say how input is to be read, the same for `build` and `verify --against`.

use crate::building::input_failure;
use crate::failure::{Failure, tell};
use clap::ValueEnum;
use hashlith_builder::OnDuplicate;
use hashlith_inputs::{Column, Expanded, Format, KeyKind, OnError, Options, ValueKind};
use std::path::PathBuf;

/// A format, or the one that the file name tells.
#[derive(Clone, Copy, ValueEnum)]
enum InputFormat {
    Auto,
    Pickle,
    Tsv,
    Csv,
    Jsonl,
    Cdbmake,
}

impl InputFormat {
    fn chosen(self) -> Option<Format> {
        match self {
            InputFormat::Auto => None,
            InputFormat::Pickle => Some(Format::Pickle),
            InputFormat::Tsv => Some(Format::Tsv),
            InputFormat::Csv => Some(Format::Csv),
            InputFormat::Jsonl => Some(Format::Jsonl),
            InputFormat::Cdbmake => Some(Format::Cdbmake),
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Keys {
    Text,
    Bytes,
}

#[derive(Clone, Copy, ValueEnum)]
enum Values {
    Text,
    Bytes,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnErrorWord {
    Stop,
    Skip,
}

/// What happens, or happened, to a key that comes twice.
#[derive(Clone, Copy, ValueEnum)]
pub enum DuplicateWord {
    Error,
    First,
    Last,
}

impl DuplicateWord {
    /// As the builder has it.
    pub fn policy(self) -> OnDuplicate {
        match self {
            DuplicateWord::Error => OnDuplicate::Error,
            DuplicateWord::First => OnDuplicate::First,
            DuplicateWord::Last => OnDuplicate::Last,
        }
    }
}

/// How to read input.
#[derive(clap::Args)]
#[command(next_help_heading = "Input options")]
pub struct InputArgs {
    /// Format of the input; `auto` goes by the file name: .pkl .pickle .p, .tsv .txt .tab, .csv, .jsonl .ndjson
    /// .json, .cdb .cdbmake, each also with .gz, .zst or .zstd
    #[arg(long, value_enum, default_value = "auto")]
    format: InputFormat,
    /// What keys are: UTF-8 text, or any bytes [default: text; for verify what the index says]
    #[arg(long, value_enum)]
    keys: Option<Keys>,
    /// What values are: UTF-8 text, any bytes, or JSON [default: text; for verify what the index says]
    #[arg(long, value_enum)]
    values: Option<Values>,
    /// What to do with a row that cannot be a record [default: stop]
    #[arg(long, value_enum, value_name = "POLICY")]
    on_error: Option<OnErrorWord>,
    /// Give up after more than N bad rows (means --on-error skip)
    #[arg(long, value_name = "N")]
    max_errors: Option<u64>,
    /// TSV: \t, \n, \r and \\ in keys and values stand for TAB, newline, CR and backslash
    #[arg(long)]
    escape: bool,
    /// CSV: the key's column, a number from 1 or a name in the header [default: 1]
    #[arg(long, value_name = "C")]
    key_column: Option<Column>,
    /// CSV: the value's column [default: 2]
    #[arg(long, value_name = "C")]
    value_column: Option<Column>,
    /// CSV: the first row of each file is a header
    #[arg(long)]
    header: bool,
    /// JSON lines: the key's field [default: key]
    #[arg(long, value_name = "F")]
    key_field: Option<String>,
    /// JSON lines: the value's field [default: value]
    #[arg(long, value_name = "F")]
    value_field: Option<String>,
}

impl InputArgs {
    /// The options for the library. `keys` and `values` are what they are when the command line does not say.
    pub fn options(&self, keys: KeyKind, values: ValueKind) -> Result<Options, Failure> {
        if self.on_error == Some(OnErrorWord::Stop) && self.max_errors.is_some() {
            return Err(Failure::usage("--max-errors means --on-error skip: leave out --on-error stop"));
        }
        let skip = self.on_error == Some(OnErrorWord::Skip) || self.max_errors.is_some();
        let defaults = Options::default();
        Ok(Options {
            format: self.format.chosen(),
            keys: self.keys.map_or(keys, |word| match word {
                Keys::Text => KeyKind::Text,
                Keys::Bytes => KeyKind::Bytes,
            }),
            values: self.values.map_or(values, |word| match word {
                Values::Text => ValueKind::Text,
                Values::Bytes => ValueKind::Bytes,
                Values::Json => ValueKind::Json,
            }),
            escape: self.escape,
            key_column: self.key_column.clone().unwrap_or(defaults.key_column),
            value_column: self.value_column.clone().unwrap_or(defaults.value_column),
            header: self.header,
            key_field: self.key_field.clone().unwrap_or(defaults.key_field),
            value_field: self.value_field.clone().unwrap_or(defaults.value_field),
            on_error: if skip { OnError::Skip { max_errors: self.max_errors } } else { OnError::Stop },
            ..Options::default()
        })
    }
}

/// What the paths on the command line stand for, and the formats of the sources, all of which can be opened.
pub fn sources(paths: &[PathBuf], options: &Options) -> Result<(Expanded, Vec<Format>), Failure> {
    let told = |error: hashlith_inputs::Error| input_failure(&error.widen());
    let expanded = hashlith_inputs::expand(paths, options.format).map_err(told)?;
    let formats = hashlith_inputs::check_sources(&expanded.sources, options).map_err(told)?;
    Ok((expanded, formats))
}

/// Tells which files of folders are not read.
pub fn tell_left_out(files: &[PathBuf]) {
    if let Some(first) = files.first() {
        tell(&format!(
            "left out {} without a known extension, such as {}; --format takes all files of a folder",
            if files.len() == 1 { "a file".to_owned() } else { format!("{} files", files.len()) },
            first.display()
        ));
    }
}
