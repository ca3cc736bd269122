"""A command line for the oracle. PATH is an index file, or the directory of a set.

    python oracle_command.py get PATH KEY...    values of keys (exit code 3: a key is absent)
    python oracle_command.py verify PATH        every check of sections 9 and 15 (exit code 4: corrupt)
    python oracle_command.py dump PATH          all records in id order, as JSON lines
    python oracle_command.py serve PATH         hex keys on stdin, one per line; answers `id hexvalue` or `-`
"""
import json
import os
import sys

import oracle
import oracle_check
from oracle_set import Set


def shown(index, number, key, value):
    """A record for `dump`: text where the index promises text, else hexadecimal."""
    fields = {"id": number}
    for name, part, kind in ("key", key, index.header.key_type), ("value", value, index.header.value_type):
        text = kind != oracle.BYTES and oracle.is_utf8(part)
        fields[name if text else name + "_hex"] = str(part, "utf-8") if text else part.hex()
    return json.dumps(fields, ensure_ascii=False)


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
        values = [index.get(key.encode("utf-8", "surrogateescape")) for key in keys]
        for value in values:
            sys.stdout.buffer.write(value + b"\n" if value is not None else b"")
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
