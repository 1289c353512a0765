# Two commands on a fresh machine: `make book` and `make test`. Everything is installed into this
# folder, nothing elsewhere. The book and the tests have an environment each, so that neither can
# lean on what only the other installs.

PYTHON ?= python3
PORT ?= 8000
# On machines without a GPU, PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu makes this
# the small CPU build; by itself pip chooses the CUDA build on Linux.
TORCH ?= torch==2.13.0

SITE := _build/html
BIN := .venv/bin
BOOK_BIN := .venv-book/bin
BOOK_READY := .venv-book/.ready
TEST_READY := .venv/.ready
# Where there is npm: MathJax for the book, and all that browser tests and slides need besides.
MATHJAX_READY := $(if $(shell command -v npm),node_modules/mathjax/.ready)
NODE_READY := $(if $(shell command -v npm),node_modules/.ready)

# Data that lie beside this folder are used without being asked for.
ifneq ($(wildcard ../shared/data),)
export MINFLUENCE_DATA ?= $(abspath ../shared/data)
endif

.DEFAULT_GOAL := help
.PHONY: help book book-strict test data lint check random newcomer links browser binder colab coursework slides pdf execute derive bench serve clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

book: $(BOOK_READY) $(MATHJAX_READY) ## build the book from its executed notebooks into _build/html
	$(BOOK_BIN)/jupyter-book build . -W -n --keep-going

# A page that was built with a warning is not built again, and the second call succeeds: only a
# build of all pages can be trusted.
book-strict: $(BOOK_READY) $(MATHJAX_READY) ## the same from nothing: what CI runs
	rm -rf _build
	$(BOOK_BIN)/jupyter-book build . --all -W -n --keep-going

# Tests and chapters run two at a time, so each takes one thread: threads that wait for one another
# would only slow both down (torch's tests by four). Chapters are executed with one for that reason.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
test: data ## test the package, then run every chapter again and compare
	$(ONE_THREAD) $(BIN)/pytest tests -n 2 --cov=minfluence \
	  --cov-report=term-missing:skip-covered --cov-fail-under=95
	$(ONE_THREAD) $(BIN)/pytest book -n 2 --dist loadfile --nbval --nbval-current-env \
	  --nbval-sanitize-with tests/nbval_sanitize.cfg --nbval-cell-timeout 600

data: $(TEST_READY) ## fetch the data that the chapters read, and say which cannot be had
	$(BIN)/python tools/fetch.py

lint: $(TEST_READY) ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint ## the same and the fast tests: before every commit
	$(BIN)/pytest -q -n 2 -m "not slow and not browser"

random: $(TEST_READY) ## thousands of random problems against loops and dense algebra (SEED=... repeats)
	$(ONE_THREAD) $(BIN)/pytest tests/test_random_problems.py -n 2 -m "not slow" \
	  --hypothesis-profile=long --hypothesis-seed=$(or $(SEED),$(shell date +%s))

newcomer: ## try both commands as a newcomer would, on the last commit: empty home, no data
	$(PYTHON) tools/newcomer.py --python $(PYTHON) --site $(SITE)

links: ## check every local link, picture and anchor of the built book
	$(PYTHON) tools/check_links.py $(SITE)

browser: $(NODE_READY) ## read the built book in Chromium, without network, and use its widgets
	node tests/browser/widgets.mjs $(SITE)
	node tests/browser/explorables.mjs $(SITE)
	node tests/browser/accessibility.mjs $(SITE)
	node tests/browser/lighthouse.mjs $(SITE)

binder: $(TEST_READY) ## run every chapter in a new environment that holds what Binder's would
	$(BIN)/python tools/clean_run.py binder

colab: $(TEST_READY) ## the same with what Colab is reported to bring: an old ipywidgets, no minfluence
	$(BIN)/python tools/clean_run.py colab

coursework: $(TEST_READY) ## make assignments for nbgrader into _build/coursework
	$(BIN)/python tools/coursework.py

slides: $(TEST_READY) $(NODE_READY) ## make the slides of one lecture into _build/slides
	$(BIN)/python tools/slides.py

pdf: book ## print the book: one PDF for each page and one of all, into _build/pdf (needs Chromium)
	$(BOOK_BIN)/python tools/print.py $(SITE)

execute: $(TEST_READY) ## run every chapter and save its outputs
	$(ONE_THREAD) $(BIN)/python tools/execute.py

derive: $(TEST_READY) ## make the derived data files anew, compare them, ready for a release
	$(BIN)/python tools/derive.py

bench: $(TEST_READY) ## time and memory beside other libraries (first: benchmarks/compare.py --install)
	$(BIN)/python benchmarks/compare.py

serve: ## show the built book at http://localhost:8000 (PORT=...)
	$(PYTHON) -m http.server --bind 127.0.0.1 --directory $(SITE) $(PORT)

clean: ## remove what was built and installed
	rm -rf _build .venv .venv-book node_modules build *.egg-info .pytest_cache .ruff_cache .mypy_cache .coverage

.venv/.python .venv-book/.python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
	  echo "Python 3.11 to 3.14 is needed and $(PYTHON) is not one: try make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv --clear $(@D)
	@touch $@

# Stamps: a second call installs nothing, a changed list of requirements does.
$(BOOK_READY): EXTRAS := -e '.[book]'
$(TEST_READY): EXTRAS := -e '.[test]' $(TORCH)
$(BOOK_READY) $(TEST_READY): %/.ready: pyproject.toml requirements.txt %/.python
	$*/bin/python -m pip install --quiet --disable-pip-version-check -c requirements.txt $(EXTRAS)
	@touch $@

# Where npm cannot fetch them, pages and slides load their scripts from a public network instead.
NPM_CI := npm ci --ignore-scripts --no-audit --no-fund
node_modules/mathjax/.ready: package-lock.json
	$(NPM_CI) --omit=dev && touch $@ || \
	  echo "npm ci failed: the built book will need a network for formulas."

node_modules/.ready: package-lock.json
	$(NPM_CI) && touch node_modules/mathjax/.ready $@ || \
	  echo "npm ci failed: there are no browser tests, and slides will need a network."
