VENV ?= .venv
PYTHON ?= python3

.PHONY: demo test lint clean

# Profile this machine, search on the embedded digits, train, export and verify: about four minutes on two cores.
demo: $(VENV)/installed
	$(VENV)/bin/proxyless run examples/demo.yaml

# Everything that CI checks.
test: lint
	$(VENV)/bin/python -m pytest

lint: $(VENV)/installed
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[tflite,dev]"
	touch $@

clean:
	rm -rf $(VENV) runs build dist *.egg-info
