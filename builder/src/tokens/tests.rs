use super::{
    classes, cost,
    parse::{Parser, Piece},
    vocabulary::{END, LEARNT, Vocabulary, key_token},
    *,
};
use hashlith_format::tokens::{MAX_TEXT, Tables, key_tail};
use proptest::prelude::*;
use std::sync::LazyLock;

/// Strings with something to learn: words of a few, numbers, and the key.
fn strings(count: usize, seed: u64) -> (Strings, Strings) {
    let mut random = fastrand::Rng::with_seed(seed);
    let words: Vec<String> =
        (0..50).map(|_| (0..random.usize(2..9)).map(|_| random.lowercase()).collect()).collect();
    let (mut keys, mut values) = (Strings::default(), Strings::default());
    for _ in 0..count {
        let key = format!("shop:{}:{}", random.u32(0..20), random.u32(0..10_000_000));
        let mut value = format!("{{\"id\":\"{key}\",\"of\":\"{}\",", &key[5..]);
        for _ in 0..random.usize(0..6) {
            value += random.choice(&words).unwrap();
            value.push(' ');
        }
        keys.push(key.as_bytes());
        values.push(if random.u8(0..4) == 0 { words[0].as_bytes() } else { value.as_bytes() });
    }
    (keys, values)
}

/// Encodes all strings, decodes, compares and passes over each.
fn round_trip<'a>(codec: &Codec, strings: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone) {
    let tables = Tables::parse(codec.tables(), codec.table_count()).unwrap();
    assert_eq!(tables.len(), codec.tables().len());
    tables.check(codec.tables(), false).unwrap();
    let (mut pool, mut scratch) = (Vec::new(), Scratch::default());
    let mut writer = BitWriter::new(&mut pool);
    strings.clone().for_each(|(string, key)| codec.encode(string, key, &mut scratch, &mut writer));
    writer.finish();
    let (mut bit, mut out) = (0, Vec::new());
    for (string, key) in strings {
        out.clear();
        let end = tables.decode(codec.tables(), &pool, bit, key, &mut out).unwrap();
        assert_eq!(out, string);
        if key.is_none() {
            assert_eq!(tables.compare(codec.tables(), &pool, bit, string).unwrap(), Some(end));
        }
        assert_eq!(codec.bits(string, key, &mut scratch), end - bit);
        bit = end;
    }
    assert_eq!(pool.len() as u64, bit.div_ceil(8));
}

fn pairs<'a>(
    values: &'a Strings,
    keys: &'a Strings,
) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone {
    (0..values.len()).map(|i| (values.get(i), Some(keys.get(i))))
}

fn alone(strings: &Strings) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> + Clone {
    (0..strings.len()).map(|i| (strings.get(i), None))
}

#[test]
fn what_was_learnt_from_comes_back() {
    let (keys, values) = strings(5000, 1);
    for records in [5000, 1 << 30] {
        let codec = train(&keys, None, records, Effort::THOROUGH).unwrap();
        round_trip(&codec, alone(&keys));
        let codec = train(&values, Some(&keys), records, Effort::THOROUGH).unwrap();
        round_trip(&codec, pairs(&values, &keys));
        // Without keys in the values.
        round_trip(&codec, alone(&values));
    }
}

/// Strings longer than a piece, with the key at the boundary of pieces.
#[test]
fn long_strings() {
    let (keys, values) = strings(2000, 2);
    let codec = train(&values, Some(&keys), 2000, Effort::THOROUGH).unwrap();
    let key = keys.get(0);
    for len in [65_520, 65_535, 65_536, 65_537, 131_072, 200_000] {
        // Across the boundary, up to it, and behind it.
        for at in [65_530, 65_536 - key.len(), 65_536] {
            let mut value = vec![b'x'; len];
            value.iter_mut().skip(at).zip(key).for_each(|(to, &byte)| *to = byte);
            round_trip(&codec, [(&value[..], Some(key))].into_iter());
        }
    }
}

/// The same bytes of tables for the same strings.
#[test]
fn same_sample_same_tables() {
    let (keys, values) = strings(3000, 3);
    let first = train(&values, Some(&keys), 100_000, Effort::THOROUGH).unwrap();
    let again = std::thread::spawn(move || train(&values, Some(&keys), 100_000, Effort::THOROUGH).unwrap())
        .join()
        .unwrap();
    assert_eq!(first.tables(), again.tables());
    assert_eq!(first.estimate(), again.estimate());
}

/// What cannot be made smaller is not coded, nor what is too small for tables.
#[test]
fn not_worth_it() {
    let mut random = fastrand::Rng::with_seed(4);
    let noise: Strings = {
        let mut noise = Strings::default();
        (0..5000).for_each(|_| noise.push(&(0..30).map(|_| random.u8(..)).collect::<Vec<u8>>()));
        noise
    };
    assert!(train(&noise, None, 5000, Effort::THOROUGH).is_none());
    assert!(train(&strings(20, 5).1, None, 20, Effort::THOROUGH).is_none());
    assert!(train(&Strings::default(), None, 0, Effort::THOROUGH).is_none());
    assert!(train(&[&b""[..]; 100].into_iter().collect(), None, 100, Effort::THOROUGH).is_none());
}

