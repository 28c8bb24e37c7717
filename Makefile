# Everything a newcomer needs: `make demo`, `make check`, `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo check unit test lint format docs figures kubernetes reference quality peers peers-served gpu-check gpu-bench \
	gpu-wheels clean

demo: $(STAMP)
	$(BIN)/litho demo

# Linters, types and unit tests, in a minute on two cores; what is slow is left to `make test`.
check: $(STAMP)
	$(MAKE) --jobs 2 --output-sync lint unit

unit: $(STAMP)
	$(BIN)/python -m pytest -q -m "not slow"

# The second run reads only the files with such tests: to collect the whole suite takes 20 seconds.
test: $(STAMP)
	$(BIN)/litho server install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 15 \
		-m "not alone"
	$(BIN)/python -m pytest -m alone $$(grep --recursive --files-with-matches --include "test_*.py" "mark\.alone" tests)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The reference of the Python interface, docs/api.md, and the JSON Schema of bench.json.
docs: $(STAMP)
	$(BIN)/python scripts/api_reference.py
	$(BIN)/python scripts/bench_schema.py

kubernetes: $(STAMP)
	$(BIN)/python scripts/kubernetes_base.py

# The measured figures of README, CHANGELOG and docs/, from benchmarks/results.
figures: $(STAMP)
	$(BIN)/python -m litho.benchmarks.publish

reference: $(STAMP)
	$(BIN)/python scripts/reference_repository.py

# Trains and measures presets for minutes to hours each: make quality PRESETS="cgan-mnist vae-mnist"
quality: $(STAMP)
	$(BIN)/python -m litho.benchmarks.quality $(PRESETS)

# A run's variants in turns with what one would use without litho: make peers RUN=runs/dcgan64-emoji
peers: $(STAMP)
	$(BIN)/python -m litho.benchmarks.peers $(RUN)

# litho's endpoint in turns with PyTriton and LitServe: make peers-served RUN=runs/dcgan64-emoji
peers-served: $(STAMP)
	$(BIN)/litho server install
	$(BIN)/python -m litho.benchmarks.peers $(RUN) --served --install

# Parity, gate and latency of every family with the runtimes that this machine's GPU has.
gpu-check: $(STAMP)
	$(BIN)/python -m litho.benchmarks.gpu_check $(FAMILIES)

# The whole suite on a GPU in under eight minutes, with the Python that has PyTorch: make gpu-bench GPU_PYTHON=python3
GPU_PYTHON ?= python3
gpu-bench:
	$(GPU_PYTHON) scripts/gpu_bench.py $(GPU_BENCH)

# Packages that a PyTorch machine without a network may lack, into .whl: make gpu-wheels GPU_VERSION=3.12
GPU_VERSION ?= 3.12
gpu-wheels:
	$(GPU_PYTHON) scripts/gpu_bench.py --fetch $(GPU_VERSION)

clean:
	rm -rf $(VENV) build dist *.egg-info demo

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[dev]'
	touch $@
