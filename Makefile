VENV ?= .venv
TESTS ?=
tiny = OMP_NUM_THREADS=1 $(1)/bin/python -m pytest -n 2 --dist worksteal
fast = -m "not real and not thorough" $(TESTS)
reported = -W default::DeprecationWarning -W default::PendingDeprecationWarning -W default::FutureWarning
# Every test process would compile the kit and the tests anew where the environment says so.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help demo test fast lint lock floors newest clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.ready  ## train two brands, write in both voices, measure that they differ
	VENV=$(VENV) scripts/demo

test: lint  ## everything: style, types, all tests
	$(call tiny,$(VENV))

fast: $(VENV)/.ready  ## tests on tiny random models only, two at a time; TESTS="tests/guards" for some of them
	$(call tiny,$(VENV)) $(fast)

lint: $(VENV)/.ready  ## style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

lock:  ## write requirements.lock: the newest of everything but torch; KEEP=1 adds and drops only, TORCH=2.14.1 moves torch
	@scripts/lock

floors:  ## the fast tests with the lowest versions that pyproject.toml allows, in .venv-floors
	@scripts/floors .venv-floors
	$(call tiny,.venv-floors) -p scripts.environment_report $(fast)

newest:  ## the fast tests with the newest release of everything, in .venv-newest; lists upstream deprecations
	@scripts/newest .venv-newest
	$(call tiny,.venv-newest) -p scripts.environment_report --disable-warnings $(reported) $(fast)

clean:  ## remove what demo and test made, but not published adapters
	rm -rf runs copies build .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.ready: requirements.lock pyproject.toml scripts/setup scripts/common.sh
	@scripts/setup $(VENV)