proptest! {
    /// A codec encodes any bytes, whatever it was trained with.
    #[test]
    fn any_strings(
        some in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..300), prop::collection::vec(prop::sample::select(b"ab:/0".to_vec()), 0..300)),
            1..20,
        ),
        with_key: bool,
    ) {
        static CODECS: LazyLock<[Codec; 2]> = LazyLock::new(|| {
            let (keys, values) = strings(1000, 6);
            [false, true].map(|with_key| train(&values, with_key.then_some(&keys), 1 << 20, Effort::THOROUGH).unwrap())
        });
        let codec = &CODECS[usize::from(with_key)];
        round_trip(codec, some.iter().map(|(value, key)| (&value[..], Some(&key[..]))));
        // The key within the value.
        let values: Vec<Vec<u8>> = some.iter().map(|(value, key)| [value, &key[..], value].concat()).collect();
        round_trip(codec, values.iter().zip(&some).map(|(value, (_, key))| (&value[..], Some(&key[..]))));
    }

    /// The parse is as cheap as the cheapest of all ways to write a string, with one to four tables.
    #[test]
    fn cheapest_of_all(
        texts in prop::collection::btree_set(("[ab]{2,5}", any::<bool>()), 0..12),
        string in "[ab:]{0,9}",
        key in "[ab:]{0,5}",
        costs in prop::collection::vec(prop::collection::vec(prop_oneof![3 => 1..2000u32, 1 => Just(cost::NEVER)], 300), 1..5),
    ) {
        let mut vocabulary = Vocabulary::new();
        texts.iter().for_each(|(text, ends)| vocabulary.push(text.as_bytes(), *ends));
        let mut costs = costs;
        for table in &mut costs {
            table.truncate(vocabulary.len());
            table[..=usize::from(END)].iter_mut().for_each(|cost| *cost = (*cost).min(5000));
        }
        let (string, key) = (string.as_bytes(), key.as_bytes());
        let parser = Parser::new(&vocabulary, &costs);
        let mut tokens = Vec::new();
        let piece = Piece { bytes: string, first: true, last: true };
        let cost = parser.parse(piece, Some(key), &mut Scratch::default(), &mut |table, token| tokens.push((table, token)));
        prop_assert_eq!(cost, naive(&vocabulary, &costs, string, key, 0));
        prop_assert_eq!(cost, tokens.iter().map(|&(table, token)| costs[table][usize::from(token)]).sum::<u32>());
        prop_assert!(tokens.iter().enumerate().all(|(i, &(table, _))| table == i.min(costs.len() - 1)));
    }

    /// Classes hold the tokens, and no other sizes cost less.
    #[test]
    fn classes_cost_least(counts in prop::collection::vec(0..1000u64, 1..40), other in prop::array::uniform8(0..6u8)) {
        let mut counts = counts;
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let cost = |bits: &[u8; 8]| -> Option<u64> {
            let codes = classes::codes(bits, counts.len());
            let cost = codes.iter().zip(&counts).map(|(code, count)| u64::from(code.bits) * (64 * count + 1)).sum();
            (codes.len() == counts.len()).then_some(cost)
        };
        let best = cost(&classes::best(&counts)).unwrap();
        prop_assert!(cost(&other).is_none_or(|other| best <= other));
    }

    /// The logarithm is right to 1/256, and never falls.
    #[test]
    fn logarithms(number in 1..u64::MAX) {
        let exact = 256.0 * (number as f64).log2();
        let log = f64::from(cost::log2(number));
        prop_assert!((exact - 1.01..exact + 0.01).contains(&log), "{} {}", log, exact);
        prop_assert!(cost::log2(number) <= cost::log2(number + 1));
    }
}

/// What the rest of a string costs at best, by trying every token.
fn naive(vocabulary: &Vocabulary, costs: &[Vec<u32>], rest: &[u8], key: &[u8], place: usize) -> u32 {
    let table = &costs[place.min(costs.len() - 1)];
    let tail = key_tail(key);
    let mut best = cost::NEVER;
    for token in (0..vocabulary.len()).filter(|&token| table[token] != cost::NEVER) {
        let text = if (usize::from(END) + 1..LEARNT).contains(&token) {
            let is_tail = [false, true].map(|ends| usize::from(key_token(true, ends))).contains(&token);
            // The encoder does not use those that stand for nothing, nor a tail that is the whole key.
            if key.is_empty() || is_tail && (tail.is_empty() || tail == key) {
                continue;
            }
            if is_tail { tail } else { key }
        } else {
            vocabulary.text(token)
        };
        let cost = match rest.strip_prefix(text) {
            Some([]) if vocabulary.ends(token) => table[token],
            Some(after) if !vocabulary.ends(token) && !text.is_empty() => {
                table[token] + naive(vocabulary, costs, after, key, place + 1)
            }
            _ => continue,
        };
        best = best.min(cost);
    }
    best
}

#[test]
fn texts_of_all_lengths() {
    let mut strings = Strings::default();
    for i in 0..4000 {
        strings.push(&vec![b'a' + (i % 3) as u8; [1, 15, 16, 17, MAX_TEXT, MAX_TEXT + 1, 300][i % 7]]);
    }
    let codec = train(&strings, None, 4000, Effort::THOROUGH).unwrap();
    round_trip(&codec, alone(&strings));
    // A whole string is one token.
    let estimate = codec.estimate();
    assert!(estimate.bits < 12 * estimate.strings, "{estimate:?}");
}
