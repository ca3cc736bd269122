"""Writes records and token tables for craft.py, whose names these are too (section 4 of spec.md)."""
import oracle_tokens
from oracle import ceil_div


def varint(number, extra=0):
    """LEB128, with `extra` bytes more than it needs."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number | (128 if extra else 0))
    if extra:
        out += b"\x80" * (extra - 1) + b"\0"
    return bytes(out)


def record(key, value, extra=0):
    return varint(len(key), extra) + varint(len(value)) + key + value


class Tokens:
    """Token tables of a side, to be written and used. A table is its `bits` (k) and its tokens: (bytes, ends), where
    the bytes may also be KEY or KEY_TAIL of oracle_tokens."""

    def __init__(self, *tables):
        self.tables = tables

    def __len__(self):
        return len(self.tables)

    @classmethod
    def of_bytes(cls, *texts, key=False, tables=1):
        """Tables with every byte, the end, and these texts, all with the same classes."""
        tokens = [(b"", True)] + [(text, ends) for text in texts for ends in (False, True)] \
            + [(bytes([i]), False) for i in range(256)]
        if key:
            kinds = oracle_tokens.KEY, oracle_tokens.KEY_TAIL
            tokens[1:1] = [(kind, ends) for kind in kinds for ends in (False, True)]
        bits = [0, 1, 2, 3, 4, 5, 7, 8]
        assert len(tokens) <= sum(2**k for k in bits)
        # Another order in each table.
        return cls(*((bits, tokens[7 * i:] + tokens[:7 * i]) for i in range(tables)))

    def write(self):
        out = b""
        for bits, tokens in self.tables:
            entries, texts = b"", b""
            for text, ends in tokens:
                entry = ends << 31
                if text in (oracle_tokens.KEY, oracle_tokens.KEY_TAIL):
                    entry |= text << 28
                else:
                    # Some texts lie within others.
                    start = texts.find(text)
                    if start < 0:
                        start, texts = len(texts), texts + text
                    entry |= start | len(text) << 20
                entries += entry.to_bytes(4, "little")
            out += bytes(bits) + len(tokens).to_bytes(4, "little") + len(texts).to_bytes(4, "little") + entries + texts
            out += bytes(-len(out) % 16)
        return out

    def encode(self, string, key=None, rng=None):
        """Codes of a string as (number, bits): the longest token each time, or any that fits."""
        out, position = [], 0
        tail = None if key is None or len(key) > 255 else key[max(map(key.rfind, oracle_tokens.SEPARATORS)) + 1:]
        texts = {oracle_tokens.KEY: key, oracle_tokens.KEY_TAIL: tail}
        while True:
            bits, tokens = self.tables[min(position, len(self.tables) - 1)]
            fits = []
            for number, (text, ends) in enumerate(tokens):
                text = texts.get(text, text)
                if text is not None and len(text or b"") <= 255 and string.startswith(text) and (text or ends) \
                        and (not ends or text == string):
                    fits.append((len(text) + ends, number, text, ends))
            _, number, text, ends = rng.choice(fits) if rng else max(fits)
            out.append(self.code(bits, number))
            string, position = string[len(text):], position + 1
            if ends:
                return out

    @staticmethod
    def code(bits, number):
        for j, k in enumerate(bits):
            if number < 2**k:
                return number << 3 | j, 3 + k
            number -= 2**k
        raise ValueError(number)


def write_record(key, value, key_tokens=(), value_tokens=(), rng=None, has_length=(True, True)):
    """A record of a key and a value, each codes if it has tokens. `has_length`: whether they have one when plain."""
    number = size = 0

    def put(codes):
        nonlocal number, size
        for code, bits in codes:
            number, size = number | code << size, size + bits

    def put_bytes(data):
        nonlocal size
        size = -(-size // 8) * 8
        put((byte, 8) for byte in data)

    fields = list(zip((key, value), (key_tokens, value_tokens), has_length))
    put_bytes(b"".join(varint(len(field)) for field, tokens, has in fields if has and not tokens))
    for (field, tokens, _), own_key in zip(fields, (None, key if has_length[0] else None)):
        if tokens:
            put(tokens.encode(field, own_key, rng))
        else:
            put_bytes(field)
    return number.to_bytes(ceil_div(size, 8), "little")


def integer_width(key):
    """The fewest bytes that hold an integer key of 8 bytes."""
    number = int.from_bytes(key, "little", signed=True)
    return next(width for width in range(1, 9) if -1 << 8 * width - 1 <= number < 1 << 8 * width - 1)
