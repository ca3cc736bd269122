//! Reads the named files and prints how fast: `throughput FILE... [--threads N] [--bytes] [--json] [--escape]
//! [--columns KEY VALUE]`.

use std::convert::Infallible;
use std::time::Instant;

use hashlith_feedback::Progress;
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::{Column, ReadOptions, Sink, Sources, read};

/// Looks at the last byte of every key and value, and keeps nothing.
#[derive(Default)]
struct Touch(u64);

impl Sink for Touch {
    type Error = Infallible;

    fn record(&mut self, _: u32, _: u64, key: &[u8], value: &[u8]) -> Result<(), Infallible> {
        let ends = key.last().map_or(0, |&b| u64::from(b)) + value.last().map_or(0, |&b| u64::from(b));
        self.0 = self.0.wrapping_add(ends);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = ReadOptions::default();
    let (mut threads, mut files) = (1, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--threads" => threads = arguments.next().ok_or("--threads needs a number")?.parse()?,
            "--bytes" => (options.key_type, options.value_type) = (KeyType::Bytes, ValueType::Bytes),
            "--escape" => options.escape = true,
            "--columns" => {
                let mut column = || {
                    arguments
                        .next()
                        .ok_or("--columns needs two columns")?
                        .parse::<Column>()
                        .map_err(|error| error.to_string())
                };
                (options.key_columns, options.value_columns) = (vec![column()?], vec![column()?]);
            }
            "--json" => options.value_type = ValueType::Json,
            _ => files.push(argument),
        }
    }
    let sources = Sources::expand(&files, &options)?;
    let start = Instant::now();
    let (summary, sinks) = read(&sources, &options, threads, Touch::default, &Progress::new())?;
    let seconds = start.elapsed().as_secs_f64();
    let check = sinks.iter().fold(0u64, |sum, sink| sum.wrapping_add(sink.0));
    let core_ns = seconds * 1e9 * sinks.len() as f64 / summary.records.max(1) as f64;
    println!(
        "{} workers, {} records, {:.0} MB: {seconds:.3} s, {:.0} MB/s, {core_ns:.1} core-ns per record (check {check})",
        sinks.len(),
        summary.records,
        summary.bytes as f64 / 1e6,
        summary.bytes as f64 / 1e6 / seconds,
    );
    Ok(())
}
