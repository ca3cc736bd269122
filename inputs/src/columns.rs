//! Which columns of delimited text make a key and a value.

use std::fmt::Write;

use hashlith_feedback::Advice;
use hashlith_format::ValueType;

use crate::bad_row::Reason;
use crate::dialect::{Dialect, Quotes};
use crate::format::Format;
use crate::options::{Column, OnError, ReadOptions};
use crate::rows::{Fields, Rows};
use crate::shown::cut_off;

/// How the rows of one file become records.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub dialect: Dialect,
    pub key: Cells,
    pub value: Cells,
    /// How many columns every row must have; `None` if their number does not matter.
    pub width: Option<usize>,
    /// How many columns a row must have at least.
    pub needed: usize,
    /// The last of so many columns is the rest of the row.
    pub most: usize,
    /// Values are JSON, so they may be null.
    pub has_nulls: bool,
}

/// What of a row makes a key or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cells {
    /// Nothing.
    None,
    /// One column, from 0.
    One(usize),
    /// The row as it stands.
    Row,
    /// These columns, with a text between them.
    Joined(Vec<usize>, String),
    /// A JSON array of these columns.
    Array(Vec<usize>),
    /// A JSON object of these columns, each behind the JSON text of its name and a colon.
    Object(Vec<(usize, String)>),
}

impl Cells {
    pub fn of(columns: &[usize], names: Option<&[String]>, join: Option<&String>) -> Self {
        match (columns, join, names) {
            (&[one], _, _) => Cells::One(one),
            (_, Some(join), _) => Cells::Joined(columns.to_vec(), join.clone()),
            (_, None, None) => Cells::Array(columns.to_vec()),
            (_, None, Some(names)) => {
                let name = |column: &usize| (*column, json(&names[*column]) + ":");
                Cells::Object(columns.iter().map(name).collect())
            }
        }
    }

    /// Whether several columns make one text.
    #[cfg(feature = "sqlite")]
    pub fn is_joined(&self) -> bool {
        matches!(self, Cells::Joined(..))
    }

    /// Refuses an object with the same name twice, of which JSON readers keep one.
    ///
    /// # Errors
    /// With the name.
    pub fn check_names(&self) -> Result<(), String> {
        let Cells::Object(columns) = self else { return Ok(()) };
        for (number, (_, name)) in columns.iter().enumerate() {
            if columns[..number].iter().any(|(_, other)| other == name) {
                let name = name.strip_suffix(':').unwrap_or(name);
                return Err(format!(
                    "two columns of the value are named {name}, and a JSON object has each name once"
                ));
            }
        }
        Ok(())
    }

    /// All columns, from 0.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        let (one, several, named) = match self {
            Cells::None | Cells::Row => (None, &[][..], &[][..]),
            Cells::One(column) => (Some(*column), &[][..], &[][..]),
            Cells::Joined(columns, _) | Cells::Array(columns) => (None, &columns[..], &[][..]),
            Cells::Object(columns) => (None, &[][..], &columns[..]),
        };
        one.into_iter().chain(several.iter().copied()).chain(named.iter().map(|(column, _)| *column))
    }

    fn last(&self) -> usize {
        self.columns().max().unwrap_or(0)
    }

    /// Appends what several columns make. `field` gives their bytes; in JSON some may be null.
    ///
    /// # Errors
    /// If a column that becomes JSON is not UTF-8.
    pub fn append<'f>(
        &self,
        field: impl Fn(usize) -> &'f [u8],
        is_null: impl Fn(usize) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        let text = |column: usize| {
            if is_null(column) {
                return Ok("null".to_owned());
            }
            let text = std::str::from_utf8(field(column));
            text.map(json).map_err(|_| format!("column {} is not valid UTF-8, which JSON needs", column + 1))
        };
        match self {
            Cells::None | Cells::Row => {}
            Cells::One(column) => out.extend_from_slice(field(*column)),
            Cells::Joined(columns, join) => {
                for (number, &column) in columns.iter().enumerate() {
                    if number > 0 {
                        out.extend_from_slice(join.as_bytes());
                    }
                    out.extend_from_slice(field(column));
                }
            }
            Cells::Array(columns) => {
                for (number, &column) in columns.iter().enumerate() {
                    out.push(if number == 0 { b'[' } else { b',' });
                    out.extend_from_slice(text(column)?.as_bytes());
                }
                out.push(b']');
            }
            Cells::Object(columns) => {
                for (number, (column, name)) in columns.iter().enumerate() {
                    out.push(if number == 0 { b'{' } else { b',' });
                    out.extend_from_slice(name.as_bytes());
                    out.extend_from_slice(text(*column)?.as_bytes());
                }
                out.push(b'}');
            }
        }
        Ok(())
    }
}

/// The JSON text of a string, as Python's `json.dumps(text, ensure_ascii=False)` writes it.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What the beginning of a file says: how its rows are to be read, how many bytes are not rows of records, and a note.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub layout: Layout,
    pub header: usize,
    /// What is said of how the file was read, and what of the file shows it.
    pub note: Option<Note>,
}

