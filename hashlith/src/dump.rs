//! Records as text that a build reads back as the same records.

use crate::{Error, Index};
use hashlith_feedback::Advice;
use hashlith_format::{Header, KeyType, ValueType};
use hashlith_inputs::{escape::escape_into, typed};
use std::io::Write;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A format that [`dump()`] writes and a build reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpFormat {
    /// Lines of key, TAB, value.
    Tsv {
        /// Write TAB, newline, CR and backslash as `\t`, `\n`, `\r` and `\\`.
        escape: bool,
    },
    /// One JSON object per line.
    Jsonl,
    /// The input of `cdbmake`, which holds any bytes.
    Cdbmake,
}

/// Writes all records in the order of the file. Returns their number.
///
/// # Errors
/// [`Error::Unwritable`] at the first record that the format cannot hold; the records before it have been written. Also
/// [`Error::Write`] and [`Error::Corrupt`].
///
/// ```
/// use hashlith::{Builder, DumpFormat, Index, dump};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("colours.hlith");
/// # let mut builder = Builder::new();
/// # builder.add(b"sky", b"blue")?;
/// # builder.finish(&path)?;
/// let mut text = Vec::new();
/// dump(&Index::load(&path)?, DumpFormat::Tsv { escape: false }, &mut text)?;
/// assert_eq!(text, b"sky\tblue\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn dump<D: AsRef<[u8]>>(
    index: &Index<D>,
    format: DumpFormat,
    out: &mut impl Write,
) -> Result<u64, Error> {
    let texts = Texts::of(index.first_header());
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let mut line = Vec::new();
    let mut records = 0;
    for record in index.iter() {
        let record = record.map_err(|error| Error::corrupt(index, &error))?;
        for buffer in [&mut key, &mut value, &mut line] {
            buffer.clear();
        }
        texts.key(&record.key, record.id, &mut key);
        typed::write_value(texts.values, &record.value, &mut value);
        match format {
            DumpFormat::Tsv { escape } => texts.write_pair(&key, &value, escape, &mut line)?,
            DumpFormat::Jsonl => texts.json_object(&key, &value, &mut line)?,
            DumpFormat::Cdbmake => cdbmake(&key, &value, &mut line),
        }
        // A reader takes one byte order mark away from the front.
        if records == 0 && matches!(format, DumpFormat::Tsv { .. }) && line.starts_with(BOM) {
            out.write_all(BOM).map_err(Error::Write)?;
        }
        out.write_all(&line).map_err(Error::Write)?;
        records += 1;
    }
    if format == DumpFormat::Cdbmake {
        out.write_all(b"\n").map_err(Error::Write)?;
    }
    Ok(records)
}

/// How the records of an index are written as text.
#[derive(Clone, Copy, Debug)]
pub struct Texts {
    keys: KeyType,
    values: ValueType,
}

impl Texts {
    /// For an index with this header.
    pub fn of(header: &Header) -> Self {
        Texts { keys: header.key_type, values: header.value_type }
    }

    /// Appends the text of a key: an integer in decimal; its dense id, if keys are left out.
    pub fn key(&self, key: &[u8], id: u64, out: &mut Vec<u8>) {
        if self.keys == KeyType::None {
            out.extend_from_slice(id.to_string().as_bytes());
        } else {
            typed::write_key(self.keys, key, out);
        }
    }

    /// Appends `key TAB value newline`, if a build would read it back as the same record; `key newline` if there are no values.
    /// Both are text already.
    ///
    /// # Errors
    /// [`Error::Unwritable`].
    pub fn write_pair(&self, key: &[u8], value: &[u8], escape: bool, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.values == ValueType::None && !key.is_empty() {
            if !escape && key.ends_with(b"\r") {
                let what = "the key has a carriage return at its end, so its line would not read back as the same key";
                return Err(unwritable(key, what, Advice::Escape));
            }
            write_pair(key, b"", escape, out)?;
            out.truncate(out.len().saturating_sub(2));
            out.push(b'\n');
            return Ok(());
        }
        write_pair(key, value, escape, out).map_err(|error| match error {
            // In a line of JSON they would get lost too.
            Error::Unwritable { key, what, .. } if self.values == ValueType::Json && has_lines(value) => {
                Error::Unwritable { key, what, advice: Advice::EscapeOrAnyBytes }
            }
            other => other,
        })
    }

