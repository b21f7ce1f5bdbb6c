"""The clue retriever: zero-shot ranking, the side of its clues, and the sentences it finds.

The retriever learnt from weak pairs, and the trunk it looks with learnt these very labels on other
patients' images: "zero-shot" says that no output was trained for a disease, not that the labels
are new to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from evaluation.bootstrap import Estimate, estimate, mean_estimate
from evaluation.experts.classifier import by_finding, films_of
from evaluation.experts.readings import Film, Readings, Which, wanted
from findings.claims import Frozen
from findings.errors import WeightsError
from findings.evidence import Clue
from findings.vocabulary import Finding, Side
from models.data.finding_sources import NIH_COLUMNS, read_nih
from models.data.records import FindingRecord
from models.metrics import area_under_curve
from tools.contract import Role

if TYPE_CHECKING:
    from models.clues.inference import ClueRetriever, ImageClues

SENTENCES_READ = (1, 5, 10)
NEIGHBOURS_READ = 5
_FINDINGS = tuple(map(Finding, NIH_COLUMNS))


class DiseaseClueScore(Frozen):
    """One disease's clue."""

    finding: Finding
    positives: int
    auc: Estimate
    classifier_auc: float | None
    stated: int = Field(description="images for which the expert states this clue")
    stated_rightly: int


class SideScore(Frozen):
    """Clues of boxed findings that lie on one side by the image's halves."""

    boxed: int = Field(description="images and findings with boxes on one side only")
    stated: int = Field(description="of those, clues that name left or right")
    right: int = Field(description="of those, clues that name the boxes' side")


class SentenceScore(Frozen):
    """Sentences of reports retrieved by an image's vector."""

    candidates: int
    recall: dict[int, Estimate] = Field(
        description="sentences read -> share of an image's findings that one of them affirms"
    )
    constant: dict[int, float] = Field(
        description="the same for one order of sentences for all images, their mean order"
    )


class NeighbourScore(Frozen):
    """Whether an image's neighbours, other patients', share its findings."""

    agreement: Estimate = Field(description="share of neighbours with the image's finding")
    chance: float = Field(description="share of all other patients' images with it")


class ClueScore(Frozen):
    """What the clue retriever reaches on the NIH folder, from weak pairing."""

    version: str
    images: int
    findings: tuple[DiseaseClueScore, ...]
    mean_auc: Estimate
    classifier_mean_auc: float | None
    recall_of_top: Estimate = Field(
        description="share of an image's findings among its (at most three) stated clues"
    )
    sides: SideScore
    neighbours: NeighbourScore
    sentences: SentenceScore | None = Field(
        default=None, description="None without the pulled corpora and sentence encoder"
    )

    def markdown(self) -> list[str]:
        """The scores as tables."""
        lines = [
            "Weak pairing; zero-shot by clue prompts.",
            "",
            "| finding | positive of | AUC (95 % interval) | classifier's AUC "
            "| clue stated, rightly |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {f.finding} | {f.positives} of {self.images} | {f.auc.shown()} "
            f"| {_shown(f.classifier_auc)} | {f.stated}, {f.stated_rightly} |"
            for f in self.findings
        ]
        sides, near = self.sides, self.neighbours
        lines += [
            f"| mean | | {self.mean_auc.shown()} | {_shown(self.classifier_mean_auc)} | |",
            "",
            f"Findings of an image among its stated clues: {self.recall_of_top.shown()}.",
            "",
            f"Sides: of {sides.boxed} boxed findings on one side, {sides.stated} clues name a "
            f"side, {sides.right} of them the right one.",
            "",
            f"Neighbours: {near.agreement.shown()} of an image's {NEIGHBOURS_READ} nearest (other "
            f"patients) share a finding of it; by chance {near.chance:.3f}.",
        ]
        if self.sentences is not None:
            lines += [
                "",
                f"Sentences: {self.sentences.candidates} candidates that affirm a finding.",
                "",
                "| sentences read | findings met (95 % interval) | one order for all images |",
                "|---|---|---|",
            ]
            lines += [
                f"| {most} | {found.shown()} | {self.sentences.constant[most]:.3f} |"
                for most, found in self.sentences.recall.items()
            ]
        return lines


