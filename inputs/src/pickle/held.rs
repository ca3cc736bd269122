//! How many items are held at once.

use std::cell::Cell;
use std::rc::Rc;

/// Counts the items in all containers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(Rc<Cell<usize>>);

impl Held {
    pub fn add(&self, items: usize) {
        self.0.set(self.0.get() + items);
    }

    pub fn remove(&self, items: usize) {
        self.0.set(self.0.get() - items);
    }

    pub fn get(&self) -> usize {
        self.0.get()
    }
}
