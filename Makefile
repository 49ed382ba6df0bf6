# The only door to every task. `make help` lists them; CI runs `make lint test` and nothing else.
#
# Every target that needs tools or models runs `setup` first, which installs what is missing, says so, and does
# nothing where all is there. All builds use one profile and the default members of the workspace, so that llama.cpp is built once.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
JOBS ?= 2
ROUNDS ?= 500
FUZZ_SECONDS ?= 60
export CARGO_BUILD_JOBS := $(JOBS)
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
KEEPSAKE := $(CARGO_TARGET_DIR)/release/keepsake
# The trainer needs libtorch, which `make libtorch` fetches into a folder of its own, unless LIBTORCH names one. Where there
# is none everything else is built and tested. All members are always built together, so that llama.cpp is built once.
LIBTORCH_HOME ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/keepsake/libtorch-2.11.0
export LIBTORCH ?= $(LIBTORCH_HOME)/torch
TRAINS := $(wildcard $(LIBTORCH)/lib/libtorch_cpu.*)
MEMBERS := $(if $(TRAINS),--workspace)
TRAINER := $(CARGO_TARGET_DIR)/release/keepsake-trainer
# Fuzzing: everything is built once more, with the counters that libFuzzer is guided by.
FUZZ := $(CARGO_TARGET_DIR)/fuzz
FUZZ_TARGETS := records bank export gguf chat messages turns locomo mem0 questions
FUZZ_FLAGS := -Cpasses=sancov-module $(foreach flag,level=4 inline-8bit-counters pc-table trace-compares,\
  -Cllvm-args=-sanitizer-coverage-$(flag))
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
FUZZ_RUN = $(if $(wildcard /dev/shm),TMPDIR=/dev/shm) $(FUZZ)/$(HOST)/release
# What must be there: a command and the Debian package that brings it.
TOOLS := xz:xz-utils cmake:cmake clang:clang c++:g++ pkg-config:pkg-config python3:python3

# Retrieval: data that is used where it is, and others to be measured beside.
LOCOMO := $(wildcard ../shared/data/locomo/conv-*.json)
GOLD := $(wildcard ../shared/data/locomo/gold_repaired.jsonl)
RIVALS := $(CARGO_TARGET_DIR)/rivals

# What `make eval-smoke` evaluates on, and how many turns of it.
EVAL_DATA ?= ../shared/data/locomo/conv-30.json
EVAL_MSC ?= $(wildcard ../shared/data/msc/msc_personasummary-session_1-valid.txt)
EVAL_TURNS ?= 20
EVAL := $(CARGO_TARGET_DIR)/eval-smoke

.PHONY: help setup tools models build bindings check-bindings wheel test-python jdk test-kotlin install c-tools test-c test-swift check-android test-bindings demo test lint fmt check-cpu bench-engine bench-bank bench-retrieval \
  bench-inference bench-growth bench-caches bench-doors libtorch trainer train-demo eval-smoke train-adapters eval-adapters bench-adapters pytorch bench-trainer test-gpu bench-gpu torture fuzz fuzz-build fuzz-keep clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: tools models ## Install what is missing and fetch the default models

tools: ## Install the build tools that are missing (Debian, Ubuntu)
	@# What llama-cpp-sys-2 links into the target folder leads nowhere, and makes it fail when it is built there again.
	@[ ! -d "$(CARGO_TARGET_DIR)/release" ] || find "$(CARGO_TARGET_DIR)/release" -maxdepth 2 -name 'lib*.so' -type l ! -exec test -e {} \; -delete
	@missing=""; \
	for pair in $(TOOLS); do command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair##*:}"; done; \
	if [ "$$(uname)" = Darwin ]; then \
	  [ -z "$$missing" ] || { echo "Missing:$$missing. Run: brew install cmake llvm pkg-config python"; exit 1; }; \
	else \
	  ls /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* >/dev/null 2>&1 || missing="$$missing libclang-dev"; \
	  python3 -m pip --version >/dev/null 2>&1 || missing="$$missing python3-pip"; \
	  python3 -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	  if [ -n "$$missing" ]; then \
	    echo "Installing:$$missing"; \
	    sudo=""; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
	    command -v apt-get >/dev/null || { echo "Install these with your package manager, then run again:$$missing"; exit 1; }; \
	    $$sudo apt-get update -qq; \
	    $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  fi; \
	fi; \
	command -v cargo >/dev/null || { echo "Rust is missing: install it from https://rustup.rs, then run this again"; exit 1; }

