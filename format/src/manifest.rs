//! The manifest, which lists the files of a set (section 15).

use crate::{Error, Header, KeyHasher, MAX_PARTS, PAGE, VERSION, header};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Write;

/// The manifest's name in the directory of a set.
pub const MANIFEST_NAME: &str = "manifest.json";
/// Longest manifest, in bytes.
pub const MAX_MANIFEST: u64 = 32 << 20;
/// Longest name of a part's file, in bytes.
const MAX_NAME: usize = 255;

/// The files of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Hash of the keys of all parts.
    pub hasher: KeyHasher,
    /// The parts in their order.
    pub parts: Vec<PartFile>,
}

/// What the manifest says about one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartFile {
    /// Its name in the directory of the set.
    pub file: String,
    /// Number of keys.
    pub keys: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// The header digest. By way of the sums it covers every byte of the file.
    pub digest: u64,
}

impl PartFile {
    /// The entry of a part with this header. The name contains number and digest, so no two versions of a part share it.
    pub fn of(header: &Header) -> Self {
        let digest = header::digest(&header.to_bytes());
        PartFile {
            file: format!("part-{:05}-{digest:016x}.hlith", header.part),
            keys: header.keys,
            bytes: header.file_len(),
            digest,
        }
    }

    /// Its line in the manifest, without comma and line feed.
    fn line(&self, (first, last): (u64, u64)) -> String {
        let PartFile { file, keys, bytes, digest } = self;
        format!(
            "{{\"file\": \"{file}\", \"first\": \"{first:016x}\", \"last\": \"{last:016x}\", \"keys\": {keys}, \
             \"bytes\": {bytes}, \"digest\": \"{digest:016x}\"}}"
        )
    }

    /// True for names like those from [`Self::of`].
    pub fn is_name(name: &str) -> bool {
        let middle = name.strip_prefix("part-").and_then(|rest| rest.strip_suffix(".hlith"));
        middle.and_then(|middle| middle.split_once('-')).is_some_and(|(number, digest)| {
            number.len() >= 5
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && digest.len() == 16
                && parse_hex(digest).is_some()
        })
    }
}

/// The first and the last `hi` of a part.
pub fn range(part: u32, parts: u32) -> (u64, u64) {
    let first = |part: u64| (u128::from(part) << 64).div_ceil(u128::from(parts.max(1)));
    let next = first(u64::from(part).saturating_add(1));
    let narrow = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
    (narrow(first(u64::from(part))), narrow(next.saturating_sub(1)))
}

impl Manifest {
    /// Checks the header page of the file that is part `number` here (M5, and M6 against the first part's header, once that
    /// is known).
    ///
    /// # Errors
    /// The broken rule, at the line of the file.
    pub fn check_part(
        &self,
        number: u32,
        page: &[u8; PAGE as usize],
        header: &Header,
        first: Option<&Header>,
    ) -> Result<(), Error> {
        let Some(listed) = self.parts.get(number as usize) else {
            return Err(self.fault(5, number, "is not a part of this set"));
        };
        let what = if (header.part, header.parts) != (number, self.count()) {
            "is another part, or of a set of another size"
        } else if header.hasher != self.hasher {
            "has another hash or seed than the manifest says: it belongs to another set"
        } else if header.keys != listed.keys || header.file_len() != listed.bytes {
            "does not have the number of keys and the length that the manifest says: it belongs to another set"
        } else if header::digest(page) != listed.digest {
            "does not have the digest that the manifest says: it belongs to another set, or to another version of this one"
        } else if first.is_some_and(|first| !first.same_types(header)) {
            return Err(self.fault(6, number, "has another type of keys or values than the first part"));
        } else {
            return Ok(());
        };
        Err(self.fault(5, number, what))
    }

    /// Number of parts.
    pub fn count(&self) -> u32 {
        u32::try_from(self.parts.len()).unwrap_or(u32::MAX)
    }

