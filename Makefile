# make run | test | lint | bench | mutants: each sets up .venv from the lock first.
# make peers: implementations we did not write, in a venv of their own, for interop tests.
PYTHON ?= python3
PY := .venv/bin/python
PYTEST := $(PY) -m pytest -q -m "not bench"
STAMP := .venv/.ready
PEERS := .venv-peers/.ready
PEERS_IN := tests/interop/sep2/gridappsd.in
PEERS_LOCK := tests/interop/sep2/gridappsd.lock

.PHONY: setup peers run test lint bench mutants lock lock-peers clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Tieline needs Python 3.11 or newer; set PYTHON=/path/to/python3")'
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

peers: $(PEERS)

$(PEERS): $(PEERS_LOCK)
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --only-binary :all: --require-hashes --requirement $(PEERS_LOCK)
	touch $@

run: setup
	.venv/bin/tieline demo

# What reckons runs beside what talks; what plays whole sites against the clock runs alone.
test: setup
	@$(PYTEST) -p no:cacheprovider tests/fuzz tests/golden tests/property > .test.log 2>&1 & reckoning=$$!; \
	$(PYTEST) --ignore tests/fuzz --ignore tests/golden --ignore tests/property --ignore tests/sim; talking=$$?; \
	wait $$reckoning; reckoned=$$?; cat .test.log; \
	$(PYTEST) tests/sim; played=$$?; \
	exit $$((talking + reckoned + played))

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: setup
	$(PY) -m pytest -q -s -m bench tests/bench

# The interlock is held to more than the rest: no mutant of it may survive its tests.
mutants: setup
	rm -rf mutants
	.venv/bin/mutmut run > .mutmut.log 2>&1 || { tail -c 3000 .mutmut.log; exit 1; }
	.venv/bin/mutmut results --all true > .mutmut.log
	@grep -c ': killed' .mutmut.log
	@! grep ': ' .mutmut.log | grep -v ': killed'

# For maintainers: resolves pyproject.toml again. Needs uv; never writes an index's address.
lock:
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
	  --all-extras --python-version 3.11 pyproject.toml --output-file requirements.lock

# The peer's own pins are of 2022 and clash: it is locked without them, the rest is resolved.
lock-peers:
	grep -v '^gridappsd' $(PEERS_IN) | uv pip compile --quiet --universal --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --only-binary :all: --python-version 3.11 - > $(PEERS_LOCK)
	grep '^gridappsd' $(PEERS_IN) | uv pip compile --quiet --no-deps --universal --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --only-binary :all: --python-version 3.11 - >> $(PEERS_LOCK)

clean:
	rm -rf .venv .venv-peers build dist .mypy_cache .ruff_cache .pytest_cache