def evaluate_clues(
    data: Path,
    split: Which,
    readings: Readings,
    cache: Path | None = None,
    clues: ImageClues | None = None,
) -> ClueScore | None:
    """Judge the NIH images; None without such images or without a retriever.

    What is stated is read off the expert's evidence; what stays below its floor is asked of
    ``clues``, the shipped retriever unless given. ``cache`` is where pulled artefacts lie; with
    the report corpora and the sentence encoder there the retrieval of sentences is measured too.
    """
    from models.clues.inference import ImageClues
    from models.preprocessing import read_display

    records = [r for r in read_nih(data) if wanted(r.split, split) and not r.note]
    card = readings.card(Role.CLUES)
    if not records or card is None:
        return None
    films = films_of(records)
    readings.prepare((Role.CLUES, Role.CLASSIFIER), films)
    model = clues or ImageClues.load()
    outputs = readings.each("clues", lambda film: model.look(read_display(film.image)), films)
    places = np.array([output.vector for output in outputs])
    scores = np.array([[output.probability[f] for f in _FINDINGS] for output in outputs])
    truth = np.array([[bool(r.labels[f]) for f in _FINDINGS] for r in records])
    patients = [record.patient for record in records]
    classified = _classified(readings, films)
    stated = [_stated(readings, film) for film in films]
    findings = tuple(
        DiseaseClueScore(
            finding=finding,
            positives=int(truth[:, column].sum()),
            auc=_auc(scores[:, column], truth[:, column], patients),
            classifier_auc=None
            if classified is None
            else _number(area_under_curve(classified[:, column], truth[:, column])),
            stated=sum(finding in own for own in stated),
            stated_rightly=sum(
                finding in own and bool(truth[row, column]) for row, own in enumerate(stated)
            ),
        )
        for column, finding in enumerate(_FINDINGS)
    )
    measured = [f.classifier_auc for f in findings if f.classifier_auc is not None]
    return ClueScore(
        version=card.version,
        images=len(records),
        findings=findings,
        mean_auc=estimate(lambda cases: _mean_auc(scores[cases], truth[cases]), patients),
        classifier_mean_auc=float(np.mean(measured)) if measured else None,
        recall_of_top=_recall_of_top(stated, truth, patients),
        sides=_sides(data, records, stated),
        neighbours=_neighbours(places, truth, patients),
        sentences=_sentences(model.retriever, places, truth, patients, cache) if cache else None,
    )


def _auc(
    scores: NDArray[np.float64], truth: NDArray[np.bool_], patients: Sequence[str]
) -> Estimate:
    return estimate(lambda cases: area_under_curve(scores[cases], truth[cases]), patients)


