//! Compressed files as the usual tools write them: read, cut off, damaged, and with other bytes behind them.

use crate::support::{error, failure, memory, pairs, read_sources, text, unhex};
use hashlith_feedback::Advice;
use hashlith_inputs::{Format, ReadOptions};

/// Commands and what they write. The file is that of [`records`], `1` and `2` are its lines.
#[rustfmt::skip]
const FILES: &[(&str, &str)] = &[
    ("gzip x.tsv",
        "1f8b08088bd80d6b0003782e74737600cb36e4cccf4be5ca36e22c29cfe7020086466ea40e000000"),
    ("bgzip -c x.tsv",
        "1f8b08040000000000ff0600424302002c00010e00f1ff6b31096f6e650a6b320974776f0a86466ea40e0000001f\
         8b08040000000000ff0600424302001b0003000000000000000000"),
    ("(gzip < 1; gzip < 2; head -c 9 /dev/zero)",
        "1f8b0800000000000003cb36e4cccf4be502009b06b80f070000001f8b0800000000000003cb36e22c29cfe70200\
         ded42ce707000000000000000000000000"),
    ("zstd x.tsv",
        "28b52ffd240e7100006b31096f6e650a6b320974776f0aca47f7a7"),
    ("pzstd x.tsv",
        "502a4d18040000001b00000028b52ffd04587100006b31096f6e650a6b320974776f0aca47f7a7"),
    ("(pzstd < 1; zstd < 2)",
        "502a4d18040000001400000028b52ffd04583900006b31096f6e650a2b7bdb4928b52ffd04583900006b32097477\
         6f0a6b4f27ec"),
    ("bzip2 x.tsv",
        "425a68393141592653597d8d2414000003c9800030300002098480200021a069a68400c2ad1d090c7c1f8bb9229c\
         28483ec6920a00"),
    ("(bzip2 < 1; bzip2 < /dev/null; bzip2 < 2)",
        "425a68393141592653590db032b10000024900003020000209a00021934c086017b92dc2ee48a70a1201b6065620\
         425a683917724538509000000000425a6839314159265359766cff6c000001c98000301000000884802000221a6d\
         10860380b2f8bb9229c28483b367fb60"),
    ("xz x.tsv",
        "fd377a585a000004e6d6b4460200210116000000742fe5a301000d6b31096f6e650a6b320974776f0a0000009ae0\
         631a87328c940001260e081be0041fb6f37d010000000004595a"),
    ("xz --check=sha256 --delta=dist=2 --lzma2 x.tsv",
        "fd377a585a00000ae1fb0ca102010301012101161c47785601000d6b319e3e65f69c06289e426efb930000002116\
         0d5498f0a33ed14342e694f492d9e369a5ff2bca517668cc1ac251ad9c8400013e0e5183fb86189b4b9a01000000\
         000a595a"),
    ("(xz < 1; head -c 4 /dev/zero; xz < 2; head -c 8 /dev/zero)",
        "fd377a585a000004e6d6b4460200210116000000742fe5a30100066b31096f6e650a0000e74afba175c1509f0001\
         1f07162eb8731fb6f37d010000000004595a00000000fd377a585a000004e6d6b4460200210116000000742fe5a3\
         0100066b320974776f0a00003db8a09e4fb8d98100011f07162eb8731fb6f37d010000000004595a000000000000\
         0000"),
    ("xz --format=lzma x.tsv",
        "5d00008000ffffffffffffffff00358c3d272216a05517a61a9d123729897ee335fff60c4000"),
    ("lz4 x.tsv",
        "04224d186440a70e0000806b31096f6e650a6b320974776f0a0000000098b9986f"),
    ("lz4 -B4 -BD --content-size x.tsv",
        "04224d186c400e00000000000000d10e0000806b31096f6e650a6b320974776f0a0000000098b9986f"),
    ("(lz4 -B7 < 1; pzstd's skippable frame; lz4 -B4 < 2)",
        "04224d186440a7070000806b31096f6e650a00000000d44c3803502a4d18040000001b00000004224d186440a707\
         0000806b320974776f0a00000000637d0671"),
    ("zip x.zip x.tsv",
        "504b03040a00000000007ca17e5d86466ea40e0000000e00000005000000782e7473766b31096f6e650a6b320974\
         776f0a504b01021e030a00000000007ca17e5d86466ea40e0000000e000000050000000000000001000000a48100\
         000000782e747376504b0506000000000100010033000000310000000000"),
    ("zip -r x.zip d",
        "504b03040a00000000007ca17e5d00000000000000000000000002000000642f504b03040a00000000007ca17e5d\
         86466ea40e0000000e00000007000000642f782e7473766b31096f6e650a6b320974776f0a504b01021e030a0000\
         0000007ca17e5d000000000000000000000000020000000000000000001000ed4100000000642f504b01021e030a\
         00000000007ca17e5d86466ea40e0000000e000000070000000000000001000000a48120000000642f782e747376\
         504b0506000000000200020065000000530000000000"),
    ("zip - - < x.tsv | cat",
        "504b03042d00080008007ca17e5d00000000ffffffffffffffff010014002d010010000e00000000000000000000\
         0000000000cb36e4cccf4be5ca36e22c29cfe70200504b070886466ea410000000000000000e0000000000000050\
         4b01021e032d00080008007ca17e5d86466ea4100000000e000000010000000000000001000000a481000000002d\
         504b050600000000010001002f0000005b0000000000"),
    ("zip -fz x.zip x.tsv",
        "504b03042d00000000007ca17e5d86466ea4ffffffffffffffff05001400782e747376010010000e000000000000\
         000e000000000000006b31096f6e650a6b320974776f0a504b01021e032d00000000007ca17e5d86466ea40e0000\
         00ffffffff05000c000000000001000000a48100000000782e747376010008000e00000000000000504b06062c00\
         0000000000001e032d000000000000000000010000000000000001000000000000003f0000000000000045000000\
         00000000504b060700000000840000000000000001000000504b050600000000010001003f000000ffffffff0000"),
    ("ZipFile(\"x.zip\", \"w\", ZIP_DEFLATED)",
        "504b03041400000008000000210086466ea4100000000e00000005000000782e747376cb36e4cccf4be5ca36e22c\
         29cfe70200504b010214031400000008000000210086466ea4100000000e00000005000000000000000000000080\
         0100000000782e747376504b0506000000000100010033000000330000000000"),
    ("ZipFile(sys.stdout.buffer, \"w\", ZIP_DEFLATED)",
        "504b03041400080008000000210000000000000000000000000005000000782e747376cb36e4cccf4be5ca36e22c\
         29cfe70200504b070886466ea4100000000e000000504b010214031400080008000000210086466ea4100000000e\
         000000050000000000000000000000800100000000782e747376504b050600000000010001003300000043000000\
         0000"),
    ("ZipFile with the attributes that macOS adds",
        "504b03041400000008000000210086466ea4100000000e00000005000000782e747376cb36e4cccf4be5ca36e22c\
         29cfe70200504b030414000000080000002100833d73a50600000004000000100000005f5f4d41434f53582f2e5f\
         782e747376636015630700504b010214031400000008000000210086466ea4100000000e00000005000000000000\
         0000000000800100000000782e747376504b0102140314000000080000002100833d73a506000000040000001000\
         000000000000000000008001330000005f5f4d41434f53582f2e5f782e747376504b050600000000020002007100\
         0000670000000000"),
];

