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
        let codecs = Codecs::new(keys.parse().unwrap(), width, values.parse().unwrap());
        assert_eq!(codecs.plain_len(4, 7), len, "{keys} {values}");
    }
}

/// Of a record of which the sample has a part, the length is estimated.
#[test]
fn lengths_of_a_sample() {
    let codecs = Codecs::new(KeyType::Text, 0, ValueType::Text);
    let (key, value) = ([b'k'; 10], [b'v'; 20]);
    let sample = Sample {
        keys: [&key[..], &key, b"", &key].into_iter().collect(),
        // Of the last key there is no value.
        values: [&value[..], &value, b""].into_iter().collect(),
        lengths: vec![(10, 20), (40, 110), (0, 0), (10, 20)],
    };
    let mut expected = LengthCounts::default();
    // With two lengths.
    [32, 32 * 5, 2].into_iter().for_each(|len| expected.add(len));
    assert_eq!(codecs.lengths(&sample), expected);
}
