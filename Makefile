# `make` prints what there is. Works with GNU make 3.81.

SHELL := /bin/sh
GO ?= go

# Static, the same bytes on every machine.
PRODUCT_BUILD = CGO_ENABLED=0 $(GO) build -trimpath -ldflags="-s -w" -o
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
EVENTS ?= 0
AMQP_PORT ?= 5682
export WORKERS APIS API_PORT INTERNAL_PORT TEMPORAL_PORT TEMPORAL_UI_PORT PG_PORT EVENTS AMQP_PORT

.DEFAULT_GOAL := help

.PHONY: help
help: ## print this
	@echo "xivo-auth; the targets:"
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "settings of run: WORKERS APIS API_PORT INTERNAL_PORT TEMPORAL_PORT TEMPORAL_UI_PORT PG_PORT (0 = a free one),"
	@echo "  EVENTS (1 starts RabbitMQ too) AMQP_PORT, e.g."
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

# Pinned in tools/go.mod and built on first use (some minutes); sqlc wants a C compiler.
TOOL = $(GO) tool -modfile=$(CURDIR)/tools/go.mod

.PHONY: check
check: check-format check-vet lint check-generated check-workflows check-tidy check-compose ## everything that is checked without running a test

.PHONY: check-format
check-format:
	@unformatted=$$(gofmt -l . 2>&1); if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; fi

.PHONY: check-vet
check-vet:
	$(GO) vet ./...
	cd dev && $(GO) vet ./...

.PHONY: lint
lint: ## run the linters and the rules on who may import whom
	$(TOOL) golangci-lint run --allow-parallel-runners ./...
	cd dev && $(TOOL) golangci-lint run --allow-parallel-runners ./...

# sqlc diff says what `make generate` would change.
.PHONY: check-generated
check-generated:
	$(TOOL) sqlc diff

.PHONY: check-workflows
check-workflows:
	$(TOOL) workflowcheck ./workflows/...

.PHONY: check-tidy
check-tidy:
	$(GO) mod tidy -diff
	cd dev && $(GO) mod tidy -diff
	cd tools && $(GO) mod tidy -diff
	cd examples/backend-htpasswd && $(GO) mod tidy -diff

# Says so and passes where no docker-compose is: the file is looked at, nothing is started.
.PHONY: check-compose
check-compose:
	@scripts/compose-check --if-there

.PHONY: compose-check
compose-check: ## have docker-compose accept docker-compose.yml
	@scripts/compose-check

.PHONY: generate
generate: ## make the code of db/ from db/query and db/schema
	$(TOOL) sqlc generate

.PHONY: vulncheck
vulncheck: ## look for known vulnerabilities (needs vuln.go.dev)
	$(TOOL) govulncheck ./...

## Measure

# BENCH='-quick -only checks' for a part of it; bin/bench -help.
.PHONY: bench
bench: build-dev build ## measure what is promised: 20 to 30 minutes, best on a machine that does nothing else
	@$(GO) build -o bin/bench ./bench
	@bin/bench $(BENCH)
