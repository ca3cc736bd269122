//! Each rule of `spec.md` section 9 that a verifier adds, broken alone, with all sums and digests right.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod model;

use hashlith_format::{
    KeyHasher, KeyType, PAGE, Rule,
    Rule::{R, V},
    ValueType,
    checksum::digest,
    record::Lengths,
};
use model::{Model, Pair, Plan, check, edited, fault, header, pair, pairs, seal_header};

fn plan(blocks: u64) -> Plan {
    Plan { blocks, ..Plan::default() }
}

/// A file of one key that needs the one remap entry of its block, or does not.
fn one_key(needs_remap: bool, fingerprint_bits: u32) -> Model {
    let plan = Plan { fingerprint_bits, ..Plan::default() };
    let models = (0..).map(|i| plan.model(&[pair(format!("key {i}"), "value")]));
    models.into_iter().find(|model| model.blocks[0].used == [needs_remap]).unwrap()
}

/// Where the remap of the first block begins, if its slot entries have `bytes` bytes.
fn hot_at(file: &[u8], bytes: u64) -> usize {
    (header(file).sections.hot.offset + bytes) as usize
}

#[test]
fn v1_a_sum_does_not_match_its_chunk() {
    let long: Vec<Pair> = (0..9).map(|i| pair(format!("{i}"), vec![i; 40_000])).collect();
    let file = plan(3).file(&long);
    let sums = header(&file).sections.sums;
    for chunk in 0..sums.len / 8 {
        let mut file = file.clone();
        file[(sums.offset + 8 * chunk) as usize] ^= 1;
        let (directory, sums) = (header(&file).directory_digest, digest(&file[sums.offset as usize..]));
        seal_header(&mut file, directory, sums);
        assert_eq!(fault(&file), (V(1), 4096 + 65_536 * chunk));
    }
}

/// A chunk that holds no records, and a fault behind it.
#[test]
fn v1_behind_the_pool_comes_before_the_metadata() {
    let mut model = plan(1).model(&[pair("", vec![0; 65_536 - 4])]);
    model.metadata = b"no object".to_vec();
    let mut file = model.file();
    let sums = header(&file).sections.sums.offset as usize;
    assert_eq!(fault(&file).0, V(9));
    file[sums + 8] ^= 1;
    let (directory, sums) = (header(&file).directory_digest, digest(&file[sums..]));
    seal_header(&mut file, directory, sums);
    assert_eq!(fault(&file), (V(1), 4096 + 65_536));
}

/// At one place the sum is named, since the record is wrong because the chunk is.
#[test]
fn v1_comes_before_what_follows_from_it() {
    let mut file = plan(1).file(&pairs(20));
    file[4096] ^= 0x40;
    assert_eq!(fault(&file), (V(1), 4096));
}

#[test]
fn v2_the_sums_do_not_match_their_digest() {
    let mut file = plan(1).file(&pairs(20));
    let header = header(&file);
    seal_header(&mut file, header.directory_digest, header.sums_digest ^ 1);
    assert_eq!(fault(&file), (V(2), 168));
    let mut file = plan(1).file(&pairs(20));
    let last = file.len() - 1;
    file[last] ^= 1;
    assert_eq!(fault(&file), (V(2), 168));
}

#[test]
fn v3_a_byte_between_two_sections_is_not_zero() {
    let mut model = plan(2).model(&pairs(20));
    model.metadata = b"{}".to_vec();
    let file = model.file();
    let all = header(&file).sections.all();
    for two in all.windows(2) {
        for at in [two[0].1.end(), two[1].1.offset - 1] {
            assert_eq!(fault(&edited(&file, |file| file[at as usize] = 1)), (V(3), at));
        }
    }
}

#[test]
fn v4_an_entry_says_another_place() {
    let clean = plan(2).model(&pairs(30));
    let count = clean.blocks[1].records.len();
    for (slot, offset) in [(0, 1), (1, 0), (3, clean.blocks[1].records[0].len() as u64), (count - 1, 2)] {
        let mut model = clean.clone();
        model.blocks[1].moved = Some((slot, offset));
        assert_eq!(fault(&model.file()), (V(4), clean.record_at(1, slot)));
    }
}

