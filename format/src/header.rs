//! The header and the places of the sections (sections 3 and 4).

use crate::{
    CELL_LEN, Error, HUGE_PAGE, HashId, KeyHasher, KeyType, MAGIC, MAX_CELL_KEYS, MAX_FINGERPRINT_BITS,
    MAX_KEYS, MAX_METADATA, MAX_PARTS, MAX_POOL, PAGE, Span, VERSION, ValueType, checksum,
    tokens::MAX_TABLES, types::Part,
};
use core::ops::Range;

/// The number of sections.
const SECTIONS: usize = 8;

/// The section table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    /// Values of a fixed width, in the order of the dense ids.
    pub values: Span,
    /// The records.
    pub pool: Span,
    /// The cells.
    pub hot: Span,
    /// The bodies that do not fit into their cells.
    pub far: Span,
    /// The token tables of coded keys and values.
    pub tables: Span,
    /// The user's JSON.
    pub metadata: Span,
    /// What ignorable features keep; readers pass over it.
    pub extension: Span,
    /// The sums of everything before.
    pub sums: Span,
}

impl Sections {
    /// Where sections of these lengths (in bytes) must lie, without an extension; `None` if they end above 2^64 - 1.
    pub fn place(lens: Lens) -> Option<Self> {
        let Lens { values, pool, cells, far, tables, metadata } = lens;
        let after = |before: &Span, len: u64, align: u64| {
            let offset = before.offset.checked_add(before.len)?.checked_next_multiple_of(align)?;
            offset.checked_add(len)?;
            Some(Span { offset, len })
        };
        let values = after(&Span { offset: PAGE, len: 0 }, values, PAGE)?;
        let pool = after(&values, pool, PAGE)?;
        let hot = cells.checked_mul(CELL_LEN)?;
        let hot = after(&pool, hot, Self::hot_alignment(hot))?;
        let far = after(&hot, far, PAGE)?;
        let tables = after(&far, tables, PAGE)?;
        let metadata = after(&tables, metadata, PAGE)?;
        let extension = after(&metadata, 0, PAGE)?;
        let mut sums = after(&extension, 0, PAGE)?;
        sums.len = checksum::chunk_count(sums.offset).checked_mul(8)?;
        sums.offset.checked_add(sums.len)?;
        Some(Sections { values, pool, hot, far, tables, metadata, extension, sums })
    }

    /// The alignment of a hot section of `len` bytes.
    pub fn hot_alignment(len: u64) -> u64 {
        if len / 16 >= HUGE_PAGE { HUGE_PAGE } else { PAGE }
    }

    /// Name and place of each section, in file order.
    pub fn all(&self) -> [(&'static str, Span); SECTIONS] {
        [
            ("values", self.values),
            ("pool", self.pool),
            ("hot", self.hot),
            ("far", self.far),
            ("tables", self.tables),
            ("metadata", self.metadata),
            ("extension", self.extension),
            ("sums", self.sums),
        ]
    }
}

/// What the places of the sections follow from: lengths in bytes, and the number of cells.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "those of the sections")]
pub struct Lens {
    pub values: u64,
    pub pool: u64,
    pub cells: u64,
    pub far: u64,
    pub tables: u64,
    pub metadata: u64,
}

/// The header, decoded and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bits that a reader may ignore.
    pub ignorable_features: u64,
    /// N, the number of keys.
    pub keys: u64,
    /// C, the number of cells.
    pub cells: u64,
    /// The number of this part in its set, from 0.
    pub part: u32,
    /// How many parts the set has; 1 for a file that stands alone.
    pub parts: u32,
    /// The hash function for keys, with its seeds.
    pub hasher: KeyHasher,
    /// What keys are.
    pub key_type: KeyType,
    /// What values are.
    pub value_type: ValueType,
    /// Bits of a fingerprint, 1 to 16; to 32 if keys are left out.
    pub fingerprint_bits: u32,
    /// Bytes of each key in its record: 1 to 8 of an integer, 0 to 8 of a hash if keys are left out; 0 for all other keys.
    pub key_width: u8,
    /// Number of token tables of the keys, at most 4; 0 if they are stored as they are.
    pub key_tables: u8,
    /// The same for the values.
    pub value_tables: u8,
    /// Records hold values alone, and keys with equal ones share a record: the pool is not in the order of the slots.
    pub shared_records: bool,
    /// Where the sections lie.
    pub sections: Sections,
    /// XXH3-64 of the sums section.
    pub sums_digest: u64,
}

