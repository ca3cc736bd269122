//! A short text that identifies the content of an index.

use crate::{Index, Part};
use hashlith_format::checksum;

/// The digest of an index, 32 hexadecimal digits: two indexes with the same digest hold the same bytes, as far as 128 bits
/// of checksums can tell. It is the header's digest and that of the sums (`spec.md` section 8), which together cover
/// every byte; for a set, digests of those of all parts.
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
