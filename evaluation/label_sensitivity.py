"""How CLALA-Net's reports depend on the quality of its labels and of its regions.

"Impact of lesion label accuracy": lesion labels of F1 0.20, 0.43, 0.70, 0.85 and 1.00 go into the
lesion cross-attention, and the lesions of the reports that come out are counted. Here true labels
are corrupted until each lesion has that F1: of its positives that share stays, and as many films
without it get it in the others' place, so that precision and recall are alike and prevalence is
kept. "Impact of ROI quality": the same reports from regions that are found and from better or
worse ones: boxes moved until they overlap the found ones by a given share, and, where films have
masks drawn by people, the regions of those masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.bootstrap import Estimate, mean_estimate
from evaluation.region_geometry import REGION_OF, drawn_masks
from evaluation.reports.cases import ComparedCase, read_split
from evaluation.reports.efficacy import efficacy
from evaluation.reports.overlap import meteor, rouge_l
from evaluation.reports.pairs import ReferenceReport, ReportPair
from findings.claims import Frozen
from findings.evidence import Box
from findings.regions import CLALA_REGIONS, Region
from findings.vocabulary import Finding, Language
from imaging.geometry import box_iou
from imaging.regions import derive_regions
from models.clala.aggregation import aggregate
from models.clala.lesions import LESIONS, lesion_labels
from models.data.anatomy_sources import read_jsrt
from models.data.records import Split
from models.data.weak_pair_sources import jsrt_records
from models.preprocessing import read_display
from models.reports.contract import Decoding

if TYPE_CHECKING:
    from models.clala.inference import ClalaWriter

LEVELS: Final = (0.20, 0.43, 0.70, 0.85, 1.00)
"""The paper's label F1; 0.43 is what its classifier reaches."""
PUBLISHED: Final = {0.20: 0.23, 0.43: 0.40, 1.00: 0.76}
"""The F1 of the paper's reports, where its text gives one ("Impact of lesion label accuracy"): of
networks that it trained and tested with labels of that F1."""
OVERLAPS: Final = (0.75, 0.5, 0.25)
_BATCH: Final = 8
_STEPS: Final = 40

Progress = Callable[[str, int, int], None]


class SensitivityRow(Frozen):
    """Reports under one condition."""

    condition: str
    label_f1: float
    """Mean over the lesions, of the labels that were given."""
    precision: Estimate
    recall: Estimate
    f1: Estimate
    """Means over the lesions that occur, of the reports that were written."""
    rouge_l: Estimate | None
    meteor: Estimate | None
    published: float | None = None
    """The paper's F1 under this condition, of its own reports."""
    region_iou: float | None = None
    """Mean overlap of the given regions with the found ones."""


class Sensitivity(Frozen):
    """The tables."""

    dataset: str
    weak: bool
    films: int
    labels: tuple[SensitivityRow, ...]
    regions: tuple[SensitivityRow, ...]
    drawn_films: int = 0
    drawn: tuple[SensitivityRow, ...] = ()
    """Films with masks drawn by people, of which only nodules and masses are known. They are
    described by their true labels: the classifier hints at hardly a nodule of theirs."""

    def markdown(self) -> list[str]:
        """The tables; the heading says whether the references are true reports."""
        kind = (
            "references composed for labels (weak pairs): not comparable with the paper"
            if self.weak
            else "references written by people"
        )
        head = "label F1 | precision | recall | F1 | ROUGE-L | METEOR | the paper's F1 |"
        lines = [f"{self.films} films of {self.dataset}; {kind}.", ""]
        lines += [f"| lesion labels | {head}", "|---" * 8 + "|"]
        lines += [_line(row) for row in self.labels]
        lines += ["", f"| regions | overlap | {head}", "|---" * 9 + "|"]
        lines += [_line(row, placed=True) for row in self.regions]
        if self.drawn:
            known = "true labels; lesions: nodule and mass"
            lines += ["", f"{self.drawn_films} JSRT films; {known}.", ""]
            lines += [f"| regions | overlap | {head}", "|---" * 9 + "|"]
            lines += [_line(row, placed=True) for row in self.drawn]
        return lines

    def draw(self, path: Path) -> Path:
        """The reports' F1 by the labels' and by the regions' overlap, as a picture of curves."""
        from evaluation.figures import Panel, draw_panels

        published = [
            (level, row.published)
            for level, row in zip(LEVELS, self.labels, strict=False)
            if row.published is not None
        ]
        labels = Panel(
            "F1 of the lesion labels",
            {"here": [(row.label_f1, row.f1) for row in self.labels[: len(LEVELS)]]},
            {"CLALA-Net's paper": published},
        )
        regions = Panel(
            "overlap of the regions with the found ones",
            {"here": [(row.region_iou, row.f1) for row in self.regions if row.region_iou]},
        )
        return draw_panels([labels, regions], "lesion F1 of the reports", path)


