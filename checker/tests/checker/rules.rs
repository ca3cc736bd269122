//! The rules of `spec.md` section 9 that a verifier adds, each broken alone, in files that are sealed again: what the one
//! file per rule in `tests/golden/bad` does not cover.

use crate::model::{
    Model, Pair, Plan, body_of, cell_at, check, edited, far_file, fault, header, pair, pairs, seal_header,
    with_byte,
};
use hashlith_format::{
    CellView, KeyType, PAGE, Rule,
    Rule::{R, V},
    ValueType,
    checksum::digest,
    record,
};

fn plan(cells: u64) -> Plan {
    Plan { cells, ..Plan::default() }
}

/// Three cells, of which the first and the last are far.
fn far_model() -> Model {
    let mut model = Plan { fingerprint_bits: 9, ..plan(3) }.model(&pairs(110));
    for cell in [0, 2] {
        let long = pair(model.cells[cell].keys[5].clone(), vec![7; 40_000]);
        let record = &mut model.cells[cell].records[5];
        record.clear();
        record::write(&long.0, &long.1, record);
    }
    let file = model.file();
    let is_far = [0, 1, 2].map(|cell| file[cell_at(&file, cell) + 13] >= 0x80);
    assert_eq!(is_far, [true, false, true]);
    check(&file, 1).unwrap();
    model
}

/// A chunk without records, and a fault behind it.
#[test]
fn v1_behind_the_pool_comes_before_the_metadata() {
    let mut model = plan(1).model(&[pair("", vec![0; 65_536 - 4])]);
    model.metadata = b"no object".to_vec();
    let mut file = model.file();
    let sums = header(&file).sections.sums.offset as usize;
    assert_eq!(fault(&file).0, V(9));
    file[sums + 8] ^= 1;
    let sums = digest(&file[sums..]);
    seal_header(&mut file, sums);
    assert_eq!(fault(&file), (V(1), 4096 + 65_536));
}

/// At one offset the sum is reported: the record is wrong because the chunk is.
#[test]
fn v1_comes_before_what_follows_from_it() {
    let mut file = plan(1).file(&pairs(20));
    file[4096] ^= 0x40;
    assert_eq!(fault(&file), (V(1), 4096));
}

#[test]
fn v3_a_byte_between_two_sections_is_not_zero() {
    let mut model = far_model();
    model.metadata = b"{}".to_vec();
    let file = model.file();
    let all = header(&file).sections.all();
    for two in all.windows(2) {
        // Where two sections meet, there is no byte between them.
        let gap = two[0].1.end()..two[1].1.offset;
        for at in [gap.start, gap.end - 1].into_iter().filter(|at| gap.contains(at)) {
            assert_eq!(fault(&edited(&file, |file| file[at as usize] = 1)), (V(3), at));
        }
    }
}

/// A hot section of 32 MiB begins at a huge page, so the gap before it is longer than one read.
#[test]
fn v3_far_behind_the_end_of_a_section() {
    let file = plan(262_144).file(&pairs(3));
    let hot = header(&file).sections.hot.offset;
    assert_eq!(hot, 2 << 20);
    for at in [300 << 10, hot - 1] {
        assert_eq!(fault(&edited(&file, |file| file[at as usize] = 1)), (V(3), at));
    }
}

/// Within its cell, or out of it.
#[test]
fn v4_an_entry_leads_to_another_place() {
    let clean = plan(2).model(&pairs(30));
    let records = &clean.cells[1].records;
    let (first, end, last) = (records[0].len() as u64, records.concat().len() as u64, records.len() - 1);
    for (slot, offset) in [(0, 1), (1, 0), (3, first), (last, 2), (3, end), (3, end + 1), (3, 1 << 40)] {
        let mut model = clean.clone();
        model.cells[1].moved = Some((slot, offset));
        assert_eq!(fault(&model.file()), (V(4), clean.record_at(1, slot)));
    }
}

