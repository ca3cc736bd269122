//! A build that is under way, without Python.

use crate::arena::Arena;
use hashlith::{Feeder, KeyType, ValueType, builder::Error};

/// The builder, and records that it does not have yet.
pub struct Building {
    pub builder: hashlith::Builder,
    /// There is none before the types are known.
    pub feeder: Option<Feeder>,
    /// Alternating keys and values of records that were added one by one.
    pub pending: Arena,
}

impl Building {
    pub fn flush(&mut self, types: (KeyType, ValueType)) -> Result<(), Error> {
        let mut pending = std::mem::take(&mut self.pending);
        self.add_all(types, &mut pending)?;
        self.pending = pending;
        Ok(())
    }

    /// Hands over a batch. Without records the types are not settled yet.
    pub fn add_all(&mut self, types: (KeyType, ValueType), batch: &mut Arena) -> Result<(), Error> {
        if batch.len() == 0 { Ok(()) } else { add_all(self.feeder(types)?, batch) }
    }

    /// The feeder for records of these types.
    fn feeder(&mut self, (keys, values): (KeyType, ValueType)) -> Result<&mut Feeder, Error> {
        let feeder = match self.feeder.take() {
            Some(feeder) => feeder,
            None => {
                self.builder = std::mem::take(&mut self.builder).key_type(keys).value_type(values);
                self.builder.feeder()?
            }
        };
        Ok(self.feeder.insert(feeder))
    }
}

fn add_all(feeder: &mut Feeder, batch: &mut Arena) -> Result<(), Error> {
    let mut parts = batch.iter();
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        feeder.add(key, value)?;
    }
    drop(parts);
    feeder.count();
    batch.truncate(0);
    Ok(())
}