#[test]
fn v4_a_block_has_bytes_behind_its_last_record() {
    let mut model = plan(2).model(&pairs(30));
    model.blocks[0].trailing = vec![0];
    assert_eq!(fault(&model.file()), (V(4), model.record_at(1, 0) - 1));
}

#[test]
fn v5_a_fingerprint_differs() {
    let clean = plan(2).model(&pairs(30));
    let mut model = clean.clone();
    model.blocks[1].fingerprints[2] ^= 0x80;
    assert_eq!(fault(&model.file()), (V(5), clean.record_at(1, 2)));
}

/// Two keys whose fingerprints and lengths are equal change places.
#[test]
fn v5_a_key_is_at_the_slot_of_another() {
    let mut model = Plan { fingerprint_bits: 1, ..plan(1) }.model(&pairs(10));
    let block = &mut model.blocks[0];
    let other = (1..10).find(|&slot| block.fingerprints[slot] == block.fingerprints[0]).unwrap();
    block.records.swap(0, other);
    assert_eq!(fault(&model.file()), (V(5), PAGE));
}

#[test]
fn v5_two_keys_are_equal() {
    let mut model = plan(1).model(&pairs(10));
    let block = &mut model.blocks[0];
    (block.records[7], block.fingerprints[7]) = (block.records[4].clone(), block.fingerprints[4]);
    assert_eq!(fault(&model.file()), (V(5), model.record_at(0, 7)));
}

/// The key has slot 0 and its fingerprint there, but a lookup goes to another block.
#[test]
fn v5_a_key_is_in_a_block_that_is_not_its_own() {
    let mut model = plan(2).model(&[pair("a", "1")]);
    assert_eq!(model.blocks[1].records.len(), 1);
    model.blocks.swap(0, 1);
    assert_eq!(fault(&model.file()), (V(5), PAGE));
}

#[test]
fn v6_a_length_takes_more_bytes_than_it_must() {
    for head in [
        &[0x83, 0x00, 0x01][..],
        &[0x03, 0x81, 0x00],
        &[0x83, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1],
    ] {
        let mut model = plan(1).model(&[pair("abc", "1"), pair("def", "2"), pair("ghi", "3")]);
        let record = &mut model.blocks[0].records[1];
        record.splice(..2, head.iter().copied());
        assert_eq!(Lengths::parse(record).unwrap().key, 3);
        assert_eq!(fault(&model.file()), (V(6), model.record_at(0, 1)));
    }
}

#[test]
fn v7_a_remap_entry_that_no_key_needs() {
    // 255 does not lead into the block: that is V7 as well, because no lookup meets it.
    for (spoiled, at) in [(1, 0), (255, 0), (1, 3)] {
        let file = one_key(false, 8).file();
        let remap = hot_at(&file, 1);
        let file = edited(&file, |file| file[remap + at] = spoiled);
        assert_eq!(fault(&file), (V(7), remap as u64));
    }
    // A slot of the block, but not one that this entry must name.
    let mut model = (0..)
        .map(|i| Plan { hasher: KeyHasher::xxh3(i), ..plan(1) }.model(&pairs(32)))
        .find(|model| model.blocks[0].used == [false])
        .unwrap();
    let clean = model.file();
    model.blocks[0].remap[0] = 31;
    let remap = clean.iter().zip(model.file()).skip(4096).position(|(old, new)| *old != new).unwrap();
    assert_eq!(fault(&model.file()), (V(7), 4096 + remap as u64));
}

/// That the block before needs its entry does not matter.
#[test]
fn v7_is_asked_of_each_block_alone() {
    let models = (0..).map(|i| Plan { hasher: KeyHasher::xxh3(i), ..plan(2) }.model(&pairs(2)));
    let is_case = |model: &Model| model.blocks[0].used == [true] && model.blocks[1].used == [false];
    let mut model = models.into_iter().find(is_case).unwrap();
    model.blocks[1].remap[0] = 1;
    let first_hot = 1 + 4 + 4;
    assert_eq!(fault(&model.file()), (V(7), hot_at(&model.file(), first_hot + 1) as u64));
}