/// Two keys whose fingerprints and lengths are equal change places.
#[test]
fn v5_a_key_is_at_the_slot_of_another() {
    let mut model = Plan { fingerprint_bits: 1, ..plan(1) }.model(&pairs(10));
    let cell = &mut model.cells[0];
    let other = (1..10).find(|&slot| cell.fingerprints[slot] == cell.fingerprints[0]).unwrap();
    cell.records.swap(0, other);
    assert_eq!(fault(&model.file()), (V(5), PAGE));
}

/// Every byte that must be zero, in a cell with keys, an empty cell and far cells.
#[test]
fn v7_a_reserved_byte_of_a_cell() {
    let file = far_model().file();
    let len = body_of(&file, cell_at(&file, 1), 9).1.len();
    for (cell, spare) in [(0, 26..128), (1, 20 + len..128), (2, 26..128)] {
        for at in [15].into_iter().chain(spare) {
            let (found, start) = with_byte(&file, cell, at, |_| 1);
            assert_eq!(found, (V(7), start), "byte {at}");
        }
    }
    let empty = plan(2).file(&[]);
    for at in 13..128 {
        let (found, start) = with_byte(&empty, 1, at, |_| 1);
        assert_eq!(found, (V(7), start), "byte {at}");
    }
}

#[test]
fn v7_an_unused_bit_behind_the_slot_entries() {
    // In the cell.
    let model = Plan { fingerprint_bits: 9, ..plan(1) }.model(&[pair("key", "value")]);
    for bit in 1..8 {
        // A pilot, then 9 bits.
        let (found, start) = with_byte(&model.file(), 0, 22, |byte| byte ^ 1 << bit);
        assert_eq!(found, (V(7), start));
    }
    // In the far section, at the end of each body.
    let file = far_model().file();
    let sections = header(&file).sections;
    let mut end = sections.far.offset as usize;
    let mut bits = 0;
    for cell in [0, 2] {
        let at = cell_at(&file, cell);
        let head = file[at..].first_chunk().unwrap();
        let view = CellView::new(head, at as u64, 9, sections.far).unwrap();
        end += view.body_len() as usize;
        let used = u64::from(view.head.keys) * u64::from(view.entry_bits()) % 8;
        for bit in (used..8).filter(|_| used > 0) {
            let file = edited(&file, |file| file[end - 1] ^= 1 << bit);
            assert_eq!(fault(&file), (V(7), at as u64));
            bits += 1;
        }
    }
    assert!(bits > 0);
    assert_eq!(end as u64, sections.far.end());
}

#[test]
fn v7_a_far_body_would_fit() {
    for keys in [0, 1, 20] {
        let file = far_file(&plan(1), &pairs(keys));
        assert_eq!(fault(&file), (V(7), cell_at(&file, 0) as u64));
    }
    // With records of one length a body has a fingerprint for each key and its pilots: up to the last that fits.
    let lens = [56, 57, 58].map(|keys| {
        let pairs: Vec<Pair> = (10..10 + keys).map(|i| pair(format!("{i}"), "")).collect();
        let file = far_file(&Plan { fingerprint_bits: 12, ..plan(1) }, &pairs);
        let far = check(&file, 1).is_err().then(|| assert_eq!(fault(&file).0, V(7)));
        (header(&file).sections.far.len, far.is_some())
    });
    assert!(lens.iter().all(|&(len, refused)| refused == (len <= 108)), "{lens:?}");
    assert!(lens.iter().any(|&(len, _)| len == 108), "{lens:?}");
}

#[test]
fn r15_a_cell_is_not_a_possible_one() {
    let file = far_model().file();
    // 9 bits of fingerprint and 49 of delta.
    for (cell, width) in [(0, 0x80 | 49), (1, 49), (2, 0xff)] {
        let (found, start) = with_byte(&file, cell, 13, |_| width);
        // A longer far body: the far section is too short then, which has the lower offset.
        assert_eq!(found, if cell == 1 { (R(15), start) } else { (V(11), 128) });
    }
    // A body of a possible cell that does not fit.
    let (found, start) = with_byte(&file, 1, 13, |_| 48);
    assert_eq!(found, (R(15), start));
    // As many keys as the header says.
    let cell = cell_at(&file, 1);
    let many = edited(&file, |file| {
        let more = 128 - file[cell + 12];
        file[cell + 12] = 128;
        file[cell + 128] += more;
        file[40] += more;
    });
    assert_eq!(fault(&many), (R(15), cell as u64));
    // The far body begins where the far section ends.
    let far = header(&file).sections.far;
    let (found, start) = with_byte(&file, 2, 20 + 5, |_| 1);
    assert_eq!(found, (R(15), start));
    for back in [0, 1] {
        let at = cell_at(&file, 2);
        let file =
            edited(&file, |file| file[at + 20..][..6].copy_from_slice(&(far.len - back).to_le_bytes()[..6]));
        assert_eq!(fault(&file), (R(15), at as u64));
    }
}

