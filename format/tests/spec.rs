//! The format crate against the words of `spec.md`.
#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use hashlith_format::{
    Error, Geometry, Header, KeyHasher, KeyType, Layout, Rule, Sections, ValueType,
    block::{BlockView, HotData, SEEDS},
    checksum::{self, ChunkSums},
    directory::Entry,
    hash::mulhi,
    record::{self, Lengths},
};

const SPEC: &str = include_str!("../../spec.md");

/// Section 7: the ten test vectors, read from the page itself.
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
        assert_eq!(hash.block(1000), number(3));
        let geometry = Geometry::new(1000);
        let seed = SEEDS[number(4) as usize];
        assert_eq!(geometry.bucket(hash.lo ^ seed), number(5));
        assert_eq!(u64::from(geometry.slot(hash.lo ^ seed, number(6) as u8, seed)), number(7));
    }
}

/// Section 7: the vectors of the second hash, read from the page itself, whole and in pieces.
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

/// Section 5: sizes are those of `ptr_hash` with alpha 0.99 and lambda 3.0 in floating point.
#[test]
fn geometry_is_that_of_ptr_hash() {
    for keys in (1..200_000u32).chain((1..2000).map(|i| i * 1_073_741)) {
        let geometry = Geometry::new(keys);
        let mut slots = (f64::from(keys) / 0.99) as u64;
        slots += u64::from(slots.is_power_of_two());
        assert_eq!(u64::from(geometry.slots), slots, "{keys}");
        assert_eq!(u64::from(geometry.buckets), (f64::from(keys) / 3.0).ceil() as u64 + 3, "{keys}");
    }
}

#[test]
fn slots_and_buckets_stay_in_range() {
    for keys in [1u32, 2, 3, 99, 4096, 1 << 20, 1 << 31] {
        let geometry = Geometry::new(keys);
        for x in [0, 1, u64::MAX, u64::MAX / 2, 0x1234_5678_9abc_def0] {
            assert!(geometry.bucket(x) < u64::from(geometry.buckets));
            for pilot in [0, 1, 255] {
                assert!(geometry.slot(x, pilot, SEEDS[3]) < geometry.slots);
                assert_eq!(geometry.slot(x, pilot, SEEDS[3]), geometry.slot_finder(SEEDS[3])(x, pilot));
            }
        }
    }
    assert_eq!(mulhi(u64::MAX, u64::MAX), u64::MAX - 1);
}

#[test]
fn varints_are_minimal_and_bounded() {
    for number in (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]).chain([u64::MAX]) {
        let mut bytes = Vec::new();
        record::write_varint(number, &mut bytes);
        assert_eq!(record::read_varint(&bytes), Some((number, bytes.len())));
        assert_eq!(record::varint_len(number), bytes.len() as u64);
        assert!((0..bytes.len()).all(|len| record::read_varint(&bytes[..len]).is_none()));
    }
    assert_eq!(record::read_varint(&[0x80; 11]), None);
    // 2^64 needs a tenth byte of 2.
    assert_eq!(record::read_varint(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2]), None);
    assert!(!Lengths::parse(&[0x81, 0x00, 0]).unwrap().is_minimal());
    assert!(Lengths::parse(&[0x81, 0x01, 0]).unwrap().is_minimal());
    assert_eq!(Lengths { head: 20, key: u64::MAX, value: 1 }.total(), None);
}

