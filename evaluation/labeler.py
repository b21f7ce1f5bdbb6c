"""Accuracy of the report labeler: PadChest physician labels, Open-i MeSH tags, hard negations.

The rules were tuned on errors of the development part; of the held-out part only totals are ever
looked at.
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from evaluation.report_corpora import (
    Example,
    Part,
    openi_examples,
    padchest_examples,
    part_of,
)
from findings.catalogue import FindingGroup, describe
from findings.claims import Frozen, LabeledClaim
from findings.errors import ReportError
from findings.label_maps import Dataset, UnmappedLabel, openi_finding, unmapped_labels
from findings.labeler import LabeledSentence, ReportLabeler, label_report
from findings.vocabulary import Finding, Language, Polarity, Side


class Score(Frozen):
    """Counts of one label, or of all, and what follows from them."""

    support: int
    true_positives: int
    false_positives: int
    false_negatives: int
    precision: float
    recall: float
    f1: float


class LabelScore(Frozen):
    """The score of one finding."""

    finding: Finding
    score: Score


class CorpusReport(Frozen):
    """How well the labeler reads one part of one corpus."""

    corpus: str
    part: Part
    reports: int
    micro: Score
    macro_f1: float
    labels: tuple[LabelScore, ...]
    sides_compared: int = 0
    sides_right: int = 0
    unmapped: tuple[UnmappedLabel, ...] = ()


class NegationReport(Frozen):
    """Accuracy on the project's own sentences: every stated claim of a sentence must be read."""

    sentences: int
    correct: int


class LabelerReport(Frozen):
    """All that is measured of the labeler."""

    corpora: tuple[CorpusReport, ...]
    negation: NegationReport | None
    reports_per_second: float

    def markdown(self) -> str:
        """The tables of docs/labeler.md."""
        return "\n".join(_markdown(self))


def evaluate_labeler(
    wheel: Path, negation: Path | None = None, *, plain: bool = False
) -> LabelerReport:
    """Measure the labeler; `plain`: without the conventions of the corpora (`Corpus`).

    Raises:
        ReportError: the wheel or the negation set cannot be read.
    """
    try:
        openi, padchest = list(openi_examples(wheel)), list(padchest_examples(wheel))
        hard = _negation(negation) if negation is not None else None
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise ReportError(
            "The reports to evaluate on cannot be read. Give the torchxrayvision 1.5.7 wheel."
        ) from error
    corpora = tuple(
        evaluate_corpus(corpus, part, examples)
        for corpus, examples in (
            (PADCHEST.plain() if plain else PADCHEST, padchest),
            (OPENI.plain() if plain else OPENI, openi),
        )
        for part in Part
    )
    return LabelerReport(
        corpora=corpora,
        negation=hard,
        reports_per_second=round(_speed([example.text for example in openi])),
    )


def evaluate_corpus(corpus: Corpus, part: Part, examples: Sequence[Example]) -> CorpusReport:
    """Compare what is read in the reports of one part with their reference labels."""
    examples = [example for example in examples if part_of(example.patient) is part]
    labelers = {language: ReportLabeler(language) for language in Language}
    counts: dict[Finding, Counter[str]] = {}
    compared = right = 0
    scored = frozenset[Finding]().union(*(corpus.classes(example.findings) for example in examples))
    for example in examples:
        sentences = labelers[example.language].label(example.text)
        claims = [claim for sentence in sentences for claim in sentence.claims]
        reference = corpus.classes(example.findings)
        found = predicted(sentences, corpus, scored)
        if not reference and corpus.normal_stands_alone:
            found -= {Finding.NO_FINDING}
        for finding in reference | found:
            hit = finding in reference and finding in found
            kind = "tp" if hit else "fn" if finding in reference else "fp"
            counts.setdefault(finding, Counter())[kind] += 1
        for finding, side in example.sides.items():
            stated = _side(claims, finding)
            if stated is not None:
                compared += 1
                right += stated is side
    labels = tuple(
        LabelScore(finding=finding, score=_score(counts[finding]))
        for finding in sorted(counts, key=lambda f: (-_support(counts[f]), f.value))
    )
    total = sum(counts.values(), Counter())
    return CorpusReport(
        corpus=corpus.name,
        part=part,
        reports=len(examples),
        micro=_score(total),
        macro_f1=round(sum(label.score.f1 for label in labels) / max(1, len(labels)), 4),
        labels=labels,
        sides_compared=compared,
        sides_right=right,
        unmapped=_unmapped(corpus, examples),
    )


