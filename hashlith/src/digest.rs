//! A short text that identifies the content of an index.

use crate::{Index, Part};
use hashlith_format::checksum;

/// The digest of an index, 32 hexadecimal digits. Indexes with the same digest hold the same bytes, unless 128 bits of checksums
/// collide.
///
/// It joins the header's digest and that of the sums (`spec.md` section 8), which together cover every byte. For a set, it
/// joins digests of those of all parts.
pub fn digest<D: AsRef<[u8]>>(index: &Index<D>) -> String {
    let (own, sums) = match index.parts() {
        [only] => (only.digest(), only.header().sums_digest),
        parts => {
            let all = |of: fn(&Part<D>) -> u64| {
                checksum::digest(&parts.iter().flat_map(|part| of(part).to_le_bytes()).collect::<Vec<u8>>())
            };
            (all(Part::digest), all(|part| part.header().sums_digest))
        }
    };
    format!("{own:016x}{sums:016x}")
}
