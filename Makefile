# Everything runs in a virtual environment of its own, made on first use; nothing has to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# each worker takes neighbours, which share compiled programs, and helps another in the end
WORKERS := -n auto --dist worksteal
# files that compile little, each a few seconds of processor time
QUICK := $(addprefix tests/,test_imports.py spec/test_run_spec.py spec/test_sweep_errors.py engine/test_statuses.py \
	results/test_findings.py results/test_paired.py results/test_selection.py results/test_statistics.py \
	results/test_trials.py results/test_tuning.py runner/test_progress.py surfaces/test_random_plane.py)

.PHONY: demo check test test-slow test-all lint bench gallery clean

demo: $(VENV)/.installed
	$(BIN)/gdbench run -f ellipse -s rmsprop --name demo-ellipse-rmsprop --force
	$(BIN)/gdbench run -f ellipse -f unscaled -f uncentered -f multi-minima \
		-s sgd -s momentum -s nesterov -s rmsprop -s adagrad -s adam --name demo-course --force
	$(BIN)/gdbench sweep configs/quick.yaml --name demo-sweep --force
	@echo "Open trajectory.png in results/demo-ellipse-rmsprop and results/demo-course, and grid.png in results/demo-sweep"

# while working, in under a minute: what the linters say, and the tests of QUICK
check: lint
	$(BIN)/pytest -q $(WORKERS) -m "not slow" $(QUICK)

# all but what takes longer than a few seconds (kill -9 twenty times, a million runs, ..) or repeats another case
test: lint
	$(BIN)/pytest $(WORKERS) -m "not slow"

test-slow: $(VENV)/.installed-test
	$(BIN)/pytest $(WORKERS) -m slow

test-all: lint
	$(BIN)/pytest $(WORKERS)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/compile.py
	$(BIN)/python benchmarks/surfaces.py
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/sweep.py --runs 131072 --rounds 1

# the pictures and tables that the README shows, made again from configs/gallery.yaml and a data set of scikit-learn
gallery: $(VENV)/.installed-test
	$(BIN)/gdbench run --config configs/gallery.yaml --out results/gallery --name course --force
	$(BIN)/gdbench run --config configs/wine.yaml --out results/gallery --name wine --force
	$(BIN)/gdbench sweep configs/course.yaml --out results/gallery --name course-tuned --force
	$(BIN)/gdbench sweep configs/momentum-map.yaml --out results/gallery --name momentum-map --force
	$(BIN)/gdbench sweep configs/moons.yaml --out results/gallery --name moons --force
	$(BIN)/gdbench sweep configs/minimum-at-infinity.yaml --out results/gallery --name minimum-at-infinity --force
	$(BIN)/gdbench sweep configs/ruder.yaml --out results/gallery --name ruder --force
	$(BIN)/gdbench animate results/gallery/ruder --fps 15 --seconds 8
	$(BIN)/gdbench theory -f ellipse -s momentum --out results/gallery --name theory-ellipse-momentum --force
	cd results/gallery && rm -rf */.lock */shards */trajectory.csv */runs.* */curves.csv */contours.npz */timings.json */environment.json
	cd results/gallery && rm -f */manifest.json */theory.csv */profile.csv */data_profile.csv */ecdf.csv */ert.csv */expected_best.csv
	cd results/gallery/course-tuned && rm -f trajectory*.png heatmap*.png convergence*.png data_profile.png sensitivity*.png
	cd results/gallery/course-tuned && rm -f tuning*.png plane.png plane-wine*.png regions*.png learning*.png batches.png
	cd results/gallery/wine && rm -f plane*.png learning*.png
	cd results/gallery/moons && find . -type f ! -name regions.png ! -name learning.png ! -name table.csv ! -name config.yaml -delete
	cd results/gallery/minimum-at-infinity && find . -type f ! -name trajectory.png ! -name table.csv ! -name config.yaml -delete
	cd results/gallery/ruder && find . -type f ! -name animation.gif ! -name trajectory.png ! -name table.csv ! -name config.yaml -delete
	cd results/gallery/theory-ellipse-momentum && find . -type f ! -name theory.png ! -name config.yaml -delete
	cd results/gallery/momentum-map && rm -f [c-gi-z]*.png heatmap-*.png

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install -q -c constraints.txt -e '.[sklearn,optax]'
	touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install -q -c constraints.txt -e '.[test]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install -q -c constraints.txt -e '.[bench]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache
