# `make demo` and `make test` need python3 and make, nothing else. `make help` lists the rest.
# Inside an activated conda environment (environment.yml) the same targets use that one.
PYTHON ?= python3
RUN := tools/env
CONDA := $(if $(CONDA_PREFIX),$(wildcard $(CONDA_PREFIX)/bin/tcc))
LOCK := pyproject.toml uv.lock tools/bootstrap.py
START := $(shell date +%s)

# Of a second instance beside the one in use, as the tests of both pages start it.
LAB_HOME ?= $(CURDIR)/data/jupyter
LAB_FLAGS ?=
INSTANCE ?= $(CURDIR)
DAGSTER_FLAGS ?=

.PHONY: help setup setup-test setup-lab setup-bench tex poppler chromium demo test check bench \
	bench-staging run pdf lab dagster clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 \t/p' Makefile | expand -t 24

setup: $(if $(CONDA),,.venv/ready)
setup-test: $(if $(CONDA),,.venv/ready-test)
setup-lab: $(if $(CONDA),,.venv-lab/ready)
setup-bench: $(if $(CONDA),,.venv-bench/ready)

.venv/ready: $(LOCK)
	@$(PYTHON) tools/bootstrap.py && touch $@

.venv/ready-test: $(LOCK)
	@$(PYTHON) tools/bootstrap.py dev orchestration && touch .venv/ready $@

# JupyterLab apart: beside papermill it slows the start of every notebook by 1.6 s.
.venv-lab/ready: $(LOCK)
	@UV_PROJECT_ENVIRONMENT=.venv-lab $(PYTHON) tools/bootstrap.py lab && touch $@

# Polars and dlt apart: only bench/staging.py needs them.
.venv-bench/ready: $(LOCK)
	@UV_PROJECT_ENVIRONMENT=.venv-bench $(PYTHON) tools/bootstrap.py bench && touch $@

tex:
	@latexmk -v >/dev/null 2>&1 && kpsewhich abntex2.cls siunitx.sty lmodern.sty >/dev/null || \
		tools/apt "LaTeX (the PDF)" $$(cat tcc/debian-packages.txt)

poppler:
	@command -v pdftotext >/dev/null || tools/apt "pdftotext (tests of the PDF)" poppler-utils

chromium:
	@command -v chromium >/dev/null || tools/apt "Chromium (tests of the pages)" chromium

demo: setup tex ## set up, then run the whole pipeline on the demo house: no account, no device
	@ready=$$(date +%s); $(RUN) tcc run --source demo; status=$$?; end=$$(date +%s); \
	echo "Set-up: $$((ready - $(START))) s. Main job: $$((end - ready)) s."; exit $$status

test: setup-test setup-lab tex poppler chromium check ## set up, then every check and every test
	@$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

check: setup-test ## what runs before each commit
	@if [ -e .git ] && git --version >/dev/null 2>&1; then $(RUN) pre-commit run --all-files; else \
		echo "No git checkout: pre-commit's main tools run directly."; \
		$(RUN) ruff check . && $(RUN) ruff format --check . && $(RUN) mypy && \
		find notebooks -name '*.ipynb' | xargs -r $(RUN) nbstripout --verify --keep-id; fi

bench: setup ## what the collection costs, beside tinytuya; a short storm; a few kills
	@$(RUN) python bench/ingest.py; cost=$$?; \
	$(RUN) python bench/weather.py --days 3 --devices 2; storm=$$?; \
	$(RUN) python bench/kill.py --kills 10; kills=$$?; \
	exit $$((cost + storm + kills))

bench-staging: setup-bench ## staging and marts on 90 days, beside DuckDB, Polars, pandas, dlt
	@TCC_VENV=$(CURDIR)/.venv-bench $(RUN) python bench/staging.py

run: setup tex ## the pipeline on your devices; the demo house without credentials
	@$(RUN) tcc run

pdf: setup tex ## the monograph again
	@$(RUN) tcc pdf

# Settings and layout apart from those of a person's other Jupyters, which may know no token.
lab: setup-lab ## the notebooks in JupyterLab, 90_explore first
	@TCC_VENV=$(CURDIR)/.venv-lab JUPYTER_CONFIG_DIR=$(LAB_HOME) exec $(RUN) tools/serve \
		jupyter lab --config tools/jupyter/lab_config.py $(LAB_FLAGS)

dagster: setup-test tex ## Dagster's page on http://127.0.0.1:3000
	@DAGSTER_HOME=$(INSTANCE) exec $(RUN) tools/serve dagster dev -h 127.0.0.1 $(DAGSTER_FLAGS)

clean: ## delete what can be made again; never data/raw, never the environment
	@rm -rf data/staging data/marts data/runs data/tcc.duckdb tcc/generated tcc/build tcc/monografia.pdf
	@rm -rf data/test-artifacts figures/*.pdf figures/*.png figures/*.json .pytest_cache .mypy_cache .ruff_cache
