# make run and make test need Python 3.11+ and make, nothing else. PYTHON names another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Programs that check ours from outside; an environment of their own, since they bring many packages.
CHECKS := .venv-checks

.PHONY: install install-dev install-bench run test check format schema audit browser fuzz vulnerabilities bench growth soak clean

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

$(CHECKS)/.installed: tests/fuzz/requirements.txt
	test -x $(CHECKS)/bin/python || $(PYTHON) -m venv $(CHECKS)
	$(CHECKS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# Schemathesis against a server of its own, for less than three minutes.
fuzz: install-dev $(CHECKS)/.installed
	$(BIN)/python -m tests.fuzz $(CHECKS)/bin/st

# Known vulnerabilities of what is installed; says so where nobody can be asked.
vulnerabilities: install-dev $(CHECKS)/.installed
	$(BIN)/python -m tests.vulnerabilities $(CHECKS)/bin/pip-audit

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
	rm -rf $(VENV) $(CHECKS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
