# What to run in a checkout. Every target prepares what it needs: nothing has to be installed beforehand but
# Python 3.11 or later. ARGS= hands options to the command behind `demo`, `bench`, `unit` and `process`.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv demo test lint types unit process bench simulate model cluster soak real fuzz docs nix-eval nixos-hosts nixos-options lock fmt clean

VENV ?= $(CURDIR)/.venv
ARGS ?=
CONSUL ?=
export VENV

bin := $(VENV)/bin
# Python sources without the suffix that the tools go by.
scripts := scripts/apt-fetch scripts/nixos-options scripts/check-model

# Before a command that needs Consul; the recipe ends where none can be had. CONSUL=1.13.9 names a version, which is
# built from source where Go is at hand.
with_consul = consul=$$(scripts/get-consul $(CONSUL)) && export HAFAILOVER_CONSUL_BINARY="$$consul" &&

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 15

venv: ## create or update the virtual environment
	@scripts/venv

demo: venv ## show failovers on a real Consul cluster and a localnet (ARGS=--help)
	@$(with_consul) exec $(bin)/hafailover demo $(ARGS)

test: lint types ## everything that must hold: lint, types, and all tests with a real Consul
	@$(with_consul) exec scripts/run-tests $(bin)/python $(ARGS)

lint: venv ## check style and formatting
	@$(bin)/ruff check . $(scripts)
	@$(bin)/ruff format --check . $(scripts)

types: venv ## check the types
	@$(bin)/mypy
	@$(bin)/mypy --scripts-are-modules $(scripts)

unit: venv ## run the unit tests only
	@$(bin)/python -m pytest tests/unit $(ARGS)

process: venv ## run the tests with real processes and a real Consul only
	@$(with_consul) exec $(bin)/python -m pytest tests/process $(ARGS)

bench: venv ## measure the figures that the project promises (ARGS=--help)
	@$(with_consul) exec $(bin)/hafailover bench $(ARGS)

simulate: venv ## years of faults in virtual time, and every mutant found (SEEDS=, HOURS= of each seed)
	@$(bin)/python -m tests.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(HOURS),--hours $(HOURS)) $(ARGS)

model: ## check the protocol's model exhaustively, and that it fails without each rule (needs Spin and a C compiler)
	@scripts/check-model $(ARGS) || [ $$? -eq 75 ]

cluster: venv ## real faults on a cluster of real hosts, each in a network namespace, as root (ARGS=--help)
	@$(with_consul) $(bin)/python -m tests.cluster run $(ARGS) || [ $$? -eq 75 ]

soak: venv ## half an hour of random faults on such a cluster, and what it leaks (ARGS=--help)
	@$(with_consul) $(bin)/python -m tests.cluster soak $(ARGS) || [ $$? -eq 75 ]

real: venv ## what changes of signer cost on a real neard, as root (NEARD=/path/to/neard, or localneard; ARGS=--help)
	@$(with_consul) exec $(bin)/python -m tests.real $(if $(NEARD),--neard $(NEARD)) $(ARGS)

fuzz: venv ## odd input for everything that agent and guard parse (EXAMPLES= of each property)
	@HAFAILOVER_FUZZ_EXAMPLES=$(or $(EXAMPLES),2000) $(bin)/python -m pytest tests/fuzz $(ARGS)

docs: venv ## write anew what is made from the sources: docs/configuration.md, http-schema.json, nix/timing*.json, dashboard.json
	@$(bin)/python -m hafailover.config.reference > docs/configuration.md.new
	@mv docs/configuration.md.new docs/configuration.md
	@$(bin)/python -m hafailover.web.documents > docs/http-schema.json.new
	@mv docs/http-schema.json.new docs/http-schema.json
	@$(bin)/python -m hafailover.config.nixdata nix
	@$(bin)/python -m hafailover.monitoring.dashboard > src/hafailover/monitoring/dashboard.json.new
	@mv src/hafailover/monitoring/dashboard.json.new src/hafailover/monitoring/dashboard.json

nix-eval: venv ## evaluate the NixOS module, packages, templates and VM tests, where the tools are at hand
	@scripts/nix-eval || [ $$? -eq 75 ]

nixos-hosts: venv ## run the NixOS VM tests on containers with a real systemd, as root (ARGS= names tests)
	@PYTHONPATH=scripts $(bin)/python -m nixos_hosts $(ARGS) || [ $$? -eq 75 ]

nixos-options: ## write docs/nixos-options.md anew from the NixOS module (needs what nix-eval needs)
	@scripts/nixos-options

# uv writes one lock for every Python and platform the project supports; it is needed for this target alone.
lock: ## renew both files of locked packages (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: python3 -m pip install uv" >&2; exit 1; }
	uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate \
	    pyproject.toml --extra localnet --output-file requirements.lock
	uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate \
	    pyproject.toml --extra localnet --group dev --constraint requirements.lock --output-file requirements-dev.lock

fmt: venv ## format the sources and fix what can be fixed
	@$(bin)/ruff check --fix-only --quiet . $(scripts)
	@$(bin)/ruff format . $(scripts)

clean: ## remove what was built or fetched into the checkout
	rm -rf .venv .cache build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
