"""Makes golden/bad/*.hlith, files that break one obligation of spec.md section 9 each, sealed again as if they were sound;
and golden/bad/sets/*, which break those of section 15: the files there replace or join those of golden/sets/four.

A name says what a verifier must report: rule, offset (for a set, in its manifest), and in words what is wrong. (A verifier
reports R17 as V8 at the record, and R20 as V11.) Run once: `python tests/make_golden_bad.py`. The files are committed
and stay as they are.
"""
import random
import re
import shutil
from dataclasses import replace

import faults
import faults_crafted
import faults_orders
import faults_set
import faults_tokens
import faults_typed
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
    "reserved 216": "second_seed_without_siphash", "reserved 228": "byte_after_the_dimension",
    "one byte more": "a_byte_more", "one byte less": "a_byte_less", "no cells": "no_cells",
    f"{2**48} keys": "too_many_keys", "part 5 of 5": "part_not_below_parts", "part 0 of 0": "no_parts",
    "byte 72 is 3": "unknown_hash", "byte 73 is 4": "unknown_key_type", "byte 74 is 5": "unknown_value_type",
    "byte 75 is 0": "no_fingerprint_bits", "byte 75 is 17": "17_fingerprint_bits",
    "byte 79 is 1": "a_number_without_numbers", "byte 224 is 1": "a_dimension_without_numbers",
    "byte 78 is 1": "a_key_width_without_integers", "integers without a width": "integers_without_a_width",
    f"{2**57} cells": "cells_whose_length_wraps", "hot section, pool and metadata": "hot_section_pool_and_metadata",
    f"pool of {2**48} bytes": "pool_too_long", f"metadata of {2**64 - 4096} bytes": "metadata_too_long",
    "all of R13": "all_of_R13", "cell 1: 255 keys": "more_keys_than_fit_into_a_cell", "byte 76 is 5": "5_tables",
    "an extension without a feature": "an_extension_without_a_feature", "cell 1: width 127": "entries_too_wide",
    "cell 1: body too long": "body_longer_than_its_cell", f"cell 1: far body at {2**48 - 1}": "far_body_outside",
    "cell 1: key length of 0: 11 bytes": "varint_of_11_bytes",
    "cell 1: key length of 0: 10 bytes above 2^64": "varint_above_2_64",
    "cell 1: last record: key and value too long": "record_longer_than_the_pool",
    "cell 1: last record behind the pool": "entry_leads_behind_the_pool", "end of chunk 0": "chunk_changed",
    "sums digest": "sums_digest_changed", "a key more": "a_key_more_in_the_header",
    "cell 1: bytes behind the last record": "bytes_behind_the_last_record",
    "bytes between cells": "bytes_between_cells", "the first records not at 0": "first_records_not_at_0",
    "far bodies exchanged": "far_bodies_exchanged", "cell 1: fingerprint of 0, bit 0": "fingerprint_changed",
    "cell 1: a key twice": "a_key_twice", "cell 1: a pilot": "pilot_changed", "cells exchanged": "keys_in_another_cell",
    "cell 1: key length of 0 longer by 1": "key_length_with_a_byte_too_many",
    "cell 1: value length of 0 longer by 1": "value_length_with_a_byte_too_many",
    "cell 1: reserved byte": "reserved_byte_of_a_cell",
    "far section a byte longer": "far_section_longer_than_its_bodies", "a sum too many": "a_sum_too_many",
    "cell 1: first id 20": "first_id_one_too_high", "cell 1: far body would fit": "far_body_that_would_fit",
    "cell 1: byte 127": "byte_behind_a_body", "empty cell 0: byte 14 is 1": "empty_cell_with_a_try",
    "key b'\\xff'": "key_not_UTF_8", "JSON b'[1,]'": "value_not_JSON",
    "coded records: table 1, class of 21 bits": "class_of_21_bits",
    "coded records: table 0, too many tokens": "more_tokens_than_codes",
    "coded records: section longer by 16": "bytes_after_the_tables",
    "coded records: table 1, field 12 of 2^32 - 1": "table_cut_off",
    "coded records: cut off by 1": "value_without_an_end", "coded records: no token in a key": "code_without_a_token",
    "coded keys: the key in a key": "key_that_stands_for_itself",
    "coded values: a text outside in a value": "text_outside_its_table",
    "coded values: an empty text behind the texts in a value": "empty_text_behind_its_table",
    "coded values: a key of 256 bytes, 1": "token_for_a_key_of_256_bytes",
    "coded records: table 0, padding": "byte_after_a_table",
    "coded values: table 0, the key with a start": "key_that_begins_in_the_texts",
    "coded values: table 0, the key with a length": "key_with_a_length", "coded records: unused bit": "bit_after_the_codes",
    "coded records: a value not JSON": "coded_value_not_JSON", "metadata b'[]'": "metadata_not_an_object",
}
# The same of faults_typed.py.
CHOSEN_TYPED = {
    "text and numbers: byte 79 is 0": "numbers_of_no_type", "text and numbers: byte 79 is 12": "unknown_number",
    "two bytes and bytes: byte 75 is 33": "33_fingerprint_bits_without_keys",
    "integers: byte 75 is 17": "17_fingerprint_bits_with_integers", "integers: byte 76 is 1": "a_table_of_integers",
    "two bytes and bytes: byte 76 is 1": "a_table_of_keys_left_out",
    "text and numbers: byte 77 is 1": "a_table_of_numbers", "text alone: byte 77 is 1": "a_table_of_no_values",
    "integers: a table of keys without text, and 5 of values": "a_table_of_integers_and_5_of_values",
    "integers: byte 78 is 9": "integers_of_9_bytes", "two bytes and bytes: byte 78 is 9": "9_bytes_in_place_of_a_key",
    "text and numbers: values of 481 bytes": "values_a_byte_too_long",
    f"text and numbers: {2**30} values of 8 * {2**31} bytes": "values_whose_length_wraps",
    "integers: values of 1 bytes": "values_in_two_places",
    "small integers alone: cell 2: last record behind the pool": "integer_behind_the_pool",
    "integers: cell 0: fingerprint of 0, bit 0": "fingerprint_of_an_integer",
    "integers: cell 0: other key in 0": "another_integer",
    "text and numbers: a key more": "a_key_and_a_value_more_in_the_header",
    "nothing: a key less": "a_key_less_in_the_header",
    "a token for a key of type 2 that no value has": "token_for_an_integer_key",
    "a token 2 for a key of type 2": "value_that_is_an_integer_key",
    "a token 1 for a key of type 3": "value_that_is_a_key_left_out",
    "codes, values of type 4: unused bit": "bit_after_a_coded_key",
    "codes, values of type 3: cut off": "coded_key_without_an_end",
    "text and numbers: shared records that hold keys, or nothing": "shared_records_that_hold_keys",
    "shared records: shared records of a byte of hash": "shared_records_with_a_key_width",
    "shared records: pool of 4097 bytes": "pool_of_shared_records_too_long",
    "shared records: pool start 0 of cell 4": "pool_start_not_in_the_middle",
    "shared records: entry 0 leads outside": "entry_leads_to_no_shared_record",
    "shared records: an entry leads into a record": "entry_leads_into_a_shared_record",
    "record 1 is not JSON": "shared_record_not_JSON",
    "nothing: bytes in the pool of no cell": "pool_of_no_records",
    "nothing: the last pool start": "pool_start_without_records",
    "no keys, but numbers: entry 0 leads elsewhere": "entry_of_no_record_leads_elsewhere",
    "nothing: pool start after a cell that breaks R15": "no_records_outside_the_pool",
}
# The same of faults_orders.py.
CHOSEN_ORDERS = {
    "an entry leads behind the pool": "an_entry_leads_behind_the_pool",
    "an entry leads before the pool": "an_entry_leads_before_the_pool",
    "an entry leads behind the pool, far": "an_entry_of_a_far_cell_leads_behind_the_pool",
    "an entry leads to an earlier record": "an_entry_leads_back",
    "an entry leads to the end of the pool": "an_entry_leads_to_the_end",
    "an empty far cell: one": "empty_cell_says_it_is_far",
    "an empty far cell: one behind a far cell": "empty_cell_says_its_body_is_that_of_another",
    "an empty far cell: one far outside, W above 57": "empty_far_cell_with_entries_too_wide",
    "an empty far cell: one in its place": "empty_cell_says_where_its_body_is",
    "an empty far cell: one far outside": "empty_cell_says_its_body_is_behind_the_file",
    "bytes behind an empty cell, W above 57": "empty_cell_with_entries_too_wide_and_bytes_behind",
    "coded key: the value leaves the pool": "value_behind_a_coded_key_leaves_the_pool",
    "coded key: the value leaves the pool, and the key has no token": "coded_key_without_a_token_and_long_value",
    "coded key: 11 bytes of length, and the key has no token": "coded_key_without_a_token_and_varint_of_11_bytes",
    "coded key: a long length, and the key has no token": "coded_key_without_a_token_and_a_byte_too_many",
    "integer: 11 bytes of length": "integer_and_varint_of_11_bytes",
    "left out: a length above 2^64": "key_left_out_and_varint_above_2_64",
    "integer: the value leaves the pool": "value_behind_an_integer_leaves_the_pool",
    "V4 and V3": "bytes_missing_and_padding", "R15 and V4": "entries_too_wide_and_pool_start_1",
    "V4 and V10": "pool_start_1_and_first_id_1", "R19 and V6": "code_cut_off_and_a_byte_too_many",
    "V6 and V14": "a_byte_too_many_and_an_unused_bit", "V14 and V5": "unused_bit_and_fingerprint",
    "V5 and V8": "fingerprint_and_no_UTF_8", "two records, and the end": "two_records_and_the_end_of_a_cell",
    "R18 and V2": "class_of_21_bits_and_sums_digest", "V2 and V1": "sums_digest_and_chunk",
    "V1 and R16": "chunk_with_a_length",
}
# The same for sets, in `bases_of_sets`.
CHOSEN_SETS = {
    "no spaces": "no_spaces", "cut off behind line 3": "cut_off", "cut off at 762": "last_line_without_its_line_feed",
    "a part too many, of another form": "a_part_too_many_of_another_form",
    "followed by b'x'": "something_behind_the_last_line",
    "b'seed' b'FFFFFFFFFFFFFFFF'": "seed_in_capitals", "second seed and hash 1": "second_seed_without_siphash",
    "line 1: name b'a/b'": "file_of_another_directory", "a comma too few": "a_comma_too_few", "version 2": "version_2",
    "hash 3": "unknown_hash", "0 parts": "no_parts", "65537 parts": "too_many_parts",
    "a part too many": "a_part_too_many", "a part too few": "a_part_too_few", "two parts exchanged": "parts_exchanged",
    "line 4: another b'last'": "ranges_that_overlap", "line 1: name b'-'": "a_part_that_is_not_there",
    "another b'seed'": "another_seed", "line 4: another b'digest'": "another_digest",
    "part 1 with {'part': 2}": "a_part_in_the_place_of_another", "part 1 with {'seed': 1}": "a_part_with_another_seed",
    f"part 1 with {dict(value_type=oracle.BYTES)}": "a_part_with_another_type",
}
# Faults of sets of numbers; all their files differ from golden/sets/four.
CHOSEN_NUMBERS = {
    "part 1 with {'number': 8}": "a_part_with_another_number",
    "part 1 with {'dimension': 1}": "a_part_with_another_dimension",
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
    sound = {path.name: path.read_bytes() for path in FOUR.iterdir()}
    numbers = ((label, rule, offset, made) for label, rule, offset, _, made in faults_set.number_faults())
    for (label, name), rule, offset, files in [*picked(CHOSEN_SETS, bases_of_sets()), *picked(CHOSEN_NUMBERS, numbers)]:
        yield f"{rule}-{offset}-{name}", {name: data for name, data in files.items() if data != sound.get(name)}


def picked(names, cases):
    """The first case of each label in `names`, with label and name in place of the label."""
    left = dict(names)
    for label, *case in cases:
        if label in left:
            yield (label, left.pop(label)), *case
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


def typed():
    """Every fault of files of other types than text and bytes."""
    yield from faults_typed.crafted()
    for label in {label.split(": ")[0] for label in CHOSEN_TYPED} & set(faults_typed.KINDS):
        for what, *fault in faults.broken(faults_typed.kind(label).seal()):
            yield f"{label}: {what}", *fault


def chosen():
    """Name and bytes of every file."""
    for names, cases in (CHOSEN, bases()), (CHOSEN_TYPED, typed()), (CHOSEN_ORDERS, faults_orders.orders()):
        for (_, name), rule, offset, data in picked(names, cases):
            yield f"{rule}-{offset}-{name}", data
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
    for keys in 0, 1:
        made = last_of(b"k", keys + 1).seal(keys=keys)
        index = oracle.Index(made)
        at = index.slot_entry(index.cell(0), keys)[1]
        yield f"R20-{at}-{keys}_values", made


def last_of(key, count):
    """A File of `count` keys with numbers, `key` the last one."""
    for other in range(100):
        records = [(key, bytes(8)), *((b"%d" % (other + i), bytes(8)) for i in range(count - 1))]
        file = make(records, value_type=oracle.NUMBERS, number=4)
        if oracle.Index(file.seal()).id(key) == count - 1:
            return file


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
    # Keys to look up: README.md there says how.
    keys = [key for key, _ in pairs(50, random.Random(17), text=True)]
    keys += [b"k", b"key", b"12ab12", b"k" * 256, b"0"]
    (BAD / "keys.txt").write_bytes(b"".join(key + b"\n" for key in keys))


if __name__ == "__main__":
    main()
