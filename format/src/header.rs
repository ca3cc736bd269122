//! The header and the places of the sections (sections 3 and 4).

use crate::{
    CHUNK, Error, HUGE_PAGE, MAGIC, MAX_KEYS, MAX_METADATA, PAGE, VERSION, checksum, directory::ENTRY_LEN,
};
use bytemuck::{Pod, Zeroable};

/// Which hash the keys go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashId {
    /// XXH3-128 with a 64-bit seed.
    Xxh3 = 1,
}

/// What keys are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    /// Any bytes.
    #[default]
    Bytes = 0,
    /// UTF-8.
    Text = 1,
}

/// What values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueType {
    /// Any bytes.
    #[default]
    Bytes = 0,
    /// UTF-8.
    Text = 1,
    /// One JSON value in UTF-8.
    Json = 2,
}

/// Where a section lies, in bytes from the beginning of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub len: u64,
}

impl Span {
    /// The first byte behind the section.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }
}

/// The section table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    /// The records.
    pub pool: Span,
    /// Slot entries, remaps and pilots of all blocks.
    pub hot: Span,
    /// One entry for each block, and a closing one.
    pub directory: Span,
    /// The user's JSON.
    pub metadata: Span,
    /// The sums of all before.
    pub sums: Span,
}

impl Sections {
    /// The only places that sections of these lengths (in bytes) may have; `None` above 2^64 - 1.
    pub fn place(pool: u64, hot: u64, blocks: u64, metadata: u64) -> Option<Self> {
        let after = |before: &Span, len: u64, align: u64| {
            let offset = before.offset.checked_add(before.len)?.checked_next_multiple_of(align)?;
            offset.checked_add(len)?;
            Some(Span { offset, len })
        };
        let pool = Span { offset: PAGE, len: pool };
        let hot = after(&pool, hot, Self::hot_alignment(hot))?;
        let directory = after(&hot, blocks.checked_add(1)?.checked_mul(ENTRY_LEN)?, PAGE)?;
        let metadata = after(&directory, metadata, PAGE)?;
        let mut sums = after(&metadata, 0, PAGE)?;
        sums.len = checksum::chunk_count(sums.offset).checked_mul(8)?;
        sums.offset.checked_add(sums.len)?;
        Some(Sections { pool, hot, directory, metadata, sums })
    }

    /// What a hot section of `len` bytes is aligned to, in bytes.
    pub fn hot_alignment(len: u64) -> u64 {
        if len >= HUGE_PAGE { HUGE_PAGE } else { PAGE }
    }

    /// Name and place of each, in file order.
    pub fn all(&self) -> [(&'static str, Span); 5] {
        [
            ("pool", self.pool),
            ("hot", self.hot),
            ("directory", self.directory),
            ("metadata", self.metadata),
            ("sums", self.sums),
        ]
    }
}

/// The header, decoded and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bits that may be passed over.
    pub ignorable_features: u64,
    /// N, the number of keys.
    pub keys: u64,
    /// B, the number of blocks.
    pub blocks: u64,
    /// Seed of the key hash.
    pub seed: u64,
    /// Hash of the keys.
    pub hash: HashId,
    /// What keys are.
    pub key_type: KeyType,
    /// What values are.
    pub value_type: ValueType,
    /// Bits of a fingerprint, 1 to 16.
    pub fingerprint_bits: u32,
    /// Where the sections lie.
    pub sections: Sections,
    /// XXH3-64 of the directory.
    pub directory_digest: u64,
    /// XXH3-64 of the sums.
    pub sums_digest: u64,
}

/// The bytes of the header. All fields are byte arrays, so the struct has alignment 1 and no padding.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Raw {
    magic: [u8; 8],
    version: [u8; 4],
    reserved1: [u8; 4],
    required: [u8; 8],
    ignorable: [u8; 8],
    file_len: [u8; 8],
    keys: [u8; 8],
    blocks: [u8; 8],
    seed: [u8; 8],
    part: [u8; 4],
    parts: [u8; 4],
    hash: u8,
    key_type: u8,
    value_type: u8,
    fingerprint_bits: u8,
    reserved2: [u8; 4],
    sections: [[[u8; 8]; 2]; 5],
    directory_digest: [u8; 8],
    sums_digest: [u8; 8],
    reserved3: [[u8; 8]; 489],
    digest: [u8; 8],
}