build: tools ## Build the engine and the command line
	@echo "Building (the first time llama.cpp takes 10 to 20 minutes) ..."
	cargo build --release --locked $(MEMBERS)

models: build ## Fetch the default models into the cache (KEEPSAKE_HOME)
	@$(KEEPSAKE) models pull

demo: setup ## Remember a shipped conversation and answer from it
	@$(KEEPSAKE) demo

test: setup ## Run every test
	cargo test --release --locked $(MEMBERS) --no-fail-fast
	@$(MAKE) --no-print-directory check-bindings test-c test-python test-kotlin
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=5

lint: tools ## Format, clippy and dependency rules
	cargo fmt --all --check
	cargo clippy --release --locked $(MEMBERS) --all-targets -- -D warnings
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo fmt --manifest-path rivals/Cargo.toml --check
	cargo clippy --release --locked --manifest-path fuzz/Cargo.toml --target-dir $(FUZZ) -- -D warnings
	cargo fmt --manifest-path ffi/bindgen/Cargo.toml --check

fmt: ## Format the code
	cargo fmt --all

# The generator is built in a folder of its own, so that its features stay its own.
BINDGEN := $(CARGO_TARGET_DIR)/bindgen/release/keepsake-bindgen
LIBRARY := $(CARGO_TARGET_DIR)/release/libkeepsake_ffi$(if $(filter Darwin,$(shell uname)),.dylib,.so)
# Where the bindings of each language stand.
BINDINGS := kotlin:bindings/kotlin/src/main/kotlin swift:bindings/swift/Sources/KeepsakeBinding python:bindings/python/src/keepsake/_binding
GENERATED ?= .