/// Files that only an unpacker reads, and the message.
#[rustfmt::skip]
const REFUSED: &[(&str, &str, &str)] = &[
    ("zip x.zip 1 2",
        "504b03040a00000000007ca17e5d9b06b80f070000000700000001000000316b31096f6e650a504b03040a000000\
         00007ca17e5dded42ce7070000000700000001000000326b320974776f0a504b01021e030a00000000007ca17e5d\
         9b06b80f0700000007000000010000000000000001000000a4810000000031504b01021e030a00000000007ca17e\
         5dded42ce70700000007000000010000000000000001000000a4812600000032504b050600000000020002005e00\
         00004c0000000000",
        "the zip data holds several files, such as \"1\" and \"2\"; unpack it first"),
    ("zip -P password x.zip x.tsv",
        "504b03040a00090000007ca17e5d86466ea41a0000000e00000005000000782e747376d4a1ff71089988a64adc45\
         dd7f5c1c7289804b82d61661bbd14c504b070886466ea41a0000000e000000504b01021e030a00090000007ca17e\
         5d86466ea41a0000000e000000050000000000000001000000a48100000000782e747376504b0506000000000100\
         0100330000004d0000000000",
        "the zip data is encrypted; unpack it first"),
    ("ZipFile(\"x.zip\", \"w\", ZIP_BZIP2)",
        "504b03042e0000000c000000210086466ea4350000000e00000005000000782e747376425a68393141592653597d\
         8d2414000003c9800030300002098480200021a069a68400c2ad1d090c7c1f8bb9229c28483ec6920a00504b0102\
         2e032e0000000c000000210086466ea4350000000e000000050000000000000000000000800100000000782e7473\
         76504b0506000000000100010033000000580000000000",
        "the zip data is compressed with method 12; unpack it first"),
    ("ZipFile(sys.stdout.buffer, \"w\", ZIP_STORED)",
        "504b03041400080000000000210000000000000000000000000005000000782e7473766b31096f6e650a6b320974\
         776f0a504b070886466ea40e0000000e000000504b010214031400080000000000210086466ea40e0000000e0000\
         00050000000000000000000000800100000000782e747376504b0506000000000100010033000000410000000000",
        "the zip data does not say where its file ends; unpack it first"),
    ("ZipFile(\"x.zip\", \"w\")",
        "504b0506000000000000000000000000000000000000",
        "the zip data holds no file; unpack it first"),
    ("zip -r x.zip emptyfolder",
        "504b03041400000008000000210000000000020000000000000002000000642f0300504b01021403140000000800\
         00002100000000000200000000000000020000000000000000000000800100000000642f504b0506000000000100\
         010030000000220000000000",
        "the zip data holds no file; unpack it first"),
    ("zstd -D dictionary x.tsv",
        "28b52ffd279283c8480e7100006b31096f6e650a6b320974776f0aca47f7a7",
        "the zstd data needs a dictionary; unpack it first"),
];

