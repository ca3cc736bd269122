//! `hashlith-gen`: deterministic records, as TSV, cdbmake records, JSON lines or pickled dicts.

use clap::{Parser, ValueEnum};
use hashlith_benches::{Shape, record};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Tsv,
    Cdbmake,
    Jsonl,
    /// Protocol 4, as CPython writes a dict of str.
    Pickle,
}

/// Writes the records 0..N to a file, to standard output, or to several files in a directory.
#[derive(Parser)]
struct Args {
    /// How many records.
    records: u64,
    /// Format of the records.
    #[arg(long, value_enum, default_value = "tsv")]
    format: Format,
    /// 12-byte keys and 11-byte values, instead of 16-24 and 20-30 bytes.
    #[arg(long)]
    short: bool,
    /// Write this many files, part-0000.EXT and so on, into the directory `--output`.
    #[arg(long)]
    parts: Option<u64>,
    /// File or directory; standard output by default.
    #[arg(short, long)]
    output: Option<PathBuf>,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let shape = Shape::of(args.short);
    match (&args.output, args.parts) {
        (Some(dir), Some(parts)) => {
            std::fs::create_dir_all(dir)?;
            for part in 0..parts {
                let numbers = args.records * part / parts..args.records * (part + 1) / parts;
                write_file(
                    &dir.join(format!("part-{part:04}.{}", args.format.extension())),
                    &args,
                    shape,
                    numbers,
                )?;
            }
            Ok(())
        }
        (Some(path), None) => write_file(path, &args, shape, 0..args.records),
        (None, _) => write(
            &mut BufWriter::with_capacity(1 << 20, io::stdout().lock()),
            args.format,
            shape,
            0..args.records,
        ),
    }
}

fn write_file(path: &Path, args: &Args, shape: Shape, numbers: std::ops::Range<u64>) -> io::Result<()> {
    write(&mut BufWriter::with_capacity(1 << 20, File::create(path)?), args.format, shape, numbers)
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Format::Tsv => "tsv",
            Format::Cdbmake => "cdbmake",
            Format::Jsonl => "jsonl",
            Format::Pickle => "pkl",
        }
    }
}

fn write(
    out: &mut impl Write,
    format: Format,
    shape: Shape,
    numbers: std::ops::Range<u64>,
) -> io::Result<()> {
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let count = numbers.end - numbers.start;
    if let Format::Pickle = format {
        out.write_all(b"\x80\x04}\x94")?;
    }
    for (at, number) in numbers.enumerate() {
        record(shape, number, &mut key, &mut value);
        match format {
            Format::Tsv => {
                key.push(b'\t');
                value.push(b'\n');
                out.write_all(&key)?;
                out.write_all(&value)?;
            }
            Format::Cdbmake => {
                write!(out, "+{},{}:", key.len(), value.len())?;
                for part in [&key[..], b"->", &value, b"\n"] {
                    out.write_all(part)?;
                }
            }
            Format::Jsonl => {
                for part in [&b"{\"key\": \""[..], &key, b"\", \"value\": \"", &value, b"\"}\n"] {
                    out.write_all(part)?;
                }
            }
            // CPython writes batches of 1,000 items between MARK and SETITEMS, and memoizes every string.
            Format::Pickle => {
                if at % 1000 == 0 {
                    out.write_all(b"(")?;
                }
                for text in [&key, &value] {
                    out.write_all(&[0x8c, text.len() as u8])?;
                    out.write_all(text)?;
                    out.write_all(b"\x94")?;
                }
                if at % 1000 == 999 || at as u64 + 1 == count {
                    out.write_all(b"u")?;
                }
            }
        }
    }
    match format {
        Format::Cdbmake => out.write_all(b"\n")?,
        Format::Pickle => out.write_all(b".")?,
        _ => {}
    }
    out.flush()
}
