//! `bench-check` must notice a wrong answer, and `hashlith-gen` must write the records that the library makes.

use hashlith_benches::{Shape, record};
use hashlith_builder::Builder;
use std::{error::Error, path::Path, path::PathBuf, process::Command, process::Output};

type Outcome = Result<(), Box<dyn Error>>;

const RECORDS: u64 = 5000;

/// An index of the generator's short records, whose values `change` may change.
fn index(name: &str, change: impl Fn(u64, &mut Vec<u8>)) -> Result<PathBuf, Box<dyn Error>> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut builder = Builder::new();
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for number in 0..RECORDS {
        record(Shape::Short, number, &mut key, &mut value);
        change(number, &mut value);
        builder.add(&key, &value)?;
    }
    builder.finish(&path)?;
    Ok(path)
}

fn check(index: &Path, more: &[&str]) -> std::io::Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench-check"));
    command.arg(index).args([&RECORDS.to_string(), "--short"]).args(more).output()
}

#[test]
fn right_answers_pass_one_by_one_and_in_batches() -> Outcome {
    let index = index("right.hlith", |_, _| ())?;
    let output = check(&index, &["--lookups", "30000", "--single", "30000", "--json"])?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json = String::from_utf8(output.stdout)?;
    assert!(json.contains("\"get, absent\": {\"lookups\": 30000,"), "{json}");
    Ok(())
}

/// The changed record is one of 5,000, and is looked up about six times in each row.
#[test]
fn a_wrong_value_fails_and_names_its_key() -> Outcome {
    let index = index("wrong.hlith", |number, value| {
        if number == 1234 {
            value[0] ^= 1;
        }
    })?;
    let (mut key, mut value) = (Vec::new(), Vec::new());
    record(Shape::Short, 1234, &mut key, &mut value);
    for (lookups, single) in [("30000", "0"), ("0", "30000")] {
        let output = check(&index, &["--lookups", lookups, "--single", single])?;
        let message = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(&*String::from_utf8_lossy(&key)), "{message}");
    }
    Ok(())
}

#[test]
fn another_number_of_records_is_refused() -> Outcome {
    let index = index("fewer.hlith", |_, _| ())?;
    let output = Command::new(env!("CARGO_BIN_EXE_bench-check")).arg(&index).arg("4999").output()?;
    assert_eq!(output.status.code(), Some(1));
    Ok(())
}

#[test]
fn the_generator_writes_the_records_of_the_library() -> Outcome {
    for (shape, flags) in [(Shape::Short, &["--short"][..]), (Shape::Strings, &[])] {
        let (mut tsv, mut cdbmake) = (Vec::new(), Vec::new());
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for number in 0..RECORDS {
            record(shape, number, &mut key, &mut value);
            cdbmake.extend(format!("+{},{}:", key.len(), value.len()).bytes());
            for (out, parts) in [(&mut tsv, [&b"\t"[..], b"\n"]), (&mut cdbmake, [b"->", b"\n"])] {
                out.extend([&key[..], parts[0], &value, parts[1]].concat());
            }
        }
        cdbmake.push(b'\n');
        for (format, expected) in [("tsv", tsv), ("cdbmake", cdbmake)] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_hashlith-gen"));
            let output = command.arg(RECORDS.to_string()).args(["--format", format]).args(flags).output()?;
            assert!(output.status.success() && output.stdout == expected, "{shape:?}, {format}");
        }
    }
    Ok(())
}