#[test]
fn v7_an_unused_bit_behind_the_slot_entries() {
    for bit in 1..8 {
        let model = one_key(true, 9);
        let file = model.file();
        let at = hot_at(&file, 1);
        assert_eq!(fault(&edited(&file, |file| file[at] ^= 1 << bit)), (V(7), at as u64));
    }
}

#[test]
fn r21_a_remap_entry_that_a_key_needs_leads_out_of_its_block() {
    for outside in [1, 255] {
        let file = one_key(true, 8).file();
        let remap = hot_at(&file, 1);
        let file = edited(&file, |file| file[remap] = outside);
        assert_eq!(fault(&file), (R(21), remap as u64));
    }
}

#[test]
fn v4_an_entry_leads_out_of_its_block() {
    let clean = plan(2).model(&pairs(30));
    let len = clean.blocks[0].records.concat().len() as u64;
    for offset in [len, len + 1, 1 << 40] {
        let mut model = clean.clone();
        model.blocks[0].moved = Some((3, offset));
        assert_eq!(fault(&model.file()), (V(4), clean.record_at(0, 3)));
    }
}

#[test]
fn r22_a_record_does_not_lie_within_its_block() {
    let varint_of_11 = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0];
    let above_64_bits = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2];
    let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let clean = plan(2).model(&pairs(40));
    for head in [&varint_of_11[..], &above_64_bits, &largest, &[1, 0xff, 0x7f]] {
        for slot in [0, 2] {
            let mut model = clean.clone();
            model.blocks[0].records[slot].splice(..head.len(), head.iter().copied());
            assert_eq!(fault(&model.file()), (R(22), clean.record_at(0, slot)));
        }
    }
    // One byte too many, and the next block has it.
    let mut model = clean.clone();
    let last = model.blocks[0].records.len() - 1;
    model.blocks[0].records[last][1] += 1;
    assert_eq!(fault(&model.file()), (R(22), clean.record_at(0, last)));
    // A length that is cut off by the end of the block.
    let mut model = plan(1).model(&[pair("", "")]);
    model.blocks[0].records[0] = vec![0, 0x80];
    assert_eq!(fault(&model.file()), (R(22), 4096));
}