/// What joblib writes for the dict of [`records`].
#[rustfmt::skip]
const JOBLIB: &[(&str, &str)] = &[
    ("joblib.dump(x, path, compress=(\"zlib\", 3))",
        "785e6b60992acd0001b553347a98b20da7f430e7e7a54e01328d80cc92f2fc29a57a00ba740b70"),
    ("joblib.dump(x, path, compress=(\"zlib\", 1))",
        "78016b60992acd0001b553347a98b20da7f430e7e7a54e01328d80cc92f2fc29a57a00ba740b70"),
    ("joblib.dump(x, path, compress=(\"zlib\", 9))",
        "78da6b60992acd0001b553347a98b20da7f430e7e7a54e01328d80cc92f2fc29a57a00ba740b70"),
    ("joblib.dump(x, path, compress=(\"gzip\", 3))",
        "1f8b08000000000000036b60992acd0001b553347a98b20da7f430e7e7a54e01328d80cc92f2fc29a57a005e28ae\
         f426000000"),
    ("joblib.dump(x, path, compress=(\"bz2\", 3))",
        "425a6833314159265359fb66cf6700000cf9e05c000008004130000209868240040600200022268d000d3350a069\
         a19193110e0c446c037496e5ecb9d5e2aa90150e07c5dc914e14243ed9b3d9c0"),
    ("joblib.dump(x, path, compress=(\"lzma\", 3))",
        "5d00004000ffffffffffffffff0040010e6f056066cc568e0626222cf2f2aa05ee998d25f6ae0e299df8257d6220\
         f77b58fdfffe1e9000"),
    ("joblib.dump(x, path, compress=(\"xz\", 3))",
        "fd377a585a000004e6d6b4460200210114000000ffe7ec09e0002500245d0040010e6f056066cc568e0626222cf2\
         f2aa05ee998d25f6ae0e299df8257d6220f2bc240000fc3892e3c337f5c100014026d37ff2021fb6f37d01000000\
         0004595a"),
    ("joblib.dump(x, path, compress=(\"lz4\", 3))",
        "04224d184040c025000000528004951b000100f00c7d94288c026b31948c036f6e65948c026b32948c0374776f94\
         752e00000000"),
];

