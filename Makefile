# Each target sets itself up in .venv: Python 3.11 or newer and make are all that a machine needs.
PYTHON ?= python3
RUN := .venv/bin/python

# A synthetic cohort; the recipe, two baselines and the paper's fine-tuned network in the same folds; a page that compares.
DEMO := runs/demo
demo: .venv/.base
	$(RUN) main.py --config=configs/best.py --workdir=$(DEMO)/best
	$(RUN) main.py --config=configs/baseline_svm.py --workdir=$(DEMO)/baselines/svm
	$(RUN) main.py --config=configs/baseline_brain_volume.py --workdir=$(DEMO)/baselines/brain_volume
	$(RUN) main.py --config=configs/dyn_mobilenet_v2.py:quick --workdir=$(DEMO)/dyn_mobilenet_v2
	$(RUN) main.py compare $(DEMO)/best $(DEMO)/dyn_mobilenet_v2 $(DEMO)/baselines/svm $(DEMO)/baselines/brain_volume
	$(RUN) main.py report --workdir=$(DEMO)/dyn_mobilenet_v2
	$(RUN) main.py report --workdir=$(DEMO)/best \
		--beside=$(DEMO)/dyn_mobilenet_v2,$(DEMO)/baselines/svm,$(DEMO)/baselines/brain_volume
	@echo "the recipe's page, with all four side by side: $(CURDIR)/$(DEMO)/best/report.html"

# The tests are dealt out over the cores, with one worker more for those that wait; `pytest FILE` runs a file in one process.
WORKERS = $(shell $(PYTHON) -c 'import os; print(min((os.cpu_count() or 1) + 1, 6))')
EVERY_CORE = --numprocesses=$(WORKERS) --dist=worksteal

test: .venv/.test
	$(RUN) -m pytest $(EVERY_CORE) -m "not slow"

test-slow: .venv/.test .venv/.preprocess
	$(RUN) -m pytest $(EVERY_CORE) -m slow

# The fast tests, and those of `prepare`, with the oldest versions that pyproject.toml allows, on Python 3.11.
test-oldest: .venv-oldest/.test
	.venv-oldest/bin/python -m pytest $(EVERY_CORE) -m "not slow"
	.venv-oldest/bin/python -m pytest -m slow tests/preprocess

# Tables 2 and 3 of the paper on synthetic subjects, continued where it stopped: some twenty minutes on two cores, and then
# up to an hour for either 3D network and a first epoch of each; OPTIONS=--hours=0.1 stops them sooner.
tables: .venv/.base
	$(RUN) -m benchmarks.tables $(OPTIONS)

# How often the 95 % intervals hold the truth, by simulation: a few minutes.
coverage: .venv/.base
	$(RUN) -m benchmarks.coverage

# What each way to select an epoch makes of labels that are pure noise: fifteen runs, an hour or more.
noise: .venv/.base
	$(RUN) -m benchmarks.noise

# What any network has to beat, in the same folds; OPTIONS='--config.cohort.table=scans.csv' for other subjects.
BASELINES := svm mask age_sex brain_volume mean_intensity
baselines: .venv/.base
	for name in $(BASELINES); do \
		$(RUN) main.py --config=configs/baseline_$$name.py --workdir=runs/baselines/$$name $(OPTIONS) || exit; done
	$(RUN) main.py compare $(BASELINES:%=runs/baselines/%) --out=runs/baselines/baselines.csv

# Whether the forms of the operations for a CPU change a network's accuracy: 24 runs, an hour or more.
accuracy: .venv/.base
	$(RUN) -m benchmarks.accuracy

# What `predict` makes of scans unlike those of the demo's run, and how often it is wrong about others: ten minutes or more.
guard: demo
	$(RUN) -m benchmarks.guard $(OPTIONS)

