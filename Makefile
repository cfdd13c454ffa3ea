# The loops of a contributor, one word each. CONTRIBUTING.md says what each of them needs.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup unit lint ruff types rooms pages format kernel docs all clean

help: ## list these words
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

setup: .venv/ready-test ## make .venv with all that `unit` and `lint` need

.venv/ready-%: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[$*]'
	@touch $@

unit: .venv/ready-test ## tests without root, but for the slow ones
	$(BIN)/python -m pytest -q -n auto -m "not slow" tests/unit tests/plans

lint: ruff types rooms pages ## ruff, mypy, the order of the rooms, generated pages

ruff: .venv/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready-test
	$(BIN)/mypy

rooms: .venv/ready-test
	$(BIN)/lint-imports

pages: .venv/ready-test
	$(BIN)/python docs/generate.py --check

format: .venv/ready-test ## format the code and generate the pages anew
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	$(BIN)/python docs/generate.py

kernel: .venv/ready-test ## tests on this kernel; as root
	@test "$$(id -u)" = 0 || { echo "make kernel: the tests make network namespaces: run it as root" >&2; exit 1; }
	$(BIN)/python -m pytest -q -n 2 tests/kernel

docs: .venv/ready-docs ## build the pages and the manual page, in docs/_build
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	$(BIN)/python docs/roff.py docs/_build/man/netorch.1

all: ## everything that a change must pass, with all set-up; as root, on Debian 12
	bash tests/run

clean: ## remove .venv, caches and built pages
	rm -rf .venv docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
