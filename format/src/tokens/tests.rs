use super::*;
use alloc::{vec, vec::Vec};

/// Numbers without a pattern (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Some tokens of each kind and length, in classes that they do not fill.
fn some_tables(random: &mut Random, count: usize, texts: &[Vec<u8>]) -> (Vec<u8>, Vec<Vec<Token<'static>>>) {
    let mut bytes = Vec::new();
    let mut tables = Vec::new();
    for _ in 0..count {
        let tokens: Vec<Token<'static>> = (0..40 + random.below(20))
            .map(|i| {
                let text = match random.below(8) {
                    0 => Text::Key,
                    1 => Text::KeyTail,
                    _ => Text::Bytes(texts[random.below(texts.len() as u64) as usize].clone().leak()),
                };
                // Some of each kind end the string.
                Token { text, ends: i % 4 == 0 || text == Text::Bytes(&[]) }
            })
            .collect();
        write_table(&[0, 1, 2, 3, 4, 4, 4, 0], &tokens, &mut bytes).unwrap();
        tables.push(tokens);
    }
    (bytes, tables)
}

fn texts() -> Vec<Vec<u8>> {
    [0, 1, 2, 7, 14, 15, 16, 17, 31, 32, 33, 100, 254, 255]
        .map(|len| (0..len).map(|i| i as u8 ^ len as u8).collect())
        .into()
}

/// Appends bits to a pool, one by one.
fn push(pool: &mut Vec<u8>, end: &mut u64, number: u64, bits: u32) {
    for bit in 0..bits {
        if end.is_multiple_of(8) {
            pool.push(0);
        }
        *pool.last_mut().unwrap() |= ((number >> bit & 1) as u8) << (*end % 8);
        *end += 1;
    }
}

/// The code of token `number` in a table of `some_tables`.
fn push_code(pool: &mut Vec<u8>, end: &mut u64, mut number: u64) {
    for (class, bits) in [0, 1, 2, 3, 4, 4, 4].into_iter().enumerate() {
        if number < 1 << bits {
            return push(pool, end, number << 3 | class as u64, bits + 3);
        }
        number -= 1 << bits;
    }
    panic!("no code");
}

/// Decodes a string from pieces of the pool, and a part of it at a time.
fn in_pieces(
    tables: &Tables,
    bytes: &[u8],
    pool: &[u8],
    begin: u64,
    key: &[u8],
    random: &mut Random,
) -> (Vec<u8>, u64) {
    let (mut at, mut state, mut out) = (begin / 8, Decoding::at(begin % 8), Vec::new());
    while !state.ended {
        let piece = &pool[at as usize..pool.len().min(at as usize + 8 + random.below(5) as usize)];
        let cut = at as usize + piece.len() < pool.len();
        let (before, had) = (state, out.len());
        let most = had + random.below(400) as usize;
        tables.decode_piece(bytes, piece, cut, &mut state, Some(key), most, &mut out).unwrap();
        assert!(out.len() < most.max(1) + MAX_TEXT);
        assert_eq!(state == before, most == had);
        assert!(state.ended || out.len() >= most || state.bit / 8 + 8 > piece.len() as u64);
        at += state.bit / 8;
        state.bit %= 8;
    }
    (out, 8 * at + state.bit)
}

