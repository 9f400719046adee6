SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# What you may want to set: make up PORT=9090, make search QUERY=cat.jpg N=10, make demo LAKE=file:///data/lake
LAKE ?= $(or $(IMAGE_SEARCH_LAKE),file://$(CURDIR)/var/demo/lake)
PORT ?= 8080
QUERY ?=
QUERIES ?=
N ?= 5
EXPLAIN ?=
LABELS ?=
# Task images: what they are made from, what they are called ({image} is data, model, vectorize or search), how they are built.
BASE_IMAGE ?=
IMAGE ?= image-search/{image}:latest
RUNTIME ?= onnx
VECTOR_DATABASE ?= none
BUILD_FLAGS ?=
IMAGES ?= data search vectorize model
# Python that both environments are made with; uv finds it, or fetches it where it may.
PYTHON ?= >=3.11,<3.13

export IMAGE_SEARCH_LAKE := $(LAKE)
export IMAGE_SEARCH_CACHE ?= $(CURDIR)/var/cache

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
# Parts and options of the benchmarks, see .venv/bench/bin/python -m benchmarks --help.
BENCH ?=
UV := $(or $(shell command -v uv),.venv/uv/bin/uv)
TASKS := .venv/tasks/bin
AIRFLOW := .venv/airflow/bin
BROWSER := .venv/browser/bin
KUBEFLOW := .venv/kubeflow/bin

# Airflow's own settings. Runs in the terminal have a database of their own: a scheduler would take them over.
AIRFLOW_ENV = set -a; . ./config/airflow.env; set +a; \
	export PATH="$(CURDIR)/$(AIRFLOW):$$PATH" \
	AIRFLOW__CORE__DAGS_FOLDER="$(CURDIR)/dags" AIRFLOW__CORE__PLUGINS_FOLDER="$(CURDIR)/plugins"
RUN_DAG = $(AIRFLOW_ENV); export AIRFLOW_HOME="$(CURDIR)/var/airflow-terminal" IMAGE_SEARCH_AIRFLOW__RETRIES=0; \
	mkdir -p var/log; airflow db migrate >var/log/database.log 2>&1 || { cat var/log/database.log; exit 1; }; \
	python scripts/run_dag.py
# A command with the access to the lake that Airflow's tasks get: an Airflow connection, if one is set.
WITH_ACCESS = ($(AIRFLOW_ENV); export AIRFLOW_HOME="$(CURDIR)/var/airflow-terminal" PYTHONPATH="$(CURDIR)/plugins:$(CURDIR)"; \
	exec python -m image_search_airflow.with_access
TASK = $(WITH_ACCESS) $(CURDIR)/$(TASKS)/python -m tasks

.PHONY: help
help:  ## Show this list
	@echo "Usage: make TARGET [NAME=value …]"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

# ---------------------------------------------------------------------------------------------- set-up

.PHONY: install
install: .venv/tasks/.installed .venv/airflow/.installed  ## Make both environments from the locked requirements

.venv/uv/bin/uv:
	@echo "Installing uv into .venv/uv"
	@python3 -m venv .venv/uv
	@.venv/uv/bin/pip install --quiet --disable-pip-version-check "uv>=0.9"

# Byte code is made here: each start of a task saves the time, and whoever runs it may not be allowed to write it.
.venv/%/.installed: requirements/%.txt | $(UV)
	@echo "Installing .venv/$*"
	@$(UV) venv --quiet --allow-existing --python "$(PYTHON)" .venv/$*
	@$(UV) pip sync --compile-bytecode --python .venv/$* --require-hashes requirements/$*.txt 2>&1 | sed '/^ [+-] /d'
	@touch $@

.venv/%/.installed-dev: requirements/%-dev.txt .venv/%/.installed
	@echo "Installing the tools for tests and lint into .venv/$*"
	@$(UV) pip sync --quiet --compile-bytecode --python .venv/$* --require-hashes requirements/$*-dev.txt
	@touch $@

.PRECIOUS: .venv/%/.installed

.PHONY: lock
lock: | $(UV)  ## Pin the newest allowed versions into requirements/
	for group in tasks airflow kubeflow browser; do \
		$(UV) pip compile --quiet --upgrade pyproject.toml --group $$group --universal --generate-hashes \
			--python-version 3.11 --no-emit-index-url --no-emit-find-links --output-file requirements/$$group.txt; \
		$(UV) pip compile --quiet pyproject.toml --group $$group --group dev --universal --generate-hashes \
			--python-version 3.11 --no-emit-index-url --no-emit-find-links \
			--constraints requirements/$$group.txt --output-file requirements/$$group-dev.txt; \
	done
	$(UV) pip compile --quiet pyproject.toml --group models --no-deps --universal --generate-hashes \
		--python-version 3.11 --no-emit-index-url --no-emit-find-links --output-file requirements/models.txt
	for image in data model vectorize vectorize-cuda vectorize-keras openvino search search-milvus bench profile installer; do \
		$(UV) pip compile --quiet pyproject.toml --group $$image --universal --generate-hashes \
			--python-version 3.11 --no-emit-index-url --no-emit-find-links \
			--constraints requirements/tasks.txt --output-file requirements/$$image.txt; \
	done

.PHONY: images
images:  ## Build the task images; BASE_IMAGE=… IMAGE=registry/{image}:tag RUNTIME=openvino IMAGES="… airflow"
	for image in $(IMAGES); do \
		docker build --quiet $(BUILD_FLAGS) $(if $(BASE_IMAGE),--build-arg BASE_IMAGE="$(BASE_IMAGE)") \
			--build-arg RUNTIME=$(RUNTIME) --build-arg VECTOR_DATABASE=$(VECTOR_DATABASE) --build-arg VERSION="$(VERSION)" --build-arg REVISION="$(REVISION)" \
			--target $$image --tag "$$(sed "s|{image}|$$image|" <<<"$(IMAGE)")" --file docker/Dockerfile .; \
	done

.PHONY: kubeflow
kubeflow: .venv/kubeflow/.installed  ## Write the Kubeflow pipelines to var/kubeflow; IMAGE=registry/{image}:tag
	@PYTHONPATH=plugins:. IMAGE_SEARCH_LAKE="$(filter-out file:%,$(LAKE))" IMAGE_SEARCH_AIRFLOW__IMAGE="$(IMAGE)" \
		$(KUBEFLOW)/python -m pipelines.kubeflow var/kubeflow

# ------------------------------------------------------------------------------------------------- use

.PHONY: demo
demo: install  ## Index a sample of real photographs with Airflow, search it, draw the answer
	@$(WITH_ACCESS) $(CURDIR)/$(TASKS)/python -m demo.catalogue --lake "$(LAKE)")
	@echo "Airflow runs image_reindex; all that it says is in var/log/reindex.log"
	@run=$$($(RUN_DAG) image_reindex --log var/log/reindex.log); $(TASK) report --run "$$run")
	@echo "Airflow runs image_search; all that it says is in var/log/search.log"
	@run=$$($(RUN_DAG) image_search --quiet --log var/log/search.log \
		--conf '{"query_image": "$(LAKE)/queries/motorcycle.jpg", "top_n": $(N)}'); \
		$(TASK) report --run "$$run" --picture var/demo/result.png)
	@echo "The answer as a picture: var/demo/result.png"

