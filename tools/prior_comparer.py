"""The prior comparer: what the prior study and its report say, and what has surely changed since.

A change is stated only where it is beyond the error of what is compared:

- Prior report against the current image: new where the report denies a finding definitely and the
  classifier is at its confident operating point now. Never resolved: a finding that the classifier
  merely misses must not be reported as gone, and words alone must not put one into the report.
- Prior image against the current one, by the same classifier: new or resolved where one image is
  at the confident operating point and the other below the sensitive one. A probability is no
  measure of extent, so worse and better are never read from it.
- Cardiothoracic ratios of two films of the same known view: where they differ by more than the 95 %
  limits of their two standard errors.

Anything else is handed on without a change.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from findings.claims import LabeledClaim
from findings.errors import ExpertError
from findings.evidence import Classification, Evidence, MeasurementEvidence, PriorFinding
from findings.vocabulary import Certainty, Change, Finding, Polarity, Side
from imaging.study import Study, View
from imaging.thoracic_measurements import CARDIOTHORACIC_RATIO
from tools.cardiomegaly import INDIRECT_RATIO_ERROR, cardiomegaly_polarity
from tools.contract import Expert, ExpertCard, ExpertContext, Role
from tools.embedded import LICENCE, VERSION, EmbeddedExpert, Once, evidence_ids

NAME: Final = "prior-comparer"
SECONDS: Final = 1.0
MOST_CHARACTERS: Final = 50_000
"""Of a prior report: what lies beyond is not read."""

_LIMIT: Final = 1.96
"""Standard errors that a difference must exceed: 95 % limits of the normal distribution."""

UNNUMBERED: Final = "E1"

_COMPARED: Final = (Role.SEGMENTER, Role.CLASSIFIER, Role.MEASURER)


class PriorComparerExpert(EmbeddedExpert):
    """Reads the prior report, looks at the prior image with the same experts, and compares."""

    def __init__(self, cache: Path, experts: Mapping[Role, Expert] | None = None) -> None:
        """`experts` look at the prior image; without them, the embedded ones are used."""
        self._cache = cache
        self._experts: Once[Mapping[Role, Expert]] = Once(
            self._embedded if experts is None else lambda: experts
        )

    @property
    def card(self) -> ExpertCard:
        """Identity of the rules."""
        return ExpertCard(
            role=Role.PRIOR_COMPARER,
            name=NAME,
            version=VERSION,
            licence=LICENCE,
            uses=(Role.CLASSIFIER, Role.MEASURER),
            seconds=SECONDS,
        )

    def installed(self) -> bool:
        """Always: there are no weights of its own."""
        return True

    def look(self, study: Study, context: ExpertContext) -> Iterator[Evidence]:
        """Findings of the prior report first, then of the prior image; none where no prior is.

        Raises `ExpertError` where there is a prior image alone and no expert could look at it.
        """
        numbers = evidence_ids()
        for item in self._compare(study, context):
            yield item.model_copy(update={"id": next(numbers)})

    def _compare(self, study: Study, context: ExpertContext) -> list[PriorFinding]:
        """Prior findings, not yet numbered."""
        now = _classifications(context.evidence)
        report = study.prior_report or ""
        found = [_from_report(claim, now.get(claim.finding)) for claim in _claims(report)]
        if study.prior is None:
            return found
        before = self._look_at(study.prior, context)
        if not before and not found:
            raise ExpertError(
                "No expert could look at the prior image, so nothing was compared with it. "
                "Check that the prior is a frontal chest radiograph."
            )
        seen = [
            _from_classification(earlier, now.get(finding))
            for finding, earlier in _classifications(before).items()
        ]
        views = (study.prior.frontal.view, study.frontal.view)
        seen.append(_from_ratios(_ratio(before), _ratio(context.evidence), views))
        return [*found, *(item for item in seen if item is not None)]

    def _embedded(self) -> Mapping[Role, Expert]:
        from tools.registry import EMBEDDED, build

        return {role: build(role, EMBEDDED, self._cache) for role in _COMPARED}

    def _look_at(self, prior: Study, context: ExpertContext) -> tuple[Evidence, ...]:
        """What the experts see on the prior image; those that cannot look are left out."""
        seen: tuple[Evidence, ...] = ()
        experts = self._experts.get()
        for role in _COMPARED:
            expert = experts.get(role)
            if expert is None or not expert.installed():
                continue
            given = ExpertContext(language=context.language, seed=context.seed, evidence=seen)
            try:
                seen = (*seen, *expert.run(prior, given))
            except ExpertError:
                continue
        return seen


def _claims(report: str) -> Iterator[LabeledClaim]:
    """The claims of a report, each finding, polarity and place once."""
    from findings.labeler import detect_language, label_report

    text = report[:MOST_CHARACTERS]
    said: set[tuple[Finding, Polarity, Side | None, str | None]] = set()
    for claim in label_report(text, detect_language(text)):
        key = (claim.finding, claim.polarity, claim.side, claim.region)
        if key not in said:
            said.add(key)
            yield claim


def _from_report(claim: LabeledClaim, now: Classification | None) -> PriorFinding:
    """The claim as a prior finding. Its words stay in the report: they may name the patient."""
    definitely_absent = not claim.present and claim.certainty is Certainty.DEFINITE
    surely_here = now is not None and now.probability >= now.confident_threshold
    change = Change.NEW if definitely_absent and surely_here else None
    return PriorFinding(
        id=UNNUMBERED,
        expert=NAME,
        version=VERSION,
        finding=claim.finding,
        polarity=claim.polarity,
        side=claim.side,
        region=claim.region,
        change=change,
    )


def _from_classification(before: Classification, now: Classification | None) -> PriorFinding | None:
    """What the classifier saw on the prior image; `None` where it could not tell."""
    if before.probability >= before.threshold:
        polarity = Polarity.PRESENT
    elif before.probability < before.sensitive_threshold:
        polarity = Polarity.ABSENT
    else:
        return None
    change, text = None, f"probability {before.probability:.2f} on the prior image"
    if now is not None and (now.expert, now.version) == (before.expert, before.version):
        text += f", {now.probability:.2f} now"
        was_sure = before.probability >= before.confident_threshold
        is_sure = now.probability >= now.confident_threshold
        if polarity is Polarity.ABSENT and is_sure:
            change = Change.NEW
        elif was_sure and now.probability < now.sensitive_threshold:
            change = Change.RESOLVED
    return PriorFinding(
        id=UNNUMBERED,
        expert=NAME,
        version=VERSION,
        finding=before.finding,
        probability=before.probability,
        polarity=polarity,
        change=change,
        text=text,
    )


def _from_ratios(
    before: MeasurementEvidence | None,
    now: MeasurementEvidence | None,
    views: tuple[View, View],
) -> PriorFinding | None:
    """Heart size then and now; `None` where the prior's was not measured or is borderline."""
    if before is None:
        return None
    was, was_error = before.measurement.value, _error(before)
    earlier = cardiomegaly_polarity(was, views[0], was_error)
    if earlier is None:
        return None
    change, text = None, f"cardiothoracic ratio {was:.2f} on the prior image"
    comparable = views[0] is views[1] and views[0] in (View.PA, View.AP)
    if now is not None:
        value, error = now.measurement.value, _error(now)
        text += f", {value:.2f} now" + ("" if comparable else "; views differ or are not known")
        if comparable and abs(value - was) > _LIMIT * math.hypot(was_error, error):
            later = cardiomegaly_polarity(value, views[1], error)
            change = _heart_change(earlier, later, value - was)
    return PriorFinding(
        id=UNNUMBERED,
        expert=NAME,
        version=VERSION,
        finding=Finding.CARDIOMEGALY,
        polarity=earlier,
        change=change,
        text=text,
    )


def _error(ratio: MeasurementEvidence) -> float:
    """The standard error that the measurer states, or the larger one that it may have."""
    return ratio.standard_error or INDIRECT_RATIO_ERROR


def _heart_change(before: Polarity, now: Polarity | None, difference: float) -> Change | None:
    enlarged_before, enlarged_now = before is Polarity.PRESENT, now is Polarity.PRESENT
    if difference > 0:
        if enlarged_before:
            return Change.WORSE
        return Change.NEW if enlarged_now else None
    if not enlarged_before:
        return None
    return Change.RESOLVED if now is Polarity.ABSENT else Change.BETTER


def _classifications(evidence: Iterable[Evidence]) -> dict[Finding, Classification]:
    """What votes on a finding; a screen does not, so nothing is compared with it."""
    return {
        item.finding: item
        for item in evidence
        if isinstance(item, Classification) and not item.screen
    }


def _ratio(evidence: Iterable[Evidence]) -> MeasurementEvidence | None:
    return next(
        (
            item
            for item in evidence
            if isinstance(item, MeasurementEvidence)
            and item.measurement.name == CARDIOTHORACIC_RATIO
        ),
        None,
    )