/// What tokens stand for, and codes that begin and end at any bit, also at the end of the pool.
#[test]
fn strings_of_any_tokens() {
    let mut random = Random(1);
    let key = b"shop:17:item|a";
    for round in 0..2000 {
        let (bytes, tables) = some_tables(&mut random, 1 + round % 4, &texts());
        let parsed = Tables::parse(&bytes, tables.len() as u8).unwrap();
        assert_eq!((parsed.len(), parsed.count()), (bytes.len(), tables.len()));
        parsed.check(&bytes, false).unwrap();
        let mut pool = Vec::new();
        let mut end = 0;
        push(&mut pool, &mut end, 0, random.below(20) as u32);
        let (begin, mut expected, mut with_key) = (end, Vec::new(), false);
        for place in 0.. {
            let table = &tables[place.min(tables.len() - 1)];
            let number = random.below(table.len() as u64);
            push_code(&mut pool, &mut end, number);
            match table[number as usize].text {
                Text::Bytes(text) => expected.extend_from_slice(text),
                Text::Key => expected.extend_from_slice(key),
                Text::KeyTail => expected.extend_from_slice(b"a"),
            }
            with_key |= !matches!(table[number as usize].text, Text::Bytes(_));
            if table[number as usize].ends {
                break;
            }
        }
        let mut out = b"before".to_vec();
        assert_eq!(parsed.decode(&bytes, &pool, begin, Some(key), &mut out), Ok(end));
        assert_eq!(out.strip_prefix(b"before"), Some(&expected[..]));
        assert_eq!(in_pieces(&parsed, &bytes, &pool, begin, key, &mut random), (out[6..].to_vec(), end));
        let last_byte = pool.len() - 1;
        assert_eq!(parsed.decode(&bytes, &pool[..last_byte], begin, Some(key), &mut out), Err(Fault::NoEnd));
        if with_key {
            assert_eq!(parsed.decode(&bytes, &pool, begin, None, &mut out), Err(Fault::Key));
            assert_eq!(parsed.compare(&bytes, &pool, begin, &expected), Err(Fault::Key));
            assert_eq!(parsed.decode(&bytes, &pool, begin, Some(&[b'k'; 256]), &mut out), Err(Fault::Key));
            continue;
        }
        assert_eq!(parsed.compare(&bytes, &pool, begin, &expected), Ok(Some(end)));
        // Any other key differs: one byte, one less, one more.
        for at in 0..expected.len() {
            expected[at] ^= 1 << random.below(8);
            assert_eq!(parsed.compare(&bytes, &pool, begin, &expected), Ok(None));
            out.clear();
            parsed.decode(&bytes, &pool, begin, None, &mut out).unwrap();
            expected[at] = out[at];
            assert_eq!(parsed.compare(&bytes, &pool, begin, &expected[..at]), Ok(None));
        }
        expected.push(0);
        assert_eq!(parsed.compare(&bytes, &pool, begin, &expected), Ok(None));
    }
}

/// Any bytes: an answer or a fault, and at most 680 bytes for each of the pool.
#[test]
fn any_bytes() {
    let mut random = Random(2);
    let mut answers = 0;
    for round in 0..20_000 {
        let (mut bytes, tables) = some_tables(&mut random, 1 + round % 4, &texts());
        for _ in 0..random.below(8) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
        bytes.truncate(bytes.len() - random.below(3) as usize * 16);
        let Ok(parsed) = Tables::parse(&bytes, tables.len() as u8) else { continue };
        let _ = parsed.check(&bytes, round % 2 == 0);
        let pool: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8).collect();
        let bit = if random.below(20) == 0 { random.next() } else { random.below(8 * pool.len() as u64 + 9) };
        let key = vec![b'/'; random.below(300) as usize];
        let mut out = Vec::new();
        let decoded = parsed.decode(&bytes, &pool, bit, Some(&key), &mut out);
        assert!(out.len() <= 680 * (pool.len() + 1));
        if let Ok(end) = decoded {
            answers += 1;
            assert!(bit < end && end <= 8 * pool.len() as u64);
            assert!(
                matches!(parsed.compare(&bytes, &pool, bit, &out), Ok(Some(same)) if same == end)
                    || parsed.compare(&bytes, &pool, bit, &out) == Err(Fault::Key)
            );
        }
    }
    assert!(answers > 1000, "{answers}");
}