impl Header {
    /// Length of the file in bytes.
    pub fn file_len(&self) -> u64 {
        self.sections.sums.end()
    }

    /// True if the keys are not in the file: an absent key may be taken for a present one.
    pub fn keys_left_out(&self) -> bool {
        self.key_type == KeyType::None
    }

    /// How many bits of its hash tell whether a key is present, if keys are left out. An absent key is taken for a present one
    /// once in 2^n times.
    pub fn check_bits(&self) -> Option<u32> {
        let bits = u32::from(self.key_width).saturating_mul(8).saturating_add(self.fingerprint_bits);
        self.keys_left_out().then_some(bits)
    }

    /// True if records have no bytes: the pool is empty, and lookups do not go there.
    #[inline]
    pub fn has_no_records(&self) -> bool {
        self.keys_left_out() && self.key_width == 0 && !self.value_type.is_string()
    }

    /// Parses the first 4,096 bytes of a file of `file_len` bytes, and checks R1 to R14.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn parse(bytes: &[u8], file_len: u64) -> Result<Self, Error> {
        let page = bytes.first_chunk().filter(|_| file_len >= PAGE);
        let page = Page(page.ok_or(Error::TooShort { len: file_len.min(bytes.len() as u64) })?);
        if page.field(0) != MAGIC {
            return Err(Error::Magic);
        }
        let version = page.half(8);
        if version != VERSION {
            return Err(Error::Version { found: version });
        }
        if page.word(DIGEST_AT) != checksum::digest(page.0.get(..DIGEST_AT).unwrap_or_default()) {
            return Err(Error::reader(4, DIGEST_AT as u64, "the header does not match its digest"));
        }
        page.check_features()?;
        let found = page.word(32);
        if found != file_len {
            return Err(Error::Length { expected: found, found: file_len });
        }
        let header = page.decode()?;
        page.check_sections(&header)?;
        Ok(header)
    }

    /// The 4,096 bytes of the header.
    pub fn to_bytes(&self) -> [u8; PAGE as usize] {
        let mut page = [0; PAGE as usize];
        let mut put = |at: usize, field: &[u8]| {
            page.iter_mut().skip(at).zip(field).for_each(|(byte, &new)| *byte = new);
        };
        let [seed, second_seed] = self.hasher.seeds();
        put(0, &MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(16, &if self.shared_records { SHARED_RECORDS } else { 0 }.to_le_bytes());
        put(24, &self.ignorable_features.to_le_bytes());
        put(32, &self.file_len().to_le_bytes());
        put(40, &self.keys.to_le_bytes());
        put(48, &self.cells.to_le_bytes());
        put(56, &seed.to_le_bytes());
        put(64, &self.part.to_le_bytes());
        put(68, &self.parts.to_le_bytes());
        let (value_id, number, dimension) = self.value_type.ids();
        put(72, &[self.hasher.id() as u8, self.key_type as u8, value_id]);
        let fingerprint_bits = u8::try_from(self.fingerprint_bits).unwrap_or(u8::MAX);
        put(75, &[fingerprint_bits, self.key_tables, self.value_tables, self.key_width, number]);
        for (row, (_, span)) in SECTION_ROWS.into_iter().zip(self.sections.all()) {
            put(row, &span.offset.to_le_bytes());
            put(row.saturating_add(8), &span.len.to_le_bytes());
        }
        put(208, &self.sums_digest.to_le_bytes());
        put(216, &second_seed.to_le_bytes());
        put(224, &dimension.to_le_bytes());
        seal(&mut page);
        page
    }
}

