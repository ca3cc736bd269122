//! The reader of the output may close it early: no message, and no failure.

use crate::support::{Place, many_lines};

#[test]
fn head_is_enough() {
    let place = Place::with_index(&many_lines(50_000));
    for command in
        ["dump x.hlith", "dump x.hlith --format jsonl", "get x.hlith - < keys", "get x.hlith - --json < keys"]
    {
        place.shell("cut -f1 x.tsv > keys").ok();
        let run = place.shell(&format!("{{ $HASHLITH {command}; echo $? > code; }} | head -n 3")).ok();
        assert_eq!(run.text().lines().count(), 3, "{command}");
        assert_eq!((run.err.as_str(), place.read("code").as_slice()), ("", &b"0\n"[..]), "{command}");
    }
}

#[test]
fn nobody_at_all_is_enough() {
    let place = Place::with_index("a\tb\n");
    for command in ["get x.hlith a", "dump x.hlith", "info x.hlith", "verify x.hlith", "completions bash"] {
        let script = format!("{{ sleep 0.2; $HASHLITH {command}; echo $? > code; }} | true");
        let run = place.shell(&script).ok();
        assert_eq!((run.err.as_str(), place.read("code").as_slice()), ("", &b"0\n"[..]), "{command}");
    }
}

/// If standard output goes to a full disk, that is a failure.
#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let place = Place::with_index("a\tb\n");
    for command in ["get x.hlith a", "dump x.hlith", "info x.hlith", "verify x.hlith"] {
        place
            .shell(&format!("$HASHLITH {command} > /dev/full"))
            .fails(1, &["standard output", "No space left"]);
    }
}
