"""Measure the input gate: `python -m evaluation.gate --data DIR [--split val|train|all]`.

Right is: an adult frontal radiograph is not refused, whatever it warns of; anything else, and a
film turned, inverted or mirrored on purpose, is refused. Children are let through and should be
warned of.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from findings.claims import Frozen
from imaging.gate import InputGate, examine_path
from imaging.gate_data import GatePicture, gate_pictures
from imaging.gate_network import PictureKind
from imaging.limits import LoadLimits
from imaging.raster import read_raster
from imaging.study import FloatImage, GateDecision, GateResult, Study, StudyImage

_CHANGES: dict[str, Callable[[FloatImage], FloatImage]] = {
    "turned left": lambda film: np.rot90(film, 1),
    "upside down": lambda film: np.rot90(film, 2),
    "turned right": lambda film: np.rot90(film, 3),
    "inverted": lambda film: np.float32(1) - film,
    "mirrored": np.fliplr,
    "left half cut off": lambda film: film[:, film.shape[1] * 9 // 20 :],
}


class GateRow(Frozen):
    """What the gate decided on one group of pictures."""

    group: str
    right: str
    """The decision that would be right: `pass` or `refuse`."""
    pictures: int
    accepted: int
    warned: int
    refused: int
    reasons: dict[str, int]
    """How often each reason was given."""

    @property
    def share_right(self) -> float:
        """Share of pictures decided rightly."""
        right = self.refused if self.right == "refuse" else self.accepted + self.warned
        return right / self.pictures if self.pictures else float("nan")


class GateEvaluation(Frozen):
    """The gate measured on a data folder."""

    split: str
    rows: tuple[GateRow, ...]
    adults: int
    """Upright frontal films of adults, as published, among all rows."""
    adults_refused: int
    milliseconds: float
    """Median time for one picture, loading not counted."""

    def markdown(self) -> str:
        """The evaluation as a Markdown table."""
        lines = [
            "| group | right is | pictures | accepted | warned | refused | decided rightly "
            "| reasons |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            reasons = ", ".join(f"{code} {count}" for code, count in row.reasons.items())
            lines.append(
                f"| {row.group} | {row.right} | {row.pictures} | {row.accepted} | {row.warned} "
                f"| {row.refused} | {row.share_right:.1%} | {reasons} |"
            )
        lines += [
            "",
            f"Adult frontal films refused: {self.adults_refused} of {self.adults} "
            f"({self.adults_refused / max(1, self.adults):.1%}). "
            f"Median time for one picture: {self.milliseconds:.0f} ms.",
        ]
        return "\n".join(lines)


def evaluate_gate(data: Path, *, split: str = "val", most: int | None = None) -> GateEvaluation:
    """Run the gate on every picture under `data` in `split`, and on changed copies of films.

    Args:
        data: folder laid out as `imaging.gate_data` reads it, with `dicom/index.csv`.
        split: `val`, `train` or `all`.
        most: most pictures of a group, evenly picked; all by default.
    """
    gate = InputGate()
    seconds: list[float] = []
    results: dict[tuple[str, str], list[GateResult]] = defaultdict(list)
    adults: list[GateResult] = []

    def judge(image: StudyImage) -> GateResult:
        began = time.perf_counter()
        result = gate.examine(Study(images=(image,), study_key=""))
        seconds.append(time.perf_counter() - began)
        return result

    for source, pictures in _by_source(data, split).items():
        for picture in _evenly(pictures, most):
            image = read_raster(picture.path.read_bytes(), LoadLimits())
            result = judge(image)
            results[source, _right(picture)].append(result)
            if _right(picture) == "refuse" or picture.source == "paediatric":
                continue
            adults.append(result)
            if picture.source == "nih" and not picture.atypical:
                for name, change in _CHANGES.items():
                    film = np.ascontiguousarray(change(image.display))
                    right = "pass" if "cut off" in name else "refuse"
                    results[f"nih {name}", right].append(judge(StudyImage(display=film)))
    for right, decisions in _dicom(data).items():
        results["dicom", right] = decisions
    return GateEvaluation(
        split=split,
        rows=tuple(_row(group, right, found) for (group, right), found in results.items()),
        adults=len(adults),
        adults_refused=sum(result.decision is GateDecision.REFUSE for result in adults),
        milliseconds=round(1000 * float(np.median(seconds)), 1),
    )


def _by_source(data: Path, split: str) -> dict[str, list[GatePicture]]:
    groups: dict[str, list[GatePicture]] = defaultdict(list)
    for picture in gate_pictures(data):
        if split in ("all", picture.split) and picture.path.is_file():
            groups[picture.source].append(picture)
    return groups


def _evenly(pictures: list[GatePicture], most: int | None) -> Iterable[GatePicture]:
    if most is None or len(pictures) <= most:
        return pictures
    return [pictures[int(index)] for index in np.linspace(0, len(pictures) - 1, most)]


def _right(picture: GatePicture) -> str:
    frontal = picture.kind is PictureKind.FRONTAL
    upright = picture.quarter_turns == 0 and not picture.inverted
    return "pass" if frontal and upright else "refuse"


def _dicom(data: Path) -> dict[str, list[GateResult]]:
    index = data / "dicom/index.csv"
    results: dict[str, list[GateResult]] = defaultdict(list)
    if index.is_file():
        with index.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                right = "pass" if row["expected"] == "accept" else "refuse"
                results[right].append(examine_path(index.parent / row["file"]))
    return results


def _row(group: str, right: str, results: list[GateResult]) -> GateRow:
    decisions = Counter(result.decision for result in results)
    reasons = Counter(reason.code for result in results for reason in result.reasons)
    return GateRow(
        group=group,
        right=right,
        pictures=len(results),
        accepted=decisions[GateDecision.ACCEPT],
        warned=decisions[GateDecision.WARN],
        refused=decisions[GateDecision.REFUSE],
        reasons=dict(reasons.most_common()),
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Measure the input gate.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--split", choices=("val", "train", "all"), default="val")
    parser.add_argument("--most", type=int, help="most pictures of a group")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    chosen = parser.parse_args()
    evaluation = evaluate_gate(chosen.data, split=chosen.split, most=chosen.most)
    print(evaluation.markdown())
    if chosen.json is not None:
        chosen.json.write_text(evaluation.model_dump_json(indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