.PHONY: up
up: install  ## Start Airflow with its web page; PORT=8080
	@$(AIRFLOW_ENV); AIRFLOW_HOME="$(CURDIR)/var/airflow" scripts/up.sh $(PORT)

.PHONY: reindex
reindex: install  ## Bring the index up to date with the catalogue, here and now
	@run=$$($(RUN_DAG) image_reindex --log var/log/reindex.log); $(TASK) report --run "$$run")

.PHONY: search
search: install  ## Search: QUERY=path, URI or name of an image of the catalogue; N=5; EXPLAIN=1
	@$(TASK) search --query "$$QUERY" --top-n "$$N" $(if $(EXPLAIN),--explain) --allow / --picture var/search/result.png) >/dev/null
	@echo "The answer as a picture: var/search/result.png"
search: export QUERY := $(value QUERY)
search: export N := $(value N)

.PHONY: evaluate-mine
evaluate-mine: install  ## Measure how good the answers are on your pictures; LABELS=folders, folders:1 or a CSV file
	@$(TASK) evaluate --labels "$$LABELS" --output var/report)
	@echo "The report: var/report/report.html"
evaluate-mine: export LABELS := $(value LABELS)

.PHONY: interactive
interactive: install  ## Search again and again: loads once, then asks
	@$(TASK) search --interactive --top-n $(N) --picture var/search/result.png)

