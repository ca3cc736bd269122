"""Makes golden/bad/*.hlith, files that break one obligation of spec.md section 9 each, sealed again as if they were sound;
and golden/bad/sets/*, which break those of section 15: the files there replace or join those of golden/sets/four.

A name says what a verifier must report: rule, offset (for a set, in its manifest), and in words what is wrong. (A verifier
reports R17 as V8 at the record.) Run once: `python tests/make_golden_bad.py`. The files are committed and stay as they are.
"""
import random
import re
import shutil
from dataclasses import replace

import faults
import faults_crafted
import faults_tokens
import faults_set
import oracle
from craft import File, Parts, make, pairs
from make_golden import GOLDEN
from oracle_set import MANIFEST

BAD = GOLDEN / "bad"
FOUR = GOLDEN / "sets" / "four"
# Labels of faults.py and faults_crafted.py, in the files of `bases`, and the names here.
CHOSEN = {
    "4095 bytes": "a_byte_short_of_a_header", "text transfer": "carriage_return_lost", "version 2": "version_2",
    "header byte": "header_changed", "required feature 63": "unknown_feature", "reserved 2048": "reserved_byte",
    "reserved 200": "second_seed_without_siphash", "one byte more": "a_byte_more", "one byte less": "a_byte_less",
    "no cells": "no_cells", f"{2**48} keys": "too_many_keys", "part 5 of 5": "part_not_below_parts",
    "part 0 of 0": "no_parts", "byte 72 is 3": "unknown_hash", "byte 73 is 2": "unknown_key_type",
    "byte 74 is 3": "unknown_value_type", "byte 75 is 0": "no_fingerprint_bits", "byte 75 is 17": "17_fingerprint_bits",
    f"{2**57} cells": "cells_whose_length_wraps", f"pool of {2**48} bytes": "pool_too_long",
    f"metadata of {2**64 - 4096} bytes": "metadata_too_long", "all of R13": "all_of_R13", "cell 1: 255 keys": "more_keys_than_fit_into_a_cell", "byte 76 is 5": "5_tables", "an extension without a feature": "an_extension_without_a_feature",
    "cell 1: width 127": "entries_too_wide", "cell 1: body too long": "body_longer_than_its_cell",
    f"cell 1: far body at {2**48 - 1}": "far_body_outside", "cell 1: key length of 0: 11 bytes": "varint_of_11_bytes",
    "cell 1: key length of 0: 10 bytes above 2^64": "varint_above_2_64",
    "cell 1: last record: key and value too long": "record_longer_than_the_pool",
    "cell 1: last record behind the pool": "entry_leads_behind_the_pool", "end of chunk 0": "chunk_changed",
    "sums digest": "sums_digest_changed", "a key more": "a_key_more_in_the_header",
    "cell 1: bytes behind the last record": "bytes_behind_the_last_record", "bytes between cells": "bytes_between_cells",
    "the first records not at 0": "first_records_not_at_0", "far bodies exchanged": "far_bodies_exchanged",
    "cell 1: fingerprint of 0, bit 0": "fingerprint_changed", "cell 1: a key twice": "a_key_twice",
    "cell 1: a pilot": "pilot_changed", "cells exchanged": "keys_in_another_cell",
    "cell 1: key length of 0 longer by 1": "key_length_with_a_byte_too_many",
    "cell 1: value length of 0 longer": "value_length_with_a_byte_too_many", "cell 1: reserved byte": "reserved_byte_of_a_cell",
    "far section a byte longer": "far_section_longer_than_its_bodies", "a sum too many": "a_sum_too_many",
    "cell 1: first id 20": "first_id_one_too_high", "cell 1: far body would fit": "far_body_that_would_fit", "cell 1: byte 127": "byte_behind_a_body",
    "empty cell 0: byte 14 is 1": "empty_cell_with_a_try", "key b'\\xff'": "key_not_UTF_8", "JSON b'[1,]'": "value_not_JSON",
    "coded records: table 1, class of 21 bits": "class_of_21_bits", "coded records: table 0, too many tokens": "more_tokens_than_codes",
    "coded records: section longer by 16": "bytes_after_the_tables", "coded records: table 1, field 12 of 2^32 - 1": "table_cut_off",
    "coded records: cut off by 1": "value_without_an_end", "coded records: no token in a key": "code_without_a_token",
    "coded keys: the key in a key": "key_that_stands_for_itself", "coded values: a text outside in a value": "text_outside_its_table",
    "coded values: a key of 256 bytes, 2": "token_for_a_key_of_256_bytes", "coded records: table 0, padding": "byte_after_a_table",
    "coded values: table 0, byte after a text": "byte_after_a_text", "coded values: table 0, length twice": "length_twice",
    "coded records: unused bit": "bit_after_the_codes", "coded records: a value not JSON": "coded_value_not_JSON",
    "metadata b'[]'": "metadata_not_an_object",
}
# The same for sets, in `bases_of_sets`.
CHOSEN_SETS = {
    "no spaces": "no_spaces", "cut off behind line 3": "cut_off", "followed by b'x'": "something_behind_the_last_line",
    "b'seed' b'FFFFFFFFFFFFFFFF'": "seed_in_capitals", "second seed and hash 1": "second_seed_without_siphash",
    "line 1: name b'a/b'": "file_of_another_directory", "a comma too few": "a_comma_too_few", "version 2": "version_2",
    "hash 3": "unknown_hash", "0 parts": "no_parts", "65537 parts": "too_many_parts", "a part too many": "a_part_too_many",
    "a part too few": "a_part_too_few", "two parts exchanged": "parts_exchanged", "line 4: another b'last'": "ranges_that_overlap",
    "line 1: name b'-'": "a_part_that_is_not_there", "another b'seed'": "another_seed", "line 4: another b'digest'": "another_digest",
    "part 1 with {'part': 2}": "a_part_in_the_place_of_another", "part 1 with {'seed': 1}": "a_part_with_another_seed",
    f"part 1 with {dict(value_type=oracle.BYTES)}": "a_part_with_another_type",
}