fn records() -> crate::support::Pairs {
    text(&[("k1", "one"), ("k2", "two")])
}

fn read(bytes: &[u8]) -> Result<crate::support::Pairs, String> {
    pairs("x.tsv", bytes, &ReadOptions::default())
}

/// What the name says does not matter, and neither does the size of the pieces in which it is read.
#[test]
fn files_of_tools_are_read() {
    for (command, file) in FILES {
        for (name, block_bytes) in [("x.tsv", 1 << 20), ("x.tsv.gz", 1), ("x.tsv.zip", 7)] {
            let options = ReadOptions { block_bytes, ..ReadOptions::default() };
            let (summary, found) = read_sources(&[memory(name, &unhex(file))], &options, 1).unwrap();
            assert_eq!(
                found.into_iter().map(|r| (r.key, r.value)).collect::<Vec<_>>(),
                records(),
                "{command}"
            );
            assert_eq!(summary.bytes, unhex(file).len() as u64, "{command}");
        }
    }
}

/// Only zlib depends on the format: text may begin like it.
#[test]
fn compressed_files_of_joblib_are_read() {
    let options = |format, block_bytes| ReadOptions { format, block_bytes, ..ReadOptions::default() };
    for (call, file) in JOBLIB {
        let file = unhex(file);
        for block_bytes in [1, 7, 1 << 20] {
            for (name, format) in [("x.pkl", None), ("x.z", Some(Format::Pickle))] {
                assert_eq!(pairs(name, &file, &options(format, block_bytes)).unwrap(), records(), "{call}");
            }
        }
        let is_zlib = call.contains("zlib");
        for length in 2..file.len() {
            let found = error("x.pkl", &file[..length], &ReadOptions::default());
            assert!(found.contains("ends early") || length < 18 && !is_zlib, "{call}, {length}: {found}");
        }
        for bit in 16..8 * file.len() {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = pairs("x.pkl", &flipped, &ReadOptions::default()) {
                // These two have no sum.
                let is_unsure = call.contains("lzma") || call.contains("lz4");
                assert!(found == records() || is_unsure, "{call}, bit {bit}: {found:?}");
            }
        }
    }
    assert_eq!(read(b"x^k\tv\n").unwrap(), text(&[("x^k", "v")]));
}

/// After whole members and frames there are the records before; all else is an error.
#[test]
fn every_cut_is_an_error() {
    for (command, file) in FILES {
        let file = unhex(file);
        for length in 1..file.len() {
            match read(&file[..length]) {
                Ok(found) => {
                    // Padding can be cut off, and several members between two of them. BGZF ends with an empty member.
                    let found = (found.len(), &found[..]) == (found.len(), &records()[..found.len()]);
                    let several =
                        command.starts_with('(') || command.contains("pzstd") || command.contains("bgzip");
                    assert!(found && several, "{command}: {length} of {} bytes", file.len());
                }
                // A part of the first bytes does not tell the kind.
                Err(what) => {
                    assert!(what.contains("ends early") || length < 18, "{command}, {length}: {what}")
                }
            }
        }
    }
}

/// A bit that was flipped is found, or was of no account; it never ends in a panic. lzma has no sum.
#[test]
fn every_flipped_bit_is_survived() {
    for (command, file) in FILES {
        let file = unhex(file);
        for bit in 0..8 * file.len() {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = read(&flipped) {
                assert!(found == records() || command.contains("=lzma"), "{command}, bit {bit}: {found:?}");
            }
        }
    }
}