/// Each fault of a table alone, with its place.
#[test]
fn table_faults() {
    let long = [7; 20];
    let tokens = [
        Token { text: Text::Bytes(b"ab"), ends: false },
        Token { text: Text::Bytes(&long), ends: false },
        Token { text: Text::Key, ends: false },
        Token { text: Text::Bytes(b""), ends: true },
    ];
    let mut bytes = Vec::new();
    write_table(&[2, 0, 0, 0, 0, 0, 0, 0], &tokens, &mut bytes).unwrap();
    write_table(&[2, 0, 0, 0, 0, 0, 0, 0], &tokens, &mut bytes).unwrap();
    // 16 bytes in front, four tokens, 22 bytes of texts.
    assert_eq!(bytes.len(), 2 * 64);
    let fault = |bytes: &[u8], keys| match Tables::parse(bytes, 2) {
        Ok(tables) => tables.check(bytes, keys).err(),
        Err(fault) => Some(fault),
    };
    assert_eq!(fault(&bytes, false), None);
    assert_eq!(fault(&bytes, true).unwrap().offset, 24);
    // Byte, its value, where the fault is, a word of what it is.
    for (at, value, offset, word) in [
        (64, 21, 64, "20 bits"),
        (72, 12, 64, "than its classes"),
        (76, 33, 64, "cut off"),
        (80, 21, 80, "outside"),
        (81, 1, 80, "outside"),
        (83, 0x30, 80, "kind"),
        (83, 0x40, 80, "kind"),
        (84 + 2, 0x80, 84, "outside"),
        (88, 1, 88, "has a text"),
        (88 + 2, 0x10, 88, "has a text"),
        (88 + 3, 0x70, 88, "kind"),
        (92 + 3, 0, 92, "nothing"),
        (118, 1, 118, "padding"),
        (127, 1, 127, "padding"),
    ] {
        let mut bad = bytes.clone();
        bad[at] = value;
        let found = fault(&bad, false).unwrap_or_else(|| panic!("byte {at} may be {value}"));
        assert_eq!(found.offset, offset, "byte {at}: {found:?}");
        assert!(found.what.contains(word), "byte {at}: {found:?}");
    }
    // Beginning and length are the same number.
    let mut bad = bytes.clone();
    (bad[88], bad[90]) = (1, 0x10);
    assert_eq!(fault(&bad, false).map(|fault| fault.offset), Some(88));
    for len in 0..bytes.len() {
        assert!(Tables::parse(&bytes[..len], 2).is_err());
    }
    for count in [0, 5, 255] {
        assert!(Tables::parse(&bytes, count).is_err());
    }
}

/// A writer refuses what a table cannot hold.
#[test]
fn unwritable() {
    let mut out = Vec::new();
    let text = |text| Token { text: Text::Bytes(text), ends: false };
    assert_eq!(write_table(&[0; 8], &[text(b"a"); 9], &mut out), None);
    assert_eq!(write_table(&[21, 0, 0, 0, 0, 0, 0, 0], &[text(b"a")], &mut out), None);
    assert_eq!(write_table(&[0; 8], &[text(b"")], &mut out), None);
    assert_eq!(write_table(&[0; 8], &[text(&[0; 256])], &mut out), None);
    // Texts of 255 bytes that share nothing: 4,113 fill more than a mebibyte.
    let many: Vec<Vec<u8>> = (0..4_113u32)
        .map(|i| [i.to_le_bytes(), (!i).to_le_bytes()].concat().into_iter().cycle().take(255).collect())
        .collect();
    let many: Vec<Token<'_>> = many.iter().map(|bytes| text(bytes)).collect();
    let classes = [12, 12, 0, 0, 0, 0, 0, 0];
    assert_eq!(write_table(&classes, &many, &mut out), None);
    assert_eq!(write_table(&classes, &many[1..], &mut Vec::new()), Some(()));
    assert!(out.is_empty());
    assert_eq!(write_table(&[0; 8], &[text(b"a"); 8], &mut out), Some(()));
    assert_eq!(write_table(&[20, 0, 0, 0, 0, 0, 0, 0], &[text(b"a")], &mut out), Some(()));
    // A full table, and one with the largest class.
    assert_eq!(Tables::parse(&out, 2).unwrap().len(), out.len());
}

#[test]
fn a_fault_says_what_is_wrong() {
    use alloc::string::ToString;
    assert_eq!(Fault::NoEnd.to_string(), Fault::NoEnd.what());
    assert!(Fault::Outside.to_string().contains("outside"));
}

