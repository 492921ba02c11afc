# Everything runs in .venv, which the first target that needs it makes.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help venv demo test test-slow test-web test-systemd check format lock dist pictures bench faults faults-cluster clean

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests wait a part of their time, so more processes than cores on a small machine; each holds up to 1 GB.
PROCESSES ?= $(shell n=$$(nproc 2>/dev/null || echo 1); echo $$((n < 2 ? 2 : 4)))
DIST ?= dist
QUICK := not slow and not realdata and not systemd

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

venv: $(READY)  ## make .venv from the lock file (again when it or pyproject.toml changes)

# --no-deps: the lock is complete, so nothing need be resolved. --no-build-isolation: setuptools is in
# the lock too. uv installs in a third of pip's time; where it cannot, because only pip is told how to
# reach an index here, pip does it. PYTHONWARNINGS: setuptools says at length, within asterisks, that an
# installation is editable, and pip shows it. The stamp is touched last, so that a download that broke off
# is tried again.
LOCKED := --quiet --no-deps --require-hashes -r
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "pixd needs Python 3.11 or newer; say which with: make PYTHON=python3.13 venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 14))' \
		|| { echo "TensorFlow has no build for this Python; 3.13 is the newest: make PYTHON=python3.13 venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@awk '/^uv==/ {is_uv = 1} is_uv {print; if (!/\\$$/) exit}' requirements.lock >$(VENV)/uv.txt
	$(BIN)/python -m pip install $(LOCKED) $(VENV)/uv.txt
	$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python $(LOCKED) requirements.lock \
		|| $(BIN)/python -m pip install $(LOCKED) requirements.lock
	PYTHONWARNINGS="ignore:Editable installation" \
		$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY)  ## train and translate a small made-up set into demo-out/
	$(BIN)/pixd demo demo-out

# worksteal: whole modules, as they come, to each process, so that what a module makes for its
# tests is made once; who is done first takes over the rest of the other's.
test: $(READY)  ## the tests that take seconds, in four processes (PROCESSES=8: in more)
	$(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal -m "$(QUICK) and not alone"
	$(BIN)/python -m pytest -m "$(QUICK) and alone"

test-slow: $(READY)  ## the tests that take minutes
	$(BIN)/python -m pytest -m "(slow or realdata) and not systemd" $(ARGS)

test-web: $(READY)  ## the page in a real browser, all of it; needs chromium
	$(BIN)/python -m pytest tests/browser tests/integration/web $(ARGS)

test-systemd: $(READY)  ## boot small machines and run the units in them; needs root and debootstrap
	$(BIN)/python -m pytest tests/systemd -v $(ARGS)

check: $(READY)  ## lint, format, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## fix what can be fixed by machine
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: $(READY)  ## resolve the dependencies again (add ARGS=--upgrade for the newest)
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --quiet $(ARGS) --output-file requirements.lock

# From what is committed, so that nothing lying about gets in. File modes, order and times are fixed,
# so that the same commit gives the same bytes; setuptools does that for the wheel alone.
dist: $(READY)  ## build wheel and sdist of the last commit into dist/
	@set -eo pipefail; umask 022; out=$$(realpath -m "$(DIST)"); \
	python=$$(realpath -s "$(BIN)/python"); work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	git -c tar.umask=0022 archive --prefix=source/ HEAD | tar -x -C "$$work"; \
	export SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct); \
	$(BIN)/uv build --quiet --offline --no-build-isolation --python "$$python" \
		--out-dir "$$work/made" "$$work/source"; \
	cd "$$work"; sdist=$$(basename made/*.tar.gz); tar -xzf "made/$$sdist"; \
	tar -c --sort=name --owner=0 --group=0 --numeric-owner --mtime=@$$SOURCE_DATE_EPOCH \
		"$${sdist%.tar.gz}" | gzip -n9 >"made/$$sdist"; \
	mkdir -p "$$out"; rm -f "$$out"/pixd-*.whl "$$out"/pixd-*.tar.gz; \
	cp made/*.whl made/*.tar.gz "$$out"; cd "$$out"; sha256sum pixd-*.whl pixd-*.tar.gz

pictures: $(READY)  ## draw the pictures of the docs (the strip of README.md too after `make demo`)
	$(BIN)/python docs/pictures.py $(if $(wildcard demo-out/contact-sheet.png),--demo demo-out)

bench: $(READY)  ## measure speed and memory; prints a table
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

faults-cluster: $(READY)  ## kill, hang and cut off the machines of a cluster; needs Ray, namespaces
	$(BIN)/python -m pytest tests/faults/test_21_*.py tests/e2e/test_cluster.py tests/e2e/test_cluster_encrypted.py --full-size $(ARGS)

faults: $(READY)  ## break things on purpose: kills, full disks, lost events
	$(BIN)/python -m pytest tests/faults --full-size $(ARGS)

clean:  ## remove caches and demo-out (never .venv)
	rm -rf demo-out build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