#[test]
fn what_follows_is_named() {
    for (command, file) in FILES {
        let file = unhex(file);
        // Padding belongs to no member.
        let end = file.len()
            - file
                .iter()
                .rev()
                .take_while(|_| command.contains("/zero"))
                .take_while(|&&byte| byte == 0)
                .count();
        for tail in [&b"x"[..], b"key\tvalue\n", b"\x1f\x8c", b"\x00\x00\x00\x00x"] {
            let found = error("x.tsv", &[&file[..], tail].concat(), &ReadOptions::default());
            assert!(found.contains("but other bytes follow it; cut them off"), "{command} {tail:?}: {found}");
            let is_gzip = file.starts_with(b"\x1f\x8b");
            assert!(
                found.contains(&format!("ends at byte {end},")) || is_gzip,
                "{command} {tail:?}: {found}"
            );
        }
        let zeros = read(&[&file[..], &[0; 8]].concat());
        let is_padding = file.starts_with(b"\x1f\x8b") || file.starts_with(b"\xfd7z");
        assert_eq!(zeros.is_ok(), is_padding, "{command}");
    }
}

#[test]
fn what_only_an_unpacker_reads_is_refused() {
    for (command, file, wanted) in REFUSED {
        let found = error("x.tsv", &unhex(file), &ReadOptions::default());
        assert_eq!(found, format!("x.tsv: {wanted}"), "{command}");
    }
}

/// A window takes memory, which a build may have or not.
#[test]
fn long_windows_need_memory() {
    let file = |part: &str| {
        FILES.iter().find(|(command, _)| command.contains(part)).map(|(_, file)| unhex(file)).unwrap()
    };
    let changed = |part: &str, at: usize, bytes: &[u8]| {
        let mut file = file(part);
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    // `zstd --long=N` differs from `zstd` in the sixth byte, if it reads a pipe.
    let zstd = |window| {
        let length = file("zstd < 2").len();
        let pzstd = file("zstd < 2");
        let mut frame = pzstd[length - 20..].to_vec();
        assert_eq!(&frame[..4], &[0x28, 0xb5, 0x2f, 0xfd]);
        frame[5] = window;
        frame
    };
    // xz --lzma2=dict=256MiB x.tsv
    let xz = unhex(
        "fd377a585a000004e6d6b44602002101200000000988a57601000d6b31096f6e650a6b320974776f0a0000009ae0631a87328c94\
         0001260e081be0041fb6f37d010000000004595a",
    );
    let lzma = changed("=lzma", 1, &[0, 0, 0, 0x10]);
    const MIB: usize = 1 << 20;
    let table = [
        ("zstd", zstd(0x88), 0, None),
        ("zstd", zstd(0x89), MIB, Some((144, 128))),
        ("zstd", zstd(0x90), 200 * MIB, Some((256, 200))),
        ("zstd", zstd(0x90), 256 * MIB, None),
        ("zstd", zstd(0xa8), 2047 * MIB, Some((2048, 2047))),
        ("zstd", zstd(0xf8), 4095 * MIB, Some((2 << 20, 4095))),
        ("xz", xz.clone(), 200 * MIB, Some((257, 200))),
        ("xz", xz, 256 * MIB, None),
        ("lzma", lzma.clone(), 200 * MIB, Some((257, 200))),
        ("lzma", lzma, 256 * MIB, None),
    ];
    for (kind, bytes, max_record_bytes, wanted) in table {
        let options = ReadOptions { max_record_bytes, ..ReadOptions::default() };
        let Some((needs, most)) = wanted else {
            assert!(pairs("x.tsv", &bytes, &options).is_ok(), "{kind}");
            continue;
        };
        let found = failure("x.tsv", &bytes, &options);
        let command = if kind == "zstd" { "zstd -d --long=31" } else { "xz -dc" };
        let wanted = format!(
            "x.tsv: the {kind} data needs a window of {needs} MiB in memory, and at most {most} MiB are allowed; unpack it on \
             the way: {command} < FILE | hashlith build - --format ..."
        );
        assert_eq!((found.to_string(), found.advice()), (wanted, Some(Advice::MoreMemory)));
        // Many workers may read pickles: more memory for one of them does not help.
        let found = failure("x.pkl", &bytes, &options);
        assert!(found.to_string().contains("at most 128 MiB are allowed"), "{found}");
        assert_eq!(found.advice(), None);
    }
}