def corrupted(
    truth: NDArray[np.bool_], f1: float, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Labels ``(films, lesions)`` that have this F1 for every lesion, as near as counts allow.

    Where fewer films are without a lesion than positives must go, only those are exchanged.
    """
    given = truth.copy()
    for column in range(truth.shape[1]):
        positive, negative = np.flatnonzero(truth[:, column]), np.flatnonzero(~truth[:, column])
        lost = min(len(positive) - round(f1 * len(positive)), len(negative))
        given[random.choice(positive, lost, replace=False), column] = False
        given[random.choice(negative, lost, replace=False), column] = True
    return given


def label_f1(given: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Mean F1 over the lesions that occur."""
    occurring = truth.any(axis=0)
    hits = (given & truth).sum(axis=0)[occurring]
    total = (given.sum(axis=0) + truth.sum(axis=0))[occurring]
    return float((2 * hits / total).mean()) if occurring.any() else float("nan")


def moved(
    boxes: Mapping[Region, Box],
    overlap: float,
    shape: tuple[int, int],
    random: np.random.Generator,
) -> dict[Region, Box]:
    """Each box moved in a random direction until it overlaps itself by ``overlap`` or less.

    A box that meets the film's edge stays there, so that it may overlap more.
    """
    height, width = shape
    found = {}
    for region, box in boxes.items():
        angle = random.uniform(0, 2 * np.pi)
        step = np.array([np.cos(angle) * (box[2] - box[0]), np.sin(angle) * (box[3] - box[1])])
        own = box
        for part in range(1, _STEPS + 1):
            x, y = step * part / _STEPS
            x = float(np.clip(x, -box[0], width - box[2]))
            y = float(np.clip(y, -box[1], height - box[3]))
            own = (box[0] + x, box[1] + y, box[2] + x, box[3] + y)
            if box_iou(box, own) <= overlap:
                break
        found[region] = own
    return found


def evaluate_sensitivity(
    data: Path,
    writer: ClalaWriter,
    cache: Path,
    most: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Sensitivity:
    """The tables, on the validation (or test) films of a folder; ``most`` of them, 0 is all.

    Where the folder holds JSRT's films with their masks, regions found and drawn are compared on
    the validation ones as well.

    ``cache`` is where the report corpora were pulled to. Texts are decoded greedily.

    Raises:
        StudyError: the folder holds nothing to compare on.
        WeightsError: the report corpora are missing.
    """
    split = read_split(data, cache).first(most)
    films = _Films(writer, split.compared, split.language, progress)
    truth = np.stack([lesion_labels(case.reference.claims) for case in split.compared])
    labels = [
        films.row(
            f"corrupted to {level:.2f}", corrupted(truth, level, _random(seed)), truth
        ).model_copy(update={"published": PUBLISHED.get(level)})
        for level in LEVELS
    ]
    own = films.own_labels()
    labels.append(films.row("of the classifier", own, truth))
    regions = [films.row("found", own, truth, films.boxes)]
    for overlap in OVERLAPS:
        random = _random(seed)
        boxes = [
            moved(found, overlap, display.shape, random)
            for found, display in zip(films.boxes, films.displays, strict=True)
        ]
        regions.append(films.row(f"moved to overlap {overlap:.2f}", own, truth, boxes))
    masked = list(drawn_regions(data))
    return Sensitivity(
        dataset=split.dataset,
        weak=split.weak,
        films=len(split.compared),
        labels=tuple(labels),
        regions=tuple(regions),
        drawn_films=len(masked),
        drawn=_found_and_drawn(writer, masked, split.language, progress) if masked else (),
    )


def drawn_regions(data: Path) -> Iterator[tuple[ComparedCase, dict[Region, Box]]]:
    """JSRT's validation films with the regions of their people-made masks; none without them."""
    if not (data / "jsrt" / "split.csv").is_file():
        return
    claims = {record.image_id: record.claims for record in jsrt_records(data, None)}
    for record in read_jsrt(data):
        if record.split is not Split.VAL or record.image_id not in claims:
            continue
        drawn = {REGION_OF[kind]: mask for kind, mask in drawn_masks(record).items()}
        height, width = next(iter(drawn.values())).shape
        rows, columns = read_display(record.image).shape
        scale = np.array([columns / width, rows / height] * 2)
        boxes = {}
        for region, placed in derive_regions(drawn).placed.items():
            if region in CLALA_REGIONS:
                x0, y0, x1, y1 = (float(edge) for edge in np.array(placed.box) * scale)
                boxes[region] = (x0, y0, x1, y1)
        reference = ReferenceReport(
            record.image_id, "", claims[record.image_id], frozenset({Finding.NODULE, Finding.MASS})
        )
        yield ComparedCase(record.image, reference), boxes


def _found_and_drawn(
    writer: ClalaWriter,
    masked: Sequence[tuple[ComparedCase, dict[Region, Box]]],
    language: Language,
    progress: Progress | None,
) -> tuple[SensitivityRow, ...]:
    films = _Films(writer, [case for case, _ in masked], language, progress)
    truth = np.stack([lesion_labels(case.reference.claims) for case, _ in masked])
    return (
        films.row("found", truth, truth, films.boxes),
        films.row("drawn by people", truth, truth, [boxes for _, boxes in masked]),
    )


class _Films:
    """The films that are described again and again."""

    def __init__(
        self,
        writer: ClalaWriter,
        cases: Sequence[ComparedCase],
        language: Language,
        progress: Progress | None,
    ) -> None:
        self._writer, self._cases, self._language = writer, cases, language
        self._progress = progress
        self.displays: list[NDArray[np.float32]] = []
        self.boxes: list[dict[Region, Box]] = []
        for case in cases:
            display = read_display(case.image)
            self.displays.append(display)
            self.boxes.append(writer.find(display))
            self._tell("regions", len(self.boxes))
        self._found = [
            writer.view(display, boxes)
            for display, boxes in zip(self.displays, self.boxes, strict=True)
        ]

    def own_labels(self) -> NDArray[np.bool_]:
        """What the writer itself would be hinted."""
        found = []
        for display in self.displays:
            found.append(self._writer.label(display))
            self._tell("labels", len(found))
        return np.stack(found)

    def row(
        self,
        condition: str,
        labels: NDArray[np.bool_],
        truth: NDArray[np.bool_],
        boxes: Sequence[Mapping[Region, Box]] | None = None,
    ) -> SensitivityRow:
        """Describe every film under these labels, in these regions, and count."""
        views = self._found
        if boxes is not None and boxes is not self.boxes:
            views = [
                self._writer.view(display, own)
                for display, own in zip(self.displays, boxes, strict=True)
            ]
        texts: list[str] = []
        decoding = Decoding(most_tokens=self._writer.config.decoding.most_tokens)
        for start in range(0, len(views), _BATCH):
            batch = slice(start, start + _BATCH)
            described = self._writer.describe_views(views[batch], list(labels[batch]), 0, decoding)
            texts += [" ".join(aggregate(own.sentences)) for own in described]
            self._tell(condition, len(texts))
        pairs = [
            ReportPair(text, case.reference, self._language)
            for text, case in zip(texts, self._cases, strict=True)
        ]
        found = efficacy(pairs, LESIONS)
        patients = [case.reference.patient for case in self._cases]
        references = [case.reference.text for case in self._cases]
        return SensitivityRow(
            condition=condition,
            label_f1=label_f1(labels, truth),
            precision=found.macro_precision,
            recall=found.macro_recall,
            f1=found.macro_f1,
            rouge_l=mean_estimate(list(rouge_l(texts, references)), patients)
            if all(references)
            else None,
            meteor=mean_estimate(list(meteor(texts, references, self._language)), patients)
            if all(references)
            else None,
            region_iou=None if boxes is None else self._overlap(boxes),
        )

    def _overlap(self, boxes: Sequence[Mapping[Region, Box]]) -> float:
        return _mean(
            [
                box_iou(found[region], own[region])
                for found, own in zip(self.boxes, boxes, strict=True)
                for region in found
                if region in own
            ]
        )

    def _tell(self, stage: str, done: int) -> None:
        if self._progress is not None:
            self._progress(stage, done, len(self._cases))


def _random(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, len(LESIONS)])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _line(row: SensitivityRow, placed: bool = False) -> str:
    overlap = f"{row.region_iou:.2f} | " if placed and row.region_iou is not None else ""
    figures = (row.precision, row.recall, row.f1, row.rouge_l, row.meteor)
    shown = " | ".join("" if value is None else value.shown() for value in figures)
    paper = "" if row.published is None else f"{row.published:.2f}"
    return f"| {row.condition} | {overlap}{row.label_f1:.3f} | {shown} | {paper} |"
