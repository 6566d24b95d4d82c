# Everything that a newcomer needs: `make demo` and `make test` build .venv from nothing.

# Interpreters to try, in this order; the first that is 3.11 to 3.14 and can make a venv is taken.
PYTHON ?= python3 python3.13 python3.12 python3.11 python3.14
# The demo's pictures (a folder, a glob or a manifest) and model (a name, a path or a URL).
IMAGES ?=
MODEL ?=

VENV := .venv
BIN := $(VENV)/bin
# One word for the shell, whatever is in it.
quoted = '$(subst ','\'',$(1))'
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow proof test-cluster pictures docs lint audit bench format clean
# A target that failed half way must not look finished.
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime $(if $(IMAGES),,$(VENV)/.pictures) ## Label pictures and show what comes out (IMAGES=folder MODEL=file)
	@$(BIN)/python scripts/demo.py $(if $(IMAGES),--images $(call quoted,$(IMAGES))) $(if $(MODEL),--model $(call quoted,$(MODEL)))

test: $(VENV)/.dev $(VENV)/.label-studio ## Run the tests (ARGS="-k name" passes on to pytest)
	@$(BIN)/python -m pytest $(ARGS)

test-slow: $(VENV)/.dev ## Run the tests that take minutes: faults, hostile pictures
	@$(BIN)/python -m pytest -m slow $(ARGS)

proof: $(VENV)/.dev ## Label a million references full of trouble, killed five times, in proof-output (ARGS="--count 100000")
	@rm -rf proof-output
	@$(BIN)/python -m tests.helpers.proof --folder proof-output $(ARGS)

test-cluster: $(VENV)/.dev ## Run the tests on a real cluster
	@$(BIN)/python -m pytest -m cluster $(ARGS)

pictures: $(VENV)/.dev ## Draw docs/pictures again, by the tests that look at them
	@QUANTLABEL_PICTURES=docs/pictures $(BIN)/python -m pytest tests/docs/test_gallery.py

docs: $(VENV)/.dev ## Build the pages of docs/ as a site, docs/_build/html
	@$(BIN)/python -m sphinx --fresh-env --fail-on-warning --keep-going --quiet -b html docs docs/_build/html

lint: $(VENV)/.dev docs ## Check style, types, who imports whom, and build the pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Strict, because pip-audit otherwise reports no vulnerability where the advisories do not answer.
audit: $(VENV)/.runtime $(VENV)/.audit ## Look the installed packages up among the known vulnerabilities
	@$(BIN)/python -m pip freeze --exclude-editable > $(VENV)/installed.txt
	@$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement $(VENV)/installed.txt

bench: $(VENV)/.bench ## Measure speed and memory against other tools, about an hour (ARGS="--quick --images folder")
	@$(BIN)/python -m benchmarks $(ARGS)

format: $(VENV)/.dev ## Put the code into the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the environment, caches and what the demo wrote
	rm -rf $(VENV) build dist docs/_build quantlabel.egg-info demo-output benchmark-output proof-output .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The interpreters are run, not only looked up: a version manager puts names on the path that fail.
$(VENV)/.created:
	@for python in $(PYTHON); do \
	    if "$$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
	        >/dev/null 2>&1; then \
	        echo "Creating $(VENV) with $$("$$python" --version)"; \
	        "$$python" -m venv --clear $(VENV) && touch $@; \
	        exit; \
	    fi; \
	done; \
	echo "No usable Python among: $(PYTHON)." >&2; \
	echo "quantlabel needs Python 3.11 to 3.14 with its venv module (Debian: python3-venv)." >&2; \
	echo "Name one that you have: make $(MAKECMDGOALS) PYTHON=/path/to/python3.13" >&2; \
	exit 1

$(VENV)/.runtime: $(VENV)/.created setup.py
	@echo "Installing quantlabel and what it runs on (about a minute) ..."
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.pictures: $(VENV)/.runtime
	@echo "Installing scikit-image for its photographs ..."
	@$(PIP) install --editable '.[demo]'
	@touch $@

# An environment of its own: what the tool needs is none of what it looks at.
$(VENV)/.audit: $(VENV)/.created
	@$(BIN)/python -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip --disable-pip-version-check --quiet install 'pip-audit>=2.9,<3'
	@touch $@

$(VENV)/.bench: $(VENV)/.runtime
	@echo "Installing what the benchmark compares with, TensorFlow included (some minutes) ..."
	@$(PIP) install --editable '.[bench]'
	@touch $@ $(VENV)/.pictures

$(VENV)/.label-studio: $(VENV)/.created tests/helpers/label_studio_requirements.txt
	@rm -rf $(VENV)/label-studio
	@$(PIP) install --no-deps --target $(VENV)/label-studio --requirement tests/helpers/label_studio_requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.created setup.py requirements.txt
	@echo "Installing everything that the tests need, TensorFlow included (some minutes) ..."
	@$(PIP) install --use-pep517 --requirement requirements.txt
	@touch $@ $(VENV)/.runtime $(VENV)/.pictures
