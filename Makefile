# make run and make test need Python 3.11+ and make, nothing else. PYTHON names another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install install-dev install-bench run test check format schema audit browser bench growth soak clean

install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

install-bench: $(VENV)/.installed-bench

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.x …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	touch $@

run: install
	$(BIN)/earlybird serve --examples examples

test: install-dev
	$(BIN)/python -m pytest

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/earlybird schema | diff schema.graphql - || { echo "schema.graphql is not what the code prints: run 'make schema'"; exit 1; }

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: install
	$(BIN)/earlybird schema > schema.graphql

# The 61 checks of the graphql-http audit suite, against a server of its own; needs node.
audit: install-dev
	$(BIN)/python -m tests.audit

# The IDE page in a real browser; needs node and Chromium (CHROMIUM names it).
browser: install-dev
	$(BIN)/python -m tests.browser

# The rows of README's table, in under ten minutes; then what each cache saves.
bench: install-bench
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.caches

# How speed and memory change with flags, segments, lists, batches and workers: under 15 minutes.
growth: install-bench
	$(BIN)/python -m benchmarks.growth

# Ten minutes of everything at once; then nothing may be wrong.
soak: install-dev
	$(BIN)/python -m benchmarks.soak --minutes 10

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
