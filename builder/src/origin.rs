//! Where a record came from.

/// Where an input record came from. Origins compare by source, then by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Number of the source, as given to [`crate::Feeder::add_from`].
    pub source: u32,
    /// Position in the source, as given to [`crate::Feeder::add_from`].
    pub position: u64,
}
