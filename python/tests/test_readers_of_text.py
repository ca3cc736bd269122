"""Delimited text, JSON and encodings, compared with Python's `csv`, `json` and `codecs`. Where hashlith is deliberately stricter or reads
something else, the test says so.
"""

import codecs
import csv
import io
import json
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import hashlith


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """A function that builds an index of a file with these bytes and returns its records, or None if the file is refused."""
    folder = tmp_path_factory.mktemp("inputs")

    def read(name, data, **options):
        (folder / name).write_bytes(data)
        try:
            hashlith.build_from_files(folder / "x.hlith", folder / name, threads=1, on_duplicate="last", **options)
        except hashlith.InputError:
            return None
        with hashlith.open(folder / "x.hlith") as index:
            return dict(index)

    return read


def is_utf8(text):
    """The bytes of a text. One whose NULs are all at even places, or all at odd ones, may be UTF-16 and is refused as such: such examples
    are left out."""
    data = text.encode()
    assume(len({at % 2 for at, byte in enumerate(data[:256]) if byte == 0}) != 1)
    return data


# Delimited text. What RFC 4180 allows is a regular language; a CR at the end of the file is half of a CRLF.


def grammar(delimiter):
    sign = re.escape(delimiter)
    field = rf'(?:"(?:[^"]|"")*"|[^"\r\n{sign}]*)'
    return re.compile(rf"(?:{field}(?:{sign}{field})*(?:\r?\n|\r?\Z))*\Z")


def by_csv(text, delimiter):
    """The records by Python. `csv` also takes a quote within a bare field and a lone CR, and rows of any length; hashlith does not."""
    if not grammar(delimiter).match(text):
        return None
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
    if len({len(row) for row in rows}) > 1 or any(len(row) < 2 for row in rows):
        return None
    return {row[0]: row[1] for row in rows}


def written(rows, delimiter, quotes, end, last):
    """Text of rows in which each field is quoted, or only if it must be."""
    quotes = iter(quotes)

    def field(text):
        must = any(sign in text for sign in (delimiter, '"', "\r", "\n"))
        return '"' + text.replace('"', '""') + '"' if must or next(quotes, False) else text

    lines = [delimiter.join(map(field, row)) for row in rows]
    return end.join(lines) + last


fields = st.text(st.sampled_from(list('ab ",;\t|\n\r\0é\u2028\'\\')), max_size=6)
delimiters = st.sampled_from([",", ";", "\t", "|"])
tables = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(fields, min_size=width, max_size=width), max_size=6))
ends = st.sampled_from(["\n", "\r\n", "\n\n", "\r\n\r\n"])
texts = st.builds(written, tables, delimiters, st.lists(st.booleans(), max_size=24), ends, st.sampled_from(["", "\n", "\r\n", "\r"]))


@settings(max_examples=400)
@given(texts, delimiters)
def test_csv_that_is_written_by_the_rules(read, text, delimiter):
    assert read("x.csv", is_utf8(text), header=False, delimiter=delimiter) == by_csv(text, delimiter)


@settings(max_examples=400)
@given(st.lists(st.sampled_from(list('a,"\n\r') + ['"a"', '""', ",,", "\r\n"]), max_size=14).map("".join))
def test_csv_of_any_characters(read, text):
    assert read("x.csv", text.encode(), header=False) == by_csv(text, ",")


@given(tables, st.booleans())
def test_csv_that_python_writes(read, rows, is_unix):
    file = io.StringIO(newline="")
    csv.writer(file, "unix" if is_unix else "excel").writerows([["k", "v"], *([row[0], row[1]] for row in rows)])
    wanted = {row[0]: row[1] for row in rows}
    assert read("x.csv", is_utf8(file.getvalue()), key_column="k", value_column="v") == wanted


@given(st.lists(st.lists(st.text(st.sampled_from(list('a"\0é\u2028'))), min_size=2, max_size=3), max_size=6))
def test_tsv_has_no_quotes(read, rows):
    """The value is all that follows the first TAB."""
    text = "".join("\t".join(row) + "\n" for row in rows)
    parsed = csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
    assert read("x.tsv", is_utf8(text)) == {row[0]: "\t".join(row[1:]) for row in parsed}


# JSON. Python also takes NaN and Infinity, and keeps halves of surrogate pairs; in keys hashlith takes only text.

characters = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | characters,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(characters, inner, max_size=3),
    max_leaves=8,
)
dicts = st.dictionaries(characters, values, max_size=5)
styles = st.fixed_dictionaries({"ensure_ascii": st.booleans(), "indent": st.sampled_from([None, 0, 3, "\t"])})


