# `make` alone lists what can be made.  Words for pytest: make test ARGS="-k name"

PYTHON = build/venv/bin/python
BOOTSTRAP = python3 -m lab.bootstrap
DESTDIR =
PREFIX = /usr
INTERPRETER =
ARGS =
# One process more than processors: some tests wait.
UNIT_TESTS = $(PYTHON) -m pytest --numprocesses $$(($$(nproc) + 1)) --dist worksteal

.PHONY: help demo bench lab lab-down test soak procedures check format man templates graphs install uninstall clean

help: ## List what can be made
	@sed -n 's/^\([a-z-]*\): .*## /  make \1\t/p' Makefile | expand -t 19

demo: ## Show a SAN that survives a switchover and a power cut
	@$(BOOTSTRAP) lab
	@$(PYTHON) -m lab demo

bench: ## Measure failovers, actions and data path beside the alternatives
	@$(BOOTSTRAP) lab
	@$(PYTHON) -m lab bench $(ARGS)

lab: ## Start a pair to play with: lab/ssh atlas
	@$(BOOTSTRAP) lab
	@$(PYTHON) -m lab up

lab-down: ## Stop that pair
	@python3 -m lab down

test: check ## Run all that a person waits for: check, the longer unit tests, then the tests on a cluster
	@$(BOOTSTRAP) lab
	@# A -m of the caller has been heard by check.
	@$(if $(filter -m,$(ARGS)),,$(UNIT_TESTS) -m "long and not soak" $(ARGS) $(if $(ARGS),|| test $$? = 5))
	@$(PYTHON) -m lab test $(ARGS)

soak: ## Run what repeats for its statistics or waits for minutes, and the whole simulation; prints how often
	@$(BOOTSTRAP) check lab
	@# 5: the words are about tests on a cluster alone.
	@$(UNIT_TESTS) -m soak $(ARGS) $(if $(ARGS),|| test $$? = 5)
	@$(PYTHON) -m lab soak $(ARGS)

procedures: ## Run what an operator does on a cluster, from init to the end, and a quick benchmark
	@$(BOOTSTRAP) check lab
	@$(PYTHON) -m lab procedures $(ARGS)

check: ## Run what needs no guests and takes a minute: linters, types, unit and contract tests
	@$(BOOTSTRAP) check
	@$(PYTHON) -m ruff format --check --quiet
	@$(PYTHON) -m ruff check --quiet
	@# The types beside the tests: without a cache mypy takes a quarter of a minute, and one processor.
	@# 5: the words are about tests on a cluster alone.
	@$(PYTHON) -m mypy --no-error-summary >build/log/types 2>&1 & types=$$!; \
	$(UNIT_TESTS) $(ARGS); tests=$$?; \
	wait $$types || { cat build/log/types; exit 1; }; \
	test $$tests = 0 $(if $(ARGS),|| test $$tests = 5)

format: ## Format the code
	@$(BOOTSTRAP) check
	@$(PYTHON) -m ruff check --fix --quiet
	@$(PYTHON) -m ruff format --quiet

man: ## Generate man/*, the completion for bash, docs/status.schema.json and the dashboard
	@PYTHONPATH=lib python3 -m tools.manual
	@PYTHONPATH=lib python3 -m tools.schema

templates: ## Generate cib-templates/* from the site files in examples/
	@$(BOOTSTRAP) check
	@PYTHONPATH=lib $(PYTHON) -m tools.templates

graphs: ## Draw docs/graphs/* from the templates
	@$(BOOTSTRAP) check
	@$(PYTHON) -m tools.graphs

install: ## Install on this server (PREFIX=/usr/local, DESTDIR=FOLDER to stage, INTERPRETER=/usr/bin/python3.11)
	@python3 -IS packaging/install.py --destdir="$(DESTDIR)" --prefix="$(PREFIX)" --interpreter="$(INTERPRETER)"

uninstall: ## Remove from this server what install has put there; data, DRBD and the cluster stay
	@python3 -IS packaging/uninstall.py --destdir="$(DESTDIR)" --prefix="$(PREFIX)"

clean: ## Remove everything that was built
	@rm -rf build
