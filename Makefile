# From a clean clone, with nothing but Python >= 3.11, make and a shell: each target sets up what it needs.
#   make run [ARGS=--once]    the demo            make check       style and types
#   make test                 needs Chromium      make test-real   third-party software, by groups
#   make test-slow            several browsers    make test-long   exhaustive, takes an hour or more
#   make chaos                kills at random     make test-random SIMULATIONS=1000   seeds of the simulations
#   make coverage   make test, and which lines it runs
#   make bench                each bench in turn  PYTHON=/path/to/python3.12 chooses the interpreter

BIN := .venv/bin
ARGS ?=
PYTEST_ARGS ?=

.PHONY: run test check bench test-real test-slow test-long test-random chaos coverage browser clean

run: browser
	$(BIN)/doorkey demo $(ARGS)

test: browser
	@failed=0; set -x; \
	$(BIN)/pytest -n 3 --dist worksteal -m "not page and not real and not long and not slow" --ignore=tests/real $(PYTEST_ARGS) || failed=1; \
	$(BIN)/pytest -m page tests/browser/page || failed=1; \
	{ set +x; } 2>/dev/null; exit $$failed

check: .venv/stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

coverage:
	@$(MAKE) test PYTEST_ARGS="--cov --cov-report=term"

test-slow: browser
	@$(BIN)/pytest -n 3 --dist worksteal -m "slow and not long and not real" tests

test-long: browser
	@$(BIN)/pytest -m long tests
	@$(BIN)/python tests/mutation/run.py --minutes 60 --least 0.85

SIMULATIONS ?= 1000
test-random: .venv/stamp
	@SIMULATIONS=$(SIMULATIONS) $(BIN)/pytest -n auto -m "not slow and not long" tests/simulation
	@SIMULATIONS=$(SIMULATIONS) $(BIN)/pytest tests/model/test_cookies_chromium.py

chaos: browser
	@CHAOS_SECONDS=$${CHAOS_SECONDS:-600} CHAOS_SEED=$${CHAOS_SEED:-$$$$} $(BIN)/pytest tests/runtime/test_chaos.py

bench: browser
	@set -e; for bench in bench/*.py; do echo "== $$bench"; $(BIN)/python "$$bench" $(ARGS); done

test-real: browser
	@.ci/test-real

browser: .venv/stamp
	@$(BIN)/doorkey browser --install

.venv/stamp: pyproject.toml .ci/setup
	@.ci/setup

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .coverage dist build
