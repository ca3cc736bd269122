//! Builds an index from records that the program makes, on several threads, with a progress bar of its own.
//!
//!     cargo run --release -p hashlith --example build -- squares.hlith

use hashlith::{Builder, OnDuplicate, Unit};
use std::{path::PathBuf, thread};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).map_or_else(|| "squares.hlith".into(), PathBuf::from);
    let mut builder = Builder::new()
        .memory_limit(256 << 20)
        .threads(2)
        .on_duplicate(OnDuplicate::Error)
        .metadata(r#"{"what": "squares"}"#);
    // Checks the output and the options before any work.
    builder.preflight(&path)?;
    let progress = builder.progress_handle();

    // A feeder for each thread; `finish` hands its records over.
    let feeders = (0..2).map(|_| builder.feeder()).collect::<Result<Vec<_>, _>>()?;
    thread::scope(|scope| {
        let feeding = feeders.into_iter().zip(0u64..).map(|(mut feeder, thread)| {
            scope.spawn(move || {
                for n in (thread..1_000_000).step_by(2) {
                    feeder.add(n.to_string().as_bytes(), (n * n).to_string().as_bytes())?;
                }
                feeder.finish()
            })
        });
        let feeding: Vec<_> = feeding.collect();
        feeding.into_iter().try_for_each(|thread| thread.join().expect("feeding does not panic"))
    })?;
    println!("{} records are in", progress.done(Unit::Records));

    let report = builder.finish(&path)?;
    println!("{}: {} keys, {} bytes", path.display(), report.keys, report.bytes());
    for (phase, took) in &report.phases {
        println!("{:9} {:.2} s", phase.name(), took.as_secs_f64());
    }
    Ok(())
}