/// Section 6: what is packed is what is read, at every width and for odd record lengths.
#[test]
fn hot_data_is_read_as_it_was_written() {
    for fingerprint_bits in [1u32, 7, 8, 16] {
        for (count, step) in [(1u32, 3u64), (2, 1000), (100, 37), (3000, 51), (50, 1 << 33), (7, 1 << 37)] {
            let mut random = 0x9e37_79b9_7f4a_7c15u64;
            let mut next = |below: u64| {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % below
            };
            let lens: Vec<u64> = (0..count).map(|_| 2 + next(step) * (1 + next(3))).collect();
            let offsets: Vec<u64> = lens
                .iter()
                .scan(0, |at, len| {
                    *at += len;
                    Some(*at - len)
                })
                .collect();
            let fingerprints: Vec<u16> = (0..count).map(|_| next(1 << fingerprint_bits) as u16).collect();
            let geometry = Geometry::new(count);
            let pool_len = lens.iter().sum();
            let data = HotData {
                pool_len,
                offsets: &offsets,
                fingerprints: &fingerprints,
                fingerprint_bits,
                remap: &vec![7; geometry.remaps() as usize],
                pilots: &vec![9; geometry.buckets as usize],
                seed_number: 4,
                salt: 11,
            };
            let mut hot = vec![0xee; 5];
            let layout = data.write(&mut hot).unwrap();
            assert_eq!((layout.seed_number, layout.salt), (4, 11));
            let header = Header { fingerprint_bits, ..header(0) };
            let entry = Entry { first_id: 3, hot_start: 5, pool_start: 2, layout };
            let end = Entry {
                first_id: 3 + u64::from(count),
                hot_start: hot.len() as u64,
                pool_start: 2 + pool_len,
                layout,
            };
            let view = BlockView::new(&entry, &end, &header);
            assert_eq!(view.hot_len() + 5, hot.len() as u64);
            hot.extend_from_slice(&[0xee; 8]);
            let hot_at = |at: u64| (at - header.sections.hot.offset) as usize;
            for slot in 0..count {
                let bytes = hot[hot_at(view.entry_at(slot))..][..8].try_into().unwrap();
                let (fingerprint, delta) = view.split_entry(slot, bytes);
                assert_eq!(fingerprint, u64::from(fingerprints[slot as usize]));
                assert_eq!(
                    view.record_offset(slot, delta),
                    Some(offsets[slot as usize]),
                    "{count} {step} {slot}"
                );
            }
            assert!(
                hot[hot_at(view.remap_at(0))..][..4 * geometry.remaps() as usize]
                    .iter()
                    .all(|byte| byte % 7 == 0)
            );
            assert!(
                hot[hot_at(view.pilot_at(0))..][..geometry.buckets as usize].iter().all(|&pilot| pilot == 9)
            );
        }
    }
}

#[test]
fn entries_above_57_bits_are_refused() {
    let data = HotData {
        pool_len: 1 << 51,
        offsets: &[0, (1 << 51) - 9],
        fingerprints: &[0, 0],
        fingerprint_bits: 8,
        remap: &[0],
        pilots: &[0; 4],
        seed_number: 0,
        salt: 0,
    };
    assert_eq!(data.write(&mut Vec::new()), None);
}

fn header(pool: u64) -> Header {
    Header {
        ignorable_features: 0,
        keys: 0,
        blocks: 1,
        hasher: KeyHasher::xxh3(5),
        key_type: KeyType::Text,
        value_type: ValueType::Json,
        fingerprint_bits: 8,
        sections: Sections::place(pool, 0, 1, 0).unwrap(),
        directory_digest: 1,
        sums_digest: 2,
    }
}

#[test]
fn headers_come_back() {
    let header = header(10);
    assert_eq!(Header::parse(&header.to_bytes(), header.file_len()), Ok(header));
}

