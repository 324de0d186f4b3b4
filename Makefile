VENV ?= .venv
# Every test process would compile the kit and the tests anew where the environment says so.
export PYTHONDONTWRITEBYTECODE =
TINY = OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist worksteal

.PHONY: demo test fast lint clean

demo: $(VENV)/.ready  ## train two brands, write in both voices, measure that they differ
	VENV=$(VENV) scripts/demo

test: lint  ## everything: style, types, all tests
	$(TINY)

fast: $(VENV)/.ready  ## tests on tiny random models only, two at a time
	$(TINY) -m "not real and not thorough"

lint: $(VENV)/.ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean:  ## remove what demo and test made, but not published adapters
	rm -rf runs copies build .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.ready: pyproject.toml scripts/setup
	scripts/setup $(VENV)
