# Everything runs in .venv, made on first use from the pins in pyproject.toml.
PYTHON ?= python3.11
PIP_ARGS ?=
PORT ?= 5000
# MLflow's own spelling of this address is percent-encoded, and leaves a folder of that name.
STORE = sqlite:///mlflow.db

.PHONY: quickstart test fast notebook ui dashboard lint

quickstart: .venv/ready
	. .venv/bin/activate && MLFLOW_TRACKING_URI="$${MLFLOW_TRACKING_URI:-$(STORE)}" \
	    mlflow run . --env-manager local --experiment-name fincompress

# Two processes with a thread each, and what measures time then has the machine to itself. A process
# that dies ends the tests: pytest-xdist would start another, and then wait for ever.
SIDE_BY_SIDE = OMP_NUM_THREADS=1 .venv/bin/python -m pytest --numprocesses 2 --dist loadfile \
    --no-loadscope-reorder --max-worker-restart 0

test: lint
	$(SIDE_BY_SIDE) -m "not timed"
	.venv/bin/python -m pytest -m timed

fast: lint
	$(SIDE_BY_SIDE) -m "not slow and not timed"

notebook: .venv/dev
	. .venv/bin/activate && jupytext --to ipynb --execute --output notebooks/fincompress.ipynb notebooks/study.py

lint: .venv/dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

ui: .venv/ready
	MLFLOW_BACKEND_STORE_URI="$${MLFLOW_BACKEND_STORE_URI:-$(STORE)}" \
	    .venv/bin/mlflow ui --host 127.0.0.1 --port $(PORT) --workers 1

dashboard: .venv/ready
	.venv/bin/python -m fincompress dashboard

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet $(PIP_ARGS) --editable .
	touch $@

.venv/dev: .venv/ready
	.venv/bin/python -m pip install --quiet $(PIP_ARGS) --editable '.[dev]'
	touch $@
