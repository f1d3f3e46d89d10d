# The developers' door: `make help` lists what it opens. Needs GNU make, a C compiler and Python 3.11+.

PYTHON ?= python3
VENV ?= .venv
CC ?= cc
CXX ?= c++
JOBS ?= $(or $(shell nproc 2> /dev/null),2)
PYTEST_ARGS ?=
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL: # one pip at a time in one environment

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
STAMPS := $(VENV)/.stamps
FLAVOUR := $(or $(BCELOGITS_BUILD),release)
INSTALLED := $(STAMPS)/installed-$(FLAVOUR)

# Folders are listed too: their times tell that a file has gone.
SOURCES := pyproject.toml setup.py \
  $(shell find csrc src/bcelogits \( -name __pycache__ -o -path src/bcelogits/include \) -prune \
          -o \( -type d -o -name '*.[ch]' -o -name '*.py' -o -name '*.py[ix]' -o -name '*.pxd' \
          -o -name py.typed \) -print)

C_SOURCES := $(wildcard csrc/*.c csrc/isa/*.c)
C_WARNINGS := -Wall -Wextra -Wconversion -Werror
C_LINT := -std=c11 -O2 -ffp-contract=off $(C_WARNINGS) -Icsrc/include
# gcc and clang disagree about what deserves a warning: ask both where both are.
C_COMPILERS := $(sort $(CC) $(notdir $(shell command -v clang)))

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15
	@echo
	@echo "PYTHON=python3.13 chooses the interpreter of a new $(VENV); BCELOGITS_BUILD=debug, sanitize, tsan or"
	@echo "werror the build; PEERS=1 adds the libraries it works with to the tests; PYTEST_ARGS goes to pytest."
	@echo "test runs the C suite and the emulated ones, and Python on the best instruction set; .ci/run adds test-numbers"
	@echo "for the others, at about a minute each. test-isa takes several for each: the whole suite."

# ---- the environment ----------------------------------------------------------------------------

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "bcelogits needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv --upgrade-deps $(VENV)

# requirements NAME: one requirement per line, from pyproject.toml, their only home.
requirements = $(PY) -c 'import sys, tomllib; \
  tables = tomllib.load(open("pyproject.toml", "rb")); \
  lists = {"build": tables["build-system"]["requires"] + tables["project"]["dependencies"], \
           **tables["project"]["optional-dependencies"]}; \
  print(*lists[sys.argv[1]], sep="\n")' $(1)

$(addprefix $(STAMPS)/,build cli test dev docs fuzz parallel wheels cross): $(STAMPS)/%: pyproject.toml | $(PY)
	@mkdir -p $(STAMPS)
	@$(call requirements,$*) > $@.txt
	$(PIP) install -q -r $@.txt
	@touch $@

# PyTorch goes first and alone, so that nothing else chooses its version.
$(STAMPS)/peers $(STAMPS)/bench: $(STAMPS)/%: pyproject.toml | $(PY)
	@mkdir -p $(STAMPS)
	@$(call requirements,$*) > $@.txt
	$(PIP) install -q $$(grep '^torch==' $@.txt)
	$(PIP) install -q -r $@.txt
	@touch $@

# Installed as users have it, not editable: the tests see what a wheel holds. Objects are kept under
# build/; the rest goes, lest a deleted module live on. The stamp bears the time of the start: what is
# edited meanwhile is newer.
$(INSTALLED): $(SOURCES) $(STAMPS)/build
	@touch $(STAMPS)/started && mkdir -p build && find build -path '*/lib.*' -type f ! -name '*.so' -delete
	$(PIP) install -q --no-build-isolation --no-deps --force-reinstall .
	@rm -f $(STAMPS)/installed-* && mv $(STAMPS)/started $@

# ---- what users and developers run --------------------------------------------------------------

.PHONY: build score test test-c test-emulated test-embed test-isa test-numbers cross exhaustive bench instructions abi plots \
  test-sanitized test-races test-parallel sanitize sanitize-quick fuzz soak mutants wheels check-wheel test-freethreaded test-trixie lint lint-python lint-c lint-msvc lint-workflows clean

build: $(INSTALLED) ## build and install the package into .venv

score: $(INSTALLED) $(STAMPS)/cli ## score the committed predictions of real flights, by carrier
	$(VENV)/bin/bcelogits score examples/flights.parquet --logit logit --target target --by carrier

test: test-c test-emulated $(INSTALLED) $(STAMPS)/cli $(STAMPS)/test $(if $(PEERS),$(STAMPS)/peers) ## run every test; skips are listed with their reason
	$(PY) -m pytest $(PYTEST_ARGS)

test-c: ## run the tests of the C core, without Python
	$(MAKE) -C tests/c -j$(JOBS)

test-emulated: ## the same, sampled, on AVX-512 by SIMDe, AArch64 and x86-64 without AVX by QEMU, where those are
	$(MAKE) -C tests/c emulated JOBS=$(JOBS)

cross: ## the same under every other compiler and emulator (long); writes docs/cross.md
	$(MAKE) -C tests/c cross -j$(JOBS)

# run_on FILTER FILES: the tests, once for each instruction set that FILTER of their list leaves.
isas = $(shell $(PY) -c 'import bcelogits; print(*bcelogits.supported_isas())')
run_on = @set -e; for isa in $(1); do \
    echo "BCELOGITS_ISA=$$isa"; BCELOGITS_ISA=$$isa $(PY) -m pytest $(2) $(PYTEST_ARGS); \
  done

test-isa: $(INSTALLED) $(STAMPS)/cli $(STAMPS)/test ## run the Python tests on each instruction set this processor has
	$(call run_on,$(isas),)

# test_accuracy.py is not among them: under `make test` it computes on every instruction set, and compares the bits.
NUMBERS := $(addprefix tests/test_,arrays.py documents.py functions.py gradients.py loss.py properties.py reductions.py)

test-numbers: $(INSTALLED) $(STAMPS)/cli $(STAMPS)/test ## run those on numbers on each but the first, which `make test` takes
	$(call run_on,$(wordlist 2,99,$(isas)),$(NUMBERS))

EMBEDDING := $(addprefix tests/test_,embed.py embed_examples.py symbols.py)

test-embed: $(INSTALLED) $(STAMPS)/cli $(STAMPS)/test ## link the C library in every way, run its examples, look at its symbols; part of `make test`
	$(PY) -m pytest $(EMBEDDING) $(PYTEST_ARGS)

SANITIZED := $(addprefix tests/test_,arrays.py errors.py functions.py fuzz.py gradients.py loss.py reductions.py running.py \
  special_values.py)

# The run times of the sanitizers are loaded first, for Python knows nothing of them, and that of C++, whose exceptions
# they watch in pyarrow. Leaks are not looked for: Python and NumPy keep what they have until the end. Tests that start
# programs, count memory or limit it are left out. What a sanitizer prints is not for pytest to capture.
preloaded = $(foreach name,libasan.so libubsan.so libstdc++.so.6,$(shell $(CC) -print-file-name=$(name)))
test-sanitized: $(INSTALLED) $(STAMPS)/cli $(STAMPS)/test
	LD_PRELOAD="$(preloaded)" ASAN_OPTIONS=detect_leaks=0 $(PY) -m pytest --capture=sys $(SANITIZED) \
	  --deselect tests/test_fuzz.py::test_functions_of_the_c_library $(PYTEST_ARGS)
sanitized_python = $(MAKE) test-sanitized VENV=$(VENV)/sanitize BCELOGITS_BUILD=sanitize

# ThreadSanitizer sees what the GIL orders, and calls that let go of it at the same time. In a Python without one it
# sees none of the locks, and calls every object that two threads use a race.
RACES := tests/test_free_threading.py tests/test_threads.py -k "caller or RunningLoss or changes or object or pool or first_call"
test-races: $(INSTALLED) $(STAMPS)/cli $(STAMPS)/test
	LD_PRELOAD="$(shell $(CC) -print-file-name=libtsan.so)" $(PY) -m pytest --capture=sys $(RACES) $(PYTEST_ARGS)

# record NAME: runs what follows and writes its totals into docs/reliability.md.
record = $(PY) -m tools.record_run "$(1)"

sanitize: $(INSTALLED) $(STAMPS)/cli $(STAMPS)/test ## the C tests and those of numbers in Python under AddressSanitizer and UndefinedBehaviorSanitizer; ThreadSanitizer; a sample under valgrind
	+$(call record,AddressSanitizer and UndefinedBehaviorSanitizer: C) $(MAKE) -C tests/c -j$(JOBS) sanitize
	+$(call record,AddressSanitizer and UndefinedBehaviorSanitizer: Python) $(sanitized_python)
	+$(call record,valgrind) $(MAKE) -C tests/c -j$(JOBS) valgrind
	$(call record,ThreadSanitizer: C) $(PY) -m pytest tests/test_embed.py -k race $(PYTEST_ARGS)
	+$(call record,ThreadSanitizer: Python) $(MAKE) test-races VENV=$(VENV)/tsan BCELOGITS_BUILD=tsan

sanitize-quick: ## the quick part of it, for .ci/run; `make test` has the threads
	$(MAKE) -C tests/c -j$(JOBS) sanitize-quick
	$(MAKE) -C tests/c -j$(JOBS) valgrind SAMPLE=500
	$(sanitized_python) SANITIZED="$(addprefix tests/test_,errors.py fuzz.py loss.py)"

PARALLEL := $(addprefix tests/test_,arrays.py documents.py errors.py functions.py gradients.py loss.py reductions.py \
  running.py special_values.py)
PARALLEL_THREADS ?= 8

# What counts the memory of the whole process counts that of the other threads. In the other, NumPy writes a million
# numbers: with a thread to switch to at each of them, that takes minutes.
test-parallel: $(INSTALLED) $(STAMPS)/cli $(STAMPS)/test $(STAMPS)/parallel ## run each test of functions in eight threads at once, released together; PARALLEL= names other files
	$(PY) -m pytest --parallel-threads=$(PARALLEL_THREADS) --deselect tests/test_arrays.py::TestNoCopies \
	  --deselect tests/test_errors.py::TestObjectsThatTakeLongToWrite::test_messages_are_short $(PARALLEL) $(PYTEST_ARGS)

FUZZ_SECONDS ?= 3600
fuzz: $(INSTALLED) $(STAMPS)/cli $(STAMPS)/test $(STAMPS)/fuzz ## an hour of fuzzing; keeps what is new and writes figures into docs/reliability.md
	$(PY) tests/fuzz/run.py --seconds $(FUZZ_SECONDS)

soak: $(INSTALLED) $(STAMPS)/test ## arrays beyond 2^31 elements, files beyond memory, guard pages at every length, tests in eight threads, answers to Ctrl-C (long)
	SOAK=1 $(call record,sizes) $(PY) -m pytest tests/test_sizes.py $(PYTEST_ARGS)
	+$(call record,eight threads at once) $(MAKE) test-parallel
	+@set -e; for isa in $(isas); do \
	  $(call record,guard pages at every length: $$isa) $(MAKE) -C tests/c guard-pages ISAS=$$isa; \
	done
	$(PY) -m benchmarks.interrupts --write

MUTANTS ?= 200
SEED ?= 1
MUTANT_SECONDS ?= 36000
mutants: $(INSTALLED) $(STAMPS)/cli $(STAMPS)/test $(STAMPS)/peers ## change a line at a time and see that a test notices (long); writes docs/mutants.md; MUTANTS=60 SEED=7 for others
	$(PY) -m tools.mutants --count $(MUTANTS) --seed $(SEED) --jobs $(JOBS) --seconds $(MUTANT_SECONDS)

exhaustive: ## check every float32 logit (long: hours); ISA=NAME for one instruction set, EVERY=1000 for a trial
	$(MAKE) -C tests/c exhaustive JOBS=$(JOBS)

bench: $(INSTALLED) $(STAMPS)/bench ## measure speed beside other libraries, about 10 minutes (BENCH_ARGS="--quick": one)
	$(MAKE) -C benchmarks/c
	$(PY) -m benchmarks $(BENCH_ARGS)

instructions: ## write anew how many instructions the kernels take, as this compiler builds them
	$(PYTHON) tools/instructions.py --write

abi: ## write anew the binary interface of the C library, as the header has it
	$(PYTHON) tools/abi.py --write

plots: $(INSTALLED) $(STAMPS)/docs $(if $(PEERS),$(STAMPS)/peers) ## draw the errors beside other libraries, into docs/images/; PEERS=1 adds those of the tests
	$(PY) tools/plot_accuracy.py

wheels: $(STAMPS)/build $(STAMPS)/wheels $(STAMPS)/cross ## build all that can be built here into dist/, check it, test it, and list it in wheels/README.md; WHEELS="native windows-x64" for some
	$(PY) wheels/build.py $(if $(WHEELS),--only $(WHEELS))

# The quick part of it, for .ci/run.
CHECK_WHEEL_TESTS := $(addprefix tests/test_,cython.py free_threading.py info.py loss.py public_names.py)
check-wheel: $(STAMPS)/build $(STAMPS)/wheels ## build and check the sdist and this machine's wheel, and run some tests on it
	$(PY) wheels/build.py --only native --tests $(CHECK_WHEEL_TESTS)

FREETHREADED := build/freethreaded
$(FREETHREADED)/python/bin/python3:
	sh wheels/build_python.sh $(FREETHREADED) trixie python3.13 --disable-gil

test-freethreaded: $(FREETHREADED)/python/bin/python3 | $(PY) ## run the Python tests on a Python without a GIL, which Debian's source makes
	PIP="$(PIP)" sh wheels/test_on.sh $(FREETHREADED)/python/bin/python3 $(FREETHREADED)/venv $(PYTEST_ARGS)

test-trixie: $(STAMPS)/build $(STAMPS)/wheels ## the same on Python 3.13 of Debian trixie, in a chroot: needs root and debootstrap
	sh wheels/trixie.sh $(PY) build/trixie $(PYTEST_ARGS)

lint: lint-c lint-python lint-msvc lint-workflows ## check style, types, C warnings, MSVC's dialect and workflows

lint-python: $(INSTALLED) $(STAMPS)/cli $(STAMPS)/dev
	$(PY) -m ruff check
	$(PY) -m mypy

lint-c:
	@set -e; for cc in $(C_COMPILERS); do for source in $(C_SOURCES); do \
	  echo "$$cc $$source"; $$cc $(C_LINT) -c $$source -o /dev/null; \
	done; done
	@echo "the examples, as C99 and as C++11"
	@$(CC) -std=c99 -pedantic $(C_WARNINGS) -Icsrc/include -fsyntax-only examples/embed/*.c
	@$(CXX) -std=c++11 -pedantic $(C_WARNINGS) -Icsrc/include -fsyntax-only examples/embed/*.cpp
	@echo "bcelogits.h alone, as C99 and as C++11"
	@echo '#include "bcelogits.h"' | $(CC) -std=c99 -pedantic $(C_WARNINGS) -Icsrc/include -fsyntax-only -x c -
	@echo '#include "bcelogits.h"' | $(CXX) -std=c++11 -pedantic $(C_WARNINGS) -Icsrc/include -fsyntax-only -x c++ -

# As clang for Windows sees it; as MSVC does, with its own intrinsics and pragmas; for Arm, and for its ARM64EC.
CLANG_CL := clang --driver-mode=cl /c /W4 /WX /O2 /fp:precise -Xclang -ffreestanding -Icsrc/include -Itests/msvc
MSVC_WAYS := --target=x86_64-pc-windows-msvc \
  --target=x86_64-pc-windows-msvc!-Xclang!-U__clang__!/arch:AVX512!-Wno-unknown-pragmas \
  --target=aarch64-pc-windows-msvc --target=aarch64-pc-windows-msvc!-U_M_ARM64!-D_M_ARM64EC=100!-D_M_X64=100!-D_M_AMD64=100

lint-msvc: ## compile the C core as for Microsoft's compiler, if there is clang
ifeq ($(shell command -v clang),)
	@echo "skip lint-msvc: there is no clang here"
else
	@set -e; for way in $(MSVC_WAYS); do \
	  way=$$(echo $$way | tr '!' ' '); echo "clang-cl $$way"; \
	  for source in $(C_SOURCES); do $(CLANG_CL) $$way $$source /Fo/dev/null; done; \
	done
endif

lint-workflows: $(STAMPS)/dev ## check the workflows: zizmor, and actionlint where it is installed
	$(VENV)/bin/zizmor --offline --no-progress -q .github
	@if command -v actionlint > /dev/null; then actionlint; else echo "skip actionlint: it is not here"; fi

clean: ## remove what was built; .venv stays
	rm -rf build dist src/*.egg-info src/bcelogits/include src/bcelogits/*.so .mypy_cache .pytest_cache .ruff_cache
	$(MAKE) -C tests/c clean
	$(MAKE) -C benchmarks/c clean
	$(MAKE) -C tests/fuzz clean