    /// The text of the manifest.
    pub fn to_text(&self) -> String {
        let mut text = self.first_line();
        for part in 0..self.count() {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "{}{}",
                self.line(part),
                if part.saturating_add(1) == self.count() { "\n" } else { ",\n" }
            );
        }
        text.push_str(LAST_LINE);
        text
    }

    fn first_line(&self) -> String {
        first_line(self.hasher.id() as u8, self.hasher.seeds(), self.count())
    }

    fn line(&self, part: u32) -> String {
        self.parts.get(part as usize).map(|file| file.line(range(part, self.count()))).unwrap_or_default()
    }

    /// Where the line of a part begins in the manifest, in bytes.
    fn offset(&self, part: u32) -> u64 {
        let before: usize = (0..part).map(|part| self.line(part).len().saturating_add(2)).sum();
        self.first_line().len().saturating_add(before) as u64
    }

    /// A part breaks rule M`number`.
    pub fn fault(&self, number: u8, part: u32, what: &'static str) -> Error {
        let file = self.parts.get(part as usize).map(|part| part.file.clone());
        Error::Set { number, offset: self.offset(part), file: file.unwrap_or_default().into(), what }
    }

    /// Parses the bytes of a manifest (M1 to M3).
    ///
    /// Takes the values out of each line, writes the line that these values give, and compares the two. So every byte
    /// counts.
    ///
    /// # Errors
    /// The broken rule, at the line that breaks it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() as u64 > MAX_MANIFEST {
            return Err(fault(1, 0, "the manifest has more than 32 MiB"));
        }
        // Bytes that are not text become a character that no valid line has.
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').map(String::from_utf8_lossy).peekable();
        let line = lines.next().unwrap_or_default();
        let (hasher, parts) = parse_first_line(&line)?;
        let mut manifest = Manifest { hasher, parts: Vec::new() };
        let mut at = line.len() as u64;
        while let Some(line) = lines.next_if(|line| *line != LAST_LINE) {
            let end = if lines.peek().is_some_and(|next| *next == LAST_LINE) { "\n" } else { ",\n" };
            let entry = line.strip_suffix(end).and_then(entry);
            let (file, range_found) =
                entry.ok_or_else(|| fault(1, at, "a line does not have the form of a part"))?;
            let part = manifest.count();
            if part == parts {
                return Err(Error::Set {
                    number: 3,
                    offset: at,
                    file: file.file.into(),
                    what: "is one part too many",
                });
            }
            if range_found != range(part, parts) {
                let what = "does not have the range of hashes of the part in this place: it overlaps another, or leaves a gap";
                return Err(Error::Set { number: 3, offset: at, file: file.file.into(), what });
            }
            manifest.parts.push(file);
            at = at.saturating_add(line.len() as u64);
        }
        if lines.next().is_none() {
            return Err(fault(1, at, "the last line is missing"));
        }
        if manifest.count() != parts {
            return Err(fault(3, at, "parts are missing: the first line says more"));
        }
        match lines.next() {
            None => Ok(manifest),
            Some(_) => {
                Err(fault(1, at.saturating_add(LAST_LINE.len() as u64), "something follows the last line"))
            }
        }
    }
}

/// A fault of the manifest itself.
fn fault(number: u8, offset: u64, what: &'static str) -> Error {
    Error::Set { number, offset, file: "".into(), what }
}

const LAST_LINE: &str = "]}\n";
const NO_MANIFEST: &str = "not the manifest of a hashlith set";

fn first_line(id: u8, [seed, second_seed]: [u64; 2], parts: u32) -> String {
    format!(
        "{{\"hashlith\": {VERSION}, \"hash\": {id}, \"seed\": \"{seed:016x}\", \"second_seed\": \"{second_seed:016x}\", \
         \"parts\": {parts}, \"files\": [\n"
    )
}

/// The hash function and the number of parts.
fn parse_first_line(line: &str) -> Result<(KeyHasher, u32), Error> {
    let version = line.strip_prefix("{\"hashlith\": ").and_then(|rest| rest.split_once(','));
    let number = version.and_then(|(text, _)| Some((text, text.parse::<u32>().ok()?)));
    if number.is_some_and(|(text, version)| version != VERSION && version.to_string() == text) {
        return Err(fault(2, 0, "a version other than 1: use a newer hashlith"));
    }
    let fields = || {
        let seed = parse_hex(field(line, "seed")?)?;
        let second_seed = parse_hex(field(line, "second_seed")?)?;
        let id: u8 = field(line, "hash")?.parse().ok()?;
        Some((id, seed, second_seed, field(line, "parts")?.parse().ok()?))
    };
    let (id, seed, second_seed, parts) = fields().ok_or_else(|| fault(1, 0, NO_MANIFEST))?;
    let is_form = first_line(id, [seed, second_seed], parts) == line && (id != 1 || second_seed == 0);
    if !is_form {
        return Err(fault(1, 0, "the first line does not have its form"));
    }
    let hasher = match id {
        1 => KeyHasher::xxh3(seed),
        2 => KeyHasher::siphash(seed, second_seed),
        _ => return Err(fault(2, 0, "an unknown hash: use a newer hashlith")),
    };
    if !(1..=MAX_PARTS).contains(&parts) {
        return Err(fault(3, 0, "a set has 1 to 65,536 parts"));
    }
    Ok((hasher, parts))
}

/// The value of a field, without its quotes.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{name}\": "))?;
    match rest.strip_prefix('"') {
        Some(rest) => rest.split_once('"').map(|(value, _)| value),
        None => rest.split_once([',', '}']).map(|(value, _)| value),
    }
}

fn parse_hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

