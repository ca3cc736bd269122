//! What the benchmarks share: deterministic records.

pub mod memory;

/// A bijection of the 64-bit numbers (SplitMix64's finaliser; Steele, Lea, Flood, OOPSLA 2014).
#[inline]
pub fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn text(mut number: u64, len: usize, out: &mut Vec<u8>) {
    out.clear();
    for at in 0..len {
        if at > 0 && at % 11 == 0 {
            number = mix(number ^ at as u64);
        }
        out.push(ALPHABET[(number & 63) as usize]);
        number = number.rotate_right(6);
    }
}

/// Which records a benchmark works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Keys of 16 to 24 bytes, values of 20 to 30: 45 bytes per pair on average.
    Strings,
    /// Keys of 12 bytes, values of 11.
    Short,
}

impl Shape {
    /// `Short` for the flag `--short` of the programs.
    pub fn of(short: bool) -> Self {
        if short { Shape::Short } else { Shape::Strings }
    }

    /// Key and value of record `number`.
    pub fn pair(self, number: u64) -> (Vec<u8>, Vec<u8>) {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        record(self, number, &mut key, &mut value);
        (key, value)
    }
}

/// A random number below `limit`, determined by `at` and `salt`.
#[inline]
pub fn pick(at: u64, salt: u64, limit: u64) -> u64 {
    ((u128::from(mix(at ^ salt)) * u128::from(limit)) >> 64) as u64
}

/// Writes key and value of record `number`. Keys of different numbers differ: the first 11 bytes hold all 64 bits.
pub fn record(shape: Shape, number: u64, key: &mut Vec<u8>, value: &mut Vec<u8>) {
    let hash = mix(number);
    let (key_len, value_len) = match shape {
        Shape::Strings => (16 + (hash >> 3) % 9, 20 + (hash >> 17) % 11),
        Shape::Short => (12, 11),
    };
    text(hash, key_len as usize, key);
    text(mix(!hash), value_len as usize, value);
}

/// Median, least and greatest of some measurements.
pub fn spread(samples: &mut [f64]) -> (f64, f64, f64) {
    samples.sort_by(f64::total_cmp);
    (samples[samples.len() / 2], samples[0], samples[samples.len() - 1])
}
