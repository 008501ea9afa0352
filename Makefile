# Everything runs in .venv, made on first use from the pins in pyproject.toml.
PYTHON ?= python3.11
PIP_ARGS ?=
PORT ?= 5000

.PHONY: quickstart test fast ui dashboard lint

quickstart: .venv/ready
	. .venv/bin/activate && mlflow run . --env-manager local --experiment-name fincompress

test: lint
	.venv/bin/python -m pytest

fast: lint
	.venv/bin/python -m pytest -m "not slow"

lint: .venv/dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

ui: .venv/ready
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
