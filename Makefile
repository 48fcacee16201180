# SPDX-License-Identifier: Apache-2.0
# Everything runs in .venv, which is made when it is missing and renewed when pyproject.toml changes.

PYTHON ?= python3
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test test-all test-gates lint docs prove mutate fuzz bench bench-neuron bench-accelerator bench-accelerator-full clean help
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1: /p' $(MAKEFILE_LIST)

demo: $(READY) ## train, convert, simulate and compare; leaves everything in build/demo
	$(BIN)/cygnet demo

# As many processes as cores: a process needs no threads of its own.
test test-all: export OMP_NUM_THREADS := 1

test: $(READY) ## the tests, under 10 minutes on two cores
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow"

test-all: $(READY) ## the tests, those that take minutes included
	$(BIN)/python -m pytest -n $(JOBS)

test-gates: $(READY) ## the netlists after synthesis for ECP5 and iCE40 against the golden model
	$(BIN)/python -m pytest tests/sim/cosim/test_gates.py

lint: $(READY) ## format, lint and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

docs: export NO_MKDOCS_2_WARNING := 1
docs: $(READY) ## the documents as a site, in build/site; a warning is an error
	$(BIN)/mkdocs build --strict

mutate: $(READY) ## faults in the netlists of the cores and the engine, and how many the checks notice
	$(BIN)/python benchmarks/mutate.py --out docs/results/data/mutation.json

FUZZ_SECONDS ?= 600
fuzz: $(READY) ## every reader of files under atheris, 10 minutes each; what it finds is in build/fuzz
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[fuzz]'
	for reader in network description weights checkpoint data results manifest onnx pt2 pt2-graph nir; do \
	  $(BIN)/python fuzz/run.py $$reader --seconds $(FUZZ_SECONDS) || exit 1; \
	done

prove: $(READY) ## the proofs of the neuron cores, with z3; result in build/proofs/summary.json
	$(BIN)/python proofs/prove.py --jobs $(JOBS)

bench: $(READY) ## images per second: golden model against torch, and the RTL under Verilator
	$(BIN)/python benchmarks/golden.py
	$(BIN)/python benchmarks/golden.py --network vgg16
	$(BIN)/python benchmarks/rtl.py

bench-neuron: $(READY) ## area and speed of the neuron cores, by Yosys and nextpnr
	$(BIN)/python benchmarks/neuron.py --jobs $(JOBS)

bench-accelerator: $(READY) ## whole accelerators; NETWORKS=folder of .cyg files, DATA=mnist.npz, CIFAR=cifar10-test.npz
	$(BIN)/python benchmarks/accelerator.py --networks $(NETWORKS) --data $(DATA) $(if $(CIFAR),--cifar $(CIFAR))

bench-accelerator-full: $(READY) ## the same, and nothing that was kept is used
	$(BIN)/python benchmarks/accelerator.py --networks $(NETWORKS) --data $(DATA) $(if $(CIFAR),--cifar $(CIFAR)) --full

clean: ## remove what was built, but not .venv
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find hw sim sw tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[dev]'
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps 'spikingjelly>=2.0'
	touch $@