/// The part in a line, and its range of hashes.
fn entry(line: &str) -> Option<(PartFile, (u64, u64))> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let name = field(line, "file")?;
    let is_name = (1..=MAX_NAME).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed);
    let file = PartFile {
        file: name.to_string(),
        keys: field(line, "keys")?.parse().ok()?,
        bytes: field(line, "bytes")?.parse().ok()?,
        digest: parse_hex(field(line, "digest")?)?,
    };
    let range = (parse_hex(field(line, "first")?)?, parse_hex(field(line, "last")?)?);
    (is_name && file.line(range) == line).then_some((file, range))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(parts: u64) -> Manifest {
        let part = |number: u64| PartFile {
            file: format!("part-{number:05}-{:016x}.hlith", number * 77),
            keys: number,
            bytes: 8200 + number,
            digest: number * 77,
        };
        Manifest { hasher: KeyHasher::siphash(1, u64::MAX), parts: (0..parts).map(part).collect() }
    }

    #[test]
    fn a_manifest_comes_back() {
        for parts in [1, 2, 3, 7, 100] {
            let manifest = manifest(parts);
            assert_eq!(Manifest::parse(manifest.to_text().as_bytes()), Ok(manifest));
        }
    }

    /// Section 15: ranges are those of step 2.
    #[test]
    fn ranges_meet() {
        for parts in [1u32, 2, 3, 10, 1000, 65_535, 65_536] {
            assert_eq!((range(0, parts).0, range(parts - 1, parts).1), (0, u64::MAX));
            for part in 1..parts {
                let (first, _) = range(part, parts);
                assert_eq!(range(part - 1, parts).1, first - 1);
                let of = |hi| crate::KeyHash { hi, lo: 0 }.part(parts);
                assert_eq!((of(first - 1), of(first)), (part - 1, part));
            }
        }
    }

    /// No byte of a manifest can be changed, left out or added without notice, except in names, numbers and digests, which are
    /// compared with the parts themselves.
    #[test]
    fn every_byte_counts() {
        let manifest = manifest(3);
        let text = manifest.to_text();
        let bytes = text.as_bytes();
        let mut other = 0;
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            for value in 0..=255u8 {
                changed[at] = value;
                if let Ok(parsed) = Manifest::parse(&changed) {
                    assert_eq!(parsed.to_text().as_bytes(), changed);
                    other += usize::from(parsed != manifest);
                }
            }
            assert_ne!(Manifest::parse(&bytes[..at]), Ok(manifest.clone()));
            assert!(Manifest::parse(&[&bytes[..at], &bytes[at + 1..]].concat()) != Ok(manifest.clone()));
        }
        assert!(other > 0);
        assert!(Manifest::parse(&[bytes, b"\n"].concat()).is_err());
    }

    /// M1 to M3, each with the line that breaks it.
    #[test]
    fn faults_are_reported_with_their_line() {
        let text = manifest(3).to_text();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let at = |line: usize| lines[..line].iter().map(|line| line.len() as u64).sum::<u64>();
        let check = |text: String, number: u8, offset: u64, file: &str| {
            let error = Manifest::parse(text.as_bytes()).unwrap_err();
            let Error::Set { number: found, offset: found_at, file: named, .. } = &error else {
                panic!("{error}")
            };
            assert_eq!((*found, *found_at, &**named), (number, offset, file), "{text}");
        };
        let [_, one, two, three, _] = lines[..] else { panic!("five lines") };
        let name = |line| field(line, "file").unwrap();
        check(String::new(), 1, 0, "");
        check(text.replace("\"hashlith\": 1", "\"hashlith\": 2"), 2, 0, "");
        check(text.replace("\"hash\": 2", "\"hash\": 3"), 2, 0, "");
        check(text.replace("\"parts\": 3", "\"parts\": 0"), 3, 0, "");
        check(text.replace("\"parts\": 3", "\"parts\": 65537"), 3, 0, "");
        check(text.replace("\"parts\": 3", "\"parts\":  3"), 1, 0, "");
        check(text.replace("\"hash\": 2", "\"hash\": 1"), 1, 0, "");
        check(text.replace("\"parts\": 3", "\"parts\": 2"), 3, at(1), name(one));
        check(text.replace(two, ""), 3, at(2), name(three));
        check(text.replace(two, one), 3, at(2), name(one));
        check(text.replace(two, &two.replace("\"keys\": ", "\"keys\": 0")), 1, at(2), "");
        check(
            text.replace(three, "").replace(two, two.trim_end_matches(",\n")).replace("]}", "\n]}"),
            3,
            at(3) - 1,
            "",
        );
        check(text.replace(three, &three.replace('\n', ",\n")), 1, at(3), "");
        check(text.replace("]}\n", ""), 1, at(3), "");
        check(text.clone() + "\n", 1, at(5), "");
        for bad in ["../x", "/x", ".x", "a b", "\u{e9}", ""] {
            check(text.replace(name(two), bad), 1, at(2), "");
        }
        check(text.replace(name(two), &"x".repeat(256)), 1, at(2), "");
        let extra = Manifest { parts: manifest(4).parts, ..manifest(4) }.to_text();
        check(extra.replace("\"parts\": 4", "\"parts\": 3"), 3, at(1), name(one));
    }

    #[test]
    fn names_of_parts_are_known() {
        assert!(PartFile::is_name("part-00003-0123456789abcdef.hlith"));
        for other in
            ["part-0-0123456789abcdef.hlith", "part-00003-0123456789abcdeg.hlith", "part-00003.hlith", "x"]
        {
            assert!(!PartFile::is_name(other), "{other}");
        }
    }
}
