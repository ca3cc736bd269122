//! What `spec.md` says of headers, cells, records, sums and messages.
#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use hashlith_format::{
    Attempt, CELL_LEN, CellData, CellView, Error, Geometry, Head, Header, KeyHasher, KeyType, Manifest,
    Number, Row, Rule, Sections, Span, ValueType,
    checksum::{self, ChunkSums},
    hash::mulhi,
    header::{Lens, digest as header_digest},
    manifest::PartFile,
    record::{self, Lengths},
};

#[test]
fn slots_and_buckets_stay_in_range() {
    for keys in 1..=255 {
        let geometry = Geometry { keys };
        assert_eq!(geometry.buckets(), u64::from(keys) * 3 / 8 + 1);
        for x in [0, 1, u64::MAX, u64::MAX / 2, 0x1234_5678_9abc_def0] {
            assert!(geometry.bucket(x) < geometry.buckets());
            for pilot in [0, 1, 255] {
                assert!(geometry.slot(x, pilot) < keys);
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

/// Sections 5 and 6: entries come back as they were packed, at every width and for odd record lengths, in the cell or far.
#[test]
fn cells_are_read_as_they_were_written() {
    let (mut in_cells, mut far_cells) = (0, 0);
    for fingerprint_bits in [1u32, 7, 8, 12, 16, 31] {
        for (count, step) in [
            (1u8, 3u64),
            (2, 1000),
            (40, 1),
            // With fingerprints of 12 bits, the longest body in a cell.
            (57, 1),
            (100, 37),
            (127, 51),
            (255, 9),
            (50, 1 << 16),
            (7, 1 << 22),
        ] {
            let mut random = 0x9e37_79b9_7f4a_7c15u64;
            let mut next = |below: u64| {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % below
            };
            let lens = (0..count).map(|_| 2 + next(step) * (1 + next(3)));
            let mut offsets = vec![0];
            lens.for_each(|len| offsets.push(offsets.last().unwrap() + len));
            let fingerprints: Vec<u32> = (0..count).map(|_| next(1 << fingerprint_bits) as u32).collect();
            let geometry = Geometry { keys: count };
            let data = CellData {
                offsets: &offsets,
                fingerprints: &fingerprints,
                fingerprint_bits,
                pilots: &vec![9; geometry.buckets() as usize],
                attempt: Attempt(0xb4),
                shared: None,
            };
            let (mut cells, mut far) = (vec![0xee; 128], vec![0xee; 5]);
            data.write(3, 1 << 47, &mut cells, &mut far).unwrap();
            let head = Head::parse(cells[128..].try_into().unwrap());
            assert_eq!((head.first_id, head.pool_start, head.keys), (3, 1 << 47, count));
            assert_eq!((head.attempt.salt(), head.attempt.0 & 15), (11, 4));
            // As if the far section followed at once.
            let section = Span { offset: 256, len: far.len() as u64 };
            let view =
                CellView::new(cells[128..].try_into().unwrap(), 128, fingerprint_bits, section).unwrap();
            match head.far {
                None => in_cells += 1,
                Some(place) => {
                    far_cells += 1;
                    assert_eq!(place, 5);
                    assert_eq!(view.body_len() + 5, far.len() as u64);
                    assert!(view.body_len() > CELL_LEN - 20);
                }
            }
            let file = [&cells[..], &far, &[0xee; 8]].concat();
            for slot in 0..count {
                let bytes = file[view.entry_at(slot) as usize..][..8].try_into().unwrap();
                let (fingerprint, delta) = view.split_entry(slot, bytes);
                assert_eq!(fingerprint, u64::from(fingerprints[slot as usize]));
                let start = (1 << 47) + offsets[slot as usize];
                assert_eq!(view.record_start(slot, delta), start, "{count} {step} {slot}");
            }
            let pilots = &file[view.pilot_at(0) as usize..][..geometry.buckets() as usize];
            assert!(pilots.iter().all(|&pilot| pilot == 9));
        }
    }
    assert!(in_cells > 5 && far_cells > 5);
}

/// R15, broken in each way.
#[test]
fn impossible_cells_are_refused() {
    let far = Span { offset: 4096, len: 300 };
    let check = |head: Head, fingerprint_bits| {
        let mut cell = [0; CELL_LEN as usize];
        head.write(&mut cell);
        CellView::new(&cell, 77, fingerprint_bits, far).map(|view| view.head)
    };
    let good = Head { keys: 40, width: 6, mean: 1 << 20, ..Head::default() };
    assert_eq!(check(good, 8), Ok(good));
    let far = Head { far: Some(200), ..good };
    assert_eq!(check(far, 8), Ok(far));
    for (head, fingerprint_bits) in [
        (Head { keys: 255, width: 0, ..far }, 1),
        (Head { keys: 1, width: 50, ..good }, 8),
        (Head { keys: 60, ..good }, 8),
        (Head { far: Some(220), ..good }, 8),
        (Head { far: Some(u64::MAX >> 16), ..good }, 8),
        (Head { keys: 60, far: Some(200), ..good }, 8),
    ] {
        let error = check(head, fingerprint_bits).unwrap_err();
        assert_eq!((error.rule(), error.offset()), (Rule::R(15), 77), "{head:?}");
    }
}

#[test]
fn entries_above_57_bits_are_refused() {
    let data = CellData {
        offsets: &[0, (1 << 51) - 9, 1 << 51],
        fingerprints: &[0, 0],
        fingerprint_bits: 8,
        pilots: &[0],
        attempt: Attempt(0),
        shared: None,
    };
    assert_eq!(data.write(0, 0, &mut Vec::new(), &mut Vec::new()), None);
}

fn header(pool: u64) -> Header {
    Header {
        ignorable_features: 0,
        keys: 0,
        cells: 1,
        part: 0,
        parts: 1,
        hasher: KeyHasher::xxh3(5),
        key_type: KeyType::Text,
        value_type: ValueType::Json,
        fingerprint_bits: 8,
        key_width: 0,
        key_tables: 0,
        value_tables: 0,
        shared_records: false,
        sections: Sections::place(Lens { pool, cells: 1, ..Lens::default() }).unwrap(),
        sums_digest: 2,
    }
}

#[test]
fn headers_come_back() {
    let header = header(10);
    assert_eq!(Header::parse(&header.to_bytes(), header.file_len()), Ok(header));
    let part = Header { part: 65_535, parts: 65_536, ..header };
    assert_eq!(Header::parse(&part.to_bytes(), part.file_len()), Ok(part));
    let row = Row { number: Number::Float16, dimension: u32::MAX };
    let values = 3 * row.width();
    let numbers = Header {
        keys: 3,
        key_type: KeyType::None,
        key_width: 8,
        fingerprint_bits: 32,
        value_type: ValueType::Numbers(row),
        sections: Sections::place(Lens { values, cells: 1, ..Lens::default() }).unwrap(),
        ..header
    };
    assert_eq!(Header::parse(&numbers.to_bytes(), numbers.file_len()), Ok(numbers));
    assert_eq!(numbers.check_bits(), Some(96));
}

/// Section 8: the header digest is that of the bytes before it.
#[test]
fn a_header_has_its_digest() {
    let page = header(5000).to_bytes();
    assert_eq!(header_digest(&page), checksum::digest(&page[..4088]));
    assert_eq!(PartFile::of(&header(5000)).digest, header_digest(&page));
    assert_ne!(header_digest(&page), header_digest(&header(5001).to_bytes()));
}

/// M1: 32 MiB are parsed, a byte more is not.
#[test]
fn a_manifest_has_at_most_32_mib() {
    let manifest = Manifest { hasher: KeyHasher::xxh3(0), parts: vec![PartFile::of(&header(5000))] };
    let text = manifest.to_text().into_bytes();
    assert_eq!(Manifest::parse(&text), Ok(manifest));
    let refused = |len: usize| {
        let mut long = text.clone();
        long.resize(len, b'\n');
        let error = Manifest::parse(&long).unwrap_err();
        (error.rule(), error.offset())
    };
    assert_eq!(refused(32 << 20), (Rule::M(1), text.len() as u64));
    assert_eq!(refused((32 << 20) + 1), (Rule::M(1), 0));
}

/// The largest numbers that section 11 allows.
#[test]
fn headers_at_their_limits_come_back() {
    let cells = 1 << 41;
    let lens = Lens { pool: (1 << 48) - 1, cells, metadata: 1 << 20, ..Lens::default() };
    let sections = Sections::place(lens).unwrap();
    let header = Header { keys: (1 << 48) - 1, cells, fingerprint_bits: 16, sections, ..header(10) };
    assert_eq!(Header::parse(&header.to_bytes(), header.file_len()), Ok(header));
    let error = Header::parse(&Header { keys: 1 << 48, ..header }.to_bytes(), header.file_len()).unwrap_err();
    assert_eq!((error.rule(), error.offset()), (Rule::R(8), 40));
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
    check(&[(4087, 1)], len, 6, 4087);
    check(&[], len + 1, 7, 32);
    check(&[(48, 0)], len, 8, 48);
    check(&[(46, 2)], len, 8, 40);
    // One cell has at most 255 keys.
    check(&[(41, 1)], len, 8, 40);
    check(&[(64, 1)], len, 9, 64);
    check(&[(64, 7), (68, 7)], len, 9, 64);
    check(&[(68, 0)], len, 9, 64);
    check(&[(70, 1)], len, 9, 64);
    check(&[(72, 0)], len, 10, 72);
    check(&[(72, 3)], len, 10, 72);
    check(&[(223, 1)], len, 6, 223);
    check(&[(228, 1)], len, 6, 228);
    check(&[(72, 2), (229, 1)], len, 6, 229);
    check(&[(73, 4)], len, 11, 73);
    check(&[(74, 5)], len, 11, 74);
    check(&[(79, 1)], len, 11, 79);
    check(&[(74, 4), (79, 12)], len, 11, 79);
    check(&[(74, 4)], len, 11, 79);
    check(&[(227, 1)], len, 11, 224);
    check(&[(75, 0)], len, 12, 75);
    check(&[(75, 17)], len, 12, 75);
    check(&[(73, 3), (75, 33)], len, 12, 75);
    check(&[(76, 5)], len, 12, 76);
    check(&[(77, 5)], len, 12, 77);
    check(&[(73, 2), (76, 1), (78, 8)], len, 12, 76);
    check(&[(74, 3), (77, 1)], len, 12, 77);
    check(&[(78, 1)], len, 12, 78);
    check(&[(73, 2)], len, 12, 78);
    check(&[(73, 2), (78, 9)], len, 12, 78);
    check(&[(73, 3), (78, 9)], len, 12, 78);
    check(&[(88, 1)], len, 13, 80);
    check(&[(74, 4), (79, 4), (40, 1)], len, 13, 80);
    check(&[(120, 127)], len, 13, 112);
    check(&[(48, 2)], len, 13, 112);
    check(&[(55, 0x02)], len, 13, 112);
    check(&[(110, 1)], len, 13, 96);
    check(&[(171, 1)], len, 13, 160);
    for row in 0..8 {
        check(&[(80 + 16 * row + 1, 0x70)], len, 14, 80 + 16 * row as u64);
    }
    // A section that passes the end of all files puts the next one nowhere.
    check(&[(143, 0xff)], len, 14, 144);
    check(&[(200, 7)], len, 14, 192);
    check(&[(207, 0xff)], len, 14, 192);
    // The sums are too long, and the file ends with them; and the other way round.
    let [longer, sums_longer] = [len + 8, good.sections.sums.len + 8].map(|number| number as u8);
    check(&[(200, sums_longer), (32, longer)], len + 8, 14, 192);
    check(&[(32, longer)], len + 8, 14, 192);
    // An ignorable feature is passed over.
    let mut page = good.to_bytes();
    page[24] = 1;
    hashlith_format::header::seal(&mut page);
    assert_eq!(Header::parse(&page, len).unwrap().ignorable_features, 1);
}

#[test]
fn sections_that_pass_the_end_of_all_files_are_refused() {
    let cells = 1;
    for lens in [
        Lens { pool: u64::MAX - 4096, cells, ..Lens::default() },
        Lens { values: u64::MAX - 4096, cells, ..Lens::default() },
        Lens { cells: u64::MAX / 16, ..Lens::default() },
        Lens { cells, far: u64::MAX - 4096, ..Lens::default() },
    ] {
        assert_eq!(Sections::place(lens), None);
    }
    let lens = Lens { values: 5, pool: 1 << 50, cells: 1 << 18, far: 1 << 20, tables: 9, metadata: 7 };
    let large = Sections::place(lens).unwrap();
    assert_eq!((large.values.offset, large.pool.offset), (4096, 8192));
    assert_eq!((large.hot.offset % (2 << 20), large.sums.len % 8), (0, 0));
    let alignments = [(32 << 20) - 1, 32 << 20].map(Sections::hot_alignment);
    assert_eq!(alignments, [4096, 2 << 20]);
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
        // Three whole chunks, and some bytes more.
        for (len, chunks) in [(200_000, 4), (3 * 65_536, 3)] {
            let mut sums = ChunkSums::default();
            bytes[..len].chunks(step).for_each(|part| sums.update(part));
            assert_eq!(sums.finish(), expected[..8 * chunks], "{step}");
        }
    }
    assert_eq!(checksum::chunk_count(4096), 0);
    assert_eq!(checksum::chunk_count(4096 + 65_537), 2);
    let mut digest = checksum::Digest::new();
    bytes.chunks(777).for_each(|part| digest.update(part));
    assert_eq!(digest.finish(), checksum::digest(&bytes));
}

/// Section 7, step 4: a salt is added to the seed; with SipHash, to the first seed.
#[test]
fn a_salt_is_another_seed() {
    for (hasher, salted) in [
        (KeyHasher::xxh3(u64::MAX), KeyHasher::xxh3(10)),
        (KeyHasher::siphash(u64::MAX, 7), KeyHasher::siphash(10, 7)),
    ] {
        let hash = hasher.hash(b"key");
        assert_eq!(hasher.salted(11), salted);
        assert_eq!(hasher.salted_lo(b"key", hash, 11), salted.hash(b"key").lo);
        assert_ne!(salted.hash(b"key").lo, hash.lo);
        assert_eq!(hasher.salted_lo(b"key", hash, 0), hash.lo);
    }
}

/// A message says what is wrong, where, and what to do.
#[test]
fn messages_say_what_and_where() {
    let set = Error::Set { number: 4, offset: 137, file: "part-1".into(), what: "is missing" };
    let in_part = Error::InPart { part: 3, fault: Box::new(Error::Magic) };
    for (error, parts) in [
        (Error::TooShort { len: 17 }, &["17 bytes", "copy or build it again"][..]),
        (Error::Magic, &["not a hashlith index"]),
        (Error::Version { found: 9 }, &["version 9", "newer hashlith"]),
        (Error::Feature { bits: 0x40 }, &["0x40", "newer hashlith"]),
        (Error::Length { expected: 5000, found: 4999 }, &["5000", "4999"]),
        (Error::Unknown { what: "hash id", offset: 72, found: 7 }, &["hash id 7 at byte 72"]),
        (
            Error::Corrupt { rule: Rule::V(5), offset: 4711, what: "a reason" },
            &["byte 4711", "a reason", "(V5)", "from a copy"],
        ),
        (set.clone(), &["part-1 is missing", "M4", "byte 137 of the manifest", "copy the whole set again"]),
        (in_part.clone(), &["part 3: not a hashlith index"]),
    ] {
        let message = error.to_string();
        for part in parts {
            assert!(message.contains(part), "{message}");
        }
    }
    assert_eq!((set.rule(), set.offset(), set.part()), (Rule::M(4), 137, None));
    assert_eq!((in_part.rule(), in_part.offset(), in_part.part()), (Rule::R(2), 0, Some(3)));
}
