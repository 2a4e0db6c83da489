# Every command of the house; CONTRIBUTING.md says when to use which. `make check test` is what CI runs.
#   make demo           install into .venv, then take the demo photos to a splat (VIEW=1 leaves the viewer open)
#   make test           install what tests need, then run them
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
NATIVE := $(shell find cuda -type f)
# An editable install knows the modules that there were: others, and it is made again.
MODULES := $(shell find cli datasets recon viewer -name '*.py' | sort | cksum | cut -d' ' -f1)
INSTALLED := $(VENV)/.installed-$(MODULES)
DEMO := runs/demo
# Time for recon train in the demo, poses, evaluation and all. Without it, what a slow installation leaves of ten minutes.
BUDGET ?=
BEGAN := $(shell date +%s)
VIEW ?=
# Which tests, for example TESTS=tests/test_ply.py; empty for all.
TESTS ?=
# A process for each of up to four cores; a file's tests stay together, in the order of tests/conftest.py.
SIDE_BY_SIDE ?= --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: help setup native check fix test test-gpu test-slow bench demo clean
.NOTPARALLEL:

help:
	@echo "make demo    install into .venv, then photos -> poses -> splat (VIEW=1 leaves the viewer open)"
	@echo "make test    the tests, 15 minutes on two cores               make test-slow   whole reconstructions"
	@echo "make check   format, lint, types, architecture                make fix         format and mend"
	@echo "make bench   speed and quality, writes docs/kernels_cpu.md    make setup       only install"
	@echo "make native  compile after a change under cuda/               make test-gpu    the tests that need a GPU"

setup: $(INSTALLED)-dev

# An editable install with the native module built by the system's cmake. Runs again when what it was made from changes.
$(INSTALLED): constraints.txt pyproject.toml $(NATIVE)
	@bash scripts/install.sh "$(PYTHON)" "$(VENV)" ""
	@rm -f $(VENV)/.installed* && touch $@

$(INSTALLED)-dev: constraints.txt pyproject.toml $(NATIVE)
	@bash scripts/install.sh "$(PYTHON)" "$(VENV)" "[dev]"
	@rm -f $(VENV)/.installed* && touch $(INSTALLED) $@

native: $(INSTALLED)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -q tests/test_architecture.py

fix: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: setup
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) $(TESTS)

test-slow: setup
	$(BIN)/python -m pytest -q -m slow $(TESTS)

test-gpu: setup
	$(BIN)/python -m pytest -q -m gpu $(TESTS)

bench: setup
	$(BIN)/recon bench --markdown docs/kernels_cpu.md
	@if [ -n "$$RECON_DATA" ]; then $(BIN)/python benchmarks/scenes.py; \
	else echo "RECON_DATA is not set: the real scenes are left out."; fi

demo: $(INSTALLED)
	@sh scripts/demo.sh "$(BIN)/recon" "$(DEMO)" "$(BEGAN)" "$(BUDGET)" "$(VIEW)"

clean:
	rm -rf build dist $(VENV) runs/demo
