# Everything a developer runs. `make test` is all that CI runs.
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
UV := $(shell command -v uv || echo $(CURDIR)/.venv-tools/bin/uv)
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

# Bytecode is kept, whatever the shell says: else every start of Python compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help up-demo dev parts lint test test-fast test-hosts bench docs lock

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

up-demo: ## a stack in the sandbox
	./deploy up --profile 2xh200

dev: ## .venv with everything that tests and checks need
	sh tools/make-venv.sh dev

parts: dev ## programs that tests need: from the distribution, and a Kubernetes API server, built in minutes the first time
	sh tools/get-test-programs.sh
	$(PYTHON) -m tests.kubernetes.programs
	$(PYTHON) -c "from lifecycle.parts import obtain; import sys; sys.exit(obtain('prometheus') or 0)"

lint: dev ## style, types, import directions, spelling, generated pages
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy .
	.venv/bin/lint-imports
	.venv/bin/codespell
	$(PYTHON) -m cli.documents --check
	$(PYTHON) tools/role_pages.py --check
	.venv/bin/cog -P --check README.md

test: parts lint ## everything proven
	$(PYTHON) -m pytest -n 2 --dist loadgroup

test-fast: dev ## what takes no real services: under a minute
	$(PYTHON) -m pytest -n 2 -m "not slow"

test-hosts: parts ## what runs on booted hosts (takes root)
	$(PYTHON) -m pytest tests/hosts

bench: dev ## figures, each printed with how it was measured
	$(PYTHON) -m tests.bench.commands
	$(PYTHON) -m tests.bench.planning
	$(PYTHON) -m tests.bench.policies
	$(PYTHON) -m tests.bench.aws
	$(PYTHON) -m tests.bench.sweeping
	$(PYTHON) -m tests.bench.first_run
	$(PYTHON) -m tests.bench.transfer
	$(PYTHON) -m tests.bench.hosts

docs: dev ## pages that come from the code, and the picture of a real run
	$(PYTHON) -m cli.documents
	$(PYTHON) tools/role_pages.py
	.venv/bin/cog -P -r README.md
	$(PYTHON) -m cli.picture 2xh200 docs/up.svg

lock: dev ## newer versions of everything
	$(COMPILE) --upgrade pyproject.toml -o requirements.lock
	echo "uv==$$($(UV) --version | cut -d' ' -f2)" | $(COMPILE) --no-annotate - -o requirements-uv.lock
	$(COMPILE) --upgrade --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(COMPILE) --upgrade --group host -c requirements.lock -o requirements-host.lock
	cd tools/engine && $(COMPILE) --upgrade --only-binary :all: --no-annotate --group engine \
		$(if $(OVERRIDE),--override $(abspath $(OVERRIDE))) -o ../../requirements-engine.lock
