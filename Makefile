# Every command of the project. Each sets up what it needs; the first run takes a few minutes, later ones start at once.
#   make demo    boot the demo topology          make test    all checks and tests
#   make bench   the benchmark table             make lint    checks without tests
#   make fmt     format                          make kernel  compile the C kernel
#   make protos  generate the protobuf modules   make clean   remove build products
#   make test-cluster   the long tests on a Ray cluster; `make test` runs a short one
#   make fuzz    search for calls that break the kernel, FUZZ_SECONDS=300 long, guided by coverage

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first that is new enough and not too new; name another with PYTHON=...
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c '$(SUITABLE)' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
SUITABLE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
TOPOLOGY ?= topologies/shop/shop.yaml
# Processes that share the tests: one more than processors, since many tests wait.
WORKERS ?= $(shell echo $$(( $$(nproc) + 1 )))

# An editable install follows edits to Python files by itself, but not these.
PROTOS := $(shell find protos -name '*.proto')
KERNEL_SOURCES := $(shell find vnet/fabric pod_node/kernel -name '*.[ch]' -o -name 'build.py')
C_FILES := $(shell find vnet/fabric pod_node/kernel tests/native -name '*.[ch]')
INSTALL_INPUTS := pyproject.toml hatch_build.py protos/build.py $(PROTOS) $(KERNEL_SOURCES)
KERNEL := pod_node/kernel/kernel.wasm

# Programs that the tests call, each with the Debian package that has it.
TEST_PROGRAMS := gcc:gcc curl:curl openssl:openssl tshark:tshark
TEST_HEADERS := /usr/include/stdlib.h:libc6-dev

# How long `make fuzz` searches.
FUZZ_SECONDS ?= 300

.PHONY: help demo test test-cluster bench fuzz lint fmt kernel protos clean debian-packages

help:
	@sed -n '2,7s/^# *//p' Makefile

demo: $(VENV)/.installed
	@$(BIN)/podnet up $(TOPOLOGY) || test $$? -eq 130  # Ctrl-C is how it is meant to end

test: debian-packages lint
	$(BIN)/python -m pytest -m "not bench and not cluster" -n $(WORKERS) --dist worksteal

test-cluster: debian-packages $(VENV)/.developed
	$(BIN)/python -m pytest -m cluster

# SQLite's sources are prepared with Tcl when the optimised Python is built.
bench: TEST_PROGRAMS += tclsh:tcl
bench: debian-packages $(VENV)/.developed
	$(BIN)/python -m tests.bench

fuzz: TEST_PROGRAMS += clang:clang
fuzz: TEST_HEADERS := /usr/share/doc/libclang-rt-dev:libclang-rt-dev
fuzz: debian-packages $(VENV)/.developed
	$(BIN)/python -m tests.native.fuzzing $(FUZZ_SECONDS)

lint: $(VENV)/.developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(C_FILES)
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(VENV)/.developed
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_FILES)

kernel: $(VENV)/.tools
	$(BIN)/python pod_node/kernel/build.py

protos: $(VENV)/.tools
	$(BIN)/python protos/build.py

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis $(KERNEL)
	find protos -name '*_pb2*' -delete
	find . -path ./$(VENV) -prune -o -name __pycache__ -print0 | xargs -0 rm -rf
	rm -f $(VENV)/.installed $(VENV)/.developed

# For running: the wheel's own dependencies; the build tools live in a throw-away environment of pip's.
$(VENV)/.installed: $(INSTALL_INPUTS) | $(VENV)/.created
	@echo "installing podnet into $(VENV) (the first time takes a minute or two)"
	@$(PIP) install --editable .
	@touch $@

# For working on it: pinned tools first, then an editable install that builds with those same tools.
$(VENV)/.developed: $(INSTALL_INPUTS) $(VENV)/.tools
	@$(PIP) install --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q orchestrator pod_node vnet protos  # also where Python may not
	@touch $@ $(VENV)/.installed

$(VENV)/.tools: pyproject.toml | $(VENV)/.created
	@echo "installing the pinned tools into $(VENV)"
	@$(PIP) install --group dev
	@touch $@

$(VENV)/.created:
	@$(PYTHON) -c '$(SUITABLE)' 2>/dev/null || { \
	  echo "podnet needs Python 3.11, 3.12 or 3.13; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo 'not there')."; \
	  echo "Install one of them and name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; } >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "'$(PYTHON) -m venv' failed; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; } >&2
	@$(PIP) install 'pip>=25.1,<27'  # the first that knows dependency groups
	@touch $@

debian-packages:
	@missing=(); \
	for pair in $(TEST_PROGRAMS); do command -v "$${pair%%:*}" >/dev/null || missing+=("$${pair##*:}"); done; \
	for pair in $(TEST_HEADERS); do test -e "$${pair%%:*}" || missing+=("$${pair##*:}"); done; \
	if [ $${#missing[@]} -eq 0 ]; then exit 0; fi; \
	if [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing for the tests: $${missing[*]}"; \
	  apt-get update -qq </dev/null && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$${missing[@]}" </dev/null >/dev/null; \
	else \
	  echo "the tests need these packages, please install them: $${missing[*]}" >&2; exit 1; \
	fi
