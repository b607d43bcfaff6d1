# make book [PROFILE=small]   set up, run the demo profile, build _build/html/index.html with the paper's chapters on PROFILE
# make test [ARGS=...]        set up, run the tests
# make teacher              set up, build solutions and a guide to marking in build/teacher, what students get in build/course
# make bench [ARGS=...]       set up, measure speed and memory (some 25 minutes; ARGS=NAME for one row)
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PROFILE ?= small
ARGS ?=
BIN := .venv/bin
READY := .venv/.ready

.PHONY: book test teacher bench clean

book: $(READY)
	@$(BIN)/txray book --profile $(PROFILE)

test: $(READY)
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

teacher: $(READY)
	@$(BIN)/txray teacher

bench: $(READY)
	@$(BIN)/python -m benchmarks $(ARGS)

# The stamp is written last, so an installation that was interrupted is gone on with.
# TORCH_INDEX=URL takes torch from another package index, such as PyTorch's own for CPU builds.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "error: Python 3.11 is needed, $(PYTHON) is another: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing about 200 packages from requirements.lock into .venv (a few minutes, once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' requirements.lock)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

clean:
	rm -rf _build build
