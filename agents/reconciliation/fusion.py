"""The constants of reconciliation: trust in each kind of voice, base rates, operating points."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from pydantic import Field

from agents.packaged import read_packaged
from findings.claims import Frozen
from findings.evidence import Probability
from findings.vocabulary import Certainty, Finding, Severity


class Weights(Frozen):
    """Share of a voice's log-odds that enters the pool, by kind of evidence."""

    classification: float = Field(ge=0)
    detection: float = Field(ge=0)
    weak_detection: float = Field(ge=0)
    measurement: float = Field(ge=0)
    clue: float = Field(ge=0)
    crude_sentence: float = Field(ge=0)
    experts: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="by an expert's name, in place of its kind's"
    )

    def of(self, kind: str, expert: str) -> float:
        """The weight of an expert's evidence of that kind."""
        weight: float = self.experts.get(expert, getattr(self, kind))
        return weight


class Bounds(Frozen):
    """Bounds that probabilities are kept in before their log-odds are taken."""

    lowest: float = Field(gt=0, lt=0.5)
    highest: float = Field(gt=0.5, lt=1)


class Worded(Frozen):
    """Probability that a worded statement stands for, by its certainty."""

    present: dict[Certainty, Probability]
    absent: dict[Certainty, Probability]


class Measured(Frozen):
    """Probability that a measurement's polarity stands for."""

    present: Probability
    absent: Probability


class Operating(Frozen):
    """Operating points on the pooled probability where no classifier brings its own."""

    sensitive: Probability
    threshold: Probability
    confident: Probability
    detection_threshold: Probability


class Stated(Frozen):
    """What a pooled probability must reach for a finding to be stated with each certainty."""

    possible: Probability
    probable: Probability
    definite: Probability


class Tolerance(Frozen):
    """From which relative difference two values of one measurement disagree."""

    measurement: float = Field(gt=0)


class NoFindingRule(Frozen):
    """What must have been looked at before the study may be called unremarkable."""

    required: tuple[Finding, ...]


class Fusion(Frozen):
    """All constants of reconciliation; `agents/data/fusion.toml` explains the defaults."""

    version: str
    weights: Weights
    bounds: Bounds
    worded: Worded
    measured: Measured
    operating: Operating
    stated: Stated
    base_rates: dict[str, Probability]
    severity: dict[str, dict[Severity, float]]
    tolerance: Tolerance
    no_finding: NoFindingRule

    def base_rate(self, finding: Finding) -> float:
        """Prevalence that the votes on a finding are pooled against."""
        return self.base_rates.get(finding.value, self.base_rates["default"])

    def grade(self, measurement: str, value: float) -> Severity | None:
        """Severity that a measured value stands for; `None` below the first bound or unknown.

        Of the value as it is printed, with two decimals: equal numbers get equal words.
        """
        grades = sorted(self.severity.get(measurement, {}).items(), key=lambda item: item[1])
        reached = [severity for severity, bound in grades if round(value, 2) >= bound]
        return reached[-1] if reached else None


@cache
def default_fusion() -> Fusion:
    """The constants that ship with the application. Raises `SettingsError` where damaged."""
    return read_packaged("agents", "data/fusion.toml", Fusion, "agents/data/fusion.toml")
