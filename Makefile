# Sandlot: everything a person types. `make` alone lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := $(BIN)/sandlot

.DEFAULT_GOAL := help
.PHONY: help setup ros demo demo-vision insert test test-all check docs bench faults clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

$(VENV)/.base: pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" VENV="$(VENV)" bash .ci/setup base

$(VENV)/.ros: $(VENV)/.base
	@VENV="$(VENV)" bash .ci/setup ros

$(VENV)/.dev: $(VENV)/.base
	@VENV="$(VENV)" bash .ci/setup dev

$(VENV)/.bench: $(VENV)/.dev
	@VENV="$(VENV)" bash .ci/setup bench

setup: $(VENV)/.base  ## create .venv and install Sandlot into it

ros: $(VENV)/.ros  ## add ROS 2, teleoperation and data sets to it

demo: $(VENV)/.base  ## train an arm to pick up a cube, evaluate it, write runs/demo/report.html
	$(RUN) train arm_pick --run demo
	$(RUN) eval demo --episodes 100 --seed 1000 --json

SEEN := --cameras wrist side --image-px 64
PLAY := demos/arm_pick_play

demo-vision: $(VENV)/.base  ## learn to pick from cameras, rewarded by a classifier alone (about 15 minutes)
	$(RUN) classifier collect arm_pick $(SEEN) --episodes 200
	$(RUN) classifier train classifiers/arm_pick
	$(RUN) pretrain collect arm_pick $(SEEN) --expert 0 --out $(PLAY)
	$(RUN) pretrain $(PLAY) --out $(PLAY)/encoder.safetensors
	$(RUN) train arm_pick $(SEEN) --classifier classifiers/arm_pick/classifier.safetensors --encoder $(PLAY)/encoder.safetensors --run arm_pick_pixels
	$(RUN) eval arm_pick_pixels --episodes 100 --seed 1000 --json

insert: $(VENV)/.base  ## train peg insertion (about half an hour) and evaluate it
	$(RUN) train arm_insert --run insert
	$(RUN) eval insert --episodes 100 --seed 1000 --json

# Spread over two processes; the system tests, with robots' deadlines, want the machine for themselves.
SPREAD := tests/learners tests/perception tests/robots tests/sim

test: $(VENV)/.dev  ## every quick test, real processes included
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist worksteal $(SPREAD)
	$(BIN)/python -m pytest -m "not slow" $(SPREAD:%=--ignore=%)

test-all: $(VENV)/.dev  ## the long learning and fault tests too
	$(BIN)/python -m pytest

check: $(VENV)/.dev  ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.dev  ## build the documentation's pages; writes build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict -f config/mkdocs.yml

bench: $(VENV)/.bench  ## measure against the alternatives; writes bench/latest.json
	$(BIN)/python -m bench

faults: $(VENV)/.dev  ## inject every fault many times; writes bench/faults.json
	$(BIN)/python -m bench.faults

clean:  ## remove the environment and caches, never the runs
	rm -rf $(VENV) build install log .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
