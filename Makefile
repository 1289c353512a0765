# Two commands on a fresh machine: `make book` and `make test`. Everything is installed into this
# folder, nothing elsewhere. The book and the tests have an environment each, so that neither can
# lean on what only the other installs.

PYTHON ?= python3
PORT ?= 8000
# Where there is npm: formulas and typefaces of the book, and all that browser tests
# and slides need besides.
# NPM= does without, as if there were none.
NPM ?= $(shell command -v npm)

SITE := _build/html
BIN := .venv/bin
BOOK_BIN := .venv-book/bin
BOOK_READY := .venv-book/.ready
TEST_READY := .venv/.ready
KATEX_READY := $(if $(NPM),node_modules/katex/.ready)
NODE_READY := $(if $(NPM),node_modules/.ready)

# Data that lie beside this folder are used without being asked for.
ifneq ($(wildcard ../shared/data),)
export MINFLUENCE_DATA ?= $(abspath ../shared/data)
endif

.DEFAULT_GOAL := help
.PHONY: help book book-strict test data lint check inputs random newcomer links publishable browser binder colab coursework slides pdf site execute derive bench serve clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

book: $(BOOK_READY) $(KATEX_READY) ## build the book from its executed notebooks into _build/html
	$(BOOK_BIN)/jupyter-book build . -W -n --keep-going

# A page that was built with a warning is not built again, and the second call succeeds: only a
# build of all pages can be trusted.
book-strict: $(BOOK_READY) $(KATEX_READY) ## the same from nothing: what CI runs
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

inputs: $(TEST_READY) ## try odd and bad inputs: each gets the right number or one clear sentence
	PYTHONPATH=tests $(ONE_THREAD) $(BIN)/python -m inputs

random: $(TEST_READY) ## thousands of random problems against loops and dense algebra (SEED=... repeats)
	$(ONE_THREAD) $(BIN)/pytest tests/test_random_problems.py -n 2 -m "not slow" \
	  --hypothesis-profile=long --hypothesis-seed=$(or $(SEED),$(shell date +%s))

newcomer: ## try both commands as a newcomer would, on the last commit: empty home, no data
	$(PYTHON) tools/newcomer.py --python $(PYTHON) --site $(SITE)

links: ## check every local link, picture and anchor of the built book
	$(PYTHON) tools/check_links.py $(SITE) $(if $(NPM),--self-contained)

publishable: ## say whether this commit and its built book (SITE= leaves it out) may be published
	$(PYTHON) tools/publishable.py $(SITE)

browser: $(NODE_READY) ## read the built book in Chromium, without network, and use its widgets
	node tests/browser/pages.mjs $(SITE)
	node tests/browser/explorables.mjs $(SITE)
	node tests/browser/learning.mjs $(SITE)
	node tests/browser/found.mjs $(SITE)
	node tests/browser/room.mjs $(SITE)
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

site: pdf slides ## the book with its slides and PDFs, which its pages offer, into _build/site: what is published
	$(BOOK_BIN)/python tools/offer.py $(SITE)

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

# Stamps: a second call installs nothing, a changed list of requirements does. Whatever is fetched
# has the checksum that its list says, nothing is built but this package, and what builds it comes
# from the same list.
INSTALL = $(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps
LOCKED = $(INSTALL) --only-binary :all: --require-hashes
define INSTALL_PACKAGE
$(INSTALL) --no-build-isolation -e .
$(@D)/bin/python -m pip --disable-pip-version-check check
@touch $@
endef

$(BOOK_READY): pyproject.toml book/requirements.txt .venv-book/.python
	$(LOCKED) -r book/requirements.txt
	$(INSTALL_PACKAGE)

# torch: the small CPU build where one of pip's indexes has it, as PyTorch's own does
# (PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu), and else what PyPI has. Where pip has
# constraints of its own, it calls a build that no index has impossible to resolve.
$(TEST_READY): pyproject.toml requirements.txt requirements-torch-cpu.txt requirements-torch.txt .venv/.python
	$(LOCKED) -r requirements.txt
	@$(LOCKED) -r requirements-torch-cpu.txt 2>$(@D)/torch.log || { \
	  grep -qE "No matching distribution|ResolutionImpossible" $(@D)/torch.log || { cat $(@D)/torch.log >&2; exit 1; }; \
	  echo "No index of pip's has a CPU build of torch for this machine: taking the build of PyPI."; \
	  $(LOCKED) -r requirements-torch.txt; }
	$(INSTALL_PACKAGE)

# What npm ci could not bring, pages and slides would load from a public network: never by accident.
NPM_CI = $(NPM) ci --ignore-scripts --no-audit --no-fund
NPM_FAILED = { echo "npm ci failed, so pages would load their scripts from a public network: \
  mend what npm says above, or accept that with make $(MAKECMDGOALS) NPM="; exit 1; }
node_modules/katex/.ready: package-lock.json
	@$(NPM_CI) --omit=dev || $(NPM_FAILED)
	@touch $@

node_modules/.ready: package-lock.json
	@$(NPM_CI) || $(NPM_FAILED)
	@touch node_modules/katex/.ready $@
