# `make help` lists the targets. Each sets up what it needs: see tests/tooling/setup.sh.
SHELL := /bin/bash
VENV := .build/venv
BIN := $(VENV)/bin
SETUP := tests/tooling/setup.sh
PYTEST := $(BIN)/python -m pytest
# `make unit ARGS="-k name"`, `make molecule ARGS=converge`, `make sanity ARGS="--test import"`
ARGS :=

export PATH := $(CURDIR)/$(BIN):$(PATH):/usr/sbin:/sbin
# Nothing is left outside the clone: caches, control sockets and the ledger of what runs here.
export ANSIBLE_HOME := $(CURDIR)/.build/ansible
export XDG_CACHE_HOME := $(CURDIR)/.build/cache
export XDG_DATA_HOME := $(CURDIR)/.build/data
ifndef DOCKER_HOST
OWN_ENGINE := $(shell tests/tooling/engine.sh host)
ifneq ($(OWN_ENGINE),)
export DOCKER_HOST := $(OWN_ENGINE)
endif
endif

.DEFAULT_GOAL := help
.PHONY: help demo demo-failure test lint sanity unit contract integration integration-frappe integration-others molecule test-cores bench lock clean setup setup-demo engine

help: ## This list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' Makefile | while IFS=$$'\t' read -r name text; do printf '%-14s %s\n' "$$name" "$$text"; done

demo: setup-demo ## Deploy three sites from one version to the next while a client reads and writes
	@$(BIN)/python tests/support/demo.py run

demo-failure: setup-demo ## The same with a migration that fails on the second site
	@$(BIN)/python tests/support/demo.py failure

test: setup ## Lint, unit, contract and integration tests, Molecule where a Docker engine answers
	@$(BIN)/python tests/tooling/check.py test $(ARGS)

lint: setup ## ruff, mypy, yamllint, ansible-lint, ansible-test sanity, antsibull
	@$(BIN)/python tests/tooling/check.py lint

sanity: setup ## ansible-test sanity alone, in a copy of the clone
	@tests/tooling/sanity.sh $(ARGS)

unit: setup ## Unit tests: no services
	@$(PYTEST) -n auto tests/unit $(ARGS)

contract: setup ## The stand-in bench against the facts, or the bench that LOCKSTEP_BENCH names
	@$(PYTEST) tests/contract $(ARGS)

integration: setup ## With MariaDB, Redis, nginx and the stand-in bench
	@$(PYTEST) tests/integration $(ARGS)

# Two halves of about the same length, which `make test` runs side by side.
integration-frappe: setup
	@$(PYTEST) tests/integration/frappe tests/integration/traffic $(ARGS)

integration-others: setup
	@$(PYTEST) tests/integration --ignore tests/integration/frappe --ignore tests/integration/traffic $(ARGS)

molecule: setup ## Two bench servers in containers; needs a Docker engine, and root to build their image once
	@tests/tooling/molecule.sh $(ARGS)

engine: setup ## Start a Docker engine of the tests' own, as root; `make clean` ends it
	@tests/tooling/setup.sh engine && tests/tooling/engine.sh start

test-cores: setup ## Unit and strategy tests on the other Python versions found here, with their newest ansible-core
	@tests/tooling/cores.sh

bench: setup ## Benchmarks, with their bounds; figures in build/bench.json
	@$(BIN)/python tests/benchmarks/run.py $(ARGS)

lock: setup-demo ## Resolve requirements/*.in anew into requirements/*.lock
	@tests/tooling/lock.sh

clean: ## End what demo and tests left running; remove what they and the tools made
	@tests/tooling/clean.sh

setup:
	@$(SETUP) test

setup-demo:
	@$(SETUP) demo
