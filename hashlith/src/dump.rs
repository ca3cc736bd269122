//! Records as text that a build reads back as the same records.

use crate::{Error, Index};
use hashlith_feedback::Advice;
use hashlith_format::ValueType;
use hashlith_inputs::escape::escape_into;
use std::io::Write;

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
    let json_values = index.first_header().value_type == ValueType::Json;
    let mut line = Vec::new();
    let mut records = 0;
    for record in index.iter() {
        let record = record.map_err(|error| Error::corrupt(index, &error))?;
        line.clear();
        match format {
            DumpFormat::Tsv { escape } => write_pair(&record.key, &record.value, escape, &mut line)?,
            DumpFormat::Jsonl => json_object(&record.key, &record.value, json_values, &mut line)?,
            DumpFormat::Cdbmake => cdbmake(&record.key, &record.value, &mut line),
        }
        out.write_all(&line).map_err(Error::Write)?;
        records += 1;
    }
    if format == DumpFormat::Cdbmake {
        out.write_all(b"\n").map_err(Error::Write)?;
    }
    Ok(records)
}

/// Appends `key TAB value newline`, if a build would read it back as the same record.
///
/// # Errors
/// [`Error::Unwritable`].
pub fn write_pair(key: &[u8], value: &[u8], escape: bool, out: &mut Vec<u8>) -> Result<(), Error> {
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
        if value.contains(&b'\n') {
            return refuse(
                "the value has a newline in it, so its line would not read back as the same record",
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

fn json_object(key: &[u8], value: &[u8], json_values: bool, line: &mut Vec<u8>) -> Result<(), Error> {
    let refuse = |what: &str| unwritable(key, what, Advice::AnyBytesFormat);
    let text = |what: &str, bytes| {
        std::str::from_utf8(bytes).map_err(|_| refuse(&format!("{what} is not UTF-8, which JSON needs")))
    };
    let string = |text: &str, line: &mut Vec<u8>| {
        serde_json::to_writer(line, text).map_err(|error| refuse(&error.to_string()))
    };
    line.extend_from_slice(b"{\"key\":");
    string(text("the key", key)?, line)?;
    line.extend_from_slice(b",\"value\":");
    let value = text("the value", value)?;
    if json_values {
        // A newline would end the line, and blanks at the ends would get lost.
        if value.contains('\n') || value.trim_ascii() != value {
            return Err(refuse("its JSON value has a newline in it or blanks around it"));
        }
        line.extend_from_slice(value.as_bytes());
    } else {
        string(value, line)?;
    }
    line.extend_from_slice(b"}\n");
    Ok(())
}

fn unwritable(key: &[u8], what: &str, advice: Advice) -> Error {
    Error::Unwritable { key: key.to_vec(), what: what.to_owned(), advice }
}
