PROFILE ?= dev
built = target/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))

.DEFAULT_GOAL := help
.PHONY: help run test test-apart lint bench chaos fuzz-api

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build and start everything with demo data (ARGS="…", PROFILE=…)
	cargo build --profile $(PROFILE) -p regente --bin regente
	./$(built)/regente up --demo $(ARGS)

test: ## run every test with a private PostgreSQL and RabbitMQ
	WITH_SERVERS_FAST=1 scripts/with-servers scripts/test $(ARGS)

test-apart: ## run the end-to-end suites against two gateways and two orchestrators (ARGS="filter")
	WITH_SERVERS_FAST=1 scripts/with-servers scripts/test-apart $(ARGS)

lint: ## check the format, the lints and the documentation
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

bench: ## measure with a private PostgreSQL and RabbitMQ, with full durability (ARGS="…")
	cargo build --release -p regente -p bench
	scripts/with-servers target/release/bench run $(ARGS)

chaos: ## inject random faults for ten minutes and check that no job is lost (ARGS="--seconds 60 --seed 7", PROFILE=…)
	cargo build --profile $(PROFILE) -p regente -p chaos
	scripts/chaos $(built)/chaos $(ARGS)

fuzz-api: ## fuzz the API with requests generated from its description, in each shape for half of five minutes (SECONDS=60, SEED=7, SHAPE=apart, ARGS="…")
	cargo build -p regente --bin regente
	scripts/fuzz-api $(or $(SECONDS),300) $(ARGS)