.PHONY: batch
batch: export QUERIES := $(value QUERIES)
batch: install  ## Answer many queries: make --silent batch QUERIES=queries.txt > answers.jsonl
	@$(TASK) search --top-n $(N) --batch "$$QUERIES")

.PHONY: serve
serve: install  ## Answer searches over HTTP at http://127.0.0.1:8000/docs until CTRL-C
	@$(TASK) serve)

.PHONY: releases
releases: install  ## List the releases of the index
	@$(TASK) releases)

.PHONY: verify
verify: install  ## Read the release that is the newest, and its model, end to end; for cron, too
	@$(TASK) verify)

.PHONY: milvus
milvus: install  ## Load the release that search uses into the vector database of the settings, and compare
	@$(TASK) load)
	@$(TASK) verify)

# The labelled pictures of Debian's tuxpaint-stamps-default: fetched and unpacked without root, or named by you.
STAMPS ?= var/evaluation/debian/usr/share/tuxpaint/stamps

var/evaluation/debian/usr/share/tuxpaint/stamps:
	@command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { \
		echo "needs Debian's tuxpaint-stamps-default: unpack it and give STAMPS=folder" >&2; exit 1; }
	@echo "Fetching tuxpaint-stamps-default (160 MB)"
	@mkdir -p var/evaluation/debian
	@cd var/evaluation/debian && apt-get download tuxpaint-stamps-default && dpkg-deb -x tuxpaint-stamps-default_*.deb .

# Other networks take 130 MB of packages, which nothing else needs.
WITH_MODELS := $(if $(ONLY),$(filter models,$(ONLY)),models)

.PHONY: evaluate
evaluate: install $(STAMPS) $(if $(WITH_MODELS),.venv/models/.installed)  ## Measure how good answers are, each way on two labelled catalogues (60 min); ONLY=default, resizing, mismatches or models
	@$(TASKS)/python -m demo.evaluate --stamps "$(STAMPS)" --output var/evaluation --only "$(ONLY)" \
		$(if $(WITH_MODELS),--packages .venv/models/lib/python*/site-packages)

# --------------------------------------------------------------------------------------------- develop

# Two tests at a time or more, as there are processors; those of one file stay in order, and files begin as they are named
# here: the longest first, so that none is left alone at the end.
PYTEST := python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: test
test: .venv/tasks/.installed-dev .venv/airflow/.installed-dev .venv/kubeflow/.installed-dev  ## Run all tests but the long ones
	$(TASKS)/$(PYTEST) -m "not docker" tests/end_to_end tests/tasks tests/demo tests/benchmarks tests/docker
	$(AIRFLOW)/$(PYTEST) -m "not docker" tests/dags tests/plugins
	$(KUBEFLOW)/python -m pytest --confcutdir tests/pipelines tests/pipelines

.PHONY: test-docker
test-docker: .venv/tasks/.installed-dev .venv/airflow/.installed-dev .venv/kubeflow/.installed  ## Run tasks in containers; needs Docker and `make images`
	$(AIRFLOW)/python -m pytest -m docker tests/dags tests/plugins
	$(TASKS)/$(PYTEST) -m docker tests/end_to_end tests/docker

.PHONY: test-faults
test-faults: .venv/tasks/.installed-dev  ## Kill tasks, break the network, run everything at once (long)
	$(TASKS)/$(PYTEST) tests/faults

