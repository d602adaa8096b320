# Everything is installed into .venv. Another interpreter: make clean, make PYTHON=python3.13 test.
PYTHON ?= python3
WORKERS ?= 2
# A CPU build; the plain name would bring several GB of CUDA packages on Linux.
TORCH ?= torch==2.13.0+cpu

VENV := .venv
BIN := $(VENV)/bin
DEVELOPMENT := '.[test,lint]'
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# An index may fail once.
define install
echo "installing $(1)"; $(BIN)/python -m pip install -qq $(1) || $(BIN)/python -m pip install -qq $(1)
endef

.PHONY: help demo test lint bench bench-fleet matrix bases images lock clean
.DEFAULT_GOAL := help

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(VENV)/.demo ## train unchanged, show what our processor stored (KEEP=1: leave its page open)
	@$(BIN)/python -m examples.demo $(if $(KEEP),--keep)

test: lint $(VENV)/.frameworks ## lint, check types, run the tests
	@$(BIN)/python -m pytest -n $(WORKERS)

lint: $(VENV)/.test ## check style and types
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@if [ -x $(BIN)/mypy ]; then $(BIN)/mypy --no-error-summary; else echo "no types checked: mypy needs Python 3.10"; fi

bench: $(VENV)/.test ## measure the budgets
	@status=0; for module in benchmarks benchmarks.processor benchmarks.processor.page; do \
		$(BIN)/python -m $$module || status=1; \
	done; exit $$status

bench-fleet: $(VENV)/.test ## measure a fleet of exporters, and a processor that comes back
	@$(BIN)/python -m benchmarks.fleet

matrix: $(VENV)/.matrix ## run the tests on every Python found, and on old releases of wandb
	@$(BIN)/python -m nox --no-error-on-missing-interpreters

bases: ## pin what the container images are built on, by the digests of today
	@$(PYTHON) k8s/images/pin_bases.py

images: ## build the container images (REGISTRY=..., PUSH=1; see k8s/images/README.md)
	@$(PYTHON) k8s/images/build.py --registry '$(REGISTRY)' $(if $(PUSH),--push) \
		$(if $(PLATFORM),--platform '$(PLATFORM)') $(if $(PIP_CONF),--pip-conf '$(PIP_CONF)') $(if $(CA),--ca '$(CA)')

# Names of indexes are left out: everyone has their own.
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate \
	--python-version 3.13

lock: $(VENV)/.test ## renew the versions and hashes of what the container images are made of
	@$(LOCK) setup.cfg --extra processor --extra postgres --output-file k8s/images/processor.txt
	@echo setuptools | $(LOCK) - --output-file k8s/images/wheel.txt

clean: ## remove what was installed and built
	rm -rf $(VENV) .nox build dist *.egg-info .mypy_cache .ruff_cache

# A stamp is as new as the installation it stands for. The entry files of sitecustomize/ are copied
# into the environment; the package itself is used where it lies.
$(VENV)/.demo: setup.cfg setup.py $(wildcard sitecustomize/*)
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV) || \
		{ echo "$(PYTHON) cannot make a virtual environment (on Debian: apt install python3-venv)"; exit 1; }
	@$(call install,--upgrade pip)
	@$(call install,--editable '.[processor]' wandb)
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@$(call install,--editable $(DEVELOPMENT))
	@touch $@

$(VENV)/.frameworks: $(VENV)/.test
	@if { $(call install,$(TORCH)); } 2>/dev/null; then \
		$(call install,--editable '.[frameworks]'); \
	else \
		echo "no $(TORCH) for this Python: tests that need torch or a framework are skipped"; \
	fi
	@touch $@

$(VENV)/.matrix: $(VENV)/.demo
	@$(call install,--editable '.[matrix]')
	@touch $@