/// Its records are not checked, but the next cell is.
#[test]
fn the_records_of_an_impossible_cell_are_not_looked_at() {
    let mut model = far_model();
    model.cells[1].fingerprints[0] ^= 1;
    let (found, _) = with_byte(&model.file(), 1, 13, |_| 50);
    assert_eq!(found, (R(15), cell_at(&model.file(), 1) as u64));
    model.cells[2].fingerprints[0] ^= 1;
    let (found, _) = with_byte(&model.file(), 1, 13, |_| 50);
    assert_eq!(found, (V(5), model.record_at(2, 0)));
}

#[test]
fn r16_a_record_does_not_lie_within_the_pool() {
    let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let clean = plan(2).model(&pairs(40));
    for head in [&largest[..], &[1, 0xff, 0x7f]] {
        for slot in [0, 2] {
            let mut model = clean.clone();
            model.cells[0].records[slot].splice(..head.len(), head.iter().copied());
            assert_eq!(fault(&model.file()), (R(16), clean.record_at(0, slot)));
        }
    }
    // One byte too long, into the next cell: its records do not follow.
    let mut model = clean.clone();
    let last = model.cells[0].records.len() - 1;
    model.cells[0].records[last][1] += 1;
    assert_eq!(fault(&model.file()), (V(4), clean.record_at(1, 0) + 1));
    // A length that is cut off by the end of the pool.
    let mut model = plan(1).model(&[pair("", "")]);
    model.cells[0].records[0] = vec![0, 0x80];
    assert_eq!(fault(&model.file()), (R(16), 4096));
}

/// It lies behind that end, or even behind the pool.
#[test]
fn v4_a_pool_start_is_not_the_end_of_the_records_before() {
    let clean = plan(3).model(&pairs(60));
    let file = clean.file();
    for cell in [1, 2] {
        let start = clean.record_at(cell, 0) - PAGE;
        for bit in (0..48).filter(|bit| start >> bit & 1 == 0) {
            let (found, _) = with_byte(&file, cell, 6 + bit / 8, |start| start | 1 << (bit % 8));
            assert_eq!(found, (V(4), clean.record_at(cell, 0)));
        }
    }
    // The first cell must begin with the pool, but what is read as its first record is reported first.
    let (found, _) = with_byte(&file, 0, 6, |_| 1);
    assert_eq!(found.1, PAGE + 1);
    // A cell without records ends where it begins.
    let empty = plan(2).file(&[]);
    let (found, _) = with_byte(&empty, 1, 7, |_| 1);
    assert_eq!(found, (V(4), PAGE));
    // An empty pool ends before that: the first cell lies there and is reported.
    let both = edited(&empty, |file| [0, 1].iter().for_each(|cell| file[4096 + 128 * cell + 6] = 1));
    assert_eq!(fault(&both), (V(4), PAGE));
}