def predicted(
    sentences: Iterable[LabeledSentence], corpus: Corpus, scored: frozenset[Finding]
) -> frozenset[Finding]:
    """The scored findings that a report affirms, in the terms of the corpus.

    It is without finding where it affirms no scored finding and denies one or calls all normal.
    """
    present: set[Finding] = set()
    says_anything = False
    for sentence in sentences:
        affirmed = {c.finding for c in sentence.claims if c.present} - {Finding.NO_FINDING}
        says_anything = says_anything or bool(sentence.claims)
        present |= corpus.in_sentence(affirmed)
    found = corpus.classes(frozenset(present)) & scored
    return found or (frozenset({Finding.NO_FINDING}) if says_anything else frozenset())


def _unmapped(corpus: Corpus, examples: Sequence[Example]) -> tuple[UnmappedLabel, ...]:
    labels = Counter(label for example in examples for label in example.labels)
    if corpus.name == PADCHEST.name:
        return unmapped_labels(Dataset.PADCHEST, labels)
    terms: Counter[str] = Counter()
    for tag, count in labels.items():
        if openi_finding(tag) is None:
            terms[tag.split("/")[0]] += count
    return tuple(
        UnmappedLabel(label=term, count=count, reason="") for term, count in terms.most_common()
    )


def _side(claims: Iterable[LabeledClaim], finding: Finding) -> Side | None:
    sides = {
        claim.side
        for claim in claims
        if claim.finding is finding and claim.present and claim.side is not None
    }
    if Side.BILATERAL in sides or {Side.LEFT, Side.RIGHT} <= sides:
        return Side.BILATERAL
    return next(iter(sides), None)


def _support(counts: Counter[str]) -> int:
    return counts["tp"] + counts["fn"]


def _score(counts: Counter[str]) -> Score:
    tp, fp, fn = counts["tp"], counts["fp"], counts["fn"]
    precision = tp / (tp + fp) if tp + fp else 0.0
    recall = tp / (tp + fn) if tp + fn else 0.0
    f1 = 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0
    return Score(
        support=tp + fn,
        true_positives=tp,
        false_positives=fp,
        false_negatives=fn,
        precision=round(precision, 4),
        recall=round(recall, 4),
        f1=round(f1, 4),
    )


class Corpus(NamedTuple):
    """What the reference labels of a corpus can and cannot tell apart."""

    name: str
    classes_of: dict[Finding, Finding]
    """Findings that its labels do not separate from another one."""
    drops_explained: bool
    """Whether a density is left unlabelled where its sentence says what it is."""
    normal_stands_alone: bool = False
    """Whether "normal" is left out beside any other label, such as "unchanged"."""

    def plain(self) -> Corpus:
        """The corpus without its conventions: every finding for itself."""
        return Corpus(self.name, {}, drops_explained=False)

    def classes(self, findings: frozenset[Finding]) -> frozenset[Finding]:
        """Findings as this corpus names them."""
        return frozenset(self.classes_of.get(finding, finding) for finding in findings)

    def in_sentence(self, findings: set[Finding]) -> set[Finding]:
        """The findings of one sentence that this corpus would label."""
        if not self.drops_explained or len(findings) < 2:
            return findings
        groups = {FindingGroup.LUNGS, FindingGroup.PLEURA, FindingGroup.SOFT_TISSUE}
        others = findings - _GENERIC
        explained = any(describe(finding).group in groups for finding in others)
        return others if explained else findings


_GENERIC: Final = frozenset({Finding.LUNG_OPACITY, Finding.CALCIFICATION, Finding.LUNG_LESION})
PADCHEST: Final = Corpus(
    name="PadChest",
    classes_of={Finding.LUNG_TUMOR: Finding.MASS},
    drops_explained=True,
    normal_stands_alone=True,
)
OPENI: Final = Corpus(
    name="Open-i",
    classes_of={
        Finding.AIRSPACE_OPACITY: Finding.LUNG_OPACITY,
        Finding.AORTIC_ENLARGEMENT: Finding.AORTIC_TORTUOSITY,
        Finding.PROSTHETIC_VALVE: Finding.SUPPORT_DEVICE,
    }
    | {
        finding: Finding.SUPPORT_DEVICE
        for finding in Finding
        if Finding.SUPPORT_DEVICE in describe(finding).parents
        and finding is not Finding.SURGICAL_MATERIAL
    },
    drops_explained=False,
)


