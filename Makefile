# demo: fuse a drawn scene (light install, no PyTorch)    setup: the development environment
# test: all tests    check: format, lint, types, import contracts    bench: metrics, quality, speed, training, stacks, page
# ablation: trains the recipe without each of its parts and scores it; takes more than an hour
PYTHON ?= python3
PHOTOS ?= ../shared/data/photos/open
STACKS ?= ../shared/data/stacks
PAIRS ?= ../shared/data/pairs
PEERS ?= ../shared/data/peers
SCENES ?= 60
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo setup test check bench ablation

demo: .venv-demo/.done
	.venv-demo/bin/drpl demo -o demo --overwrite

.venv-demo/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

setup: $(VENV)/.done

$(VENV)/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,bench,dev,raw,web]'
	touch $@

test: $(VENV)/.done
	$(BIN)/python -m pytest -q

check: $(VENV)/.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.done
	$(BIN)/python -m benchmarks.metrics
	$(BIN)/python -m benchmarks.speed -o bench-results/speed
	$(BIN)/drpl bench quality --photos $(PHOTOS) --scenes $(SCENES) --sources $(PAIRS) --peers $(PEERS) -o bench-results/quality
	$(BIN)/python -m benchmarks.training --photos $(PHOTOS) --config configs/drpl-fast-long.toml
	$(BIN)/python -m benchmarks.serve -o bench-results/serve
	$(BIN)/python -m benchmarks.stacks --stacks $(STACKS) --photos $(PHOTOS) -o bench-results/stacks

ablation: $(VENV)/.done
	$(BIN)/python -m benchmarks.ablation --photos $(PHOTOS) -o bench-results/ablation
