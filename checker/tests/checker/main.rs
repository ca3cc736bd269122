//! The checker on files from a plain writer ([`model`]), whose parts can be spoiled before they are sealed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod accepts;
mod against;
mod damage;
mod edges;
mod model;
mod rules;
