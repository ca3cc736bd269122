use super::*;

#[test]
fn lengths_of_plain_records() {
    for (keys, values, width, len) in [
        ("text", "text", 0, 4 + 7 + 2),
        ("bytes", "none", 0, 4 + 1),
        ("int", "json", 3, 8 + 7 + 1),
        ("int", "float32", 3, 8),
        ("none", "text", 3, 3 + 7 + 1),
        ("none", "none", 3, 3),
    ] {
        let codecs = Codecs::new(keys.parse().unwrap(), width, values.parse().unwrap(), None);
        assert_eq!(codecs.plain_len(4, 7), len, "{keys} {values}");
    }
}

/// Of a record of which the sample has a part, the length is estimated.
#[test]
fn lengths_of_a_sample() {
    let codecs = Codecs::new(KeyType::Text, 0, ValueType::Text, None);
    let (key, value) = ([b'k'; 10], [b'v'; 20]);
    let sample = Sample {
        keys: [&key[..], &key, b"", &key].into_iter().collect(),
        // Of the last key there is no value.
        values: [&value[..], &value, b""].into_iter().collect(),
        lengths: vec![(10, 20), (40, 110), (0, 0), (10, 20)],
        has_copies: false,
    };
    let mut expected = LengthCounts::default();
    // With two lengths.
    [32, 32 * 5, 2].into_iter().for_each(|len| expected.add(len));
    assert_eq!(codecs.lengths(&sample), expected);
}

/// Sides of strings are learnt, others are not, on any number of threads.
#[test]
fn which_sides_are_learnt() {
    let texts = |what: &str| -> Vec<String> {
        (0..2000).map(|i| format!("{what} of item {i} in the shop")).collect()
    };
    let (keys, values) = (texts("price"), texts("the weight and the colour"));
    let sample = Sample {
        keys: keys.iter().map(String::as_bytes).collect(),
        values: values.iter().map(String::as_bytes).collect(),
        lengths: keys
            .iter()
            .zip(&values)
            .map(|(key, value)| (key.len() as u64, value.len() as u64))
            .collect(),
        has_copies: false,
    };
    for (keys, values, learnt) in [
        ("text", "json", (true, true)),
        ("bytes", "none", (true, false)),
        ("int", "text", (false, true)),
        ("none", "int8", (false, false)),
    ] {
        let tables = [1, 2].map(|threads| {
            let mut codecs = Codecs::new(keys.parse().unwrap(), 8, values.parse().unwrap(), None);
            assert_eq!(codecs.is_plain(), learnt == (true, true));
            codecs.learn(&sample, 2000, threads, Effort::FAST);
            assert!(!codecs.is_plain());
            assert_eq!(codecs.is_coded(), learnt != (false, false));
            let Tables { counts, bytes } = codecs.tables();
            assert_eq!(
                (counts.0 > 0, counts.1 > 0, !bytes.is_empty()),
                (learnt.0, learnt.1, codecs.is_coded())
            );
            bytes
        });
        assert_eq!(tables[0], tables[1]);
    }
}