const _: () = assert!(size_of::<Raw>() == PAGE as usize);

impl Header {
    /// Length of the file in bytes.
    pub fn file_len(&self) -> u64 {
        self.sections.sums.end()
    }

    /// Parses the first bytes of a file of `file_len` bytes, by rules R1 to R14.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn parse(bytes: &[u8], file_len: u64) -> Result<Self, Error> {
        let page = bytes.get(..PAGE as usize).filter(|_| file_len >= PAGE);
        let page = page.ok_or(Error::TooShort { len: file_len.min(bytes.len() as u64) })?;
        let raw: &Raw = bytemuck::try_from_bytes(page).map_err(|_| Error::TooShort { len: file_len })?;
        if raw.magic != MAGIC {
            return Err(Error::Magic);
        }
        let version = u32::from_le_bytes(raw.version);
        if version != VERSION {
            return Err(Error::Version { found: version });
        }
        let covered = page.get(..DIGEST_AT as usize).unwrap_or_default();
        if u64::from_le_bytes(raw.digest) != checksum::digest(covered) {
            return Err(Error::reader(4, DIGEST_AT, "the header does not match its digest"));
        }
        raw.check_features()?;
        let found = u64::from_le_bytes(raw.file_len);
        if found != file_len {
            return Err(Error::Length { expected: found, found: file_len });
        }
        let header = raw.decode()?;
        raw.check_sections(&header)?;
        Ok(header)
    }

    /// The 4,096 bytes of the header.
    pub fn to_bytes(&self) -> [u8; PAGE as usize] {
        let mut raw = Raw::zeroed();
        raw.magic = MAGIC;
        raw.version = VERSION.to_le_bytes();
        raw.ignorable = self.ignorable_features.to_le_bytes();
        raw.file_len = self.file_len().to_le_bytes();
        raw.keys = self.keys.to_le_bytes();
        raw.blocks = self.blocks.to_le_bytes();
        raw.seed = self.seed.to_le_bytes();
        raw.parts = 1u32.to_le_bytes();
        raw.hash = self.hash as u8;
        raw.key_type = self.key_type as u8;
        raw.value_type = self.value_type as u8;
        raw.fingerprint_bits = u8::try_from(self.fingerprint_bits).unwrap_or(u8::MAX);
        for (row, (_, span)) in raw.sections.iter_mut().zip(self.sections.all()) {
            *row = [span.offset.to_le_bytes(), span.len.to_le_bytes()];
        }
        raw.directory_digest = self.directory_digest.to_le_bytes();
        raw.sums_digest = self.sums_digest.to_le_bytes();
        let mut page: [u8; PAGE as usize] = bytemuck::cast(raw);
        seal(&mut page);
        page
    }
}

/// Where the header digest lies.
const DIGEST_AT: u64 = 4088;

/// Writes the header digest into a header page.
pub fn seal(page: &mut [u8; PAGE as usize]) {
    let (covered, digest) = page.split_at_mut(DIGEST_AT as usize);
    digest.copy_from_slice(&checksum::digest(covered).to_le_bytes());
}

impl Raw {
    /// R5 and R6.
    fn check_features(&self) -> Result<(), Error> {
        let required = u64::from_le_bytes(self.required);
        if required != 0 {
            return Err(Error::Feature { bits: required });
        }
        let reserved3 = self.reserved3.as_flattened();
        for (start, reserved) in [(12u64, &self.reserved1[..]), (76, &self.reserved2[..]), (176, reserved3)] {
            if let Some(at) = reserved.iter().position(|&byte| byte != 0) {
                let offset = start.saturating_add(at as u64);
                return Err(Error::reader(6, offset, "a reserved byte of the header is not zero"));
            }
        }
        Ok(())
    }

