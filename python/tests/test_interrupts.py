"""Ctrl-C while C code iterates over an index."""

import _thread
import collections
import itertools
import signal

import pytest

import hashlith


@pytest.mark.parametrize("view", [iter, lambda index: iter(index.items()), lambda index: iter(index.values())])
def test_loops_in_c_end(tmp_path, view, request):
    hashlith.build(tmp_path / "x", {str(number): "v" for number in range(10_000)})
    # Other tests, and what runs them, may have another handler.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with hashlith.open(tmp_path / "x") as index:
        records = view(index)
        # The signal comes when no Python code runs that would notice it.
        trip = map(_thread.interrupt_main, [signal.SIGINT])
        with pytest.raises(KeyboardInterrupt):
            collections.deque(itertools.chain(trip, records), maxlen=0)
        assert records.__length_hint__() > 8000
        assert len(list(view(index))) == 10_000
