"""Experts as LangChain tools, so that a conversation can ask one of them about the study at hand.

A tool is bound to one study: a language model chooses what to ask, never which patient. It returns
evidence as JSON without masks, which are pictures and no words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from findings.errors import ExpertError
from findings.evidence import Evidence
from findings.regions import Region
from findings.vocabulary import Finding, Side
from imaging.study import Study
from tools.contract import Expert, ExpertContext, Role

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool

WHAT_IT_DOES: Final[dict[Role, str]] = {
    Role.CLASSIFIER: "Calibrated probabilities of findings on the whole image, with thresholds.",
    Role.DETECTOR: "Findings with boxes in display pixels.",
    Role.SEGMENTER: "Where the anatomical regions lie: boxes in display pixels, with quality.",
    Role.CLUES: "Disease clues retrieved for the image.",
    Role.CRUDE_REPORT: "Sentences of a first report, each with the claims read in it.",
    Role.MEASURER: "Measurements: cardiothoracic ratio, widths, lung heights, with units.",
    Role.PRIOR_COMPARER: "Findings of the prior study and report, with changes beyond error.",
    Role.VISION_LANGUAGE: "Sentences of a vision-language model that reads the image.",
}


_STRING: Final = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def _named(names: type[StrEnum]) -> BeforeValidator:
    """Takes a value by its name or in words; a wrong one is told which there are."""

    def read(value: Any) -> Any:
        if value is None or isinstance(value, names):
            return value
        name = str(value).strip().lower().replace(" ", "_")
        if name not in set(names):
            raise ValueError(f"no such {names.__name__.lower()}; there are: {', '.join(names)}")
        return names(name)

    return BeforeValidator(read)


class ExpertQuestion(BaseModel):
    """What to ask an expert; everything left out is not filtered.

    Its JSON schema lists no findings and no regions, which would fill a small model's context.
    Names are checked on receipt instead.
    """

    model_config = ConfigDict(extra="forbid")

    finding: Annotated[Finding | None, _named(Finding), WithJsonSchema(_STRING)] = Field(
        default=None, description="only evidence on this finding, e.g. pleural_effusion"
    )
    region: Annotated[Region | None, _named(Region), WithJsonSchema(_STRING)] = Field(
        default=None, description="only evidence on this region, e.g. left_lung"
    )
    side: Side | None = Field(default=None, description="only evidence on this side (patient's)")


def as_langchain(
    expert: Expert, study: Study, gather: Callable[[tuple[Role, ...]], tuple[Evidence, ...]]
) -> StructuredTool:
    """One expert as a tool named after its role.

    `gather` gives the evidence of the roles that the expert needs and uses, as far as there is
    any. An expert that is not installed or fails answers with its error's sentence.
    """
    from langchain_core.tools import StructuredTool, ToolException

    card = expert.card

    def ask(
        finding: Finding | None = None, region: Region | None = None, side: Side | None = None
    ) -> str:
        context = ExpertContext(evidence=gather((*card.needs, *card.uses)))
        try:
            evidence = expert.run(study, context)
        except ExpertError as error:
            raise ToolException(str(error)) from error
        question = ExpertQuestion(finding=finding, region=region, side=side)
        return evidence_json(item for item in evidence if _answers(item, question))

    return StructuredTool.from_function(
        func=ask,
        name=card.role.value,
        description=f"{WHAT_IT_DOES[card.role]} Answers for the study at hand, as JSON.",
        args_schema=ExpertQuestion,
        handle_tool_error=True,
    )


def expert_tools(
    experts: Sequence[Expert],
    study: Study,
    gather: Callable[[tuple[Role, ...]], tuple[Evidence, ...]],
) -> list[StructuredTool]:
    """Every installed expert as a tool; those not installed are no use to a conversation."""
    return [as_langchain(expert, study, gather) for expert in experts if expert.installed()]


def evidence_json(evidence: Iterable[Evidence]) -> str:
    """Evidence as a JSON list of what each item states, without masks and empty fields."""
    items = [
        item.model_dump(mode="json", exclude={"mask", "landmarks"}, exclude_none=True)
        for item in evidence
    ]
    return json.dumps(items, ensure_ascii=False)


def _answers(item: Evidence, question: ExpertQuestion) -> bool:
    return (
        question.finding in (None, item.finding)
        and question.region in (None, item.region)
        and question.side in (None, item.side)
    )
