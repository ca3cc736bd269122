//! Keys that were made to collide, and keys of awkward shapes, give a right index or a clear error, in bounded memory.

use crate::support::{BASE, LIMIT, in_child};
use hashlith_builder::{Builder, Error, OnDuplicate};
use hashlith_format::{KeyHash, KeyHasher};
use hashlith_reader::Index;

/// The 16-byte key with this XXH3-128 hash under seed 0. All steps of XXH3 for 9 to 16 bytes can be undone (constants:
/// <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>), so anyone can choose keys by their hash.
fn key_with(hash: KeyHash) -> [u8; 16] {
    const PRIME32_2: u64 = 0x85EB_CA77;
    const PRIME64_1: u64 = 0x9E37_79B1_85EB_CA87;
    const PRIME64_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
    const AVALANCHE: u64 = 0x1656_6791_9E37_79F9;
    let secret = |at: usize| {
        const SECRET: [u8; 32] = [
            0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
            0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
        ];
        u64::from_le_bytes(SECRET[at - 32..at - 24].try_into().unwrap())
    };
    // Newton's iteration; each step doubles the number of right bits.
    let inverse = |odd: u64| {
        (0..6).fold(odd, |found, _| found.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(found))))
    };
    let mulhi = |a: u64, b: u64| ((u128::from(a) * u128::from(b)) >> 64) as u64;
    let before_avalanche = |mut x: u64| {
        x ^= x >> 32;
        x = x.wrapping_mul(inverse(AVALANCHE));
        x ^ x >> 37
    };
    let (lo, hi) = (before_avalanche(hash.lo), before_avalanche(hash.hi));
    let mixed_lo = lo.wrapping_mul(inverse(PRIME64_2));
    let mixed_hi = hi.wrapping_sub(mulhi(mixed_lo, PRIME64_2)).wrapping_mul(inverse(PRIME64_2));
    let product = (mixed_lo ^ mixed_hi.swap_bytes()).wrapping_sub(15 << 54);
    let sum = product.wrapping_mul(inverse(PRIME64_1));
    let rest = mixed_hi.wrapping_sub(mulhi(sum, PRIME64_1));
    let low = rest.wrapping_mul(inverse(PRIME32_2)) & 0xffff_ffff;
    let flipped = rest.wrapping_sub(low.wrapping_mul(PRIME32_2 - 1));
    let second = flipped ^ secret(48) ^ secret(56);
    let first = sum ^ second ^ secret(32) ^ secret(40);
    let mut key = [0; 16];
    key[..8].copy_from_slice(&first.to_le_bytes());
    key[8..].copy_from_slice(&second.to_le_bytes());
    key
}

/// Numbers without a pattern.
fn scattered(i: u64) -> u64 {
    KeyHasher::xxh3(1).hash(&i.to_le_bytes()).hi
}

