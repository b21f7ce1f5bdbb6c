"""Experts as LangChain tools: typed questions in, evidence as JSON out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ValidationError

from findings.evidence import Evidence
from imaging.study import Study
from tools.as_langchain import WHAT_IT_DOES, as_langchain, expert_tools
from tools.classifier import ClassifierExpert
from tools.contract import ExpertContext, Role
from tools.measurer import MeasurerExpert
from tools.not_installed import NotInstalledExpert
from tools.segmenter import SegmenterExpert

MakeStudy = Callable[..., Study]


def nothing(roles: tuple[Role, ...]) -> tuple[Evidence, ...]:
    """No evidence of any role."""
    return ()


def test_a_question_is_typed_and_answered_with_evidence_without_masks(
    make_study: MakeStudy, segmenter_model: Any, cache: Path
) -> None:
    tool = as_langchain(SegmenterExpert(cache, segmenter_model), make_study(), nothing)
    everything = json.loads(tool.invoke({}))
    left = json.loads(tool.invoke({"side": "left", "region": "left_lung"}))

    assert tool.name == "segmenter"
    assert set(tool.args) == {"finding", "region", "side"}
    assert len(everything) > 11 and not any("mask" in item for item in everything)
    assert [item["region"] for item in left] == ["left_lung"]
    assert left[0]["kind"] == "region_mask" and len(left[0]["box"]) == 4
    for wrong, told in (
        ({"side": "port"}, "'right'"),
        ({"finding": "flu"}, "no such finding; there are: no_finding, cardiomegaly"),
        ({"region": "liver"}, "no such region; there are: left_lung, right_lung"),
    ):
        with pytest.raises(ValidationError, match=told):
            tool.invoke(wrong)
    assert json.loads(tool.invoke({"region": "Left lung", "side": "left"})) == left


def test_a_schema_lists_no_findings_and_no_regions(
    make_study: MakeStudy, segmenter_model: Any, cache: Path
) -> None:
    tool = as_langchain(SegmenterExpert(cache, segmenter_model), make_study(), nothing)
    schema = json.dumps(convert_to_openai_tool(tool))
    assert len(schema) < 1_200 and "pneumothorax" not in schema and "right_lung" not in schema


def test_evidence_that_an_expert_needs_is_gathered(
    make_study: MakeStudy, segmenter_model: Any, cache: Path
) -> None:
    study = make_study(0.46)
    outlines = SegmenterExpert(cache, segmenter_model).run(study, ExpertContext())
    asked: list[tuple[Role, ...]] = []

    def gather(roles: tuple[Role, ...]) -> tuple[Evidence, ...]:
        asked.append(roles)
        return outlines

    tool = as_langchain(MeasurerExpert(cache), study, gather)
    answer = json.loads(tool.invoke({"finding": "cardiomegaly"}))
    assert asked == [(Role.SEGMENTER,)]
    assert [item["measurement"]["name"] for item in answer] == ["cardiothoracic_ratio"]
    assert answer[0]["polarity"] == "present"


class EmptyPlace(NotInstalledExpert):
    """A role that no model fills."""

    role = Role.VISION_LANGUAGE
    name = "empty-place"


def test_an_expert_that_cannot_answers_with_its_reason(make_study: MakeStudy, cache: Path) -> None:
    measurer = as_langchain(MeasurerExpert(cache), make_study(), nothing)
    empty = as_langchain(EmptyPlace(cache), make_study(), nothing)
    assert "nothing was measured" in measurer.invoke({})
    assert "not installed" in empty.invoke({})


def test_only_installed_experts_are_offered(
    make_study: MakeStudy, classifier_model: Any, cache: Path
) -> None:
    experts = [ClassifierExpert(cache, classifier_model), EmptyPlace(cache)]
    tools = expert_tools(experts, make_study(), nothing)
    assert [tool.name for tool in tools] == ["classifier"]
    assert set(WHAT_IT_DOES) == set(Role)
