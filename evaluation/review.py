"""How well a review finds planted errors, and how often it raises a false alarm.

Real Open-i reports get one error each. The true ledger is what the labeler reads in the report
before the error was planted, so these figures are of the comparing, not of the reading: a sentence
that the labeler misreads is misread on both sides.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path

from findings.claims import Claim, Frozen
from findings.labeler import label_report
from findings.vocabulary import Finding, Language, Side
from reporting.draft import SectionName
from reporting.existing_report import ExistingReport, ReadSentence, read_report
from reporting.ledger import Decision, LedgerEntry, Vote
from reporting.review import Review, review_report
from reporting.review_items import ItemType, ReviewItem
from reporting.suggestions import with_side

_NOT_PLANTED = (Finding.NO_FINDING, Finding.OTHER_FINDING)


class Planted(StrEnum):
    """Kinds of error."""

    SIDE = "side swapped"
    DROPPED = "finding dropped"
    ADDED = "finding added"
    FLIPPED = "negation flipped"
    NUMBER = "number changed"
    IMPRESSION = "impression contradicts findings"


SHOWS_AS: dict[Planted, frozenset[ItemType]] = {
    Planted.SIDE: frozenset({ItemType.WRONG_SIDE, ItemType.CONTRADICTION}),
    Planted.DROPPED: frozenset({ItemType.MISSED}),
    Planted.ADDED: frozenset({ItemType.UNSUPPORTED}),
    Planted.FLIPPED: frozenset({ItemType.UNSUPPORTED, ItemType.MISSED, ItemType.CONTRADICTION}),
    Planted.NUMBER: frozenset({ItemType.MEASUREMENT}),
    Planted.IMPRESSION: frozenset({ItemType.CONTRADICTION}),
}
"""A side that is wrong in one of two sentences only is a contradiction within the report."""

_ADDED: tuple[tuple[Finding, str], ...] = (
    (Finding.PNEUMOTHORAX, "There is a small right apical pneumothorax."),
    (Finding.PLEURAL_EFFUSION, "There is a moderate left pleural effusion."),
    (Finding.MASS, "There is a mass in the left upper lobe."),
    (Finding.CONSOLIDATION, "There is consolidation in the right lower lobe."),
    (Finding.CARDIOMEGALY, "The heart is enlarged."),
    (Finding.EDEMA, "There is pulmonary edema."),
)


class Planting(Frozen):
    """A report with one error, and what was wrong."""

    kind: Planted
    finding: Finding
    report: ExistingReport


class ReviewScore(Frozen):
    """Of one kind of error: how many were planted and how many found."""

    kind: Planted
    planted: int
    found: int

    @property
    def rate(self) -> float:
        """Share found."""
        return self.found / self.planted if self.planted else float("nan")


class ReviewReport(Frozen):
    """Detection by kind, and false alarms on the reports as they were."""

    reports: int
    scores: tuple[ReviewScore, ...]
    alarms: dict[ItemType, int]
    """Reports without an error on which an item of that type was raised."""

    def markdown(self) -> str:
        """Two tables."""
        lines = ["| planted error | reports | found |", "|---|---|---|"]
        lines += [f"| {s.kind} | {s.planted} | {s.rate:.1%} |" for s in self.scores]
        lines += ["", f"| false alarm on {self.reports} true reports | share |", "|---|---|"]
        lines += [f"| {kind} | {n / self.reports:.1%} |" for kind, n in self.alarms.items()]
        return "\n".join(lines)


def true_ledger(report: ExistingReport) -> tuple[LedgerEntry, ...]:
    """What the report claims, as a ledger in which every claim is settled."""
    claims = dict.fromkeys(claim for s in report.sentences for claim in s.claims)
    return tuple(
        LedgerEntry(
            id=f"L{number}",
            finding=claim.finding,
            region=claim.region,
            side=claim.side,
            probability=0.9 if claim.present else 0.05,
            decision=Decision.stating(claim),
            certainty=claim.certainty,
            severity=claim.severity,
            measurement=claim.measurement,
            reason="It is in the report as it was.",
            votes=(Vote(expert="report", evidence=f"E{number}", polarity=claim.polarity),),
        )
        for number, claim in enumerate(claims, start=1)
    )


def evaluate_review(texts: Sequence[str], most: int = 600, seed: int = 0) -> ReviewReport:
    """Plant one error in each of up to ``most`` reports, the kinds in turn where they fit."""
    kinds = list(Planted)
    found = dict.fromkeys(kinds, 0)
    planted = dict.fromkeys(kinds, 0)
    alarms: dict[ItemType, int] = {own: 0 for own in ItemType if own is not ItemType.AGREED}
    reports = 0
    for number, text in enumerate(texts):
        open_kinds = [k for k in kinds if planted[k] < most / len(kinds)]
        if not open_kinds:
            break
        report = read_report(text, Language.ENGLISH)
        ledger = true_ledger(report)
        reports += 1
        for raised in {item.type for item in _alarming(review_report(report, ledger, True))}:
            alarms[raised] += 1
        chance = random.Random(f"{seed}/{number}")
        for kind in sorted(open_kinds, key=lambda k: planted[k]):
            planting = plant(report, kind, chance)
            if planting is not None:
                planted[kind] += 1
                found[kind] += _notices(review_report(planting.report, ledger, True), planting)
                break
    return ReviewReport(
        reports=reports,
        scores=tuple(ReviewScore(kind=k, planted=planted[k], found=found[k]) for k in kinds),
        alarms=alarms,
    )


def _alarming(review: Review) -> Iterator[ReviewItem]:
    """Items that accuse; whether a prior is compared with is no question of these texts."""
    for item in review.items:
        if item.type not in (ItemType.AGREED, ItemType.NO_COMPARISON):
            yield item


def _notices(review: Review, planting: Planting) -> bool:
    from findings.catalogue import is_a

    return any(
        item.type in SHOWS_AS[planting.kind]
        and item.finding is not None
        and (is_a(item.finding, planting.finding) or is_a(planting.finding, item.finding))
        for item in review.items
    )


def plant(report: ExistingReport, kind: Planted, chance: random.Random) -> Planting | None:
    """Plant an error of that kind; `None` where the report gives no place for it."""
    places = list(range(len(report.sentences)))
    chance.shuffle(places)
    for place in places:
        sentence = report.sentences[place]
        for claim in sentence.claims:
            if claim.finding in _NOT_PLANTED:
                continue
            changed = _PLANTERS[kind](report, sentence, claim, chance)
            if changed is not None:
                finding, new = changed
                sentences = [*report.sentences[:place], *new, *report.sentences[place + 1 :]]
                return Planting(
                    kind=kind,
                    finding=finding,
                    report=report.model_copy(update={"sentences": tuple(sentences)}),
                )
    return None


Changed = tuple[Finding, tuple[ReadSentence, ...]]
Planter = Callable[[ExistingReport, ReadSentence, Claim, random.Random], Changed | None]


def _reworded(sentence: ReadSentence, text: str) -> ReadSentence:
    claims = tuple(claim.without_span() for claim in label_report(text, Language.ENGLISH))
    return ReadSentence(section=sentence.section, text=text, claims=claims)


def _swap_side(
    report: ExistingReport, sentence: ReadSentence, claim: Claim, chance: random.Random
) -> Changed | None:
    others = {c.side for s in report.sentences for c in s.claims if c.finding is claim.finding}
    if not claim.present or claim.side not in (Side.LEFT, Side.RIGHT) or len(others) != 1:
        return None
    other = Side.RIGHT if claim.side is Side.LEFT else Side.LEFT
    text = with_side(sentence.text, claim.side, other)
    if text is None:
        return None
    new = _reworded(sentence, text)
    return (claim.finding, (new,)) if _sides(new, claim.finding) == {other} else None


def _sides(sentence: ReadSentence, finding: Finding) -> set[Side | None]:
    return {c.side for c in sentence.claims if c.finding is finding and c.present}


def _drop(
    report: ExistingReport, sentence: ReadSentence, claim: Claim, chance: random.Random
) -> Changed | None:
    from findings.catalogue import is_a

    if not claim.present:
        return None
    elsewhere = [
        c
        for s in report.sentences
        if s is not sentence
        for c in s.claims
        if is_a(c.finding, claim.finding) or is_a(claim.finding, c.finding)
    ]
    return None if elsewhere else (claim.finding, ())


def _add(
    report: ExistingReport, sentence: ReadSentence, claim: Claim, chance: random.Random
) -> Changed | None:
    from findings.catalogue import is_a

    finding, text = chance.choice(_ADDED)
    stated = [c.finding for s in report.sentences for c in s.claims if c.present]
    if any(is_a(f, finding) or is_a(finding, f) for f in stated):
        return None
    return finding, (sentence, _reworded(sentence, text))


def _flip(
    report: ExistingReport, sentence: ReadSentence, claim: Claim, chance: random.Random
) -> Changed | None:
    if claim.present:
        text = re.sub(r"(?i)^\s*(there (is|are)( an?| the)?) ", "There is no ", sentence.text)
    else:
        text = re.sub(r"(?i)^\s*(there (is|are) )?no ", "There is ", sentence.text)
    if text == sentence.text:
        return None
    new = _reworded(sentence, text)
    turned = [c for c in new.claims if c.finding is claim.finding]
    if not turned or any(c.present is claim.present for c in turned):
        return None
    return claim.finding, (new,)


def _change_number(
    report: ExistingReport, sentence: ReadSentence, claim: Claim, chance: random.Random
) -> Changed | None:
    if claim.measurement is None or not claim.present:
        return None
    shown = f"{claim.measurement.value:g}"
    if sentence.text.count(shown) != 1:
        return None
    new = _reworded(sentence, sentence.text.replace(shown, f"{claim.measurement.value * 2:g}"))
    values = [c.measurement.value for c in new.claims if c.measurement is not None]
    return (claim.finding, (new,)) if claim.measurement.value * 2 in values else None


def _contradict(
    report: ExistingReport, sentence: ReadSentence, claim: Claim, chance: random.Random
) -> Changed | None:
    from findings.catalogue import describe

    if not claim.present or sentence.section is not SectionName.FINDINGS:
        return None
    if not any(s.section is SectionName.IMPRESSION for s in report.sentences):
        return None
    denial = ReadSentence(section=SectionName.IMPRESSION, text="", claims=())
    text = f"No {describe(claim.finding).name(Language.ENGLISH)}."
    new = _reworded(denial, text)
    if not any(c.finding is claim.finding and not c.present for c in new.claims):
        return None
    return claim.finding, (sentence, new)


_PLANTERS: dict[Planted, Planter] = {
    Planted.SIDE: _swap_side,
    Planted.DROPPED: _drop,
    Planted.ADDED: _add,
    Planted.FLIPPED: _flip,
    Planted.NUMBER: _change_number,
    Planted.IMPRESSION: _contradict,
}


def read_texts(corpora: Path) -> list[str]:
    """The Open-i reports of the pulled corpora, findings and impression on lines of their own.

    Raises `IndexUnavailableError` where they cannot be read.
    """
    from retrieval.corpora.openi import ARCHIVE, read_openi

    return [
        report.display.replace(" Impression: ", "\nImpression: ")
        for report in read_openi(corpora / ARCHIVE)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables: ``python -m evaluation.review --corpora FOLDER``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True, help="the pulled report corpora")
    parser.add_argument("--most", type=int, default=600)
    given = parser.parse_args(arguments)
    print(evaluate_review(read_texts(given.corpora), given.most).markdown())


if __name__ == "__main__":
    main()
