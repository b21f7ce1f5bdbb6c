"""The structured prompt (section 6.1): classes, boxes and crude report, each on a line of its own.

The paper prints no prompt. It asks its model to expand the input into causes, symptoms and
treatment; this one asks for the report alone, since nothing in a film carries advice on treatment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from findings.catalogue import describe, region_name
from findings.regions import Region, region_side
from findings.vocabulary import Finding, Language, Side

VERSION: Final = "1"
NONE: Final = "none"
AFFIRMED_AT: Final = 0.2
"""A calibrated probability from which on a class is affirmed in the prompt. F1 is best at half its
own best value (Lipton et al., ECML PKDD 2014), and classifiers of these labels reach about 0.4."""
_INSTRUCTION: Final = "Write the chest X-ray report of these results."
_ANSWER: Final = "Report:"
_MOST_CRUDE: Final = 600
"""Characters of a crude report; four times what R2GenCMN writes."""


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A detected finding in the patient's terms: no pixels, which a language model cannot read."""

    finding: Finding
    side: Side | None = None
    region: Region | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What CliniQure's networks say of one radiograph."""

    classes: tuple[Finding, ...] = ()
    """Findings that the classifier affirms, most probable first."""
    boxes: tuple[PlacedBox, ...] = ()
    crude: str = ""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Which of the three the prompt holds: the rows of an ablation."""

    classes: bool = True
    boxes: bool = True
    crude: bool = True


def structured_prompt(seen: Observation, inputs: Inputs) -> str:
    """The prompt of one radiograph; a line that is left out of ``inputs`` is not there at all."""
    lines = [_INSTRUCTION]
    if inputs.classes:
        names = (_name(finding) for finding in dict.fromkeys(seen.classes))
        lines.append(f"Classes: {_listed(names)}")
    if inputs.boxes:
        lines.append(f"Boxes: {_listed(_placed(box) for box in dict.fromkeys(seen.boxes))}")
    if inputs.crude:
        crude = " ".join(seen.crude.split())[:_MOST_CRUDE]
        lines.append(f"Crude report: {crude or NONE}")
    return "\n".join((*lines, _ANSWER))


def symptom_prompt(symptoms: str) -> str:
    """The prompt of the fine-tuning set (section 5.1): common symptoms in, the disease out."""
    return f"Symptoms: {' '.join(symptoms.split())}\nDisease:"


def answer(text: str) -> str:
    """A text as it follows a prompt."""
    return f" {text.strip()}"


def _name(finding: Finding) -> str:
    return describe(finding).name(Language.ENGLISH)


def _placed(box: PlacedBox) -> str:
    side = box.side if box.side in (Side.LEFT, Side.RIGHT, Side.BILATERAL) else None
    words = [_name(box.finding)]
    if box.region is not None:
        own = region_side(box.region)
        if side is not None and own is not side:
            words.insert(0, side.value)
        words.append(f"in the {region_name(box.region, Language.ENGLISH)}")
    elif side is not None:
        words.insert(0, side.value)
    return " ".join(words)


def _listed(items: Iterable[str]) -> str:
    return "; ".join(items) or NONE
