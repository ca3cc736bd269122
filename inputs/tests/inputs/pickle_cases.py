"""What the tests of pickles share: a case is a line of name, options, pickle and what it must give."""
import json

ALL = range(6)


def stored(x):
    return x.encode() if isinstance(x, str) else bytes(x)


def dumps(x):
    return json.dumps(x, separators=(",", ":"), ensure_ascii=False)


def line(name, options, data, wanted):
    """`wanted` is a dict of the records, or a part of the message."""
    if isinstance(wanted, str):
        wanted = "!" + wanted
    else:
        wanted = "=" + " ".join(stored(k).hex() + ":" + stored(v).hex() for k, v in wanted.items())
    return f"{name}\t{options}\t{data.hex()}\t{wanted}"