def _mean_auc(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    values = [area_under_curve(scores[:, n], truth[:, n]) for n in range(truth.shape[1])]
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _classified(readings: Readings, films: Sequence[Film]) -> NDArray[np.float64] | None:
    rows = [by_finding(readings.of(Role.CLASSIFIER, film)) for film in films]
    if not all(set(_FINDINGS) <= set(row) for row in rows):
        return None
    return np.array([[row[finding].probability for finding in _FINDINGS] for row in rows])


def _stated(readings: Readings, film: Film) -> dict[Finding, Clue]:
    return {e.finding: e for e in readings.of(Role.CLUES, film) if isinstance(e, Clue)}


def _recall_of_top(
    stated: Sequence[dict[Finding, Clue]], truth: NDArray[np.bool_], patients: Sequence[str]
) -> Estimate:
    ill = [row for row in range(len(truth)) if truth[row].any()]
    shares = [
        float(np.mean([_FINDINGS[n] in stated[row] for n in np.flatnonzero(truth[row])]))
        for row in ill
    ]
    return mean_estimate(shares, [patients[row] for row in ill])


def _sides(
    data: Path, records: Sequence[FindingRecord], stated: Sequence[dict[Finding, Clue]]
) -> SideScore:
    """Boxes on one half of the image: the patient's left lies on the image's right."""
    from models.data.weak_pair_sources import read_boxes
    from models.preprocessing import read_display

    boxes = read_boxes(data)
    boxed = named = right = 0
    for record, own in zip(records, stated, strict=True):
        for finding in _FINDINGS:
            drawn = boxes.get((record.image_id, finding), [])
            if not drawn or finding is Finding.CARDIOMEGALY:
                continue
            middle = read_display(record.image).shape[1] / 2
            halves = {Side.LEFT if box[0] + box[2] > 2 * middle else Side.RIGHT for box in drawn}
            if len(halves) != 1:
                continue
            boxed += 1
            clue = own.get(finding)
            if clue is not None and clue.side in (Side.LEFT, Side.RIGHT):
                named += 1
                right += clue.side in halves
    return SideScore(boxed=boxed, stated=named, right=right)


def _neighbours(
    vectors: NDArray[np.float32], truth: NDArray[np.bool_], patients: Sequence[str]
) -> NeighbourScore:
    cosines = vectors @ vectors.T
    names = np.array(patients)
    shares, chances, own = [], [], []
    for row in map(int, np.flatnonzero(truth.any(axis=1))):
        others = np.flatnonzero(names != names[row])
        shared = (truth[others] & truth[row]).any(axis=1)
        order = np.argsort(-cosines[row, others], kind="stable")[:NEIGHBOURS_READ]
        shares.append(float(shared[order].mean()))
        chances.append(float(shared.mean()))
        own.append(patients[row])
    return NeighbourScore(
        agreement=mean_estimate(shares, own), chance=float(np.mean(chances)) if chances else 0.0
    )


def _sentences(
    retriever: ClueRetriever,
    vectors: NDArray[np.float32],
    truth: NDArray[np.bool_],
    patients: Sequence[str],
    cache: Path,
) -> SentenceScore | None:
    from models.clues.text_encoder import SentenceEncoder
    from models.data.report_sentences import read_openi_sentences
    from models.weights import locate

    try:
        pool = read_openi_sentences(locate("report-corpora", cache))
        encoder = SentenceEncoder.load(locate("all-minilm-l6-v2", cache))
    except WeightsError:
        return None
    affirmed = [{c.finding for c in s.claims if c.present} & set(_FINDINGS) for s in pool]
    kept = [row for row, found in enumerate(affirmed) if found]
    says = np.array([[finding in affirmed[row] for finding in _FINDINGS] for row in kept])
    texts = encoder.encode([pool[row].text for row in kept])
    cosines = vectors @ retriever.sentence_vectors(texts).T
    return sentence_score(cosines, says, truth, patients)


def sentence_score(
    cosines: NDArray[np.float32],
    says: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    patients: Sequence[str],
) -> SentenceScore:
    """Which findings the nearest sentences meet.

    ``cosines`` is ``(images, sentences)``, ``says`` bool ``(sentences, findings)``, ``truth`` bool
    ``(images, findings)``. Images without a finding are passed over.
    """
    ill = [int(row) for row in np.flatnonzero(truth.any(axis=1))]
    usual: NDArray[np.int64] = np.argsort(-cosines.mean(axis=0), kind="stable")
    orders = np.argsort(-cosines, axis=1, kind="stable")

    def met(row: int, order: NDArray[np.int64], most: int) -> float:
        met_by = np.asarray(says[order[:most]].any(axis=0), dtype=bool)
        return float(met_by[truth[row]].mean())

    return SentenceScore(
        candidates=len(says),
        recall={
            most: mean_estimate(
                [met(row, orders[row], most) for row in ill], [patients[row] for row in ill]
            )
            for most in SENTENCES_READ
        },
        constant={
            most: float(np.mean([met(row, usual, most) for row in ill])) for most in SENTENCES_READ
        },
    )


def _shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