/// A million keys by their hash; the value is the number.
fn build(builder: Builder, hash: impl Fn(u64) -> KeyHash) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let mut builder = builder.threads(2).memory_limit(LIMIT);
    let key = |i: u64| key_with(hash(i));
    for i in 0..1_000_000 {
        builder.add(&key(i), &i.to_le_bytes()).unwrap();
    }
    match builder.finish(&path) {
        Ok(_) => {
            let index = Index::load(&path).unwrap();
            for i in 0..1_000_000 {
                assert_eq!(index.get(&key(i)).unwrap().as_deref(), Some(&i.to_le_bytes()[..]));
            }
            for i in 1_000_000..1_100_000 {
                assert_eq!(index.get(&key(i)).unwrap(), None);
            }
            "built".into()
        }
        Err(Error::Hash { .. }) => "refused: hash".into(),
        Err(Error::Crowded { .. }) => "refused: crowded".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn keys_can_be_chosen_by_their_hash() {
    for i in 0..1000 {
        let hash = KeyHash { lo: scattered(i), hi: scattered(!i) };
        assert_eq!(KeyHasher::xxh3(0).hash(&key_with(hash)), hash);
    }
}

/// One lower half for all keys: no pilot can tell the keys of a cell apart, but a salt can.
#[test]
fn equal_lower_halves() {
    let case = || build(Builder::new(), |i| KeyHash { lo: 0x0123_4567_89ab_cdef, hi: scattered(i) });
    let Some((peak, answer)) = in_child(module_path!(), "equal_lower_halves", case) else { return };
    assert_eq!(answer, "built");
    // The check holds the file in memory: 16 + 8 bytes per pair, and the index overhead.
    assert!(peak < LIMIT + BASE + (40 << 20), "{peak}");
}

/// One upper half for all keys: they share a cell, however many cells there are.
#[test]
fn equal_upper_halves() {
    let case = || build(Builder::new(), |i| KeyHash { hi: 0x0123_4567_89ab_cdef, lo: scattered(i) });
    let Some((peak, answer)) = in_child(module_path!(), "equal_upper_halves", case) else { return };
    assert!(answer.starts_with("refused"), "{answer}");
    assert!(peak < LIMIT + BASE, "{peak}");
}

/// For SipHash with a key of its own, the same keys are nothing special.
#[test]
fn equal_halves_and_siphash() {
    let siphash = || Builder::new().hasher(KeyHasher::siphash(0x1234, 0x5678));
    let case = || {
        let one = build(siphash(), |i| KeyHash { lo: 0x0123_4567_89ab_cdef, hi: scattered(i) });
        one + " " + &build(siphash(), |i| KeyHash { hi: 0x0123_4567_89ab_cdef, lo: scattered(i) })
    };
    let Some((peak, answer)) = in_child(module_path!(), "equal_halves_and_siphash", case) else { return };
    assert_eq!(answer, "built built");
    assert!(peak < LIMIT + BASE + (40 << 20), "{peak}");
}

/// Two keys with all 128 bits of their hash in common are two keys.
#[test]
fn equal_hashes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let mut builder = Builder::new().on_duplicate(OnDuplicate::Error);
    let longer: Vec<String> = (0..1000).map(|i| format!("a key of more than sixteen bytes: {i}")).collect();
    let twin = |key: &str| key_with(KeyHasher::xxh3(0).hash(key.as_bytes()));
    for key in &longer {
        assert_eq!(KeyHasher::xxh3(0).hash(&twin(key)), KeyHasher::xxh3(0).hash(key.as_bytes()));
        builder.add(key.as_bytes(), b"long").unwrap();
        builder.add(&twin(key), b"twin").unwrap();
    }
    builder.finish(&path).unwrap();
    let index = Index::load(&path).unwrap();
    for key in &longer {
        assert_eq!(index.get(key.as_bytes()).unwrap().as_deref(), Some(&b"long"[..]));
        assert_eq!(index.get(&twin(key)).unwrap().as_deref(), Some(&b"twin"[..]));
    }
}

/// Each key a prefix of the next, up to 64 KiB; keys of NUL bytes alone; numbers in strides of 100.
#[test]
fn prefixes_nuls_and_strides() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let long = vec![b'x'; 65_536];
    let mut keys: Vec<Vec<u8>> = (0..=65_536).step_by(64).map(|len| long[..len].to_vec()).collect();
    keys.extend((1..3000).map(|len| vec![0; len]));
    keys.extend((0..100_000u64).map(|i| (i * 100).to_le_bytes().to_vec()));
    keys.extend((0..100_000u64).map(|i| (i * 100).to_string().into_bytes()));
    let number: std::collections::HashMap<_, _> = keys.iter().zip(0u64..).collect();
    let mut builder = Builder::new().threads(2).memory_limit(LIMIT).on_duplicate(OnDuplicate::Last);
    for (key, number) in keys.iter().zip(0u64..) {
        builder.add(key, &number.to_le_bytes()).unwrap();
    }
    assert_eq!(builder.finish(&path).unwrap().keys, number.len() as u64);
    let index = Index::load(&path).unwrap();
    for (key, number) in &number {
        assert_eq!(index.get(key).unwrap().as_deref(), Some(&number.to_le_bytes()[..]));
    }
    for absent in [&long[..63], &long[..65_535], &[long.clone(), long.clone()].concat(), &[0; 3000], b"50"] {
        assert_eq!(index.get(absent).unwrap(), None);
    }
}

/// A value of 1 GiB under a limit of 48 MiB: a few copies of it come on top of the limit.
#[test]
#[ignore = "a GiB in several copies: make test-all"]
fn a_value_of_one_gib() {
    const LEN: usize = 1 << 30;
    let case = || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut value = vec![b'v'; LEN];
        value[LEN - 1] = b'!';
        let mut builder = Builder::new().threads(2).memory_limit(LIMIT);
        builder.add(b"small", b"value").unwrap();
        builder.add(b"large", &value).unwrap();
        builder.finish(&path).unwrap();
        // SAFETY: a file of this test's own.
        let index = unsafe { Index::map(&path, &hashlith_reader::MapOptions::default()) }.unwrap();
        assert_eq!(index.get(b"small").unwrap().as_deref(), Some(&b"value"[..]));
        assert!(index.get(b"large").unwrap().unwrap() == value);
        "built".into()
    };
    let Some((peak, answer)) = in_child(module_path!(), "a_value_of_one_gib", case) else { return };
    assert_eq!(answer, "built");
    // Two of them are this test's: the value, and the pages of the mapped file.
    assert!(peak < LIMIT + BASE + 6 * LEN as u64, "{peak}");
}
