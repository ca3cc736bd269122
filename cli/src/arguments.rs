//! Options that several subcommands share.

use crate::failure::{Failure, tell};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use hashlith::{
    Builder, Column, Delimiter, Encoding, Format, KeyType, OnDuplicate, OnError, Quotes, ReadOptions,
    Sources, ValueType, parse_size,
};
use std::{error::Error, path::PathBuf, str::FromStr};

/// Parses one of these words.
pub fn word<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Into<Box<dyn Error + Send + Sync>>> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|word| word.parse())
}

/// What a build may use, and how it reports.
#[derive(clap::Args)]
pub struct OutputArgs {
    /// Memory to use, such as 512M, 4G or 1GiB [default: half of what is available]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory: Option<u64>,
    /// Number of threads [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Folder for temporary files, which may take as much space as the records [default: that of the output]
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
    /// Write the report as JSON to standard output
    #[arg(long)]
    pub json: bool,
    /// No progress and no report, only errors
    #[arg(short, long)]
    pub quiet: bool,
}

impl OutputArgs {
    /// A builder with these options.
    pub fn builder(&self) -> Builder {
        let mut builder = Builder::new();
        if let Some(memory) = self.memory {
            builder = builder.memory_limit(memory);
        }
        if let Some(threads) = self.threads {
            builder = builder.threads(threads.into());
        }
        if let Some(dir) = &self.temp_dir {
            builder = builder.temp_dir(dir);
        }
        builder
    }
}

/// Checks that metadata is a JSON object.
pub fn parse_metadata(text: &str) -> Result<String, String> {
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            Err(format!("not a JSON object ({error}): write, for example, '{{\"source\": \"wiki\"}}'"))
        }
    }
}

/// The encoding that people mean by a name.
fn parse_encoding(name: &str) -> Result<Encoding, String> {
    hashlith::encoding(name).ok_or_else(|| {
        "no encoding has this name; names are those of the web: utf-16le, windows-1252, shift_jis, ..."
            .to_owned()
    })
}

/// A format; `None` means that the file name decides.
#[derive(Clone, Copy)]
struct FormatWord(Option<Format>);

/// A type of keys; `json` is text, each key as its JSON text.
#[derive(Clone, Copy)]
struct KeysWord {
    key_type: KeyType,
    is_json: bool,
}

fn keys_word() -> impl TypedValueParser<Value = KeysWord> {
    PossibleValuesParser::new(KeyType::NAMES.iter().chain(&["json"]))
        .map(|word| KeysWord { key_type: word.parse().unwrap_or(KeyType::Text), is_json: word == "json" })
}

/// What to do when a key occurs twice.
pub fn on_duplicate() -> impl TypedValueParser<Value = OnDuplicate> {
    word(OnDuplicate::NAMES)
}

/// How to read input.
#[derive(clap::Args)]
#[command(next_help_heading = "Input options")]
pub struct InputArgs {
    /// Format of the input; with `auto` the file name decides: .pkl .pickle .p .joblib, .tsv .txt .tab, .csv, .jsonl .ndjson, .json, .cdb
    /// .cdbmake, each also with .gz .bgz .zst .zstd .bz2 .xz .lzma .lz4 .zip .z; .parquet .pq, .arrow .arrows .feather .ipc, .sqlite
    /// .sqlite3 .db .db3
    #[arg(long, default_value = "auto", value_parser = PossibleValuesParser::new(
        ["auto"].iter().chain(Format::NAMES)).map(|word| FormatWord(word.parse().ok())))]
    format: FormatWord,
    /// Type of the keys: UTF-8 text, any bytes, integers of 64 bits (decimal in text files), or none: keys are left out of the
    /// index, which then tells them by some bits of their hashes; json: text; what is no string in a pickle, JSON or a table
    /// stands for its JSON text [default: text; for verify that of the index]
    #[arg(long, value_parser = keys_word())]
    keys: Option<KeysWord>,
    /// Type of the values: text, bytes, json, none (an index of keys only), a number (int8 int16 int32 int64 uint8 uint16
    /// uint32 uint64 float16 float32 float64), or vectors of n numbers, such as float32[128]; in text files these have
    /// blanks or commas between them [default: text; for verify that of the index]
    #[arg(long, value_name = "TYPE", value_parser = |word: &str| word.parse::<ValueType>().map_err(|error| error.to_string()))]
    values: Option<ValueType>,
    /// What to do with a row that is not a record [default: stop]
    #[arg(long, value_name = "POLICY", value_parser = ["stop", "skip"])]
    on_error: Option<String>,
    /// Give up after more than N bad rows (means --on-error skip)
    #[arg(long, value_name = "N")]
    max_errors: Option<u64>,
    /// Text: its encoding, such as utf-16 or windows-1252; in pickles that of Python 2's str, such as latin-1 [default: utf-8]
    #[arg(long, value_name = "NAME", value_parser = parse_encoding)]
    encoding: Option<Encoding>,
    /// TSV, CSV: what is between two columns: any text, in which \t is a TAB; or blanks, for any number of spaces and TABs
    /// [default: a TAB in TSV, a comma in CSV]
    #[arg(long, value_name = "TEXT")]
    delimiter: Option<Delimiter>,
    /// TSV, CSV: how quotes are read: off, as characters like any other; strict, by RFC 4180; backslash, also with a backslash in
    /// front of a quote; lenient, also in the middle of a field [default: off in TSV, strict in CSV]
    #[arg(long, value_name = "HOW", value_parser = word::<Quotes>(Quotes::NAMES))]
    quotes: Option<Quotes>,
    /// TSV: \t, \n, \r and \\ in keys and values stand for TAB, newline, CR and backslash, and \N for a null
    #[arg(long)]
    escape: bool,
    /// TSV, CSV, tables: the key's column: a number from 1, or a name. Several make a JSON array, unless there is --join
    /// [default: 1]
    #[arg(long, value_name = "C")]
    key_column: Vec<Column>,
    /// TSV, CSV, tables: the value's column, likewise; * is the whole row of text. Several make a JSON object (or an
    /// array without a header; --values json), unless there is --join [default: 2; in TSV all that follows the first TAB]
    #[arg(long, value_name = "C")]
    value_column: Vec<Column>,
    /// TSV, CSV, tables: join several columns with this text
    #[arg(long, value_name = "TEXT")]
    join: Option<String>,
    /// TSV, CSV: the first row of each file is a header [default in CSV, and if a column has a name]
    #[arg(long, overrides_with = "no_header")]
    header: bool,
    /// TSV, CSV: the first row of each file is a record [default in TSV]
    #[arg(long, overrides_with = "header")]
    no_header: bool,
    /// TSV, CSV: lines that begin with this are comments
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// TSV, CSV: pass over so many lines at the beginning of each file
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    skip_rows: u64,
    /// JSON, and pickled lists of dicts: the key's field [default: key]
    #[arg(long, value_name = "F")]
    key_field: Option<String>,
    /// JSON, and pickled lists of dicts: the value's field [default: value]
    #[arg(long, value_name = "F")]
    value_field: Option<String>,
    /// SQLite: the query whose rows are the records, such as 'SELECT id, name FROM people' [default: all rows of the only table]
    #[arg(long, value_name = "SQL")]
    query: Option<String>,
    /// Pickles that hold several dicts in a tuple, a list or a dict: which to read, its number from 0 or its key
    #[arg(long, value_name = "PART")]
    pick: Option<String>,
}

impl InputArgs {
    /// The options for the library. `keys` and `values` are the types if the command line does not give them.
    pub fn options(&self, keys: KeyType, values: ValueType) -> Result<ReadOptions, Failure> {
        let policy = self.on_error.as_deref();
        if policy == Some("stop") && self.max_errors.is_some() {
            return Err(Failure::usage("--max-errors means --on-error skip: leave out --on-error stop"));
        }
        let skip = policy == Some("skip") || self.max_errors.is_some();
        let header = self.header.then_some(true).or(self.no_header.then_some(false));
        Ok(ReadOptions {
            format: self.format.0,
            key_type: self.keys.map_or(keys, |word| word.key_type),
            value_type: self.values.unwrap_or(values),
            encoding: self.encoding,
            delimiter: self.delimiter.clone(),
            quotes: self.quotes,
            escape: self.escape,
            header,
            key_columns: self.key_column.clone(),
            value_columns: self.value_column.clone(),
            join: self.join.clone(),
            comment: self.comment.clone(),
            skip_rows: self.skip_rows,
            key_field: self.key_field.clone(),
            value_field: self.value_field.clone(),
            json_keys: self.keys.is_some_and(|word| word.is_json),
            query: self.query.clone(),
            pick: self.pick.clone(),
            on_error: if skip { OnError::Skip { max_errors: self.max_errors } } else { OnError::Stop },
            ..ReadOptions::default()
        })
    }
}

/// Reports the files of folders that are not read.
pub fn tell_left_out(sources: &Sources) {
    if let Some(first) = sources.left_out.first() {
        tell(&format!(
            "left out {} without a known extension, such as {}; --format takes all files of a folder",
            match sources.left_out.len() {
                1 => "a file".to_owned(),
                count => format!("{count} files"),
            },
            first.display()
        ));
    }
    if let Some(first) = sources.not_files.first() {
        tell(&format!(
            "left out {}, such as {}: a pipe of a folder is read only if it is named",
            match sources.not_files.len() {
                1 => "a pipe, socket or device".to_owned(),
                count => format!("{count} pipes, sockets or devices"),
            },
            first.display()
        ));
    }
}
