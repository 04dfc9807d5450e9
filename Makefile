# make run and make test need Python 3.11+ and make, nothing else. PYTHON names another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Programs that check ours from outside; an environment of their own, since they bring many packages.
CHECKS := .venv-checks

.PHONY: install install-dev run test check format schema audit browser fuzz vulnerabilities bench clean

install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.x …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
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

bench: install-dev
	$(BIN)/python -m benchmarks.evaluator
	$(BIN)/python -m benchmarks.http
	$(BIN)/python -m benchmarks.caches
	$(BIN)/python -m benchmarks.large_lists
	$(BIN)/python -m benchmarks.processes

clean:
	rm -rf $(VENV) $(CHECKS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
