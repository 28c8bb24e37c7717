# Everything a newcomer needs: `make demo`, `make test`, `make lint`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo test lint format reference quality clean

demo: $(STAMP)
	$(BIN)/litho demo

test: $(STAMP)
	$(BIN)/litho server install
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reference: $(STAMP)
	$(BIN)/python -m litho.serving.reference

# Trains and measures presets for minutes to hours each: make quality PRESETS="cgan-mnist vae-mnist"
quality: $(STAMP)
	$(BIN)/python -m litho.benchmarks.quality $(PRESETS)

clean:
	rm -rf $(VENV) build dist *.egg-info demo

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[dev]'
	touch $@
