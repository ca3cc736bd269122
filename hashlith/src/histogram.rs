//! Counts of lengths, by powers of two.

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Counts lengths in ranges: 0, 1, 2-3, 4-7, 8-15, ...
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum: u128,
    longest: u64,
}

/// One range of a [`Histogram`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LengthRange {
    /// The shortest length of the range.
    pub from: u64,
    /// The longest length of the range.
    pub to: u64,
    /// How many lengths are in it.
    pub count: u64,
}

impl Histogram {
    /// Counts one length.
    pub(crate) fn add(&mut self, length: u64) {
        let bucket = (u64::BITS - length.leading_zeros()) as usize;
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.total += 1;
        self.sum += u128::from(length);
        self.longest = self.longest.max(length);
    }

    /// The mean of all lengths; `None` if there are none.
    pub fn mean(&self) -> Option<f64> {
        (self.total > 0).then(|| self.sum as f64 / self.total as f64)
    }

    /// The greatest length.
    pub fn longest(&self) -> u64 {
        self.longest
    }

    /// The number of lengths.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// All ranges from the first to the last that is not empty.
    pub fn ranges(&self) -> impl Iterator<Item = LengthRange> {
        let bounds = |bucket: u32| match bucket {
            0 => (0, 0),
            _ => (1 << (bucket - 1), u64::MAX >> (u64::BITS - bucket)),
        };
        let counts = self.counts.iter().skip_while(|&&count| count == 0).copied();
        let first = self.counts.len() - counts.clone().count();
        (first as u32..).zip(counts).map(move |(bucket, count)| {
            let (from, to) = bounds(bucket);
            LengthRange { from, to, count }
        })
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut histogram = serializer.serialize_struct("Histogram", 3)?;
        histogram.serialize_field("mean", &self.mean())?;
        histogram.serialize_field("longest", &self.longest)?;
        histogram.serialize_field("buckets", &self.ranges().collect::<Vec<_>>())?;
        histogram.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(histogram: &Histogram) -> Vec<(u64, u64, u64)> {
        histogram.ranges().map(|bucket| (bucket.from, bucket.to, bucket.count)).collect()
    }

    #[test]
    fn lengths_fall_into_powers_of_two() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.mean(), histogram.longest()), (None, 0));
        [4, 7, 8, 15, 16].iter().for_each(|&length| histogram.add(length));
        assert_eq!(buckets(&histogram), [(4, 7, 2), (8, 15, 2), (16, 31, 1)]);
        assert_eq!((histogram.mean(), histogram.longest()), (Some(10.0), 16));
        [0, 1, u64::MAX].iter().for_each(|&length| histogram.add(length));
        let buckets = buckets(&histogram);
        assert_eq!((buckets[0], buckets[1], buckets[2]), ((0, 0, 1), (1, 1, 1), (2, 3, 0)));
        assert_eq!(buckets[buckets.len() - 1], (1 << 63, u64::MAX, 1));
    }
}