/// Two bodies change places, in cells that several threads check: only the order is wrong.
#[test]
fn v10_a_far_body_is_elsewhere() {
    let mut records: Vec<Pair> = pairs(1200);
    records.extend((0..40).map(|i| pair([i], vec![i; 100_000])));
    let file = Plan { cells: 30, ..Plan::default() }.file(&records);
    let section = header(&file).sections.far;
    let cells = (0..30).map(|cell| cell_at(&file, cell)).filter(|at| file[at + 13] >= 0x80);
    let far: Vec<(usize, Vec<u8>)> = cells.map(|at| (at, body_of(&file, at, 8).1)).collect();
    assert!(far.len() > 10);
    for first in 0..far.len() {
        for second in [first + 1, first + 2, far.len() - 1]
            .into_iter()
            .filter(|&second| first < second && second < far.len())
        {
            let mut order = far.clone();
            order.swap(first, second);
            let spoiled = edited(&file, |file| {
                let mut start = 0;
                for (at, body) in order {
                    file[at + 20..][..6].copy_from_slice(&(start as u64).to_le_bytes()[..6]);
                    file[section.offset as usize + start..][..body.len()].copy_from_slice(&body);
                    start += body.len();
                }
            });
            assert_eq!(fault(&spoiled), (V(10), far[first].0 as u64));
        }
    }
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
        assert_eq!(fault(&model.file()), (V(8), model.record_of(b"bad")));
    }
    // JSON in all but its encoding.
    for len in [1, 300_000] {
        let bad = [b"\"".to_vec(), vec![0xff; len], b"\"".to_vec()].concat();
        let file = Plan { value_type: ValueType::Json, ..plan(1) }.file(&[pair("bad", bad)]);
        assert_eq!(fault(&file), (V(8), 4096));
    }
}

/// The fault lies after the first window.
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
fn of_two_faults_the_one_with_the_lower_offset_is_reported() {
    let clean = plan(3).model(&pairs(60));
    let mut model = clean.clone();
    model.metadata = b"no".to_vec();
    let lowest = |model: &Model| -> (Rule, u64) { fault(&model.file()) };
    assert_eq!(lowest(&model).0, V(9));
    model.cells[2].fingerprints[1] ^= 1;
    assert_eq!(lowest(&model), (V(5), clean.record_at(2, 1)));
    model.cells[1].moved = Some((2, 1));
    assert_eq!(lowest(&model), (V(4), clean.record_at(1, 2)));
}

/// At one offset, R15 comes before V10, and V10 before V7.
#[test]
fn of_two_faults_of_a_cell_the_first_is_reported() {
    let file = plan(3).file(&pairs(60));
    let spoiled = |edits: &[usize]| {
        let at = cell_at(&file, 1);
        let file = edited(&file, |file| edits.iter().for_each(|&edit| file[at + edit] ^= 0x3f));
        (fault(&file), at as u64)
    };
    let (found, at) = spoiled(&[15]);
    assert_eq!(found, (V(7), at));
    let (found, at) = spoiled(&[15, 5]);
    assert_eq!(found, (V(10), at));
    let (found, at) = spoiled(&[15, 5, 13]);
    assert_eq!(found, (R(15), at));
}

/// At one offset: V4, R16, V6, V5, V8.
#[test]
fn of_two_faults_of_a_record_the_first_is_reported() {
    let mut model = Plan { value_type: ValueType::Text, ..plan(1) }.model(&[pair("abc", "\u{7f}")]);
    *model.cells[0].records[0].last_mut().unwrap() = 0xff;
    assert_eq!(fault(&model.file()), (V(8), PAGE));
    model.cells[0].fingerprints[0] ^= 1;
    assert_eq!(fault(&model.file()), (V(5), PAGE));
    model.cells[0].records[0].splice(..2, [0x83, 0, 1]);
    assert_eq!(fault(&model.file()), (V(6), PAGE));
    model.cells[0].records[0].pop();
    assert_eq!(fault(&model.file()), (R(16), PAGE));
    model.cells[0].moved = Some((0, 1));
    assert_eq!(fault(&model.file()), (V(4), PAGE));
}

/// The format crate checks R1 to R14 and has the tests: here only that they come first.
#[test]
fn the_header_comes_first() {
    let file = plan(3).file(&pairs(60));
    let mut unsealed = file.clone();
    unsealed[50] ^= 1;
    unsealed[4096] ^= 1;
    assert_eq!(fault(&unsealed), (R(4), 4088));
    let part = edited(&file, |file| file[64] = 1);
    assert_eq!(fault(&part), (R(9), 64));
    let half = edited(&file, |file| file[68] = 2);
    assert_eq!(fault(&half).0, V(5));
    let cells = edited(&file, |file| file[48] += 1);
    assert_eq!(fault(&cells), (R(13), 112));
}
