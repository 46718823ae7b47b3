# Everything runs in a virtual environment of its own, made on first use; nothing has to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-fast lint bench gallery clean

demo: $(VENV)/.installed
	$(BIN)/gdbench run -f ellipse -s rmsprop --name demo-ellipse-rmsprop --force
	$(BIN)/gdbench run -f ellipse -f unscaled -f uncentered -f multi-minima \
		-s sgd -s momentum -s nesterov -s rmsprop -s adagrad -s adam --name demo-course --force
	@echo "Open results/demo-ellipse-rmsprop/trajectory.png and results/demo-course/trajectory.png"

test: lint
	$(BIN)/pytest -n auto

test-fast: lint
	$(BIN)/pytest -n auto -m "not slow"

lint: $(VENV)/.installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/compile.py
	$(BIN)/python benchmarks/throughput.py

# the pictures and tables that the README shows, made again from configs/gallery.yaml and a data set of scikit-learn
gallery: $(VENV)/.installed-test
	$(BIN)/gdbench run --config configs/gallery.yaml --out results/gallery --name course --force
	$(BIN)/gdbench run --config configs/wine.yaml --out results/gallery --name wine --force
	cd results/gallery && rm -f */trajectory.csv */runs.csv */curves.csv */contours.npz */timings.json */environment.json

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install -q -c constraints.txt -e '.[sklearn]'
	touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install -q -c constraints.txt -e '.[test]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install -q -c constraints.txt -e '.[bench]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache
