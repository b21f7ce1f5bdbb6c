"""The tools that a served model is shown: small enough for its context, and checked on receipt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ValidationError

from agents.asking import draft_to_ask
from agents.conversation.router import route
from agents.conversation.toolbox import EXPERT_EVIDENCE, Toolbox
from agents.settings import Settings
from findings.errors import WeightsError
from findings.vocabulary import Language
from models.weights import locate
from reporting.draft import Draft, ModelUse
from tools.contract import Role

MODEL = "smollm2-135m-instruct"
DRAFT = Path(__file__).parents[2] / "docs" / "samples" / "drafts" / "cardiomegaly"


@pytest.fixture(scope="module")
def draft() -> Draft:
    return draft_to_ask(DRAFT, Settings())


def _box(draft: Draft) -> Toolbox:
    return Toolbox(draft, route("Is the heart enlarged?", None, Language.ENGLISH), {})


@pytest.fixture
def box(draft: Draft) -> Toolbox:
    return _box(draft)


@pytest.fixture
def evidence(box: Toolbox) -> BaseTool:
    return next(tool for tool in box.tools() if tool.name == EXPERT_EVIDENCE)


def _all_experts(draft: Draft) -> Draft:
    """The draft as if an expert of every role had given evidence."""
    name = draft.evidence[0].expert
    used = [ModelUse(role=role.value, name=name, version="1", licence="none") for role in Role]
    return draft.model_copy(update={"models": tuple(used)})


def _schemas(box: Toolbox) -> list[dict[str, Any]]:
    return [convert_to_openai_tool(tool) for tool in box.tools()]


def test_the_tools_are_few_words_for_any_number_of_experts(draft: Draft) -> None:
    schemas = [json.dumps(one) for one in _schemas(_box(_all_experts(draft)))]
    assert sum(map(len, schemas)) < 7_500  # of English JSON: three to four to a token
    assert sum("expert" in json.loads(one)["function"]["name"] for one in schemas) == 2


@pytest.mark.slow
def test_the_tools_take_less_than_2500_tokens_of_the_embedded_model(draft: Draft) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("gguf", reason="gguf is not installed")
    try:
        gguf = locate(MODEL, Settings().cache_dir)
    except WeightsError:
        pytest.skip(f"the embedded model is absent: readingroom models pull {MODEL}")
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        gguf.parent, gguf_file=gguf.name, local_files_only=True
    )

    def tokens(text: str) -> int:
        return len(tokenizer(text)["input_ids"])

    box = _box(_all_experts(draft))
    assert sum(tokens(json.dumps(one)) for one in _schemas(box)) < 2_500
    told = {tool.name: tool for tool in _box(draft).tools()}[EXPERT_EVIDENCE]
    assert all(tokens(told.invoke({"role": role})) < 1_200 for role in Role)


def test_an_experts_evidence_is_told_and_filtered(box: Toolbox, evidence: BaseTool) -> None:
    answer = json.loads(evidence.invoke({"role": "measurer", "finding": "Cardiomegaly"}))
    [ratio] = answer["evidence"]
    assert ratio["measurement"]["name"] == "cardiothoracic_ratio" and ratio["id"] == "E42"
    assert ratio["probability"] == 1.0 and "mask" not in ratio
    assert box.said == [json.dumps(answer, ensure_ascii=False)]


def test_what_does_not_fit_is_counted(draft: Draft, evidence: BaseTool) -> None:
    text = evidence.invoke({"role": "classifier"})
    answer = json.loads(text)
    given = [item for item in draft.evidence if item.kind == "classification"]
    assert len(text) < 2_200 and answer["evidence"]
    assert len(answer["evidence"]) + answer["left_out"] == len(given)
    assert json.loads(evidence.invoke({"role": "crude_report"})).keys() == {"evidence"}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({}, "role"),
        ({"role": "surgeon"}, "'classifier', 'detector'"),
        ({"role": "classifier", "finding": "flu"}, "no such finding; there are: .*pneumothorax"),
        ({"role": "segmenter", "region": "liver"}, "no such region; there are: .*right_lung"),
        ({"role": "segmenter", "side": "port"}, "'left'"),
        ({"role": "segmenter", "patient": "Doe"}, "patient"),
    ],
)
def test_wrong_arguments_are_told_what_there_is(
    box: Toolbox, evidence: BaseTool, wrong: dict[str, str], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        evidence.invoke(wrong)
    assert box.said == []


def test_an_expert_that_gave_nothing_grounds_nothing(box: Toolbox, evidence: BaseTool) -> None:
    told = evidence.invoke({"role": "vision_language"})
    assert told.startswith("No vision_language gave evidence; these did: classifier, segmenter")
    assert box.said == []
