# Needs Python >= 3.11, pip and make; everything else is installed into .venv by the first target that needs it.
#   make demo    run the quickstart on a real model, print the explanation, write report/
#   make test    the test suite, without the slow and the GPU tests (< 20 minutes)
#   make check   style, types, the arrows between packages
#   make lab     JupyterLab with the examples
#   make bench   measurements;  make docs  write the generated pages anew
# Nets that find what nobody thought of, run by hand (CONTRIBUTING.md):
#   make second-inputs   programs whose surroundings change between calls
#   make combined        programs that combine features, with a graph break anywhere
#   make exports         programs that read their arguments, exported and called with others
#   make databases       torch's own databases of operators, modules and optimizers, traced and untraced
#   make cpython-tests   CPython's own tests under the compiler
#   make truth           what explanations say of breaks, compared with the source and with untraced runs; into docs/truth.md
#   make interrupts      interrupted programs, and what they leave behind
#   make projects        real packages from the registry, compiled and compared with plain Python
#   make mutants         does a test fail when a line is changed?
#   make matrix          the suite under each Python and torch, into docs/versions.md

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
JOBS   ?= 2
PYTEST_ARGS ?=

.DELETE_ON_ERROR:
.PHONY: help install demo test test-torch check lab bench docs clean second-inputs combined exports databases cpython-tests truth interrupts projects mutants matrix

help:
	@sed -n '2,17s/^# *//p' Makefile

# A system Python may come without ensurepip: then its own pip installs one into the new environment.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install pip; }

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,dev]'
	@touch $@

install: $(STAMP)

demo: $(STAMP)
	$(BIN)/python -m examples.run_quickstart --report report

# Tests start many processes, which would compile our modules each time where Python is told to write no bytecode.
test: $(STAMP)
	$(BIN)/python -m compileall -q tracer notebook_ext widgets tests
	TRACER_STRICT=1 $(BIN)/python -m pytest -n $(JOBS) -m "not slow and not gpu" $(PYTEST_ARGS)

# TORCH=2.11.0 in an environment of its own. The usual package is a CUDA build of several GB: TORCH_INDEX names another index.
TORCH ?=
TORCH_INDEX ?=
OTHER = .venv-torch-$(TORCH)

test-torch:
	@test -n "$(TORCH)" || { echo "say which: make test-torch TORCH=2.11.0"; exit 2; }
	@test -x $(OTHER)/bin/python || $(PYTHON) -m venv $(OTHER) || { $(PYTHON) -m venv --clear --without-pip $(OTHER) && $(PYTHON) -m pip --python $(OTHER)/bin/python install pip; }
	$(OTHER)/bin/python -m pip install --quiet "torch==$(TORCH)" $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	grep -v '^torch==' constraints.txt > $(OTHER)/constraints.txt
	$(OTHER)/bin/python -m pip install --quiet --constraint $(OTHER)/constraints.txt --editable '.[test]' "torch==$(TORCH)"
	TRACER_STRICT=1 $(OTHER)/bin/python -m pytest -n $(JOBS) -m "not slow and not gpu" $(PYTEST_ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs.generate --check

lab: $(STAMP)
	$(BIN)/jupyter lab examples

bench: $(STAMP)
	$(BIN)/python -m benchmarks

docs: $(STAMP)
	$(BIN)/python -m docs.generate

clean:
	rm -rf report build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# ---- nets
COUNT ?= 10000
FIRST ?= 0

second-inputs: $(STAMP)
	TRACER_STRICT=1 $(BIN)/python -m tests.second_inputs $(COUNT) $(FIRST)

combined: $(STAMP)
	TRACER_STRICT=1 $(BIN)/python -m tests.combined $(COUNT) $(FIRST)

exports: $(STAMP)
	TRACER_STRICT=1 $(BIN)/python -m tests.export.generated --count $(COUNT) --seed $(FIRST)

databases: $(STAMP)
	TRACER_STRICT=1 $(BIN)/python -m tests.databases

# CPython's own tests under the compiler, into docs/cpython_tests.md; about an hour on two cores. MODULES="test_list test_dict" runs only these.
MODULES ?=

cpython-tests: $(STAMP)
	$(BIN)/python -m tests.cpython $(MODULES) --jobs $(JOBS) --results .cpython_tests.json --write

# CORPORA="catalogue programs" for a part, which writes no page.
CORPORA ?=

truth: $(STAMP)
	TRACER_STRICT=1 $(BIN)/python -m tests.truth $(CORPORA)

interrupts: $(STAMP)
	$(BIN)/python -m tests.interrupts --runs 3000 --how both

projects: $(STAMP)
	$(BIN)/python -m benchmarks.projects $(NAMES)

# Hours. ROOMS="guards graph" SAMPLE=100 for a part.
ROOMS  ?=
SAMPLE ?= 200

mutants: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,mutants]'
	$(BIN)/python -m tests.mutation --sample $(SAMPLE) --jobs $(JOBS) $(if $(ROOMS),--rooms $(ROOMS))

# Hours, and several GB for each torch. PAIRS="py3.13-torch2.15.0" TESTS=tests/guards for a part.
PAIRS ?=
TESTS ?=

matrix: $(STAMP)
	$(BIN)/python -m tests.matrix $(PAIRS) --jobs $(JOBS) $(if $(TORCH_INDEX),--index $(TORCH_INDEX)) $(if $(TESTS),--tests $(TESTS)) --write
