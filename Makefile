# Sandlot: everything a person types. `make` alone lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := $(BIN)/sandlot

.DEFAULT_GOAL := help
.PHONY: help setup ros demo demo-vision demo-car relocate cable pcb insert test test-all check docs bench faults clean

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
# An encoder that looks at every 4 x 4 pixels, for a success that is smaller than a pixel; five times as long to train.
FINE := --encoder-settings "kernels=[4,3]" "strides=[4,1]" "channels=[32,64]" --hidden 128 --shift-px 2

# Frames for a task's encoder into demos/TASK_play: $(call play,TASK,FLAGS).
define play
	$(RUN) pretrain collect $(1) $(SEEN) $(2) --out demos/$(1)_play
	$(RUN) pretrain demos/$(1)_play --out demos/$(1)_play/encoder.safetensors
endef

# A run that sees through that encoder and is rewarded by its classifier alone: $(call learn,TASK,RUN,FLAGS).
learn = $(RUN) train $(1) $(SEEN) --encoder demos/$(1)_play/encoder.safetensors --classifier classifiers/$(1)/classifier.safetensors --run $(2) $(3)

demo-vision: $(VENV)/.base  ## learn to pick from cameras, rewarded by a classifier alone (about 15 minutes)
	$(RUN) classifier collect arm_pick $(SEEN) --episodes 200
	$(RUN) classifier train classifiers/arm_pick
	$(call play,arm_pick,--expert 0)
	$(call learn,arm_pick,arm_pick_pixels)
	$(RUN) eval arm_pick_pixels --episodes 100 --seed 1000 --json

BUMPER := --cameras bumper --image-px 64
demo-car: $(VENV)/.base  ## a car learns to race in a hall it has never seen, from its camera, alone (about 10 minutes)
	$(RUN) course drive car_hall
	$(RUN) pretrain collect car_places $(BUMPER) --episodes 300 --steps 80 --expert 0.7 --noise 0.3 --out demos/car_places
	$(RUN) pretrain demos/car_places --method iql --batch-size 64 --out demos/car_places/encoder.safetensors
	$(RUN) train car_hall --course courses/car_hall.yaml $(BUMPER) --encoder demos/car_places/encoder.safetensors --run demo-car
	$(RUN) eval demo-car --episodes 10 --seed 1000 --json

relocate: $(VENV)/.base  ## learn to carry a cube there and back while nobody resets, then 200 trials in turn (20 minutes)
	$(RUN) classifier collect arm_relocate $(SEEN) --episodes 200
	$(RUN) classifier train classifiers/arm_relocate
	$(RUN) classifier collect arm_relocate_back $(SEEN) --episodes 200
	$(RUN) classifier train classifiers/arm_relocate_back
	$(call play,arm_relocate,--episodes 150)
	$(call learn,arm_relocate,relocate,--back-classifier classifiers/arm_relocate_back/classifier.safetensors --steps 14000)
	$(RUN) eval relocate --in-turn --episodes 200 --seed 1000 --json

cable: CLOSE := --camera-file config/cameras_arm_cable.yaml
cable: $(VENV)/.base  ## learn to route a cable from cameras (about 35 minutes, most of it for the classifier)
	$(RUN) classifier collect arm_cable $(SEEN) $(CLOSE) --episodes 600 --noise 0.1
	$(RUN) classifier train classifiers/arm_cable $(FINE) --updates 4000 --patience 25 --precision 0.99
	$(call play,arm_cable,$(CLOSE) --expert 0.5 --episodes 200)
	$(call learn,arm_cable,cable,$(CLOSE) --steps 10000 --agent.init-temperature 0.01 --agent.entropy-per-action -1)
	$(RUN) eval cable --episodes 100 --seed 1000 --json

pcb: CLOSE := --camera-file config/cameras_arm_pcb.yaml
pcb: $(VENV)/.base  ## practise to plug in a connector from cameras (about 40 minutes; see docs/results.md)
	$(RUN) classifier collect arm_pcb $(SEEN) $(CLOSE) --episodes 300 --noise 0.1
	$(RUN) classifier train classifiers/arm_pcb --updates 6000 --patience 20
	$(call play,arm_pcb,$(CLOSE) --expert 0.5 --episodes 200)
	$(call learn,arm_pcb,pcb,$(CLOSE) --demos 100 --steps 20000 --agent.init-temperature 0.01 --agent.entropy-per-action -1)
	$(RUN) eval pcb --episodes 100 --seed 1000 --json

insert: $(VENV)/.base  ## train peg insertion (about half an hour) and evaluate it
	$(RUN) train arm_insert --run insert
	$(RUN) eval insert --episodes 100 --seed 1000 --json

# Spread over two processes; the system tests, with robots' deadlines, want the machine for themselves. They run in
# one worker, which is replaced when it hangs inside a library.
SPREAD := tests/learners tests/perception tests/robots tests/sim tests/test_cli.py tests/test_docs.py tests/test_presets.py

test: $(VENV)/.dev  ## every quick test, real processes included
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist worksteal $(SPREAD)
	$(BIN)/python -m pytest -m "not slow" -n 1 $(SPREAD:%=--ignore=%)

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
