# Everything a newcomer needs: `make demo`, `make check`, `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt

.PHONY: demo demo-again check unit test suite alone server lint format docs figures kubernetes reference quality peers \
	peers-served gpu-check gpu-bench gpu-wheels clean

demo: server
	$(BIN)/litho demo

# Finds everything done, and still serves.
demo-again: demo
	$(BIN)/litho demo

# Linters, types and unit tests, in a minute on two cores; what is slow is left to `make test`.
check: $(STAMP)
	$(MAKE) --jobs 2 --output-sync lint unit

unit: $(STAMP)
	$(BIN)/python -m pytest -q -m "not slow"

test:
	$(MAKE) suite
	$(MAKE) alone

# Three processes on two cores: one of them often waits for a server to start or end.
suite: server
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 15 \
		-m "not alone"

# Reads only the files with such tests: to collect the whole suite takes 20 seconds.
alone: server
	$(BIN)/python -m pytest -m alone $$(grep --recursive --files-with-matches --include "test_*.py" "mark\.alone" tests)

server: $(STAMP)
	$(BIN)/litho server install

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
# pip would compile 25,000 files on one core. Some are templates, which are no Python: they are left out.
	$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	touch $@
