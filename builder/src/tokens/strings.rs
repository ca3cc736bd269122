//! Strings of a sample, one after another.

/// Strings in one piece of memory: four bytes for each, besides its own.
#[derive(Clone, Debug, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Strings {
    /// Appends a string.
    ///
    /// # Panics
    /// If all strings together reach 4 GiB.
    pub fn push(&mut self, string: &[u8]) {
        self.bytes.extend_from_slice(string);
        self.ends.push(u32::try_from(self.bytes.len()).expect("a sample is below 4 GiB"));
    }

    /// Strings of zeros of these lengths, to be filled.
    ///
    /// # Panics
    /// As [`Self::push`].
    pub fn of_lengths(lengths: &[usize]) -> Self {
        let mut end = 0;
        let ends = lengths.iter().map(|len| {
            end += len;
            u32::try_from(end).expect("a sample is below 4 GiB")
        });
        let ends = ends.collect();
        Strings { bytes: vec![0; end], ends }
    }

    /// Puts the beginning of `string` in place of string number `i`, below [`Self::len`], or all of it at the beginning.
    pub fn fill(&mut self, i: usize, string: &[u8]) {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        let place = &mut self.bytes[start..self.ends[i] as usize];
        let len = place.len().min(string.len());
        place[..len].copy_from_slice(&string[..len]);
    }

    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is no string.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all strings.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// String number `i`, below [`Self::len`].
    pub fn get(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.bytes[start as usize..self.ends[i] as usize]
    }
}

impl<'a> FromIterator<&'a [u8]> for Strings {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(iter: I) -> Self {
        let mut strings = Strings::default();
        iter.into_iter().for_each(|string| strings.push(string));
        strings
    }
}