def bases_of_sets():
    """Label, rule, offset and files of every set whose manifest is at fault or does not fit the parts."""
    files = {path.name: path.read_bytes() for path in FOUR.iterdir()}
    for label, rule, offset, manifest in faults_set.manifest_faults(files[MANIFEST]):
        yield label, rule, offset, {**files, MANIFEST: manifest}
    parts = [files[name] for name in faults_set.part_names(files)]
    for label, rule, offset, file, made in faults_set.part_faults(parts):
        if file == MANIFEST:
            yield label, rule, offset, made


def chosen_sets():
    """Name of every set, and its files that differ from golden/sets/four."""
    left = dict(CHOSEN_SETS)
    for label, rule, offset, files in bases_of_sets():
        if label in left:
            sound = {path.name: path.read_bytes() for path in FOUR.iterdir()}
            yield f"{rule}-{offset}-{left.pop(label)}", {name: data for name, data in files.items() if data != sound.get(name)}
    assert not left, left


def bases():
    """Every fault of some small files, among them one with a far cell and one without keys."""
    rng = random.Random(17)
    file = make(pairs(50, rng, text=True), cells=2)
    yield from faults.broken(file.seal())
    yield from faults_crafted.crafted()
    yield from faults_tokens.faults()
    file.cells[0] = replace(file.cells[0], width=49)
    yield from faults.broken(file.seal())
    yield from faults.broken(File([Parts(), Parts()]).seal())


def chosen():
    """Name and bytes of every file."""
    left = dict(CHOSEN)
    for label, rule, offset, data in bases():
        if label in left:
            yield f"{rule}-{offset}-{left.pop(label)}", data
    assert not left, left
    rng = random.Random(17)
    data = make(pairs(50, rng, text=True), cells=2, metadata=b'{"a": 1}').seal()
    for row, name in enumerate(oracle.SECTION_NAMES):
        moved = oracle.Index(data).header.sections[row][0] + 4096
        wrong = faults.patch(data, 80 + 16 * row, faults.u64(moved), sums=False, sums_digest=False)
        yield f"R14-{80 + 16 * row}-{name.replace(' ', '_')}_misplaced", wrong
    padding = next(fault for fault in faults.sum_faults(data) if fault[1] == "V3")
    yield f"V3-{padding[2]}-byte_between_sections", padding[3]
    text = make([(b"k", b"\xff")], value_type=oracle.TEXT).seal()
    yield "R17-4099-value_not_UTF_8", text
    yield "V8-4096-value_not_UTF_8", text


def main():
    BAD.mkdir(exist_ok=True)
    for path in BAD.glob("*.hlith"):
        path.unlink()
    for name, data in chosen():
        assert re.fullmatch(r"[RV]\d+-\d+-\w+", name), name
        (BAD / f"{name}.hlith").write_bytes(data)
    shutil.rmtree(BAD / "sets", ignore_errors=True)
    for name, files in chosen_sets():
        assert re.fullmatch(r"M\d+-\d+-\w+", name), name
        (BAD / "sets" / name).mkdir(parents=True)
        for file, data in files.items():
            (BAD / "sets" / name / file).write_bytes(data)
    # Keys to look up: most of the files hold them.
    keys = [key for key, _ in pairs(50, random.Random(17), text=True)]
    (BAD / "keys.txt").write_bytes(b"".join(key + b"\n" for key in keys + [b"k"]))


if __name__ == "__main__":
    main()
