//! What a long operation shares with its caller: [`Progress`], which also cancels it, and [`Advice`], the kind of help that
//! applies when it fails.
//!
//! The builder, the input readers and the checker all report to one `Progress`, and a front end draws it. Errors carry
//! `Advice` as data, so that each front end can name its own options: `--memory` in a shell, `memory=` in Python.
#![forbid(unsafe_code)]

mod advice;
mod progress;

pub use advice::Advice;
pub use progress::{Cancelled, Phase, Progress, Snapshot, Unit};