/// The required feature of shared records.
const SHARED_RECORDS: u64 = 1;
/// Most bytes of a pool of shared records.
pub const MAX_SHARED: u64 = 1 << 12;

/// Where the header digest lies in the page.
const DIGEST_AT: usize = 4088;

/// The digest in a header page. By way of the sums it covers every byte of the file (section 8).
pub fn digest(page: &[u8; PAGE as usize]) -> u64 {
    Page(page).word(DIGEST_AT)
}

/// Writes the header digest into a header page.
pub fn seal(page: &mut [u8; PAGE as usize]) {
    let (covered, digest) = page.split_at_mut(DIGEST_AT);
    digest.copy_from_slice(&checksum::digest(covered).to_le_bytes());
}

/// Where the rows of the section table lie in the page.
const SECTION_ROWS: [usize; SECTIONS] = [80, 96, 112, 128, 144, 160, 176, 192];

/// A header page, field by field, at the places in the table of section 3.
#[derive(Clone, Copy)]
struct Page<'a>(&'a [u8; PAGE as usize]);

impl Page<'_> {
    /// The bytes of a field, which lies within the page.
    fn field<const N: usize>(self, at: usize) -> [u8; N] {
        self.0.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
    }

    fn byte(self, at: usize) -> u8 {
        u8::from_le_bytes(self.field(at))
    }

    fn half(self, at: usize) -> u32 {
        u32::from_le_bytes(self.field(at))
    }

    fn word(self, at: usize) -> u64 {
        u64::from_le_bytes(self.field(at))
    }

    /// A row of the section table.
    fn span(self, row: usize) -> Span {
        Span { offset: self.word(row), len: self.word(row.saturating_add(8)) }
    }

    /// R5 and R6.
    fn check_features(self) -> Result<(), Error> {
        let unknown = self.word(16) & !SHARED_RECORDS;
        if unknown != 0 {
            return Err(Error::Feature { bits: unknown });
        }
        // Only one hash has a second seed.
        let reserved_from = if self.byte(72) == HashId::SipHash13 as u8 { 224 } else { 216 };
        [12..16, reserved_from..224, 228..DIGEST_AT].into_iter().try_for_each(|bytes| self.check_zero(bytes))
    }

    fn check_zero(self, reserved: Range<usize>) -> Result<(), Error> {
        let bytes = self.0.get(reserved.clone()).unwrap_or_default();
        match reserved.zip(bytes).find(|&(_, &byte)| byte != 0) {
            Some((at, _)) => Err(Error::reader(6, at as u64, "a reserved byte of the header is not zero")),
            None => Ok(()),
        }
    }

    /// R8 to R12.
    fn decode(self) -> Result<Header, Error> {
        let (keys, cells) = (self.word(40), self.word(48));
        if cells == 0 {
            return Err(Error::reader(8, 48, "there are no cells"));
        }
        if keys > MAX_KEYS.min(cells.saturating_mul(MAX_CELL_KEYS.into())) {
            return Err(Error::reader(8, 40, "more keys than an index, or its cells, can hold"));
        }
        let (part, parts) = (self.half(64), self.half(68));
        if part >= parts || parts > MAX_PARTS {
            return Err(Error::reader(
                9,
                64,
                "the part's number is not below the number of parts, or there are too many",
            ));
        }
        let hasher = match self.byte(72) {
            1 => KeyHasher::xxh3(self.word(56)),
            2 => KeyHasher::siphash(self.word(56), self.word(216)),
            found => return Err(Error::Unknown { what: "hash id", offset: 72, found }),
        };
        let [key_id, value_id] = self.field(73);
        let unknown = |what, offset, found| Error::Unknown { what, offset, found };
        let key_type = KeyType::from_id(key_id).ok_or(unknown("key type", 73, key_id))?;
        let [key_width, number_id] = self.field(78);
        let value_type = ValueType::from_ids(value_id, number_id, self.half(224));
        let value_type = value_type.map_err(|part| match part {
            Part::Type => unknown("value type", 74, value_id),
            Part::Number => unknown("type of numbers", 79, number_id),
            Part::Dimension => Error::reader(11, 224, "values that are no vectors have a dimension"),
        })?;
        let fingerprint_bits = u32::from(self.byte(75));
        let most = if key_type == KeyType::None { 2 * MAX_FINGERPRINT_BITS } else { MAX_FINGERPRINT_BITS };
        if !(1..=most).contains(&fingerprint_bits) {
            return Err(Error::reader(
                12,
                75,
                "fingerprints have 1 to 16 bits, or to 32 if keys are left out",
            ));
        }
        let [key_tables, value_tables] = self.field(76);
        for (at, tables, is_string) in
            [(76, key_tables, key_type.is_string()), (77, value_tables, value_type.is_string())]
        {
            if usize::from(tables) > if is_string { MAX_TABLES } else { 0 } {
                return Err(Error::reader(12, at, "there are more than 4 token tables, or some of numbers"));
            }
        }
        let widths = match key_type {
            KeyType::Bytes | KeyType::Text => 0..=0,
            KeyType::Int => 1..=8,
            KeyType::None => 0..=8,
        };
        if !widths.contains(&key_width) {
            return Err(Error::reader(12, 78, "keys of this type do not have this width"));
        }
        let shared_records = self.word(16) & SHARED_RECORDS != 0;
        if shared_records && (key_type != KeyType::None || key_width > 0 || !value_type.is_string()) {
            return Err(Error::reader(12, 16, "records are shared, but they hold keys, or no values"));
        }
        let [values, pool, hot, far, tables, metadata, extension, sums] =
            SECTION_ROWS.map(|row| self.span(row));
        Ok(Header {
            ignorable_features: self.word(24),
            keys,
            cells,
            part,
            parts,
            hasher,
            key_type,
            value_type,
            fingerprint_bits,
            key_width,
            key_tables,
            value_tables,
            shared_records,
            sections: Sections { values, pool, hot, far, tables, metadata, extension, sums },
            sums_digest: self.word(208),
        })
    }

    /// R13 and R14: every section lies where its length and the sections before it put it.
    fn check_sections(self, header: &Header) -> Result<(), Error> {
        let found = &header.sections;
        if header.keys.checked_mul(header.value_type.width()) != Some(found.values.len) {
            return Err(Error::reader(13, 80, "the values section does not have a value for each key"));
        }
        if header.cells.checked_mul(CELL_LEN) != Some(found.hot.len) {
            return Err(Error::reader(13, 112, "the hot section does not have 128 bytes for each cell"));
        }
        if found.pool.len >= if header.shared_records { MAX_SHARED + 1 } else { MAX_POOL } {
            return Err(Error::reader(13, 96, "the pool is too long"));
        }
        if found.metadata.len > MAX_METADATA {
            return Err(Error::reader(13, 160, "the metadata is longer than 1 MiB"));
        }
        let misplaced = |row: usize| Error::reader(14, row as u64, "a section is not where it must be");
        let mut end = Some(PAGE);
        for (row, (name, span)) in SECTION_ROWS.into_iter().zip(found.all()) {
            let align = if name == "hot" { Sections::hot_alignment(span.len) } else { PAGE };
            if end.and_then(|end| end.checked_next_multiple_of(align)) != Some(span.offset) {
                return Err(misplaced(row));
            }
            end = span.offset.checked_add(span.len);
        }
        let sums_len = checksum::chunk_count(found.sums.offset).checked_mul(8);
        if sums_len != Some(found.sums.len) || end != Some(self.word(32)) {
            let what = "the sums do not have 8 bytes for each chunk, or do not end the file";
            return Err(Error::reader(14, 192, what));
        }
        Ok(())
    }
}
