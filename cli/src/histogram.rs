//! How long things are, in powers of two.

use crate::size::Count;
use crate::table::Table;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::io::{self, Write};

/// Counts lengths: 0, 1, 2-3, 4-7, 8-15, ...
#[derive(Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum: u128,
    longest: u64,
}

impl Histogram {
    const BAR: usize = 40;

    /// Counts one.
    pub fn add(&mut self, length: u64) {
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

    /// The mean of all.
    pub fn mean(&self) -> Option<f64> {
        (self.total > 0).then(|| self.sum as f64 / self.total as f64)
    }

    /// The longest of all.
    pub fn longest(&self) -> u64 {
        self.longest
    }

    /// From, to, and how many, without the empty ends.
    fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let bounds = |bucket: u32| match bucket {
            0 => (0, 0),
            _ => (1 << (bucket - 1), u64::MAX >> (u64::BITS - bucket)),
        };
        let counts = self.counts.iter().skip_while(|&&count| count == 0).copied();
        let first = self.counts.len() - counts.clone().count();
        (first as u32..).zip(counts).map(move |(bucket, count)| {
            let (from, to) = bounds(bucket);
            (from, to, count)
        })
    }

    /// For people: a line for each range of lengths.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let most = self.counts.iter().copied().max().unwrap_or(0).max(1);
        let mut table = Table::numbers();
        let mut bars = Vec::new();
        for (from, to, count) in self.buckets() {
            let range =
                if from == to { Count(from).to_string() } else { format!("{}-{}", Count(from), Count(to)) };
            let share = format!("{:.1} %", 100.0 * count as f64 / self.total as f64);
            table.row([&"", &range, &Count(count), &share]);
            let dots = (count as u128 * Self::BAR as u128).div_ceil(u128::from(most)) as usize;
            bars.push("#".repeat(dots));
        }
        table.write_beside(out, &bars)
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Bucket {
            from: u64,
            to: u64,
            count: u64,
        }
        let buckets: Vec<_> = self.buckets().map(|(from, to, count)| Bucket { from, to, count }).collect();
        let mut histogram = serializer.serialize_struct("Histogram", 3)?;
        histogram.serialize_field("mean", &self.mean())?;
        histogram.serialize_field("longest", &self.longest)?;
        histogram.serialize_field("buckets", &buckets)?;
        histogram.end()
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;

    #[test]
    fn lengths_fall_into_powers_of_two() {
        let mut histogram = Histogram::default();
        [4, 7, 8, 15, 16].iter().for_each(|&length| histogram.add(length));
        let buckets: Vec<_> = histogram.buckets().collect();
        assert_eq!(buckets, [(4, 7, 2), (8, 15, 2), (16, 31, 1)]);
        assert_eq!((histogram.mean(), histogram.longest()), (Some(10.0), 16));
        histogram.add(0);
        histogram.add(1);
        histogram.add(u64::MAX);
        let buckets: Vec<_> = histogram.buckets().collect();
        assert_eq!((buckets[0], buckets[1], buckets[2]), ((0, 0, 1), (1, 1, 1), (2, 3, 0)));
        assert_eq!(buckets[buckets.len() - 1], (1 << 63, u64::MAX, 1));
    }
}
