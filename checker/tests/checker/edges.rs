//! Faults at the edges: the sum of any chunk, entries that lead outside, the longest lengths.

use crate::model::{Model, Pair, Plan, cell_at, check, fault, header, pair, pairs, seal_header};
use hashlith_format::{
    CellView, PAGE,
    Rule::{R, V},
    checksum::digest,
    record::Lengths,
};

fn plan(cells: u64) -> Plan {
    Plan { cells, ..Plan::default() }
}

/// The chunks of the pool, those of the other sections, and the last one, which is shorter.
#[test]
fn v1_the_sum_of_any_chunk() {
    let long: Vec<Pair> = (0..9).map(|i| pair([i], vec![i; 40_000])).collect();
    let file = plan(3).file(&long);
    check(&file, 2).unwrap();
    let sums = header(&file).sections.sums;
    let chunks = sums.len / 8;
    assert!(chunks > 5);
    for chunk in 0..chunks {
        let mut file = file.clone();
        file[(sums.offset + 8 * chunk) as usize] ^= 1;
        let sums = digest(&file[sums.offset as usize..]);
        seal_header(&mut file, sums);
        assert_eq!(fault(&file), (V(1), PAGE + 65_536 * chunk));
    }
}

/// The model with the entry of a slot moved, and where its record begins.
fn moved(clean: &Model, cell: usize, slot: usize, offset: u64) -> (Model, u64) {
    let mut model = clean.clone();
    model.cells[cell].moved = Some((slot, offset));
    (model, clean.record_at(cell, slot))
}

/// The records are walked in order, so an entry that disagrees breaks V4 even if it leads outside.
#[test]
fn v4_one_entry_leads_outside() {
    let clean = plan(2).model(&pairs(30));
    let pool = header(&clean.file()).sections.pool.len;
    for (cell, start) in [(0, 0), (1, clean.record_at(1, 0) - PAGE)] {
        let last = clean.cells[cell].records.len() - 1;
        for slot in [0, 3, last] {
            for offset in [pool - start, pool - start + 1, 1 << 40] {
                let (model, record) = moved(&clean, cell, slot, offset);
                assert_eq!(fault(&model.file()), (V(4), record), "slot {slot} of cell {cell}");
            }
        }
    }
}

/// All entries agree that the last record begins where the pool ends.
#[test]
fn r16_an_entry_leads_outside() {
    let mut model = plan(1).model(&pairs(20));
    model.cells[0].records[19].clear();
    let file = model.file();
    let at = cell_at(&file, 0);
    let far = header(&file).sections.far;
    let view = CellView::new(file[at..].first_chunk().unwrap(), at as u64, 8, far).unwrap();
    assert_eq!(fault(&file), (R(16), view.entry_at(19)));
}

#[test]
fn r16_the_last_record_ends_outside() {
    let mut model = plan(2).model(&pairs(40));
    let last = model.cells[1].records.len() - 1;
    model.cells[1].records[last][1] += 1;
    assert_eq!(fault(&model.file()), (R(16), model.record_at(1, last)));
}

/// A length in ten bytes, the most that it may take.
fn ten_bytes(len: u8) -> [u8; 10] {
    [len | 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]
}

#[test]
fn v6_lengths_of_ten_bytes() {
    let (three, one) = (ten_bytes(3), ten_bytes(1));
    for (key, value) in [(&three[..], &[1][..]), (&[3], &one), (&three, &one)] {
        let mut model = plan(1).model(&[pair("abc", "1"), pair("def", "2"), pair("ghi", "3")]);
        let record = &mut model.cells[0].records[1];
        record.splice(..2, [key, value].concat());
        let Lengths { head, key, value, .. } = Lengths::parse(record).unwrap();
        assert_eq!((head + 4, key, value), (record.len() as u64, 3, 1));
        assert_eq!(fault(&model.file()), (V(6), model.record_at(0, 1)));
    }
}

/// Eleven bytes, or ten that are above 64 bits.
#[test]
fn r16_lengths_that_are_none() {
    let eleven = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0];
    let above = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2];
    let clean = plan(2).model(&pairs(40));
    for head in [&eleven[..], &above] {
        for slot in [0, 2] {
            let mut model = clean.clone();
            model.cells[0].records[slot].splice(..head.len(), head.iter().copied());
            assert_eq!(fault(&model.file()), (R(16), clean.record_at(0, slot)));
        }
    }
}