def _negation(path: Path) -> NegationReport:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    correct = sum(reads_exactly(row["text"], Language(row["language"]), row) for row in rows)
    return NegationReport(sentences=len(rows), correct=correct)


def reads_exactly(text: str, language: Language, expected: dict[str, object]) -> bool:
    """True where each finding expected of a sentence is read with its polarity, and no other.

    `expected` holds `present`, `absent` and `possible` (names of findings); `possible` ones are
    present with a certainty below definite. Findings under `free` may be read or not.
    """
    read: dict[str, set[str]] = {"present": set(), "absent": set(), "possible": set()}
    for claim in label_report(text, language):
        if claim.polarity is Polarity.ABSENT:
            read["absent"].add(claim.finding.value)
        elif claim.certainty.value != "definite":
            read["possible"].add(claim.finding.value)
        else:
            read["present"].add(claim.finding.value)
    free = set(_names(expected, "free"))
    return all(read[kind] - free == set(_names(expected, kind)) - free for kind in read)


def _names(row: dict[str, object], key: str) -> list[str]:
    value = row.get(key, [])
    return [str(item) for item in value] if isinstance(value, list) else []


def _speed(texts: Sequence[str]) -> float:
    """Reports per second of processor time of one core, after a warming pass over a few."""
    for text in texts[:50]:
        label_report(text, Language.ENGLISH)
    start = time.process_time()
    for text in texts:
        label_report(text, Language.ENGLISH)
    return len(texts) / (time.process_time() - start)


def _markdown(report: LabelerReport) -> Iterator[str]:
    yield "| corpus | part | reports | micro P | micro R | micro F1 | macro F1 | side right |"
    yield "|---|---|---|---|---|---|---|---|"
    for corpus in report.corpora:
        micro = corpus.micro
        side = (
            f"{corpus.sides_right / corpus.sides_compared:.3f} of {corpus.sides_compared}"
            if corpus.sides_compared
            else ""
        )
        yield (
            f"| {corpus.corpus} | {corpus.part.value} | {corpus.reports} | {micro.precision:.3f} "
            f"| {micro.recall:.3f} | {micro.f1:.3f} | {corpus.macro_f1:.3f} | {side} |"
        )
    yield ""
    if report.negation is not None:
        share = report.negation.correct / max(1, report.negation.sentences)
        yield (
            f"Hard sentences read exactly: {report.negation.correct} of "
            f"{report.negation.sentences} ({share:.3f})."
        )
    yield f"Speed: {report.reports_per_second:.0f} Open-i reports a second on one core."
    for corpus in report.corpora:
        yield ""
        yield f"### {corpus.corpus}, {corpus.part.value} part"
        yield ""
        yield from _unmapped_line(corpus)
        yield "| finding | in reference | precision | recall | F1 |"
        yield "|---|---|---|---|---|"
        for label in corpus.labels:
            score = label.score
            name = describe(label.finding).name(Language.ENGLISH)
            yield (
                f"| {name} | {score.support} | {score.precision:.3f} | {score.recall:.3f} "
                f"| {score.f1:.3f} |"
            )


def _unmapped_line(corpus: CorpusReport) -> Iterator[str]:
    labels = [f"{label.label or '(none)'} {label.count}" for label in corpus.unmapped]
    yield f"Labels that stand for no finding: {', '.join(labels) or 'none'}."
    yield ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; the command line of `python -m evaluation.labeler`."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.labeler", description=__doc__)
    parser.add_argument(
        "--wheel", type=Path, required=True, help="the torchxrayvision wheel, or its pulled folder"
    )
    parser.add_argument("--negation", type=Path, help="JSON lines of hard sentences")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--plain", action="store_true", help="without the corpora's conventions")
    options = parser.parse_args(arguments)
    report = evaluate_labeler(options.wheel, options.negation, plain=options.plain)
    sys.stdout.write(report.markdown() + "\n")
    if options.json is not None:
        options.json.write_text(report.model_dump_json(indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
