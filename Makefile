# Every command of this project. Set up once, by itself: scripts/setup.py skips what is fresh.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
COMPILE := uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: help up test unit lint types format bench chaos audit tag schema lock run-setup dev-setup test-setup

help: ## show these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

up: run-setup ## run everything on 127.0.0.1:8000, data in .tagway/, until Ctrl-C
	@exec $(BIN)/tagway up

test: test-setup lint types ## lint, types and every test, on real servers; what fails is tried once more, and named as RERUN
	@$(BIN)/pytest --reruns 1 --reruns-delay 5 -raR

unit: dev-setup ## tests that need no server; seconds
	@$(BIN)/pytest -m "not services"

lint: dev-setup ## ruff and the import rule
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: dev-setup ## mypy, strict, over source and tests
	@$(BIN)/mypy
	@$(BIN)/mypy tests

format: dev-setup ## format the sources
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: dev-setup ## speed against its bars, in one run; for one bench: make bench only=collect; on a machine that is shared: tries=3
	@$(BIN)/python -m bench --tries $(or $(tries),1) $(only)

chaos: dev-setup ## harm every part under load, on both logs, and print the ledger of what was acknowledged; one fault: make chaos options="--log kafka --only poison"
	@$(BIN)/python -m tests.chaos $(options)

audit: ## ask for known vulnerabilities of the pinned dependencies; where that cannot be asked, say so
	@$(PYTHON) scripts/audit requirements/traces.txt

tag: ## check and rebuild the tag (needs Node)
	@scripts/tag

schema: dev-setup ## rewrite resolvers/schema.graphql
	@$(BIN)/python scripts/schema

lock: ## resolve the dependencies anew (needs uv)
	@$(COMPILE) --group dev -o requirements/dev.txt
	@$(COMPILE) --group build -c requirements/dev.txt -o requirements/run.txt
	@$(COMPILE) --extra traces -c requirements/dev.txt -o requirements/traces.txt

run-setup:
	@$(PYTHON) scripts/setup.py run

dev-setup:
	@$(PYTHON) scripts/setup.py dev

test-setup:
	@$(PYTHON) scripts/setup.py test