/// Texts lie within others that begin or end with them, whatever their order.
#[test]
fn shared_texts() {
    let texts: [&[u8]; 10] = [b"abcdef", b"abc", b"a", b"ef", b"def", b"xabc", b"", b"abcdef", b"b", b"cd"];
    let mut orders = vec![texts];
    orders.push({
        let mut reversed = texts;
        reversed.reverse();
        reversed
    });
    for texts in orders {
        let tokens = texts.map(|text| Token { text: Text::Bytes(text), ends: true });
        let mut bytes = Vec::new();
        write_table(&[4, 0, 0, 0, 0, 0, 0, 0], &tokens, &mut bytes).unwrap();
        let all = b"abcdefxabccdb";
        assert_eq!(&bytes[16 + 4 * texts.len()..][..all.len()], all);
        let tables = Tables::parse(&bytes, 1).unwrap();
        tables.check(&bytes, true).unwrap();
        for (number, text) in texts.iter().enumerate() {
            let mut out = Vec::new();
            tables.decode(&bytes, &[(number << 3) as u8], 0, None, &mut out).unwrap();
            assert_eq!(out, *text);
        }
    }
}

/// Codes of 23 bits one after another, of which a word holds two; and of 19 and 20 bits, of which it holds three and two.
#[test]
fn the_longest_codes() {
    for bits in [20, 17, 16] {
        let tokens: Vec<Vec<u8>> = (0..60_000u32).map(|i| i.to_le_bytes()[..3].to_vec()).collect();
        let mut table: Vec<_> =
            tokens.iter().map(|text| Token { text: Text::Bytes(text), ends: false }).collect();
        table.push(Token { text: Text::Bytes(b""), ends: true });
        let mut bytes = Vec::new();
        write_table(&[bits, 0, 0, 0, 0, 0, 0, 0], &table, &mut bytes).unwrap();
        let tables = Tables::parse(&bytes, 1).unwrap();
        let (mut pool, mut end, mut expected) = (Vec::new(), 0, Vec::new());
        for number in (0..200u64).map(|i| i * 7919 % 60_000).chain([60_000]) {
            push(&mut pool, &mut end, number << 3, u32::from(bits) + 3);
            expected.extend_from_slice(tokens.get(number as usize).map_or(&[], Vec::as_slice));
        }
        let mut out = Vec::new();
        assert_eq!(tables.decode(&bytes, &pool, 0, None, &mut out), Ok(end));
        assert_eq!(out, expected);
        assert_eq!(tables.compare(&bytes, &pool, 0, &expected), Ok(Some(end)));
    }
}

/// Zeros behind the pool are not codes, whatever they would stand for: the string does not end, and differs from nothing.
#[test]
fn what_lies_behind_the_pool() {
    let text = |text| Token { text: Text::Bytes(text), ends: false };
    let long = [b'x'; 100];
    for first in [&b"x"[..], &long] {
        let mut bytes = Vec::new();
        write_table(&[5; 8], &[text(first), text(b"a")], &mut bytes).unwrap();
        let tables = Tables::parse(&bytes, 1).unwrap();
        for pool in [&[8][..], &[8, 8, 8, 8]] {
            let mut out = Vec::new();
            assert_eq!(tables.decode(&bytes, pool, 0, None, &mut out), Err(Fault::NoEnd));
            for key in ["ab", "a", "aaaa", "aaaab", "axx", "", "b"] {
                let found = tables.compare(&bytes, pool, 0, key.as_bytes());
                let text = &"aaaa"[..pool.len()];
                let differs = !text.starts_with(key) && !key.starts_with(text);
                assert!(found == Err(Fault::NoEnd) || differs && found == Ok(None), "{key}: {found:?}");
            }
        }
    }
}

#[test]
fn tails() {
    for (key, tail) in [("", ""), ("a", "a"), ("a:", ""), ("a:b", "b"), ("a/b|c#d:ef", "ef"), (":/#|x", "x")]
    {
        assert_eq!(key_tail(key.as_bytes()), tail.as_bytes());
    }
}
