# `make quickstart` and `make test` do everything on a fresh machine: each makes the
# virtual environment first if it is not there. Choose another interpreter or place with
# PYTHON=python3.12 or VENV=some/folder.

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python

REQUIREMENTS_HASH := $(shell cat requirements.txt setup.py runtime/pyproject.toml | cksum | cut -d' ' -f1)
REQUIREMENTS_DONE := $(VENV)/.requirements-$(REQUIREMENTS_HASH)
PROJECT_HASH := $(shell printf '%s' '$(CURDIR)' | cksum | cut -d' ' -f1)
PROJECT_DONE := $(VENV)/.project-$(PROJECT_HASH)

DIGITS := data/digits
CONFIG := configs/retinanet_ghostnet_digits.py
WORK_DIR := work_dirs/retinanet_ghostnet_digits

.PHONY: quickstart test lint format install dist clean

install: $(PROJECT_DONE)

$(REQUIREMENTS_DONE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "error: Python 3.10 or newer is needed; choose one with make PYTHON=python3.12" >&2; exit 2; }
	@echo "Installing the pinned requirements into $(VENV) (a minute or a few the first time)"
	$(PYTHON) -m venv $(VENV)
	$(RUN) tools/install_requirements.py requirements.txt
	@# Machines without a desktop may lack the libGL that opencv-python loads.
	@$(RUN) -c 'import cv2' 2>/dev/null || { \
		$(RUN) -m pip uninstall --quiet --yes opencv-python; \
		$(RUN) -m pip install --quiet --force-reinstall --no-deps "$$(sed -n 's/^opencv-python==/opencv-python-headless==/p' requirements.txt)"; }
	@$(RUN) -c 'import cv2'
	@rm -f $(VENV)/.requirements-*
	@touch $@

# An environment may be shared by several checkouts; the last one to install owns it.
$(PROJECT_DONE): $(REQUIREMENTS_DONE)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e ./runtime
	@$(RUN) -m compileall -q ghostnet_mm runtime/ghostnet_runtime
	@rm -f $(VENV)/.project-*
	@touch $@

# Both wheels, to be installed together: see docs/releasing.md.
dist: install
	rm -rf dist build runtime/build
	$(RUN) -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist . ./runtime
	@ls -l dist

quickstart: install
	$(RUN) tools/make_digits_dataset.py $(DIGITS)
	$(RUN) tools/train.py $(CONFIG) --data-root $(DIGITS)
	$(RUN) tools/draw_grid.py $(WORK_DIR)

lint: install
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports --no-logo

test: lint
	$(RUN) -m pytest

format: install
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:
	rm -rf $(VENV) $(DIGITS) $(WORK_DIR) build dist *.egg-info runtime/build runtime/*.egg-info \
		.mypy_cache .pytest_cache .ruff_cache .import_linter_cache
