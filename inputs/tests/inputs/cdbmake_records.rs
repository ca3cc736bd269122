//! The input of `cdbmake`: lengths, `:`, key, `->`, value, newline; an empty line at the end.

use crate::support::{error, pairs, text};
use hashlith_format::ValueType;
use hashlith_inputs::ReadOptions;

const GOOD: &[u8] = b"+3,5:one->Hello\n+3,7:two->Goodbye\n+0,0:->\n+2,6:\n+->+1,1:\n\n\n";

#[test]
fn records_may_hold_anything() {
    let wanted = text(&[("one", "Hello"), ("two", "Goodbye"), ("", ""), ("\n+", "+1,1:\n")]);
    for block_bytes in [1, 7, 1 << 20] {
        let options = ReadOptions { block_bytes, ..ReadOptions::default() };
        assert_eq!(pairs("x.cdb", GOOD, &options).unwrap(), wanted);
    }
}

#[test]
fn every_truncation_is_found() {
    for length in 0..GOOD.len() {
        let found = error("x.cdb", &GOOD[..length], &ReadOptions::default());
        assert!(
            found.starts_with(&format!("x.cdb, byte {length}: ")) && found.contains("ends early"),
            "{found}"
        );
    }
}

#[test]
fn what_is_wrong_is_named_with_its_byte() {
    let table: [(&[u8], &str); 9] = [
        (b"x", "byte 0: expected '+'"),
        (b"+1,1:a->b\nx", "byte 10: expected '+'"),
        (b"+,1:a->b\n\n", "byte 1: expected a digit"),
        (b"+1:a->b\n\n", "byte 2: expected a digit or ','"),
        (b"+1,1:a-b\n\n", "byte 7: expected '->'"),
        (b"+1,1:a->bc\n\n", "byte 9: expected a newline"),
        (b"+99999999999999999999,1:a->b\n\n", "byte 1: a length this large"),
        (b"+2305843009213693951,1:a->b\n\n", "byte 1: a length this large"),
        (b"+1,1:a->b\n\nx", "byte 11: there are bytes after"),
    ];
    for (input, wanted) in table {
        let found = error("x.cdb", input, &ReadOptions::default());
        assert!(found.contains(wanted), "{input:?}: {found}");
    }
    let cut = error("x.cdb", b"+2,1:a\xc3->b\n\n", &ReadOptions::default());
    assert!(cut.contains("byte 0: the key is not valid UTF-8"), "{cut}");
    // The two halves of one character, in key and value, are valid together but not each.
    let halves = error(
        "x.cdb",
        b"+1,1:\xc3->\xa4\n\n",
        &ReadOptions { value_type: ValueType::Bytes, ..ReadOptions::default() },
    );
    assert!(halves.contains("the key is not valid UTF-8"), "{halves}");
}

#[test]
fn a_huge_length_takes_no_memory() {
    for length in [999_999_999_999_999u64, 2_305_843_009_213_693_950] {
        let found = error("x.cdb", format!("+{length},1:abc").as_bytes(), &ReadOptions::default());
        assert!(found.contains("ends early"), "{found}");
    }
}

/// A binary cdb with these records, as `cdbmake` lays it out. Its tables have one slot, which is empty, as it is not read.
fn binary(records: &[(&str, &str)], width: usize) -> Vec<u8> {
    let number = |number: usize| (number as u64).to_le_bytes()[..width].to_vec();
    let body: Vec<u8> = records
        .iter()
        .flat_map(|(key, value)| {
            [number(key.len()), number(value.len()), key.as_bytes().to_vec(), value.as_bytes().to_vec()]
                .concat()
        })
        .collect();
    let end = 512 * width + body.len();
    let place = |table: usize| if table == 0 { end } else { end + 2 * width };
    let slots = |table: usize| usize::from(table == 0);
    let header = (0..256).flat_map(|table| [number(place(table)), number(slots(table))].concat());
    [header.collect(), body, vec![0; 2 * width]].concat()
}

#[test]
fn binary_files_are_read() {
    let records = [("one", "eins"), ("", ""), ("long", &"x".repeat(5000)), ("two", "zwei\n")];
    for width in [4, 8] {
        let file = binary(&records, width);
        for block_bytes in [1, 100, 3000, 1 << 20] {
            let options = ReadOptions { block_bytes, ..ReadOptions::default() };
            assert_eq!(pairs("x.cdb", &file, &options), Ok(text(&records)), "{width} bytes");
        }
        // Every cut is noticed.
        let end = file.len();
        for length in (512 * width..end).step_by(37).chain([end - 2 * width - 1, end - 2 * width, end - 1]) {
            assert!(pairs("x.cdb", &file[..length], &ReadOptions::default()).is_err(), "{length} of {end}");
        }
        assert_eq!(pairs("x.cdb", &binary(&[], width), &ReadOptions::default()), Ok(vec![]));
        let mut damaged = file.clone();
        damaged[512 * width + width - 1] = 0x7f;
        let found = error("x.cdb", &damaged, &ReadOptions::default());
        assert!(found.contains(&format!("byte {}: the cdb is damaged or cut off", 512 * width)), "{found}");
    }
    let found = error("x.cdb", &vec![0; 4096], &ReadOptions::default());
    assert!(found.contains("neither the input of cdbmake nor a binary cdb"), "{found}");
}
