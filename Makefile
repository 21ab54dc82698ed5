# Each target makes its own virtual environment if there is none. PYTHON chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
TESTED := .venv/.tested
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: demo test lint docs bench bench-zoo bench-reliability clean

$(READY): setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=23"
	rm -rf *.egg-info  # of an older version: its commands would be found before those installed
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(TESTED): $(READY)
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

# From a folder of images to a served model, on 1,797 handwritten digits.
demo: $(READY)
	test -d demo/digits || $(BIN)/zoo sample digits demo/digits
	$(BIN)/zoo finetune demo/digits --profile
	$(BIN)/zoo evaluate saved_models/digits demo/digits --csv demo/scores.csv
	$(BIN)/python benchmarks/raw_pixels.py demo/digits saved_models/digits
	$(BIN)/zoo predict saved_models/digits demo/digits/7/0007.png

# Quick tests; all of them with: make test SLOW=1. Two processes, a file at a time: much of a test is one thread's work.
test: $(TESTED)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(if $(SLOW),,-m "not slow") $(ARGS)

lint: $(TESTED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# The pages of docs/ and the reference as a site: build/docs/index.html. A link that leads nowhere is an error.
docs: $(READY)
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	$(BIN)/python -m sphinx -b html -c docs/site -W --keep-going -q docs build/docs

# Every benchmark needs a folder of photos with train/ and val/, one sub-folder a class.
PHOTOS ?= ../shared/data/ants_bees
bench: $(TESTED)
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/embedding.py "$(PHOTOS)"
	$(BIN)/python benchmarks/splits.py "$(PHOTOS)"
	$(BIN)/python benchmarks/finetune_vs_keras.py "$(PHOTOS)"

# The tables of the zoo, or with ROWS some of the first one. Fashion-MNIST (fashion-mnist/) and film reviews
# (movie-snippets/) are read from DATA.
DATA ?= ../shared/data
bench-zoo: $(READY)
	$(BIN)/python -m pip install --quiet --editable ".[test,benchmarks]"
	$(BIN)/python benchmarks/zoo_table.py --data "$(DATA)" $(ROWS)
	$(if $(ROWS),,$(BIN)/python benchmarks/generative_table.py --data "$(DATA)")

# Damaged, hostile and unusual inputs, killed and doubled jobs: the table of docs/reliability.md.
bench-reliability: $(TESTED)
	$(BIN)/python -m benchmarks.reliability $(ROWS)

clean:
	rm -rf .venv build *.egg-info demo .runs .pytest_cache .ruff_cache .hypothesis
