"""Strings that are codes of tokens, section 4 of spec.md: the tables, and how a string is read."""
from collections import namedtuple

from oracle_base import Corrupt, align, ceil_div, number_at, refuse

BYTES, KEY, KEY_TAIL = range(3)
SEPARATORS = b":/|#"

# A token of a table: `at` is its place in the file, `start` where its text begins. `ends`: it ends the string.
Token = namedtuple("Token", "at start length kind ends")


class Table:
    """A table that begins at `at` of the file, in a section that ends at `end`: R18."""

    def __init__(self, data, at, end):
        refuse(at + 16 > end, "R18", at, "a table is cut off")
        self.data, self.at, self.bits = data, at, list(data[at:at + 8])
        self.count, self.text_length = number_at(data, at + 8, 4), number_at(data, at + 12, 4)
        refuse(max(self.bits) > 20, "R18", at, "a class of more than 2^20 tokens")
        refuse(self.count > sum(2**k for k in self.bits), "R18", at, "more tokens than the classes hold")
        self.texts = at + 16 + 4 * self.count
        self.end = align(self.texts + self.text_length - at, 16) + at
        refuse(self.end > end, "R18", at, "a table is cut off")

    def number(self, word):
        """The number of the token that the lowest bits of `word` are the code of, and the length of the code in bits."""
        j = word & 7
        return sum(2**k for k in self.bits[:j]) + (word >> 3 & 2**self.bits[j] - 1), 3 + self.bits[j]

    def token(self, number):
        at = self.at + 16 + 4 * number
        entry = number_at(self.data, at, 4)
        return Token(at, entry & 0xfffff, entry >> 20 & 255, entry >> 28 & 7, entry >> 31)

    def text(self, token, key):
        """What a token stands for; None if it stands for nothing. `key`: of the record, None if none stands for it."""
        if token.kind == BYTES:
            at = self.texts + token.start
            return bytes(self.data[at:at + token.length]) if token.start + token.length <= self.text_length else None
        if token.kind > KEY_TAIL or key is None or len(key) > 255:
            return None
        return key if token.kind == KEY else key[max(map(key.rfind, SEPARATORS)) + 1:]

    def check(self, has_key):
        """V13. `has_key`: whether tokens may stand for the key of the record."""
        for token in map(self.token, range(self.count)):
            wrong = (token.kind > KEY_TAIL or token.kind != BYTES and (token.start or token.length or not has_key)
                     or token.kind == BYTES and (self.text(token, None) is None or not token.length and not token.ends))
            refuse(wrong, "V13", token.at, "not a token")
        for at in range(self.texts + self.text_length, self.end):
            refuse(self.data[at], "V13", at, "padding after a table is not zero")


def tables(data, section, counts):
    """The tables of keys and values, as many as `counts` says, which fill the section: R18."""
    at, end = section[0], sum(section)
    found = ([], [])
    for side, count in zip(found, counts):
        for _ in range(count):
            side.append(Table(data, at, end))
            at = side[-1].end
    refuse(at != end, "R18", at, "the tables do not fill their section")
    return found


def string(data, bit, end, side, key, record):
    """The string whose codes begin at bit `bit` of the file, and the bit after it: R19. The pool ends at byte `end`."""
    out, position = bytearray(), 0
    while True:
        refuse(bit >= 8 * end, "R19", record, "a string does not end")
        table = side[min(position, len(side) - 1)]
        here = bytes(data[bit // 8:min(bit // 8 + 8, end)])
        number, length = table.number(int.from_bytes(here, "little") >> bit % 8)
        refuse(number >= table.count, "R19", record, f"there is no token {number}")
        token = table.token(number)
        text = table.text(token, key)
        refuse(text is None, "R19", record, f"token {number} stands for nothing")
        out, bit, position = out + text, bit + length, position + 1
        if token.ends:
            refuse(ceil_div(bit, 8) > end, "R19", record, "a string does not end")
            return bytes(out), bit
