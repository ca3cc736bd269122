//! The hash of the keys by name, with a seed that the user chooses or the system draws.

use hashlith_format::KeyHasher;
use std::str::FromStr;

/// The hash of the keys, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashName {
    /// XXH3-128: the faster one.
    #[default]
    Xxh3,
    /// SipHash-1-3-128 with a random key: for keys that strangers choose.
    Siphash,
}

/// The seed that the user chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// One that the system draws.
    Random,
    /// A number; for SipHash the 128 bits of its key.
    Number(u128),
}

impl FromStr for HashName {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "xxh3" => Ok(HashName::Xxh3),
            "siphash" => Ok(HashName::Siphash),
            _ => Err("the hash must be one of xxh3, siphash"),
        }
    }
}

impl FromStr for Seed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = match text.strip_prefix("0x") {
            _ if text == "random" => return Ok(Seed::Random),
            Some(digits) => u128::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number.map(Seed::Number).map_err(|_| "write a number, such as 17 or 0x1f, or `random`")
    }
}

impl HashName {
    /// The names of all hashes.
    pub const NAMES: &[&str] = &["xxh3", "siphash"];

    /// The hash with this seed. The default is 0 for XXH3, so that the same records give the same bytes, and random for
    /// SipHash.
    ///
    /// # Errors
    /// The seed is too large, or the system has no random numbers.
    pub fn hasher(self, seed: Option<Seed>) -> Result<KeyHasher, String> {
        let random = || getrandom::u64().map_err(|error| format!("no random seed: {error}"));
        match (self, seed) {
            (HashName::Xxh3, None) => Ok(KeyHasher::xxh3(0)),
            (HashName::Xxh3, Some(Seed::Random)) => random().map(KeyHasher::xxh3),
            (HashName::Xxh3, Some(Seed::Number(number))) => match u64::try_from(number) {
                Ok(seed) => Ok(KeyHasher::xxh3(seed)),
                Err(_) => Err(format!("the seed of xxh3 is at most {}", u64::MAX)),
            },
            (HashName::Siphash, None | Some(Seed::Random)) => Ok(KeyHasher::siphash(random()?, random()?)),
            (HashName::Siphash, Some(Seed::Number(number))) => {
                Ok(KeyHasher::siphash(number as u64, (number >> 64) as u64))
            }
        }
    }
}