    fn json_object(&self, key: &[u8], value: &[u8], line: &mut Vec<u8>) -> Result<(), Error> {
        let refuse = |what: &str| unwritable(key, what, Advice::AnyBytesFormat);
        let text = |what: &str, bytes| {
            std::str::from_utf8(bytes).map_err(|_| refuse(&format!("{what} is not UTF-8, which JSON needs")))
        };
        let string = |text: &str, line: &mut Vec<u8>| {
            serde_json::to_writer(line, text).map_err(|error| refuse(&error.to_string()))
        };
        match self.keys {
            KeyType::Int => line.extend_from_slice(&[b"{\"key\":", key].concat()),
            KeyType::None => line.extend_from_slice(&[b"{\"id\":", key].concat()),
            KeyType::Bytes | KeyType::Text => {
                line.extend_from_slice(b"{\"key\":");
                string(text("the key", key)?, line)?;
            }
        }
        if self.values != ValueType::None {
            line.extend_from_slice(b",\"value\":");
            let value = text("the value", value)?;
            match self.values {
                // A newline would end the line, and blanks at the ends would get lost.
                ValueType::Json if has_lines(value.as_bytes()) => {
                    return Err(refuse("its JSON value has a newline in it or blanks around it"));
                }
                ValueType::Numbers(_) if value.contains(['N', 'i']) => {
                    return Err(refuse("its value holds NaN or an infinity, which JSON does not have"));
                }
                ValueType::Json | ValueType::Numbers(_) => line.extend_from_slice(value.as_bytes()),
                _ => string(value, line)?,
            }
        }
        line.extend_from_slice(b"}\n");
        Ok(())
    }
}

/// Whether JSON text has newlines in it or blanks around it.
fn has_lines(json: &[u8]) -> bool {
    json.contains(&b'\n') || json.trim_ascii() != json
}

/// Appends `key TAB value newline`, if a build would read it back as the same record.
///
/// # Errors
/// [`Error::Unwritable`].
fn write_pair(key: &[u8], value: &[u8], escape: bool, out: &mut Vec<u8>) -> Result<(), Error> {
    let refuse = |what| Err(unwritable(key, what, Advice::Escape));
    if escape {
        escape_into(key, out);
        out.push(b'\t');
        escape_into(value, out);
    } else {
        if key.iter().any(|byte| matches!(byte, b'\t' | b'\n')) {
            return refuse(
                "the key has a TAB or a newline in it, so its line would not read back as the same record",
            );
        }
        if value.contains(&b'\n') || value.ends_with(b"\r") {
            return refuse(
                "the value has a newline in it or a carriage return at its end, so its line would not read back as the same \
                 record",
            );
        }
        out.extend_from_slice(key);
        out.push(b'\t');
        out.extend_from_slice(value);
    }
    out.push(b'\n');
    Ok(())
}

/// Appends `value newline`.
pub fn write_value(value: &[u8], escape: bool, out: &mut Vec<u8>) {
    if escape {
        escape_into(value, out);
    } else {
        out.extend_from_slice(value);
    }
    out.push(b'\n');
}

fn cdbmake(key: &[u8], value: &[u8], line: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = write!(line, "+{},{}:", key.len(), value.len());
    line.extend_from_slice(key);
    line.extend_from_slice(b"->");
    line.extend_from_slice(value);
    line.push(b'\n');
}

fn unwritable(key: &[u8], what: &str, advice: Advice) -> Error {
    Error::Unwritable { key: key.to_vec(), what: what.to_owned(), advice }
}
