use super::*;

#[test]
fn each_level_has_a_name() {
    for name in Compress::NAMES {
        assert_eq!(name.parse::<Compress>().unwrap().to_string(), *name);
    }
    assert!("yes".parse::<Compress>().is_err());
}

#[test]
fn each_policy_has_a_name() {
    for name in OnDuplicate::NAMES {
        assert_eq!(name.parse::<OnDuplicate>().unwrap().to_string(), *name);
    }
    assert!("firsts".parse::<OnDuplicate>().is_err());
}

fn options(edit: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options { memory_limit: Some(1 << 30), threads: 1, ..Options::default() };
    edit(&mut options);
    options
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let left_out = |check_bits| options(|one| (one.key_type, one.check_bits) = (KeyType::None, check_bits));
    let typed = |keys: &str, values: &str, compress| {
        options(|one| {
            one.key_type = keys.parse().unwrap();
            one.value_type = values.parse().unwrap();
            one.compress = compress;
        })
    };
    let shape = |shape| options(|one| one.shape = shape);
    let bits = |bits| options(|one| one.fingerprint_bits = bits);
    let memory = |compress, bytes| options(|one| (one.compress, one.memory_limit) = (compress, Some(bytes)));
    let metadata = |len: u64| options(|one| one.metadata = "x".repeat(len as usize));
    let smallest = limits::smallest_memory(1);
    for (options, what) in [
        (options(|_| {}), ""),
        (options(|one| one.threads = 65_536), "65,535 threads"),
        (options(|one| one.threads = 65_535), "memory"),
        (bits(0), "1 to 16 bits"),
        (bits(1), ""),
        (bits(16), ""),
        (bits(17), "1 to 16 bits"),
        (options(|one| one.check_bits = Some(32)), "left out"),
        (left_out(None), ""),
        (left_out(Some(7)), "8 to 64"),
        (left_out(Some(8)), ""),
        (left_out(Some(64)), ""),
        (left_out(Some(65)), "8 to 64"),
        (options(|one| one.fingerprint_bits_set = true), ""),
        (Options { fingerprint_bits_set: true, ..left_out(None) }, "instead of fingerprint bits"),
        (typed("int", "none", Compress::Off), ""),
        (typed("int", "float32", Compress::On), "nothing to compress"),
        (typed("none", "none", Compress::Fast), "nothing to compress"),
        (typed("int", "json", Compress::On), ""),
        (typed("text", "int8", Compress::On), ""),
        (shape(Shape::Part { part: 1, parts: 1 }), "1 to 65,536 parts"),
        (shape(Shape::Part { part: 0, parts: 0 }), "1 to 65,536 parts"),
        (shape(Shape::Part { part: 65_535, parts: 65_536 }), ""),
        (shape(Shape::Set { parts: 0 }), "1 to 65,536 parts"),
        (shape(Shape::Set { parts: 65_536 }), ""),
        (shape(Shape::Set { parts: 65_537 }), "1 to 65,536 parts"),
        (memory(Compress::Off, smallest), ""),
        (memory(Compress::Off, smallest - 1), "memory"),
        (memory(Compress::On, limits::LEARNING), ""),
        (memory(Compress::Fast, limits::LEARNING - 1), "memory"),
        (metadata(MAX_METADATA), ""),
        (metadata(MAX_METADATA + 1), "metadata"),
    ] {
        let found = options.check().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(found.contains(what) && found.is_empty() == what.is_empty(), "{found:?}: {what:?}");
    }
}

#[test]
fn widths_follow_from_the_types() {
    for (keys, values, check_bits, int_width, widths) in [
        ("text", "text", None, 3, (0, 8)),
        ("bytes", "int8", None, 3, (0, 8)),
        ("int", "text", None, 0, (1, 8)),
        ("int", "none", None, 3, (3, 8)),
        ("none", "none", None, 1, (0, 32)),
        ("none", "int8", Some(8), 1, (0, 8)),
        ("none", "int8", Some(33), 1, (1, 25)),
        ("none", "none", Some(40), 1, (1, 32)),
        ("none", "none", Some(64), 1, (4, 32)),
        ("none", "text", None, 1, (3, 8)),
        ("none", "json", Some(8), 1, (0, 8)),
        ("none", "bytes", Some(15), 1, (0, 15)),
        ("none", "bytes", Some(16), 1, (1, 8)),
        ("none", "bytes", Some(64), 1, (7, 8)),
    ] {
        let mut options = options(|one| {
            one.key_type = keys.parse().unwrap();
            one.value_type = values.parse().unwrap();
            (one.check_bits, one.key_width) = (check_bits, 7);
        });
        options.settle_widths(int_width);
        assert_eq!((options.key_width, options.fingerprint_bits), widths, "{keys} {values} {check_bits:?}");
    }
}

#[test]
fn partitions_fit_memory_and_open_files() {
    for (memory, threads, partitions) in
        [(64 << 20, 1, 64), (64 << 20, 3, 32), (0, 1, 16), (120 << 20, 1, 64)]
    {
        let options = options(|one| (one.memory_limit, one.threads) = (Some(memory), threads));
        assert_eq!(options.partitions(), partitions, "{memory} {threads}");
    }
    for (wanted, limit, possible) in
        [(1024, 1088, 1024), (1024, 1087, 512), (1024, 80, 16), (16, 8, 2), (16, 0, 1), (64, u64::MAX, 64)]
    {
        assert_eq!(within_open_files(wanted, limit), possible, "{wanted} {limit}");
    }
}
