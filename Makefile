# `make` prints what there is. Works with GNU make 3.81.

SHELL := /bin/sh
GO ?= go

# Static, the same bytes on every machine.
PRODUCT_BUILD = CGO_ENABLED=0 $(GO) build -trimpath -o
# -trimpath would not share the build cache with `go test` in dev/; nobody ships this binary.
DEV_BUILD = $(GO) build -ldflags="-s -w" -o

# RACE is -race where a C compiler is, empty where not; `make test RACE=` leaves it out.
CC_FOUND := $(shell command -v $${CC:-cc} 2>/dev/null || command -v gcc 2>/dev/null || command -v clang 2>/dev/null)
RACE ?= $(if $(CC_FOUND),-race,)
ifneq ($(RACE),)
TEST_ENV = CGO_ENABLED=1
endif

# What `make run` and `make worker` may be told, on the command line or in the environment.
WORKERS ?= 1
APIS ?= 1
API_PORT ?= 9497
INTERNAL_PORT ?= 9597
TEMPORAL_PORT ?= 7233
TEMPORAL_UI_PORT ?= 8233
PG_PORT ?= 5442
export WORKERS APIS API_PORT INTERNAL_PORT TEMPORAL_PORT TEMPORAL_UI_PORT PG_PORT

.DEFAULT_GOAL := help

.PHONY: help
help: ## print this
	@echo "xivo-auth; the targets:"
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "settings of run: WORKERS APIS API_PORT INTERNAL_PORT TEMPORAL_PORT TEMPORAL_UI_PORT PG_PORT (0 = a free one), e.g."
	@echo "  make run WORKERS=3 APIS=2"

## Run

.PHONY: run
run: build-dev build ## start PostgreSQL, Temporal with its Web UI, APIs and workers; Ctrl-C stops them
	@exec bin/dev run

.PHONY: worker
worker: build-dev build ## add one more worker to the running stack
	@exec bin/dev worker

.PHONY: reset
reset: build-dev ## remove the data of `make run` (.run)
	@exec bin/dev reset

.PHONY: build
build: ## build api, worker and xivo-auth into bin/
	@mkdir -p bin
	@echo "building api, worker and xivo-auth (the first time about a minute)"
	@$(PRODUCT_BUILD) bin/ ./cmd/api ./cmd/worker ./cmd/xivo-auth

.PHONY: build-dev
build-dev:
	@mkdir -p bin
	@if [ ! -e bin/dev ]; then echo "first build of the embedded Temporal server: 4 to 8 minutes (20 seconds when the build cache is warm)"; fi
	@cd dev && $(DEV_BUILD) ../bin/dev .

## Test

.PHONY: test
test: build-dev build ## run all tests with a real PostgreSQL and Temporal
	@if [ -z "$(RACE)" ]; then echo "without -race: no C compiler found (Debian, Ubuntu: apt-get install gcc libc6-dev), or RACE is empty"; fi
	$(TEST_ENV) bin/dev exec -- $(GO) test $(RACE) -shuffle=on -timeout 20m ./...
	cd dev && $(GO) test -shuffle=on -timeout 10m ./...

## Check (format, vet, lint, generated code, tidy): the targets of `make check` go below this line