pub(crate) type Note = (&'static str, String);

/// If the rows at the beginning of a file are bad and left out, so many bytes are searched for one that shows how many columns there are.
const MOST_BAD: usize = 1 << 20;

/// How many bytes at the beginning of a file are whole rows, among them one that may be a header.
pub(crate) fn whole_rows(bytes: &[u8], at_end: bool, options: &ReadOptions, format: Format) -> usize {
    let dialect = options.dialect(format);
    let whole = dialect.cut(bytes, at_end);
    let mut rows = Rows::new(&dialect, &bytes[..whole], usize::MAX, Fields::default());
    let mut has_row = false;
    while !has_row && let Some((row, read)) = rows.next() {
        let is_good = read.is_ok() && rows.len() >= fewest(options);
        has_row = is_good || options.on_error == OnError::Stop || row.start >= MOST_BAD;
    }
    if has_row || at_end { whole } else { 0 }
}

/// How many columns a row must have, if columns are known by their numbers.
fn fewest(options: &ReadOptions) -> usize {
    let numbers = options.key_columns.iter().chain(&options.value_columns).map(|column| match column {
        Column::Number(number) => *number,
        Column::Name(_) | Column::Row => 1,
    });
    let usual = if options.value_columns.is_empty() && options.value_type != ValueType::None { 2 } else { 1 };
    numbers.max().unwrap_or(1).max(usual)
}

/// Reads the beginning of a file, which has whole rows.
///
/// # Errors
/// With the offset: a column that is not in the header, or a header that cannot be read.
pub(crate) fn begin(
    bytes: &[u8],
    options: &ReadOptions,
    format: Format,
) -> Result<Beginning, (usize, Reason)> {
    let dialect = options.dialect(format);
    let has_header = options.has_header(format);
    let mut rows = Rows::new(&dialect, bytes, usize::MAX, Fields::default());
    let first = rows.next();
    let at = first.as_ref().map_or(0, |(row, _)| row.start);
    let mut names = None;
    if has_header {
        match first {
            None if options
                .key_columns
                .iter()
                .chain(&options.value_columns)
                .any(|column| matches!(column, Column::Name(_))) =>
            {
                return Err((0, "the header is missing: the file has no rows".into()));
            }
            None => {}
            Some((_, Err(wrong))) => return Err((wrong.at, wrong.reason(dialect.quotes))),
            Some((_, Ok(()))) => {
                let name =
                    |column| String::from_utf8_lossy(rows.field(column).unwrap_or_default()).into_owned();
                names = Some((0..rows.len()).map(name).collect::<Vec<_>>());
            }
        }
    }
    let strict = dialect.quotes.is_strict();
    let header = if names.is_some() { rows.at() } else { 0 };
    let width = match &names {
        Some(names) => Some(names.len()),
        // Of the first row that can be read and has all that is needed; what has not may be the rest of a bad one.
        None => {
            let is_enough = |rows: &Rows<'_>| rows.len() >= fewest(options);
            let mut is_good = matches!(first, Some((_, Ok(())))) && is_enough(&rows);
            while !is_good
                && options.on_error != OnError::Stop
                && rows.at() < MOST_BAD
                && let Some((_, row)) = rows.next()
            {
                is_good = row.is_ok() && is_enough(&rows);
            }
            is_good.then(|| rows.len())
        }
    };
    let all_in_one_line = || {
        let line = &bytes[at..];
        let cr = line.iter().position(|&byte| byte == b'\r').filter(|cr| cr + 1 < line.len());
        cr.filter(|_| !dialect.quotes.is_strict() && !line.contains(&b'\n'))
    };
    let note = match &names {
        _ if all_in_one_line().is_some() => {
            Some(("the file is one line: a carriage return alone ends no line here", String::new()))
        }
        Some(_) if options.header.is_some() => None,
        Some(names) => taken(options, names),
        None if options.header.is_none() && !has_header => looks_like_a_header(&dialect, bytes),
        None => None,
    };
    let find = |column: &Column| find(column, names.as_deref()).map_err(|what| (at, what.into()));
    let all = |columns: &[Column]| columns.iter().map(find).collect::<Result<Vec<_>, _>>();
    let is_row = options.value_columns == [Column::Row];
    let key = match &options.key_columns[..] {
        [] => Cells::One(0),
        columns => Cells::of(&all(columns)?, None, options.join.as_ref()),
    };
    let rest = options.value_columns.is_empty() && dialect.quotes == Quotes::Off;
    let value = match &options.value_columns[..] {
        _ if options.value_type == ValueType::None => Cells::None,
        _ if is_row => Cells::Row,
        [] => Cells::One(1),
        columns => Cells::of(&all(columns)?, names.as_deref(), options.join.as_ref()),
    };
    value.check_names().map_err(|what| (at, what.into()))?;
    let fixed = !rest && dialect.quotes != Quotes::Lenient && (names.is_some() || strict);
    let needed = 1 + key.last().max(value.last());
    if let (Some(names), true) = (&names, has_header)
        && needed > names.len()
    {
        let what = no_column(needed, names);
        let advice = (names.len() == 1 && options.delimiter.is_none()).then_some(Advice::Delimiter);
        return Err((at, Reason { what: what.into(), advice }));
    }
    let most = if rest && key == Cells::One(0) { 2 } else { usize::MAX };
    Ok(Beginning {
        layout: Layout {
            dialect: dialect.clone(),
            key,
            value,
            width: width.filter(|_| fixed),
            needed,
            most,
            has_nulls: options.value_type == ValueType::Json,
        },
        header,
        note,
    })
}

/// The number, from 0, of a column.
pub(crate) fn find(column: &Column, names: Option<&[String]>) -> Result<usize, String> {
    let name = match column {
        Column::Number(number) => return Ok(number.saturating_sub(1)),
        Column::Name(name) => name,
        Column::Row => return Ok(0),
    };
    let names = names.unwrap_or_default();
    let mut found = (0..names.len()).filter(|&column| names[column] == *name);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(format!("two columns are named {name:?}; give the column's number")),
        (None, _) => Err(format!("there is no column {name:?}; the columns are: {}", listed(names))),
    }
}

