"""A command line for the oracle. PATH is an index file, or the directory of a set.

    python oracle_command.py get PATH KEY...    values of keys (exit code 3: a key is absent)
    python oracle_command.py verify PATH        every check of sections 9 and 15 (exit code 4: corrupt)
    python oracle_command.py dump PATH          all records in id order, as JSON lines
    python oracle_command.py serve PATH         hex keys on stdin, one per line; answers `id hexvalue` or `-`
"""
import json
import os
import struct
import sys

import oracle
import oracle_check
from oracle_set import Set


def numbers(header, value):
    """A value of type 4: a number, or a list of numbers."""
    kind = " bhiqBHIQefd"[header.number]
    found = struct.unpack(f"<{max(header.dimension, 1)}{kind}", value)
    return list(found) if header.dimension else found[0]


def shown(index, number, key, value):
    """A record for `dump`: numbers; text where the index promises text, else hexadecimal. Not what is left out."""
    h, fields = index.header, {"id": number}
    if h.key_type == oracle.INTEGERS:
        fields["key"] = int.from_bytes(key, "little", signed=True)
    elif h.key_type != oracle.LEFT_OUT:
        fields.update(text_or_hex("key", key, h.key_type))
    if h.value_type == oracle.NUMBERS:
        fields["value"] = numbers(h, value)
    elif h.has_values:
        fields.update(text_or_hex("value", value, h.value_type))
    return json.dumps(fields, ensure_ascii=False)


def text_or_hex(name, part, kind):
    text = kind != oracle.BYTES and oracle.is_utf8(part)
    return {name if text else name + "_hex": str(part, "utf-8") if text else part.hex()}


def read_key(index, text):
    """A key of the command line."""
    return int(text) if index.header.key_type == oracle.INTEGERS else text.encode("utf-8", "surrogateescape")


def answer(index, value):
    """A value for `get`; numbers are JSON."""
    return json.dumps(numbers(index.header, value)).encode() if index.header.value_type == oracle.NUMBERS else value


def run(command, path, *keys):
    index = Set(path) if os.path.isdir(path) else oracle.Index(path)
    if command == "verify":
        oracle_check.verify(index)
    elif command == "dump":
        for number, (key, value) in enumerate(index.items()):
            print(shown(index, number, key, value))
    elif command == "serve":
        for line in sys.stdin:
            found = index.lookup(bytes.fromhex(line.strip()))
            print(f"{found[0]} {found[1].hex()}" if found else "-", flush=True)
    else:
        values = [index.get(read_key(index, key)) for key in keys]
        for value in values:
            sys.stdout.buffer.write(answer(index, value) + b"\n" if value is not None else b"")
        return 3 if None in values else 0
    return 0


def main(arguments):
    if len(arguments) < 2 or arguments[0] not in ("get", "verify", "dump", "serve"):
        sys.exit(__doc__)
    try:
        return run(*arguments)
    except oracle.Corrupt as fault:
        print(fault, file=sys.stderr)
        return 4


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
