"""What all modules of the oracle share: faults, and the arithmetic of spec.md."""


class Corrupt(Exception):
    """The file breaks `rule` of section 9 or 15 at `offset`. In a set, `file` is the name of the file."""

    def __init__(self, rule, offset, message, file=None):
        super().__init__(rule, offset, message, file)
        self.rule, self.offset, self.message, self.file = rule, offset, message, file

    def __str__(self):
        return f"{self.file + ': ' if self.file else ''}{self.rule} at offset {self.offset}: {self.message}"


def ceil_div(a, b):
    return -(-a // b)


def align(x, a):
    return ceil_div(x, a) * a


def number_at(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def refuse(condition, rule, offset, message):
    if condition:
        raise Corrupt(rule, offset, message)


def refuse_nonzero(data, first, end, rule, message):
    part = bytes(data[first:end])
    at = end - len(part.lstrip(b"\0"))
    refuse(at < end, rule, at, message)
