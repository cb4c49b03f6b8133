# `make quickstart` and `make test` need Python 3.10 or newer, make and a C compiler, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: quickstart test check style clean-venv

quickstart: $(VENV)/.installed
	$(BIN)/pretrain run recipes/quickstart/llama.yaml

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal  # the long end-to-end tests are not left to one of the two at the end

check: $(VENV)/.installed
	for recipe in recipes/[!_]*/*.yaml; do \
	  if grep -q 'path: data/' $$recipe && [ ! -d $$(dirname $$recipe)/data ]; then \
	    echo "$$recipe: not checked, its data/ is not there (see $$(dirname $$recipe)/README.md)"; \
	  else HF_HUB_OFFLINE=1 $(BIN)/pretrain check $$recipe || exit; fi; done

style: $(VENV)/.installed-dev
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/mypy
	$(BIN)/codespell README.md recipes accelerate_configs src

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "Python 3.10 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

# The stamps are made last, so an installation that was interrupted is done again.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[quickstart]'
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[quickstart,dev]'
	touch $(VENV)/.installed $@

clean-venv:
	rm -rf $(VENV)