# The recipe of configs/best.py: chosen on ten synthetic cohorts, scored on twenty others. Hours; OPTIONS=score for these.
recipe: .venv/.base
	$(RUN) -m benchmarks.recipe $(OPTIONS)

# How true the maps of `explain` are, where the disease is known voxel by voxel: hours; OPTIONS=recipe for one network.
explain: .venv/.base
	$(RUN) -m benchmarks.explain $(OPTIONS)

# What a cohort stored at two voxel sizes does to a classifier, read by either recipe: ten minutes or more.
voxel-sizes: .venv/.base
	$(RUN) -m benchmarks.voxel_sizes

# Raw scans of synthetic subjects through `prepare`: how far from the truth they end. A few minutes.
preparation: .venv/.preprocess
	$(RUN) -m benchmarks.preparation

# The store of projected scans at scale: 10,000 small volumes, a kill -9, a Dask cluster, a full disk. A few minutes.
store: .venv/.test
	$(RUN) -m benchmarks.store

lint: .venv/.test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# The pages in docs/, with the examples executed, into docs/_build/html: some two minutes on two cores.
docs: .venv/.docs
	$(RUN) -m sphinx --fail-on-warning --keep-going --nitpicky --quiet -b html docs docs/_build/html
	@echo "the start page: $(CURDIR)/docs/_build/html/index.html"

# The pictures in docs/pictures/, which are committed: some three minutes.
pictures: .venv/.docs .venv/.preprocess
	$(RUN) -m docs.pictures

# dynjax beside torch, a JSON line a figure: ten to twenty minutes on two cores.
bench: .venv/.bench
	$(RUN) -m benchmarks

# Table 5 of the paper from a few timed steps.
table5: .venv/.base
	$(RUN) -m benchmarks.table5

.venv/.base: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("dynjax needs Python 3.11 or newer: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "setting up .venv, once: downloads jax, nilearn and what else dynjax needs, for one to five minutes"
	@test -x $(RUN) || $(PYTHON) -m venv .venv
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# The tests use MobileNetV2's ImageNet weights; without a network they skip what needs them, and say so.
.venv/.test: .venv/.base
	@echo "adding to .venv what the tests need, and MobileNetV2's ImageNet weights (14 MB): a minute or two"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@test -e weights/mobilenet_v2.npz || $(RUN) weights/convert_torchvision.py mobilenet_v2 || true
	@touch $@

# Made anew each time: what is there and new enough would stay. uv, of an environment of its own, picks the versions.
.venv-oldest/.test: pyproject.toml
	@echo "setting up .venv-oldest: the oldest versions of all that dynjax and its tests need, for one to five minutes"
	@test -x .venv-uv/bin/uv || { $(PYTHON) -m venv .venv-uv && .venv-uv/bin/pip install --quiet uv; }
	@.venv-uv/bin/uv venv --quiet --clear --python 3.11 .venv-oldest
	@.venv-uv/bin/uv pip install --quiet --compile-bytecode --python .venv-oldest/bin/python \
		--resolution lowest-direct --editable '.[test,preprocess]'
	@touch $@

.venv/.preprocess: .venv/.base
	@echo "adding SimpleITK, with which raw scans are prepared, to .venv (50 MB): a minute or two"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[preprocess]'
	@touch $@

# The tutorial's recipe needs MobileNetV2's ImageNet weights, as the tests do.
.venv/.docs: .venv/.base
	@echo "adding to .venv what builds the pages, and MobileNetV2's ImageNet weights (14 MB): a minute or two"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@test -e weights/mobilenet_v2.npz || $(RUN) weights/convert_torchvision.py mobilenet_v2
	@touch $@

.venv/.bench: .venv/.base
	@echo "adding torch, beside which dynjax is timed, to .venv: one to ten minutes"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

.PHONY: demo test test-slow test-oldest tables baselines coverage noise accuracy guard recipe explain voxel-sizes preparation store lint docs pictures bench table5
.DELETE_ON_ERROR:
