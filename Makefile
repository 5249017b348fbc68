# `make` alone lists what can be made.  Words for pytest: make test ARGS="-k name"

PYTHON = build/venv/bin/python
BOOTSTRAP = python3 -m lab.bootstrap
DESTDIR =
PREFIX = /usr
ROOT = $(DESTDIR)$(PREFIX)
AGENTS = drbd-vaai lio-iscsi-target lio-lun portal-ip
ARGS =

.PHONY: help demo bench lab lab-down test soak check format man install clean

help: ## List what can be made
	@sed -n 's/^\([a-z-]*\): .*## /  make \1\t/p' Makefile | expand -t 19

demo: ## Show a SAN that survives a switchover and a power cut
	@$(BOOTSTRAP) lab
	@$(PYTHON) -m lab demo

bench: ## Measure switchovers against agents that do nothing
	@$(BOOTSTRAP) lab
	@$(PYTHON) -m lab bench

lab: ## Start a pair to play with: lab/ssh atlas
	@$(BOOTSTRAP) lab
	@$(PYTHON) -m lab up

lab-down: ## Stop that pair
	@python3 -m lab down

test: check ## Run all that a person waits for: check, then the tests on a cluster
	@$(BOOTSTRAP) lab
	@$(PYTHON) -m lab test $(ARGS)

soak: ## Run what repeats for its statistics, on a cluster; prints how often
	@$(BOOTSTRAP) lab
	@$(PYTHON) -m lab soak $(ARGS)

check: ## Run what needs no guests: linters, types, unit and contract tests
	@$(BOOTSTRAP) check
	@$(PYTHON) -m ruff format --check --quiet
	@$(PYTHON) -m ruff check --quiet
	@$(PYTHON) -m mypy --no-error-summary
	@# 5: the words are about tests on a cluster alone.
	@$(PYTHON) -m pytest --numprocesses auto --dist loadfile $(ARGS) $(if $(ARGS),|| test $$? = 5)

format: ## Format the code
	@$(BOOTSTRAP) check
	@$(PYTHON) -m ruff check --fix --quiet
	@$(PYTHON) -m ruff format --quiet

man: ## Generate man/* from the agents and the command
	@bin/twinsan man-page > man/twinsan.8
	@$(foreach agent,$(AGENTS),agents/$(agent) man-page > man/ocf_twinsan_$(agent).7 &&) true

install: ## Install on this server (PREFIX=/usr/local, DESTDIR=FOLDER to stage)
	@install -d $(ROOT)/lib/ocf/resource.d/twinsan $(ROOT)/lib/modules-load.d $(ROOT)/sbin
	@install -d $(ROOT)/share/man/man7 $(ROOT)/share/man/man8 $(ROOT)/share/twinsan
	@rm -rf $(ROOT)/lib/twinsan
	@cd lib && find twinsan -name '*.py' -exec install -D -m 644 '{}' '$(abspath $(ROOT))/lib/{}' ';'
	@install -m 755 $(AGENTS:%=agents/%) $(ROOT)/lib/ocf/resource.d/twinsan/
	@install -m 755 bin/twinsan $(ROOT)/sbin/
	@cp -R cib-templates drbd $(ROOT)/share/twinsan/
	@install -m 644 man/*.7 $(ROOT)/share/man/man7/
	@install -m 644 man/*.8 $(ROOT)/share/man/man8/
	@install -m 644 packaging/modules-load.d/twinsan.conf $(ROOT)/lib/modules-load.d/
	@python3 -m compileall -q -f -s "$(DESTDIR)" $(ROOT)/lib/twinsan
ifneq ($(PREFIX:%/=%),/usr)
	@# Pacemaker and the handlers in DRBD's configuration look nowhere else.
	@install -d $(DESTDIR)/usr/lib/ocf/resource.d/twinsan $(DESTDIR)/usr/sbin
	@ln -sf $(AGENTS:%=$(PREFIX)/lib/ocf/resource.d/twinsan/%) $(DESTDIR)/usr/lib/ocf/resource.d/twinsan/
	@ln -sf $(PREFIX)/sbin/twinsan $(DESTDIR)/usr/sbin/twinsan
endif

clean: ## Remove everything that was built
	@rm -rf build