@given(dicts, styles)
def test_json_documents(read, records, style):
    assert read("x.json", json.dumps(records, **style).encode(), format="json", values="json") == records
    rows = [{"v": value, "other": [key], "k": key} for key, value in records.items()]
    options = {"key_field": "k", "value_field": "v", "values": "json"}
    assert read("x.json", json.dumps(rows, **style).encode(), format="json", **options) == records
    lines = "\n".join(json.dumps(row, ensure_ascii=style["ensure_ascii"]) for row in rows)
    assert read("x.jsonl", lines.encode(), **options) == records
    assert read("x.json", json.dumps(list(records.items()), **style).encode(), values="json") == records


def refuse(constant):
    raise ValueError(constant)


def by_json(text):
    """The records of a document by Python. Hashlith finds none in a file of blanks, as in other formats."""
    try:
        found = json.loads(text if text.strip(" \t\r\n") else "{}", parse_constant=refuse)
        pairs = found.items() if isinstance(found, dict) else [pair(row) for row in found]
        return {key: value for key, value in pairs if key.encode() is not None}
    except (ValueError, TypeError, AttributeError, KeyError):
        return None


def pair(row):
    key, value = (row["key"], row["value"]) if isinstance(row, dict) else row
    return (key, value) if isinstance(row, (dict, list)) else refuse(row)


@settings(max_examples=300)
@given(dicts, st.sampled_from([dict, lambda records: list(records.items())]), st.data())
def test_json_with_one_change(read, records, shape, data):
    text = json.dumps(shape(records), ensure_ascii=False)
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 2))
    changed = text[:at] + data.draw(st.sampled_from(list('{}[],:"\\ \t\n\r\f0-.eE1x') + [""])) + text[at + cut :]
    assert read("x.json", changed.encode(), format="json", values="json") == by_json(changed)


# Encodings. The names are those of the web: some stand for more than in Python, so Python's name may be another one.

ENCODINGS = {
    "utf-16": "utf-16-le", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be", "utf-8": "utf-8", "latin-1": "latin-1",
    "windows-1252": "cp1252", "windows-1251": "cp1251", "windows-1250": "cp1250", "windows-1253": "cp1253", "iso-8859-2": "iso8859-2",
    "iso-8859-5": "iso8859-5", "iso-8859-15": "iso8859-15", "iso-8859-9": "cp1254", "koi8-r": "koi8-r",
    "ibm866": "cp866", "macintosh": "mac-roman", "shift_jis": "cp932", "euc-jp": "euc-jp", "iso-2022-jp": "iso2022-jp", "euc-kr": "cp949",
    "gbk": "gbk", "gb18030": "gb18030", "big5": "big5hkscs",
}
TEXT = "käse Ωmega Привет 日本語 ひらがな カタカナ 한국어 中文简体 繁體中文 źdźbło €100 Łódź naïve"


@pytest.mark.parametrize("name", ENCODINGS)
def test_encodings(read, name):
    codec = ENCODINGS[name]
    words = [word for word in TEXT.split() if encodes(word, codec)]
    assert words
    text = "".join(f"{word}\t{word}{number}\n" for number, word in enumerate(words))
    data = text.encode(codec)
    wanted = {word: f"{word}{number}" for number, word in enumerate(words)}
    assert read("x.tsv", data, encoding=name) == wanted
    if name.startswith("utf-16"):
        assert read("x.tsv", codecs.BOM_UTF16_LE + text.encode("utf-16-le"), encoding=name) == wanted
        assert read("x.tsv", codecs.BOM_UTF16_BE + text.encode("utf-16-be"), encoding=name) == wanted
    document = json.dumps(wanted, ensure_ascii=False)
    assert read("x.json", document.encode(codec), encoding=name) == wanted


def encodes(word, codec):
    try:
        return word.encode(codec).decode(codec) == word
    except UnicodeError:
        return False


@pytest.mark.parametrize("name", [name for name, codec in ENCODINGS.items() if len("é".encode(codec, "ignore")) <= 1 and not name.startswith("utf")
                                  and codec not in ("cp932", "euc-jp", "iso2022-jp", "cp949", "gbk", "big5hkscs", "gb18030")])
def test_each_byte_of_an_encoding(read, name):
    """What Python does not know is a control character on the web, or refused."""
    for byte in range(0x80, 0x100):
        data = bytes([byte])
        found = read("x.tsv", b"k\t" + data + b"\n", encoding=name)
        wanted = data.decode(ENCODINGS[name], "replace")
        assert found == {"k": wanted} or wanted == "\ufffd" and found in (None, {"k": chr(byte)}), hex(byte)
