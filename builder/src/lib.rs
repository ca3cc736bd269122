//! Builds hashlith indexes in bounded memory.
//!
//! [`Builder::add`] takes records, and [`Feeder`]s take them from many threads at once. The top bits of a key's hash choose
//! the partition that its record waits in: in memory up to the limit, then in a temporary file.
//! [`Builder::finish`] turns the partitions into cells on all threads, writes them in order to a file next to the final
//! path, and renames it when it is complete and durable.
//!
//! The same records and options give the same bytes, whatever the order, the number of threads or the memory limit.
//!
//! ```
//! use hashlith_builder::Builder;
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("colours.hlith");
//! let mut builder = Builder::new().memory_limit(64 << 20).threads(2);
//! builder.add(b"sky", b"blue")?;
//! builder.add(b"grass", b"green")?;
//! let report = builder.finish(&path)?;
//! assert_eq!(report.keys, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the builder's numbers are its own: counts and lengths of what it holds in memory, on 64-bit machines"
)]

mod access;
mod assembly;
mod builder;
mod cell;
mod cgroup;
mod chunk;
mod codecs;
mod collected;
mod commit;
mod direct;
mod error;
mod feeder;
mod finish;
mod jobs;
mod limits;
mod load;
mod lock;
mod options;
mod origin;
mod output;
mod plan;
mod pool;
mod publish;
mod queue;
mod recut;
mod sample;
mod set_lock;
mod setters;
mod settle;
mod shared;
mod sizing;
#[doc(hidden)]
pub mod solver;
mod sort;
mod spill;
mod split;
mod staging;
mod temp_file;
#[doc(hidden)]
pub mod tokens;

pub use builder::Builder;
pub use commit::commit_set;
pub use error::{Error, OutputFault, PartFault};
pub use feeder::Feeder;
pub use finish::Report;
pub use hashlith_feedback::Progress;
pub use hashlith_format::{HashId, KeyHasher, KeyType, Number, Row, ValueType, int_key};
pub use limits::{available_memory, available_threads, open_files};
pub use lock::{after_fork_in_child, after_fork_in_parent, before_fork};
pub use options::{Compress, OnDuplicate};
pub use origin::Origin;
pub use recut::can_recut;
pub use staging::prepare_set;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("hashlith-builder holds 64-bit lengths in usize");