.PHONY: test-browser
test-browser: .venv/tasks/.installed-dev .venv/airflow/.installed .venv/browser/.installed-dev  ## Look at the page with a browser (needs chromium)
	$(BROWSER)/python -m pytest --confcutdir tests/browser tests/browser

# pytest hands fixtures over as arguments of their name, some for their effect alone.
LENIENT := --disable=redefined-outer-name,unused-argument

.PHONY: bench
bench: .venv/bench/.installed  ## Measure what we promise beside rivals and bounds; BENCH="warm_search --quick"
	@.venv/bench/bin/python -m benchmarks $(BENCH)

.PHONY: profile
profile: .venv/profile/.installed  ## Show where time and memory go, of a search and of a shard: lines, allocations, imports
	@.venv/profile/bin/python -m benchmarks.profiles

.PHONY: start-costs
start-costs: install  ## Print what starting a task costs with each runner, and the sizes of the images
	@$(AIRFLOW_ENV); AIRFLOW_HOME="$(CURDIR)/var/airflow-terminal" PYTHONPATH=plugins:. \
		$(AIRFLOW)/python -m benchmarks.start_costs var/start-costs 2>var/start-costs.log

# Points of a size replace those that are there: delete the file to begin anew.
SIZES ?= 2000 10000 100000 1000000
SHARDS ?= 1000
S3_SIZE ?= 10000

.PHONY: scale
scale: .venv/tasks/.installed  ## Measure each task on made catalogues (hours, 25 GB); SIZES="10000 100000"
	@$(TASKS)/python -m benchmarks.scale.measure var/benchmarks/points.json $(SIZES)
	@$(TASKS)/python -m benchmarks.scale.growth var/benchmarks/points.json

.PHONY: scale-s3
scale-s3: .venv/tasks/.installed-dev  ## Count what tasks ask of a real S3 server; S3_SIZE=10000 (minutes)
	@$(TASKS)/python -m benchmarks.scale.s3_requests var/benchmarks/s3.json $(S3_SIZE)

.PHONY: scale-airflow
scale-airflow: install  ## Measure Airflow alone on so many mapped shards; SHARDS=1000 (hours on two cores)
	@$(AIRFLOW_ENV); export PYTHONPATH=plugins:. AIRFLOW__API__PORT=$(PORT) AIRFLOW__API__BASE_URL=http://localhost:$(PORT); \
		python -m benchmarks.scale.airflow_shards "$$(mktemp -d)/airflow" --shards $(SHARDS)

.PHONY: lint
lint: .venv/tasks/.installed-dev .venv/airflow/.installed-dev .venv/kubeflow/.installed-dev .venv/browser/.installed-dev  ## Check style, types and the layers
	$(TASKS)/ruff check
	$(TASKS)/ruff format --check
	$(TASKS)/mypy --exclude start_costs tasks demo scripts benchmarks
	$(AIRFLOW)/mypy plugins dags benchmarks/start_costs.py
	$(TASKS)/pylint --ignore start_costs.py tasks demo scripts benchmarks
	PYTHONPATH=. $(TASKS)/pylint $(LENIENT) tests/tasks tests/demo tests/benchmarks tests/docker tests/faults tests/end_to_end
	PYTHONPATH=plugins:. $(AIRFLOW)/pylint plugins dags benchmarks/start_costs.py
	PYTHONPATH=plugins:. $(AIRFLOW)/pylint $(LENIENT) tests/dags tests/plugins
	PYTHONPATH=plugins:. $(KUBEFLOW)/pylint $(LENIENT) pipelines tests/pipelines
	PYTHONPATH=. $(BROWSER)/pylint $(LENIENT) --ignore seed.py,s3_lake.py tests/browser
	PYTHONPATH=. $(TASKS)/pylint tests/browser/seed.py tests/browser/s3_lake.py tests/made_release.py
	PYTHONPATH=plugins:. $(TASKS)/lint-imports

.PHONY: format
format: .venv/tasks/.installed-dev  ## Put the code into its standard form
	$(TASKS)/ruff check --fix
	$(TASKS)/ruff format

.PHONY: clean
clean:  ## Remove the environments and everything under var/, the demo lake too
	rm -rf .venv var