    /// R8 to R12.
    fn decode(&self) -> Result<Header, Error> {
        let keys = u64::from_le_bytes(self.keys);
        let blocks = u64::from_le_bytes(self.blocks);
        if blocks == 0 {
            return Err(Error::reader(8, 48, "there are no blocks"));
        }
        if keys > MAX_KEYS {
            return Err(Error::reader(8, 40, "more keys than an index can hold"));
        }
        let (part, parts) = (u32::from_le_bytes(self.part), u32::from_le_bytes(self.parts));
        if part >= parts || parts != 1 {
            return Err(Error::Part { part, parts });
        }
        if self.hash != HashId::Xxh3 as u8 {
            return Err(Error::Unknown { what: "hash id", offset: 72, found: self.hash });
        }
        let key_type = match self.key_type {
            0 => KeyType::Bytes,
            1 => KeyType::Text,
            found => return Err(Error::Unknown { what: "key type", offset: 73, found }),
        };
        let value_type = match self.value_type {
            0 => ValueType::Bytes,
            1 => ValueType::Text,
            2 => ValueType::Json,
            found => return Err(Error::Unknown { what: "value type", offset: 74, found }),
        };
        if !(1..=16).contains(&self.fingerprint_bits) {
            return Err(Error::reader(12, 75, "fingerprints have 1 to 16 bits"));
        }
        let [pool, hot, directory, metadata, sums] = self
            .sections
            .map(|[offset, len]| Span { offset: u64::from_le_bytes(offset), len: u64::from_le_bytes(len) });
        Ok(Header {
            ignorable_features: u64::from_le_bytes(self.ignorable),
            keys,
            blocks,
            seed: u64::from_le_bytes(self.seed),
            hash: HashId::Xxh3,
            key_type,
            value_type,
            fingerprint_bits: u32::from(self.fingerprint_bits),
            sections: Sections { pool, hot, directory, metadata, sums },
            directory_digest: u64::from_le_bytes(self.directory_digest),
            sums_digest: u64::from_le_bytes(self.sums_digest),
        })
    }

    /// R13 and R14: every section is where its length and those before put it.
    fn check_sections(&self, header: &Header) -> Result<(), Error> {
        let found = &header.sections;
        if header.blocks.checked_add(1).and_then(|entries| entries.checked_mul(ENTRY_LEN))
            != Some(found.directory.len)
        {
            return Err(Error::reader(
                13,
                112,
                "the directory does not have 32 bytes for each block and 32 more",
            ));
        }
        if found.metadata.len > MAX_METADATA {
            return Err(Error::reader(13, 128, "the metadata is above 1 MiB"));
        }
        let misplaced = |row| Error::reader(14, row, "a section is not where it must be");
        let mut end = Some(PAGE);
        for (row, (name, span)) in (80u64..).step_by(16).zip(found.all()) {
            let align = if name == "hot" { Sections::hot_alignment(span.len) } else { PAGE };
            if end.and_then(|end| end.checked_next_multiple_of(align)) != Some(span.offset) {
                return Err(misplaced(row));
            }
            end = span.offset.checked_add(span.len);
        }
        let sums_len = checksum::chunk_count(found.sums.offset).checked_mul(8);
        if sums_len != Some(found.sums.len) || end != Some(u64::from_le_bytes(self.file_len)) {
            return Err(Error::reader(
                14,
                144,
                "the sums are not as long as they must be, or not the end of the file",
            ));
        }
        Ok(())
    }
}

/// The bytes that chunk `number` covers, in a file whose sums begin at `sums_offset`.
pub fn chunk_span(number: u64, sums_offset: u64) -> Span {
    let offset = number.saturating_mul(CHUNK).saturating_add(PAGE).min(sums_offset);
    Span { offset, len: CHUNK.min(sums_offset.saturating_sub(offset)) }
}
