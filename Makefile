VENV ?= .venv
PYTHON ?= python3

# Processes that share the tests, with one thread each.
WORKERS ?= 2
TOGETHER = OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

.PHONY: demo test test-quick lint clean

# Profile this machine, search on the embedded digits, train, export and verify: three minutes on two quiet cores,
# after the installation.
demo: $(VENV)/installed
	$(VENV)/bin/proxyless run examples/demo.yaml

# Everything that CI checks. What compares milliseconds runs alone, after the rest.
test: lint
	$(TOGETHER) -m "not timing"
	$(VENV)/bin/python -m pytest -m timing

# What to run after every change.
test-quick: $(VENV)/installed
	$(TOGETHER) -m "not timing and not slow"

lint: $(VENV)/installed
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[all,dev]"
	touch $@

# What an old device may have, for tests/export/test_tflite_runtime.py; there are wheels up to Python 3.11.
build/tflite-runtime/installed:
	$(PYTHON) -m venv build/tflite-runtime
	build/tflite-runtime/bin/python -m pip install --quiet tflite-runtime==2.14.0 numpy==1.26.4
	touch $@

clean:
	rm -rf $(VENV) runs build dist *.egg-info
