# make run   the app, on a fresh machine too        make test       every test that needs no network
# make lint  style and types                        make test-fast  those of single modules, on all cores
# make bench the side-by-side timings of benchmarks/
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# Whole files go to one process, and its libraries use one thread: the cores are shared already.
PARALLEL := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile

.PHONY: run test test-fast lint bench clean

run: $(VENV)/.run
	$(BIN)/python app.py $(ARGS)

ifdef ARGS
test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)
else
test: $(VENV)/.dev
	$(PARALLEL) tests --ignore tests/ui
	$(BIN)/python -m pytest tests/ui
endif

test-fast: $(VENV)/.dev
	$(PARALLEL) tests/unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) build dist *.egg-info