bindings: build ## Generate the bindings for Kotlin, Swift and Python anew
	@CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/bindgen cargo build --quiet --release --locked --manifest-path ffi/bindgen/Cargo.toml
	@for pair in $(BINDINGS); do \
	  mkdir -p "$(GENERATED)/$${pair##*:}"; \
	  (out="$$(cd "$(GENERATED)/$${pair##*:}" && pwd)"; cd ffi; $(BINDGEN) generate "$(LIBRARY)" --language "$${pair%%:*}" --no-format --out-dir "$$out" >$(CARGO_TARGET_DIR)/bindgen.log 2>&1 || { cat $(CARGO_TARGET_DIR)/bindgen.log; exit 1; }); \
	done
	@mkdir -p "$(GENERATED)/ffi/c/include" && $(BINDGEN) c-header ffi/c "$(GENERATED)/ffi/c/include/keepsake.h"

check-bindings: ## Fail where the bindings are not those of the code
	@rm -rf $(CARGO_TARGET_DIR)/generated
	@$(MAKE) --no-print-directory bindings GENERATED=$(CARGO_TARGET_DIR)/generated
	@cd $(CARGO_TARGET_DIR)/generated && find . -type f | while read -r file; do \
	  cmp -s "$$file" "$(CURDIR)/$$file" || { echo "$$file is not what the code gives: run make bindings"; exit 1; }; done

PYTHON_ENV := $(CARGO_TARGET_DIR)/python-env

wheel: build ## Build the Python wheel into target/wheels
	@rm -rf bindings/python/build bindings/python/src/keepsake/_binding/lib bindings/python/src/keepsake/_binding/*.so \
	  bindings/python/src/keepsake/_binding/*.dylib target/wheels/* && mkdir -p bindings/python/src/keepsake/_binding/lib target/wheels
	@cp $(LIBRARY) bindings/python/src/keepsake/_binding/
	@if [ -d $(CARGO_TARGET_DIR)/release/lib ]; then cp $(CARGO_TARGET_DIR)/release/lib/* bindings/python/src/keepsake/_binding/lib/; fi
	python3 -m pip wheel --quiet --no-deps --wheel-dir target/wheels bindings/python

test-python: setup wheel ## Run the scenarios through the wheel in a fresh virtual environment
	@rm -rf $(PYTHON_ENV) && python3 -m venv $(PYTHON_ENV)
	@$(PYTHON_ENV)/bin/pip install --quiet target/wheels/*.whl pytest
	cd bindings/python && $(PYTHON_ENV)/bin/python -m pytest -q

jdk: ## Install a JDK and Maven where they are missing (Debian, Ubuntu)
	@command -v mvn >/dev/null && command -v javac >/dev/null || { \
	  sudo=""; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
	  command -v apt-get >/dev/null || { echo "Install Maven and a JDK of version 17 or later, then run again"; exit 1; }; \
	  echo "Installing: maven default-jdk-headless"; $$sudo apt-get update -qq; \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends maven default-jdk-headless >/dev/null; }

test-kotlin: setup jdk ## Run the scenarios through the Kotlin façade on the JVM
	mvn --batch-mode --quiet -f bindings/kotlin/pom.xml -Dkeepsake.library=$(CARGO_TARGET_DIR)/release test
	@cat bindings/kotlin/target/surefire-reports/*.txt | grep "Tests run"

PREFIX ?= /usr/local
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

install: build ## Install the C library, header and pkg-config file below PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/lib $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 644 ffi/c/include/keepsake.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(C_LIBRARY) $(CARGO_TARGET_DIR)/release/libkeepsake.a $(DESTDIR)$(PREFIX)/lib/
	@if [ -d $(CARGO_TARGET_DIR)/release/lib ]; then install -m 644 $(CARGO_TARGET_DIR)/release/lib/* $(DESTDIR)$(PREFIX)/lib/lib/; fi
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@PRIVATE@|$(C_PRIVATE)|' ffi/c/keepsake.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/keepsake.pc

# What a program that is linked with the static library needs beside it.
C_PRIVATE = $(if $(filter Darwin,$(shell uname)),-lc++ -framework Foundation -framework Accelerate,-L$${libdir}/lib -l:libllama.so.0 \
  -l:libggml.so.0 -l:libggml-base.so.0 -Wl$(comma)-rpath$(comma)$${libdir}/lib -lstdc++ -lgomp -lm -ldl -lpthread)
comma := ,

C_LIBRARY = $(subst libkeepsake_ffi,libkeepsake,$(LIBRARY))
C_TESTS := $(CARGO_TARGET_DIR)/c-tests
C_INSTALLED := $(C_TESTS)/installed
# Where `models pull` puts the default model.
MODEL = $(or $(KEEPSAKE_HOME),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/keepsake)/models/SmolLM2-135M-Instruct.Q4_1.gguf

c-tools: ## Install what the C tests need (Debian, Ubuntu)
	@{ command -v valgrind && ls /usr/include/cjson/cJSON.h; } >/dev/null 2>&1 || { \
	  sudo=""; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
	  command -v apt-get >/dev/null || { echo "Install valgrind and cJSON, then run again"; exit 1; }; \
	  echo "Installing: valgrind libcjson-dev"; $$sudo apt-get update -qq; \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valgrind libcjson-dev >/dev/null; }

test-c: setup c-tools ## Run example, scenarios and torture program of the C interface against an installed library
	@rm -rf $(C_TESTS) && mkdir -p $(C_TESTS)/scenarios
	@$(MAKE) --no-print-directory install PREFIX=$(C_INSTALLED) DESTDIR= >/dev/null
	@export PKG_CONFIG_PATH=$(C_INSTALLED)/lib/pkgconfig; \
	for program in examples/quickstart examples/remember tests/torture tests/scenarios; do \
	  cc -std=c11 -g -O1 -Wall -Wextra -Wpedantic -Werror ffi/c/$$program.c -o $(C_TESTS)/$$(basename $$program).program \
	    $$(pkg-config --cflags --libs keepsake) -Wl,-rpath,$(C_INSTALLED)/lib -lcjson -lpthread; \
	done; \
	echo '#include <keepsake.h>' | c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only $$(pkg-config --cflags keepsake) -x c++ -
	@cc -std=c11 ffi/c/tests/torture.c -I$(C_INSTALLED)/include -o $(C_TESTS)/static.program $(C_INSTALLED)/lib/libkeepsake.a \
	  $$(PKG_CONFIG_PATH=$(C_INSTALLED)/lib/pkgconfig pkg-config --static --libs keepsake | sed 's/-lkeepsake//') && $(C_TESTS)/static.program $(C_TESTS)/static
	cd $(C_TESTS) && ln -sf "$(MODEL)" . && ./quickstart.program
	$(C_TESTS)/remember.program $(C_TESTS)/example "$(MODEL)"
	$(C_TESTS)/scenarios.program bindings/scenarios.json $(C_TESTS)/scenarios "$(MODEL)"
	valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
	  --suppressions=ffi/c/tests/valgrind.supp $(C_TESTS)/torture.program $(C_TESTS)/torture

check-android: build jdk ## Compile the Android library against Android's API and run its tests on the JVM
	@KEEPSAKE_LIBRARY=$(CARGO_TARGET_DIR)/release android/check.sh

test-swift: setup ## Run the scenarios through the Swift façade (brings a toolchain of 3 GB where there is none)
	@bindings/swift/test.sh $(CARGO_TARGET_DIR)/release

test-bindings: check-bindings test-c test-python test-kotlin check-android test-swift ## Run the tests of all doors

libtorch: tools ## Fetch libtorch 2.11.0, which the trainer needs, where it is missing (550 MB)
	@[ -n "$(TRAINS)" ] || { \
	  echo "Fetching libtorch 2.11.0 into $(LIBTORCH_HOME) ..."; \
	  rm -rf "$(LIBTORCH_HOME).part" && mkdir -p "$(LIBTORCH_HOME).part"; \
	  [ "$$(uname)" = Darwin ] && cuda="" || cuda="nvidia-cuda-cupti==13.0.85 nvidia-cuda-runtime==13.0.96"; \
	  python3 -m pip install --quiet --no-deps --root-user-action=ignore --target "$(LIBTORCH_HOME).part" torch==2.11.0 $$cuda; \
	  rm -rf "$(LIBTORCH_HOME)" && mv "$(LIBTORCH_HOME).part" "$(LIBTORCH_HOME)"; }

trainer: libtorch ## Build the trainer
	cargo build --release --locked --workspace

train-demo: trainer setup ## Train a small adapter on the default model, load it, and say what it is worth (about six minutes)
	@trainer/demo/run.sh $(TRAINER) $(KEEPSAKE) "$(MODEL)" $(CARGO_TARGET_DIR)/train-demo

eval-smoke: trainer setup ## Evaluate the default model beside all baselines on a few turns of LoCoMo (about ten minutes); target/eval-smoke
	@[ -e "$(EVAL_DATA)" ] || { echo "$(EVAL_DATA) is not there: put LoCoMo's conversation 30 there, or name a file of conversations with EVAL_DATA=FILE (keepsake-trainer data says which are read)"; exit 1; }
	@rm -rf $(EVAL) && mkdir -p $(EVAL)
	$(TRAINER) evaluate end-to-end --data $(EVAL_DATA) $(addprefix --gold ,$(GOLD)) --turns $(EVAL_TURNS) --model "$(MODEL)" --judge local --out $(EVAL)/end-to-end
	$(TRAINER) evaluate operations --stories 1 $(addprefix --data ,$(EVAL_MSC)) --conversations 2 --turns 8 --limit 6 --model "$(MODEL)" --out $(EVAL)/operations
	$(TRAINER) compare $(EVAL)/end-to-end $(EVAL)/end-to-end --a rag --b keepsake

# A recipe of adapters/recipes, and the folder with msc/ and friendsqa/.
RECIPE ?= manager_sft
TRAIN_DATA ?= ../shared/data
train-adapters: trainer setup ## Train one recipe of the adapters that ship (minutes on a GPU, hours without): RECIPE=manager_sft TRAIN_DATA=FOLDER; target/train-adapters
	@[ -d "$(TRAIN_DATA)/msc" ] && [ -d "$(TRAIN_DATA)/friendsqa" ] || { echo "$(TRAIN_DATA)/msc or $(TRAIN_DATA)/friendsqa is not there: put the persona summaries of Multi-Session Chat there and FriendsQA (friendsqa_dev.json, and friendsqa_tst.json for the recipes that use it) in friendsqa/ beside them, or name their folder with TRAIN_DATA=FOLDER"; exit 1; }
	@adapters/train.sh $(TRAINER) "$(MODEL)" "$(abspath $(TRAIN_DATA))" $(CARGO_TARGET_DIR)/train-adapters "$(RECIPE)"

# What the conversation's questions are asked of, beside the stories.
EVAL_SYSTEMS ?= rag,keepsake,keepsake+adapters
eval-adapters: trainer setup ## Measure the adapters that ship beside the base alone (an hour); target/eval-adapters
	@adapters/evaluate.sh $(TRAINER) "$(MODEL)" $(CARGO_TARGET_DIR)/eval-adapters
	@[ ! -e "$(EVAL_DATA)" ] || $(TRAINER) evaluate end-to-end --data $(EVAL_DATA) $(addprefix --gold ,$(GOLD)) --model "$(MODEL)" --manager adapters/manager.gguf \
	  --answer adapters/answer.gguf --systems $(EVAL_SYSTEMS) --out $(CARGO_TARGET_DIR)/eval-adapters/talk

bench-adapters: setup ## Measure what the adapters that ship cost in speed; JSON in target/bench/adapters.json
	KEEPSAKE_BENCH_MANAGER=$(CURDIR)/adapters/manager.gguf KEEPSAKE_BENCH_ANSWER=$(CURDIR)/adapters/answer.gguf cargo bench --locked $(MEMBERS) --bench adapters

PYTORCH_ENV := $(CARGO_TARGET_DIR)/pytorch-env

pytorch: tools
	@[ -x $(PYTORCH_ENV)/bin/python ] || { echo "Fetching PyTorch, transformers and PEFT (4 GB) ..."; python3 -m venv $(PYTORCH_ENV) && \
	  $(PYTORCH_ENV)/bin/pip install --quiet torch==2.11.0 transformers==5.24.0 peft==0.21.2 gguf accelerate numpy || { rm -rf $(PYTORCH_ENV); exit 1; }; }

bench-trainer: libtorch setup pytorch ## Measure the trainer beside PyTorch and PEFT (15 minutes); JSON in target/bench/trainer.json
	OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=3000 KEEPSAKE_PYTORCH=$(PYTORCH_ENV)/bin/python KEEPSAKE_BENCH_MODEL="$(MODEL)" cargo bench --locked --workspace --bench trainer

# On a GPU all of PyTorch's libraries are needed, and programs that are not the trainer itself find it only with libtorch's CUDA
# library loaded before them.
TORCH = $(shell $(PYTORCH_ENV)/bin/python -c 'import os, torch; print(os.path.dirname(torch.__file__))')
ON_GPU = LIBTORCH=$(TORCH) CARGO_TARGET_$(subst -,_,$(shell echo $(HOST) | tr a-z A-Z))_RUNNER="env LD_PRELOAD=$(TORCH)/lib/libtorch_cuda.so"

test-gpu: pytorch ## Compare a GPU with the processor
	$(ON_GPU) cargo test --release --locked --workspace --test gpu -- --nocapture

bench-gpu: setup pytorch ## Measure the trainer beside PyTorch and PEFT on a GPU (5 minutes); JSON in target/bench/gpu.json
	$(ON_GPU) KEEPSAKE_PYTORCH=$(PYTORCH_ENV)/bin/python KEEPSAKE_BENCH_MODEL="$(MODEL)" cargo bench --locked --workspace --bench gpu

check-cpu: build ## Show that the program starts on processors with less (needs qemu-user)
	@tests/check-cpu.sh $(KEEPSAKE)

bench-engine: setup ## Measure append, generation, opening and memory; JSON in target/bench/engine.json
	@mkdir -p target/bench
	cargo bench --locked $(MEMBERS) --bench engine

bench-inference: setup ## Measure inference beside plain, bare llama.cpp and Mem0's shape; JSON in target/bench/inference.json
	@mkdir -p target/bench
	cargo bench --locked $(MEMBERS) --bench inference

bench-growth: setup ## Measure memory over 1,000 turns (20 minutes); target/bench/growth.json and growth.svg
	@mkdir -p target/bench
	cargo bench --locked $(MEMBERS) --bench growth

bench-caches: setup ## Measure what keys and values in fewer bits cost; target/bench/caches.json
	@mkdir -p target/bench
	cargo bench --locked $(MEMBERS) --bench caches

bench-doors: test-c test-python test-kotlin ## Measure what a call costs through each door; JSON in target/bench/doors.json
	@cc -std=gnu11 -O2 ffi/c/tests/overhead.c -o $(C_TESTS)/overhead.program $$(PKG_CONFIG_PATH=$(C_INSTALLED)/lib/pkgconfig pkg-config --cflags --libs keepsake) -Wl,-rpath,$(C_INSTALLED)/lib
	@mvn --batch-mode --quiet -f bindings/kotlin/pom.xml dependency:build-classpath -Dmdep.outputFile=$(CARGO_TARGET_DIR)/classpath
	@export KEEPSAKE_DOORS="C $(C_TESTS)/overhead.program"$$'\n'"Python $(PYTHON_ENV)/bin/python bindings/python/tests/overhead.py"$$'\n'"Kotlin java -Djna.library.path=$(CARGO_TARGET_DIR)/release -cp bindings/kotlin/target/classes:bindings/kotlin/target/test-classes:$$(cat $(CARGO_TARGET_DIR)/classpath) dev.keepsake.OverheadKt"; \
	cargo bench --locked $(MEMBERS) --bench doors

bench-bank: tools ## Measure the bank beside rusqlite and redb; JSON in target/bench/bank.json
	@mkdir -p target/bench
	cargo bench --locked $(MEMBERS) --bench bank

bench-retrieval: setup ## Measure recall of evidence, and speed beside other engines; JSON in target/bench/retrieval*.json
	@mkdir -p target/bench
	@if [ -z "$(LOCOMO)" ]; then echo "No LoCoMo conversations in ../shared/data/locomo: recall is not measured."; else \
	  for mode in hybrid lexical dense; do echo "--- $$mode"; $(KEEPSAKE) bench retrieval $(LOCOMO) $(addprefix --gold ,$(GOLD)) \
	    --mode $$mode --json target/bench/retrieval-$$mode.json --plot target/bench/retrieval-$$mode.svg; done; \
	  echo "--- plain"; $(KEEPSAKE) bench retrieval $(LOCOMO) $(addprefix --gold ,$(GOLD)) --plain \
	    --json target/bench/retrieval-plain.json; fi
	cargo build --release --locked --manifest-path rivals/Cargo.toml --target-dir $(RIVALS)
	models=$$(dirname "$$($(KEEPSAKE) models path minilm-l6-v2)"); \
	  $(RIVALS)/release/keepsake-rivals target/bench/retrieval-speed.json "$$models" $(wildcard ../shared/data/msc); \
	  python3 -m venv $(RIVALS)/venv && $(RIVALS)/venv/bin/pip install -q numpy faiss-cpu sqlite-vec pysqlite3-binary onnxruntime==1.32.0 tokenizers && \
	  $(RIVALS)/venv/bin/python rivals/others.py target/bench "$$models" $(RIVALS)/release/keepsake-rivals | tee target/bench/retrieval-python.json

torture: tools ## Kill, damage and erase ROUNDS times; JSON in target/bench/torture.json
	@mkdir -p target/bench
	ROUNDS=$(ROUNDS) cargo test --release --locked $(MEMBERS) --test torture --test disk_faults

fuzz: fuzz-build ## Fuzz every decoder FUZZ_SECONDS each, from the kept corpus
	@for target in $(FUZZ_TARGETS); do \
	  log=$(FUZZ)/$$target.log; \
	  if $(FUZZ_RUN)/$$target -max_total_time=$(FUZZ_SECONDS) -max_len=20000 -artifact_prefix=$(FUZZ)/crash-$$target- \
	      $(FUZZ)/corpus/$$target fuzz/seeds/$$target >$$log 2>&1; then \
	    echo "$$target: $$(grep -o 'DONE .*' $$log | tr -s ' ' | cut -d' ' -f2-7), $$(grep -c . <(ls $(FUZZ)/corpus/$$target)) kept"; \
	  else tail -n 30 $$log; echo "$$target failed; what it failed on: $(FUZZ)/crash-$$target-*"; exit 1; fi; \
	done

fuzz-build: tools
	RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --release --locked --manifest-path fuzz/Cargo.toml \
	  --target $(HOST) --target-dir $(FUZZ)
	@mkdir -p $(addprefix $(FUZZ)/corpus/,$(FUZZ_TARGETS)) && tar -xJf fuzz/corpus.tar.xz -C $(FUZZ)/corpus

fuzz-keep: fuzz-build ## Pack what fuzzing found worth keeping into fuzz/corpus.tar.xz
	@rm -rf $(FUZZ)/kept; for target in $(FUZZ_TARGETS); do mkdir -p $(FUZZ)/kept/$$target; \
	  $(FUZZ_RUN)/$$target -set_cover_merge=1 $(FUZZ)/kept/$$target fuzz/seeds/$$target $(FUZZ)/corpus/$$target \
	    >/dev/null 2>&1; done
	tar -C $(FUZZ)/kept --sort=name --owner=0 --group=0 --mtime=@0 -cJf fuzz/corpus.tar.xz $(FUZZ_TARGETS)

clean: ## Remove what was built
	cargo clean
