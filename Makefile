# Two commands matter: `make demo` and `make test`. Both make the virtual environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One worker per core; each test and each job uses one thread.
WORKERS ?= auto
DEMO := zsclip maple maple_dept
# What zero-shot CLIP and the trained prompts say of one picture, where both were asked for.
RUNS := zsclip/test_base/ZeroshotCLIP maple_dept/train_base/MaPLeDePT
SEED := demo_shapes/shots16/demo/seed1
PICTURE := demo_shapes/images/cross/test_000.png

.PHONY: demo demo-all bench test test-scripts test-slurm lint format clean

$(VENV)/installed: requirements.txt requirements-dev.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@

demo: $(VENV)/installed
	$(BIN)/python parallel_runner.py --demo --cfg $(DEMO)
	@for run in $(RUNS); do if [ -d "outputs/demo/$$run/$(SEED)" ]; then echo; \
	$(BIN)/python predict.py --model-dir "outputs/demo/$$run/$(SEED)" --top-k 3 \
	"$${PROMPTLAB_CACHE:-$$HOME/.cache/promptlab}/$(PICTURE)"; fi; done

demo-all: $(VENV)/installed
	$(BIN)/python parallel_runner.py --demo --cfg all

# Compiled files are kept, or each of the many processes would compile the project anew.
test: $(VENV)/installed
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# What docs/speed.md claims, in its short form, beside the checkout BASE where one is named.
BASE ?=
bench: $(VENV)/installed
	$(BIN)/python benchmarks/everything.py $(if $(BASE),--base $(BASE))

# Every shell script on the demo suite with one epoch: 15 CPU minutes.
test-scripts: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) tests/scripts/every_script.py

# On a real SLURM that it starts on this machine, without and with accounting; as root, with apt.
SLURM_TEST := $(BIN)/python -m pytest -rs -m slurm tests/slurm
test-slurm: $(VENV)/installed
	$(BIN)/python tests/slurm/cluster.py $(SLURM_TEST) -n 4
	$(BIN)/python tests/slurm/cluster.py --accounting $(SLURM_TEST) -k "cancelled or closed"

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