/// There is no column with this number, from 1.
fn no_column(number: usize, names: &[String]) -> String {
    let name = number.to_string();
    let named = match names.iter().position(|other| *other == name) {
        Some(at) => format!(" (a number counts columns from 1; the one named {name:?} is column {})", at + 1),
        None => String::new(),
    };
    format!("there is no column {number}{named}; the columns are: {}", listed(names))
}

/// The numbers, from 0, of columns of a table with these names; `usual` if there are none.
#[cfg(any(feature = "arrow", feature = "sqlite"))]
pub(crate) fn numbers(columns: &[Column], usual: usize, names: &[String]) -> Result<Vec<usize>, Reason> {
    let found = match columns {
        [] => vec![usual],
        columns => columns.iter().map(|column| find(column, Some(names))).collect::<Result<Vec<_>, _>>()?,
    };
    match found.iter().find(|&&column| column >= names.len()) {
        Some(column) => Err(no_column(column + 1, names).into()),
        None => Ok(found),
    }
}

pub(crate) fn listed(names: &[String]) -> String {
    /// As many names as people read.
    const SHOWN: usize = 20;
    if names.is_empty() {
        return "none".to_owned();
    }
    let mut text = String::new();
    for (number, name) in names.iter().take(SHOWN).enumerate() {
        // Writing to a string does not fail.
        let _ = write!(text, "{}{:?}", if number > 0 { ", " } else { "" }, cut_off(name));
    }
    if names.len() > SHOWN {
        let _ = write!(text, " and {} more", names.len() - SHOWN);
    }
    text
}

/// What is said if the first row was taken for a header, and nobody said that it is one.
fn taken(options: &ReadOptions, names: &[String]) -> Option<Note> {
    let named = |column: &Column| matches!(column, Column::Name(_));
    if options.key_columns.iter().chain(&options.value_columns).any(named) {
        return None;
    }
    Some(("the first row is the header, not a record: ", listed(names)))
}

/// A note if the first row was taken for a record, but looks like a header: its fields are words, and below one of them there are only
/// numbers, or one of them is a usual name for a key.
fn looks_like_a_header(dialect: &Dialect, bytes: &[u8]) -> Option<Note> {
    /// Rows that are looked at.
    const ROWS: usize = 20;
    /// What people call the column of a key.
    const USUAL: &[&str] =
        &["key", "id", "name", "word", "term", "code", "accession", "acc", "uuid", "url", "path", "symbol"];
    let mut rows = Rows::new(dialect, bytes, usize::MAX, Fields::default());
    rows.next()?.1.ok()?;
    let is_number = |field: &str| field.trim().parse::<f64>().is_ok();
    let is_word = |field: &String| {
        field.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '_' | '#'))
            && field.len() <= 40
            && field
                .chars()
                .all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.' | ' ' | '#'))
    };
    let field = |rows: &Rows, column| {
        rows.field(column).and_then(|field| std::str::from_utf8(field).ok().map(String::from))
    };
    let names = (0..rows.len()).map(|column| field(&rows, column)).collect::<Option<Vec<_>>>()?;
    if names.len() < 2 || !names.iter().all(is_word) || names.iter().any(|name| is_number(name)) {
        return None;
    }
    let mut numeric = vec![true; names.len()];
    let mut count = 0;
    while count < ROWS
        && let Some((_, row)) = rows.next()
    {
        row.ok()?;
        for (column, all) in numeric.iter_mut().enumerate() {
            *all &= field(&rows, column).is_some_and(|field| is_number(&field));
        }
        count += 1;
    }
    let usual = USUAL.iter().any(|usual| names[0].trim_start_matches('#').trim().eq_ignore_ascii_case(usual));
    let is_header = count > 0 && (usual || numeric.contains(&true));
    is_header.then(|| ("the first row looks like a header, but was taken for a record: ", listed(&names)))
}