#[test]
fn v8_a_key_or_value_is_not_text() {
    let bad = [&b"\xff"[..], b"ab\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"x\xf0\x9f\x92"];
    for bad in bad {
        let good: Vec<Pair> = (0..20).map(|i| pair(format!("{i}"), "€")).collect();
        for (key, value) in [(bad, &b"x"[..]), (b"x", bad)] {
            let all = [&good[..], &[pair(key, value)]].concat();
            // Bytes may be anything.
            check(&plan(3).file(&all), 1).unwrap();
            let types = (key == bad, value == bad);
            let model = Plan {
                key_type: if types.0 { KeyType::Text } else { KeyType::Bytes },
                value_type: if types.1 { ValueType::Text } else { ValueType::Bytes },
                ..plan(3)
            }
            .model(&all);
            assert_eq!(fault(&model.file()), (V(8), place_of(&model, key)));
        }
    }
}

fn place_of(model: &Model, key: &[u8]) -> u64 {
    let blocks = model.blocks.iter().enumerate();
    let mut places =
        blocks.flat_map(|(i, block)| block.keys.iter().enumerate().map(move |(j, key)| (i, j, key)));
    let (block, slot, _) = places.find(|(_, _, found)| *found == key).unwrap();
    model.record_at(block, slot)
}

#[test]
fn v8_a_value_is_not_json() {
    let long = |end: &str| format!("[{}{end}", "1234567,".repeat(40_000));
    let long_bad = [long("1"), long("1]]"), long("x]"), long("]")];
    let short_bad =
        ["", " ", "{", "tru", "1 2", "{\"a\":}", "'a'", "[1,]", "nan", "\"\u{1}\""].map(String::from);
    for bad in short_bad.iter().chain(&long_bad) {
        let model = Plan { value_type: ValueType::Json, ..plan(1) }.model(&[
            pair("good", long("1]")),
            pair("bad", bad.as_str()),
            pair("well", "1"),
        ]);
        assert_eq!(fault(&model.file()), (V(8), place_of(&model, b"bad")));
    }
    // JSON in all but its encoding.
    for len in [1, 300_000] {
        let bad = [b"\"".to_vec(), vec![0xff; len], b"\"".to_vec()].concat();
        let file = Plan { value_type: ValueType::Json, ..plan(1) }.file(&[pair("bad", bad)]);
        assert_eq!(fault(&file), (V(8), 4096));
    }
}

/// The fault lies behind the first window.
#[test]
fn v8_a_long_text_is_not_text_at_its_end() {
    let text = "€".repeat(200_000).into_bytes();
    for spoil in [&b"\xff"[..], b"\xe2", b"\xe2\x82"] {
        let bad = [&text[..], spoil].concat();
        let keys = Plan { key_type: KeyType::Text, ..plan(1) }.file(&[pair(bad.clone(), "")]);
        assert_eq!(fault(&keys), (V(8), 4096));
        let values = Plan { value_type: ValueType::Text, ..plan(1) }.file(&[pair("", bad)]);
        assert_eq!(fault(&values), (V(8), 4096));
    }
}

#[test]
fn v9_the_metadata_is_not_a_json_object() {
    for metadata in
        [&b"[]"[..], b"1", b"\"a\"", b"{", b"{} {}", b"{\"a\":\"\xff\"}", b" ", b"\x00", b"\xef\xbb\xbf{}"]
    {
        let mut model = plan(1).model(&pairs(3));
        model.metadata = metadata.to_vec();
        let file = model.file();
        assert_eq!(fault(&file), (V(9), header(&file).sections.metadata.offset));
    }
}

#[test]
fn of_two_faults_the_one_with_the_lower_offset_is_named() {
    let clean = plan(3).model(&pairs(60));
    let mut model = clean.clone();
    model.metadata = b"no".to_vec();
    let lowest = |model: &Model| -> (Rule, u64) { fault(&model.file()) };
    assert_eq!(lowest(&model).0, V(9));
    model.blocks[2].fingerprints[1] ^= 1;
    assert_eq!(lowest(&model), (V(5), clean.record_at(2, 1)));
    model.blocks[1].moved = Some((2, 1));
    assert_eq!(lowest(&model), (V(4), clean.record_at(1, 2)));
}

/// A fault of the hot data does not hide that of a later record, which has the lower offset.
#[test]
fn a_record_comes_before_the_remap() {
    let mut model = (0..)
        .map(|i| Plan { hasher: KeyHasher::xxh3(i), ..plan(1) }.model(&pairs(32)))
        .find(|model| model.blocks[0].used == [true] && model.blocks[0].remap[0] < 10)
        .unwrap();
    model.blocks[0].remap[0] = 32;
    assert_eq!(fault(&model.file()).0, R(21));
    model.blocks[0].moved = Some((30, 0));
    assert_eq!(fault(&model.file()), (V(4), model.record_at(0, 30)));
}

/// R1 to R20 are those of the format crate: here only that they are asked for, and come first.
#[test]
fn the_structure_comes_first() {
    let file = plan(3).file(&pairs(60));
    let directory = header(&file).sections.directory.offset;
    // Bits 54 to 57 of the layout.
    let seed_number_10 = edited(&file, |file| {
        let layout = &mut file[directory as usize + 24..][..8];
        layout[6] = layout[6] & 0x3f | 0x80;
        layout[7] = layout[7] & 0xfc | 0x02;
    });
    assert_eq!(fault(&seed_number_10), (R(20), directory));
    let mut unsealed = file.clone();
    unsealed[directory as usize + 30] ^= 1;
    unsealed[4096] ^= 1;
    assert_eq!(fault(&unsealed), (R(15), 160));
    let part = edited(&file, |file| file[68] = 2);
    assert_eq!(fault(&part), (R(9), 64));
}
