# What a person needs of Elastiq, each by one word; `make` alone lists them.
PYTHON ?= python3
# Where pip finds torch and torchvision; PyTorch's CPU index saves gigabytes of CUDA (README.md).
TORCH_INDEX ?=
# One benchmark of tests/benchmarks, without its .py; all of them unless told.
NAME ?=
# How long a campaign lasts, and which one it is.
MINUTES ?= 60
SEED ?= 1

VENV := .venv
BIN := $(VENV)/bin
LINTERS := .linters
STAMP := $(VENV)/.installed
# What checks web/static, and the pages in a browser; and the node that runs it, which pip brings.
MODULES := node_modules/.package-lock.json
NODE := $(BIN)/node node_modules
BENCHMARKS := $(filter-out tests/benchmarks/_%,$(wildcard tests/benchmarks/$(or $(NAME),*).py))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help install model run test test-images rehearsal campaign check check-template bench images lock clean

help:  ## Print this list.
	@sed -n 's/^\([a-z-]*\):[^#]*##  *\(.*\)/make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

install: $(STAMP)  ## Make .venv and install everything in it; does nothing when it is up to date.
	@:

$(STAMP): setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Elastiq needs Python 3.11 or later; name one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "Python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --index-url '$(TORCH_INDEX)' torch torchvision)
	$(BIN)/python -m pip install --editable '.[worker,model,local,dev]'
	@touch $@

# Apart from `install`: who only runs Elastiq needs no npm.
$(MODULES): package.json package-lock.json .npmrc $(STAMP)
	@$(BIN)/npm ci --loglevel=error || { \
		echo "npm cannot get what checks the pages (package-lock.json); the pages themselves need none of it" >&2; exit 1; }
	@touch $@

model: install  ## Build the model that ELASTIQ_MODEL names, if it is not built yet.
	@$(BIN)/python -m tasks.engine build $(ELASTIQ_MODEL)

run: install  ## Run everything on this machine; Ctrl-C stops it.
	@exec $(BIN)/elastiq up

test: model $(MODULES)  ## Run every test, in four parts at once.
	@$(BIN)/python -m tests

test-images: install  ## Build every image and run docker/compose.yml's services; needs root, buildah, debootstrap, runc.
	@$(BIN)/python -m pytest tests/images

rehearsal: model $(MODULES)  ## Play all of AWS's part on this machine; needs root, buildah, debootstrap, runc.
	@$(BIN)/python -m pytest tests/rehearsal

campaign: model  ## An hour (or MINUTES) of faults drawn by SEED on the whole system, and a law kept at its end.
	@$(BIN)/python -m tests.campaign --minutes $(MINUTES) --seed $(SEED) --json .elastiq/campaign.json --page .elastiq/campaign.html

check: install $(MODULES)  ## Lint, check the formatting, the types and the import contracts.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(NODE)/@biomejs/biome/bin/biome ci --error-on-warnings
	@$(NODE)/typescript/bin/tsc --project .
	@$(NODE)/typescript/bin/tsc --project tests/unit/web/static
	@$(BIN)/cfn-lint docker/aws/elastiq.yaml docker/ecs/service.yaml
	@$(BIN)/shellcheck docker/aws/host/*.sh docker/build .ci/*

# Apart from `check`: checkov alone is 300 MB and pins what the rest needs newer; parliament needs an old setuptools.
check-template: install  ## Look at the template and its policies with checkov and parliament, in an own .linters.
	@test -e $(LINTERS)/.installed || { $(PYTHON) -m venv $(LINTERS) \
		&& $(LINTERS)/bin/pip install --quiet 'checkov>=3.2,<4' 'parliament>=1.6,<2' 'setuptools<81' && touch $(LINTERS)/.installed; }
	@$(LINTERS)/bin/checkov --config-file docker/aws/checkov.yaml --skip-download
	@$(BIN)/python -m tests.policies $(LINTERS)/bin/parliament

bench: model  ## Run every benchmark, or the one that NAME names; each prints JSON.
	@set -e; for file in $(BENCHMARKS); do echo "$$file" >&2; $(BIN)/python "$$file" --json; done

images:  ## Build every image with docker, podman or buildah, whichever works here.
	@docker/build

lock: install  ## Renew the versions that the images are made of.
	@$(BIN)/python docker/lock.py

clean:  ## Remove .venv and caches; images, results and built models stay in .elastiq.
	rm -rf $(VENV) $(LINTERS) node_modules build elastiq.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
