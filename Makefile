# demo: fuse a drawn scene (light install, no PyTorch)    setup: the development environment
# test: tests, doctests, coverage; test-all: the slow ones too    check: format, lint, types, import contracts
# bench: metrics, quality, speed, training, stacks, page
# ablation: trains the recipe without each of its parts and scores it; takes more than an hour
PYTHON ?= python3
PHOTOS ?= ../shared/data/photos/open
STACKS ?= ../shared/data/stacks
PAIRS ?= ../shared/data/pairs
PEERS ?= ../shared/data/peers
SCENES ?= 60
VENV := .venv
BIN := $(VENV)/bin
COVERAGE := --cov --cov-report=

.PHONY: demo setup test test-all check check-page bench ablation

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
	$(BIN)/python -m pytest -q -m "not slow" $(COVERAGE)
	$(BIN)/coverage report --skip-covered --fail-under 90

test-all: $(VENV)/.done
	$(BIN)/python -m pytest -q $(COVERAGE)
	$(BIN)/coverage report --skip-covered --fail-under 90

check: $(VENV)/.done check-page
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --strict --config-file= tests/typed_program.py
	$(BIN)/lint-imports

# the page's JavaScript: format, lint, types and unit tests
ifeq (,$(shell command -v npm))
check-page:
	@echo "NOT CHECKED: the page's JavaScript, since npm is missing; install nodejs and npm"
else
check-page: node_modules/.done
	npm run --silent check
endif

node_modules/.done: package.json package-lock.json
	npm ci --silent --no-audit --no-fund
	touch $@

bench: $(VENV)/.done
	$(BIN)/python -m benchmarks.metrics
	$(BIN)/python -m benchmarks.speed -o bench-results/speed
	$(BIN)/drpl bench quality --photos $(PHOTOS) --scenes $(SCENES) --sources $(PAIRS) --peers $(PEERS) -o bench-results/quality
	$(BIN)/python -m benchmarks.training --photos $(PHOTOS) --config src/drpl/models/drpl-fast/recipe.toml
	$(BIN)/python -m benchmarks.serve -o bench-results/serve
	$(BIN)/python -m benchmarks.stacks --stacks $(STACKS) --photos $(PHOTOS) -o bench-results/stacks

ablation: $(VENV)/.done
	$(BIN)/python -m benchmarks.ablation --photos $(PHOTOS) -o bench-results/ablation --docs docs/ablation.md
