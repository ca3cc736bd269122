use super::*;

/// What waits in temporary files is counted while it is copied. A key too few or too many is noticed.
#[test]
fn what_is_copied_is_what_was_announced() {
    for (value_type, values, waiting) in
        [("text", &b""[..], 2 * 128 + 5), ("int8", b"1234567", 2 * 128 + 5 + 3)]
    {
        let dir = tempfile::tempdir().unwrap();
        let (path, progress) = (dir.path().join("x"), Progress::new());
        let options = Options { value_type: value_type.parse().unwrap(), ..Options::default() };
        let tables = Tables::default();
        let mut writer =
            Writer::create(&path, &options, &progress, dir.path(), vec![2], tables, false).unwrap();
        let piece = Piece {
            pool: PoolView::of_bytes(b"abc"),
            values: PoolView::of_bytes(values),
            width: options.value_type.width(),
            cells: &mut [0; 256],
            far: b"12345",
            start: Offsets::default(),
            end: Offsets { keys: 7, pool: 3, far: 5 },
        };
        writer.append(piece).unwrap();
        writer.check_keys(7).unwrap();
        assert!(matches!(writer.check_keys(8), Err(Error::Lost { expected: 8, found: 7 })));
        writer.finish().unwrap();
        let now = progress.snapshot();
        assert_eq!((now.phase, now.done, now.total), (Phase::Sealing, waiting, Some(waiting)));
    }
}
