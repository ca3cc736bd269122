//! The test vectors of `spec.md`, read from the page itself.

use crate::SPEC;
use hashlith_format::{Attempt, Geometry, KeyHasher};

/// Section 7: the ten test vectors.
#[test]
fn test_vectors_of_the_spec() {
    let rows: Vec<Vec<&str>> = SPEC
        .lines()
        .skip_while(|line| !line.starts_with("| key | hi |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 10);
    for row in rows {
        let key = match row[0] {
            "(empty)" => String::new(),
            repeated if repeated.ends_with("times") => {
                let words: Vec<_> = repeated.split(' ').collect();
                words[0].trim_matches('`').repeat(words[1].parse().unwrap())
            }
            quoted => quoted.trim_matches('`').into(),
        };
        let number = |at: usize| row[at].parse::<u64>().unwrap();
        let hash = KeyHasher::xxh3(0).hash(key.as_bytes());
        assert_eq!(
            (format!("{:016x}", hash.hi), format!("{:016x}", hash.lo)),
            (row[1].into(), row[2].into())
        );
        assert_eq!(hash.cell(1, 1000), number(3));
        let geometry = Geometry { keys: 40 };
        let x = Attempt(number(4) as u8).number(hash.lo);
        assert_eq!(geometry.bucket(x), number(5));
        assert_eq!(u64::from(geometry.slot(x, number(6) as u8)), number(7));
    }
}

/// Section 7: the vectors of the second hash, for whole keys and for keys in pieces.
#[test]
fn test_vectors_of_siphash() {
    let hasher = KeyHasher::siphash(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
    let lines = SPEC.lines().skip_while(|line| !line.starts_with("| bytes | hi |")).skip(2);
    let rows: Vec<_> = lines.take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let key: Vec<u8> = (0..cells[0].parse::<u32>().unwrap()).map(|byte| byte as u8).collect();
        let hash = hasher.hash(&key);
        assert_eq!([hash.hi, hash.lo].map(|half| format!("{half:016x}")), cells[1..], "{row}");
        for hasher in [hasher, KeyHasher::xxh3(9)] {
            let mut stream = hasher.stream();
            key.chunks(7).for_each(|piece| stream.update(piece));
            assert_eq!(stream.finish(), hasher.hash(&key));
        }
    }
}
