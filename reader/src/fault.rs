//! The errors for damage that callers find.

use crate::{index::Index, lookup::Field};
use hashlith_format::{Error, Rule};
use std::path::Path;

impl<D: AsRef<[u8]>> Index<D> {
    /// The corruption error for the key or the value with a dense id, for callers that find it to break a rule. The offset is
    /// that of the key or value, or of its record if it is compressed.
    ///
    /// ```
    /// use hashlith_reader::{Field, Rule};
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let value = index.get(b"sky")?.unwrap();
    /// let id = index.id(b"sky")?.unwrap();
    /// let fault = index.fault_of(id, Field::Value, Rule::V(8), "a value is not a number");
    /// assert_eq!(fault.offset(), index.parts()[0].offset_of(&value));
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn fault_of(&self, id: u64, field: Field, rule: Rule, what: &'static str) -> Error {
        let found = self.part_of_id(id).and_then(|(_, part)| {
            let lookup = part.lookup();
            let candidate = lookup.locate_id(id.wrapping_sub(part.first_id)).ok()??;
            Some(lookup.fault_of(&candidate, field, rule, what))
        });
        found.unwrap_or(Error::Corrupt { rule, offset: 0, what })
    }

    /// The corruption error for the metadata, for callers that find it to break a rule.
    ///
    /// ```
    /// use hashlith_reader::Rule;
    /// # let index = hashlith_reader::Index::new(include_bytes!("../tests/colours.hlith"))?;
    /// let fault = index.metadata_fault(Rule::V(9), "the metadata is not what I want");
    /// assert_eq!(fault.offset(), index.first_header().sections.metadata.offset);
    /// # Ok::<(), hashlith_reader::Error>(())
    /// ```
    pub fn metadata_fault(&self, rule: Rule, what: &'static str) -> Error {
        let offset = self.first_header().sections.metadata.offset;
        let fault = Error::Corrupt { rule, offset, what };
        self.parts.first().map_or(fault.clone(), |part| part.lookup().in_part(fault))
    }

    /// The path of the file that an error of this index is about: the part that [`Error::InPart`] names, or the only
    /// file. `None` if that was not opened by its path.
    ///
    /// ```
    /// use hashlith_reader::{Index, Rule};
    ///
    /// let index = Index::load("tests/colours.hlith")?;
    /// let fault = index.metadata_fault(Rule::V(9), "the metadata is not what I want");
    /// assert_eq!(index.fault_path(&fault), Some("tests/colours.hlith".as_ref()));
    /// # Ok::<(), hashlith_reader::OpenError>(())
    /// ```
    pub fn fault_path(&self, error: &Error) -> Option<&Path> {
        let part = match (error.part(), self.parts.as_slice()) {
            (Some(number), parts) => parts.get(number.wrapping_sub(self.first) as usize),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        part?.path()
    }
}