/// Rules R1 to R14, each broken alone and the header sealed again: the number and the offset are those of the spec.
#[test]
fn broken_headers_are_refused_by_the_rule_of_the_spec() {
    let good = header(10);
    let len = good.file_len();
    let check = |edits: &[(usize, u8)], len: u64, rule: u8, offset: u64| {
        let mut page = good.to_bytes();
        for &(at, value) in edits {
            page[at] = value;
        }
        hashlith_format::header::seal(&mut page);
        let error = Header::parse(&page, len).unwrap_err();
        assert_eq!((error.rule(), error.offset()), (Rule::R(rule), offset), "{edits:?}: {error}");
    };
    let short = Header::parse(&good.to_bytes()[..4095], 4095).unwrap_err();
    assert_eq!(short, Error::TooShort { len: 4095 });
    check(&[(3, 0)], len, 2, 0);
    check(&[(8, 2)], len, 3, 8);
    let mut page = good.to_bytes();
    page[4088] ^= 1;
    assert_eq!(Header::parse(&page, len).unwrap_err().rule(), Rule::R(4));
    check(&[(23, 0x80)], len, 5, 16);
    check(&[(13, 1)], len, 6, 13);
    check(&[(79, 1)], len, 6, 79);
    check(&[(4087, 1)], len, 6, 4087);
    check(&[], len + 1, 7, 32);
    check(&[(48, 0)], len, 8, 48);
    check(&[(46, 2)], len, 8, 40);
    check(&[(68, 2)], len, 9, 64);
    check(&[(68, 0)], len, 9, 64);
    check(&[(72, 0)], len, 10, 72);
    check(&[(72, 3)], len, 10, 72);
    check(&[(183, 1)], len, 6, 183);
    check(&[(72, 2), (184, 1)], len, 6, 184);
    check(&[(73, 2)], len, 11, 73);
    check(&[(74, 3)], len, 11, 74);
    check(&[(75, 0)], len, 12, 75);
    check(&[(75, 17)], len, 12, 75);
    check(&[(120, 63)], len, 13, 112);
    check(&[(48, 2)], len, 13, 112);
    check(&[(55, 0x08)], len, 13, 112);
    check(&[(139, 1)], len, 13, 128);
    for row in 0..5 {
        check(&[(80 + 16 * row + 1, 0x70)], len, 14, 80 + 16 * row as u64);
    }
    // A section that passes the end of all files puts the next one nowhere.
    check(&[(95, 0xff)], len, 14, 96);
    check(&[(152, 7)], len, 14, 144);
    check(&[(159, 0xff)], len, 14, 144);
    // An ignorable feature is passed over.
    let mut page = good.to_bytes();
    page[24] = 1;
    hashlith_format::header::seal(&mut page);
    assert_eq!(Header::parse(&page, len).unwrap().ignorable_features, 1);
}

#[test]
fn sections_that_pass_the_end_of_all_files_are_refused() {
    assert_eq!(Sections::place(u64::MAX - 4096, 0, 1, 0), None);
    assert_eq!(Sections::place(0, u64::MAX / 2, u64::MAX / 16, 0), None);
    let large = Sections::place(1 << 50, 3 << 20, 1 << 20, 7).unwrap();
    assert_eq!((large.hot.offset % (2 << 20), large.sums.len % 8), (0, 0));
}

/// Section 8: sums made piece by piece are those of the chunks.
#[test]
fn sums_do_not_depend_on_how_the_bytes_come() {
    let bytes: Vec<u8> = (0..200_000u32).map(|i| (i.wrapping_mul(i) >> 3) as u8).collect();
    let expected: Vec<u8> = (0u64..)
        .zip(bytes.chunks(65_536))
        .flat_map(|(i, chunk)| checksum::chunk_sum(i, chunk).to_le_bytes())
        .collect();
    for step in [1, 1000, 65_535, 65_536, 65_537, 200_000] {
        let mut sums = ChunkSums::default();
        bytes.chunks(step).for_each(|part| sums.update(part));
        assert_eq!(sums.finish(), expected, "{step}");
    }
    assert_eq!(checksum::chunk_count(4096), 0);
    assert_eq!(checksum::chunk_count(4096 + 65_537), 2);
    let mut digest = checksum::Digest::new();
    bytes.chunks(777).for_each(|part| digest.update(part));
    assert_eq!(digest.finish(), checksum::digest(&bytes));
}

#[test]
fn layouts_are_packed_as_section_5_says() {
    let layout = Layout { bias: (1 << 48) - 2, width: 49, seed_number: 9, salt: 63 };
    let bytes = Entry { first_id: 1, hot_start: 2, pool_start: 3, layout }.to_bytes();
    let packed = u64::from_le_bytes(bytes[24..].try_into().unwrap());
    assert_eq!(packed, ((1 << 48) - 2) | 49 << 48 | 9 << 54 | 63 << 58);
}
