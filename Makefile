# Two commands do everything on a bare machine with python3, python3-venv and make:
#
#   make demo   sets up, then shows what msrefactor does to a small Flask application
#   make test   sets up, then runs all tests that need no Docker
#
# make e2e builds and runs real images; make check is what has to pass before a commit; make bench measures;
# make figures builds the fixtures and writes docs/figures.md.

PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
READY := $(VENV)/.installed
DEMO := fixtures/split-stages/python/flask-single-stage/context

.DEFAULT_GOAL := help
.PHONY: help venv demo test e2e check bench fuzz figures clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

venv: $(READY)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "msrefactor needs Python 3.11 or newer; name one with: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up $(VENV) (once, about half a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

# The copy lies outside of this repository, as a user's project does.
demo: $(READY)
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	cp -R $(DEMO)/. "$$folder"; cd "$$folder"; \
	printf 'A small Flask application has this Dockerfile:\n\n'; sed 's/^/    /' Dockerfile; \
	printf '\n$$ msrefactor --diff --explain Dockerfile\n\n'; \
	$(BIN)/msrefactor --diff --explain --exit-zero Dockerfile; \
	printf '\nWhat is gained: the final image is smaller by the estimate above and has no compilers, and a change\n'; \
	printf 'of the source no longer installs the packages again. `msrefactor --write Dockerfile` does it, and\n'; \
	printf '`make e2e` builds and runs the file before and the file after, and compares them.\n'

test: $(READY)
	$(BIN)/pytest $(ARGS)

e2e: $(READY)
	@docker version >/dev/null 2>&1 || { echo "make e2e builds real images: it needs a Docker Engine, and none answers" >&2; exit 1; }
	$(BIN)/pytest -m e2e $(ARGS)

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest $(ARGS)

bench: $(READY)
	$(BIN)/python bench/run.py

figures: $(READY)
	$(BIN)/python bench/figures.py $(ARGS)

fuzz: $(READY)
	$(BIN)/python bench/fuzz.py $(ARGS)

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo
	find refactor transforms tests -name __pycache__ -type d -prune -exec rm -rf {} +
