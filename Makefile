# Two commands do everything: `make run` shows the router at work, `make test` proves it. Both make .venv first, from PyPI.
.DEFAULT_GOAL := help
.PHONY: help run test unit faults mutants lint types check reference docs bench wheel clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests share nothing but the machine: as many at a time as it has cores, within reason.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal

# Tests start the program hundreds of times: without byte code it would be compiled anew each time.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show what there is.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

run: $(STAMP) ## Run the router on an embedded network: events, rules, builds. Ctrl-C stops it.
	@echo "==> router demo (the same code as router run, on servers of its own; Ctrl-C stops it)"
	@$(BIN)/router demo

test: $(STAMP) ## Run every test: unit, end to end, packaging, and `make faults`.
	@echo "==> pytest"
	@$(BIN)/python -m pytest -q $(PARALLEL) -m "not faults"
	@$(MAKE) --no-print-directory faults

unit: $(STAMP) ## Run the tests that take seconds.
	@$(BIN)/python -m pytest -q $(PARALLEL) -m "not e2e and not packaging and not faults and not browser and not scale"

faults: $(STAMP) ## Kill the router hundreds of times while everything around it fails; print the seeds.
	@echo "==> pytest -m faults (FAULTS_KILLS, FAULTS_SEED, FAULTS_SEEDS, FAULTS_EXAMPLES: see docs/proof.md)"
	@$(BIN)/python -m pytest -q $(PARALLEL) -m faults -rP

mutants: $(STAMP) ## Put bugs in by hand, one at a time, and see that tests notice each.
	@echo "==> mutants"
	@$(BIN)/python -m scripts.mutants

lint: $(STAMP) ## Check style and formatting.
	@echo "==> ruff"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(STAMP) ## Check types, strictly.
	@echo "==> mypy"
	@$(BIN)/mypy

check: lint types test mutants docs ## Everything that CI runs.

reference: $(STAMP) ## Make docs/reference anew from the code.
	@$(BIN)/python -m scripts.sketches
	@$(BIN)/python -m scripts.reference
	@for page in acceptance parity faults threats; do $(BIN)/python -m scripts.$$page || exit 1; done
	@$(BIN)/python -m scripts.mutants --write

docs: $(STAMP) ## Build the pages of docs/ as a site, strictly, into build/site.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@echo "==> mkdocs"
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

bench: $(STAMP) ## Measure, side by side with others: the table, bench/last.json and docs/performance.md.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@$(BIN)/python -m bench

wheel: $(STAMP) ## Build the wheel into dist/.
	@$(BIN)/python -m build --wheel

$(STAMP): pyproject.toml
	@python=$$(sh scripts/find-python) || exit 1; \
	echo "==> creating $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV) || { echo "This Python cannot make environments. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "==> installing the router and its tools from PyPI (once; a minute or so)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean: ## Remove everything that make made.
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
