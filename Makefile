# Everything a contributor runs. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# For a real Qt window on a virtual screen. Empty it to go on without: make setup DEBIAN_PACKAGES=
DEBIAN_PACKAGES = xvfb xauth libgl1 libegl1 libgl1-mesa-dri libglib2.0-0 libdbus-1-3 libfontconfig1 \
	libx11-xcb1 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 \
	libxcb-render-util0 libxcb-shape0 libxcb-sync1 libxcb-xfixes0 libxcb-xkb1
# Looked up when used: setup may just have installed it. Without it the present screen is used.
SCREEN = $(if $(shell command -v xvfb-run),xvfb-run -a -s "-screen 0 1600x1000x24")

.DEFAULT_GOAL := help
.PHONY: help setup system-packages demo test lint soak bench clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup: system-packages $(STAMP) ## make .venv with everything: the packages editable, extras, tests, linters

demo: setup ## colorize examples and show what came out
	$(SCREEN) $(BIN)/python docs/demo.py

test: setup ## run the tests
	$(SCREEN) $(BIN)/python -m pytest

lint: setup ## check style, types, docstrings and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	find napari_colorize archive_batch training -name '*.py' -exec $(BIN)/numpydoc lint {} +
	$(BIN)/codespell

soak: setup ## run the long tests, which `test` leaves out
	$(SCREEN) $(BIN)/python -m pytest tests/soak -m soak --timeout 7200

bench: setup ## measure speed; writes bench/results/
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group bench
	@for script in bench/[!_]*.py; do echo "$$script"; $(SCREEN) $(BIN)/python "$$script" || exit 1; done

clean: ## remove caches and builds; .venv stays
	rm -rf build dist demo .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[all]' --group test --group lint
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is missing or older than 3.11: install Python 3.11 or later and name it, as in: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make a virtual environment: install its module venv (Debian: apt-get install python3-venv) and run make again" >&2; exit 1; }

# Debian 13 and Ubuntu 24.04 have some of them under a name that ends in t64.
system-packages:
	@missing=$$(for name in $(DEBIAN_PACKAGES); do \
		dpkg-query -W -f '$${db:Status-Abbrev}\n' $$name $${name}t64 2>/dev/null | grep -q '^ii' || echo $$name; done | xargs); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
		echo "Not a Debian system: if no window opens, install what Debian calls $$missing" >&2; exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then as_root=; elif sudo -n true 2>/dev/null; then as_root=sudo; else \
		echo "These Debian packages are missing, and installing them needs root. Run this, then make again:" >&2; \
		echo "  sudo apt-get install --no-install-recommends $$missing" >&2; \
		echo "(or go on without tests in a real window: make setup DEBIAN_PACKAGES=)" >&2; exit 1; fi; \
	$$as_root apt-get update -qq && \
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing
