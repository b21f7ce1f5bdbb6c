"""The detector's score, with a detector whose boxes are known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from evaluation.experts.detector import evaluate_detector
from evaluation.experts.published_boxes import PUBLISHED
from evaluation.experts.readings import Readings
from findings.vocabulary import Finding
from models.data.finding_sources import NIH_COLUMNS
from models.detector.config import BoxedFinding, DetectionPoint
from models.detector.inference import DetectorOutput, FindingDetector, FoundBox

DRAWN = (20.0, 10.0, 60.0, 40.0)


class KnownDetector:
    """Finds the drawn mass in every image that is bright, and one false nodule everywhere."""

    config = SimpleNamespace(
        version="1",
        findings={
            Finding.MASS: BoxedFinding(point=DetectionPoint(score=0.5, false_boxes=0.0)),
            Finding.NODULE: BoxedFinding(),
        },
    )

    def search(self, display: np.ndarray) -> DetectorOutput:
        """Boxes by the image's mean."""
        boxes = [FoundBox(Finding.NODULE, (0, 0, 9, 9), 0.4, None)]
        if display.mean() > 0.5:
            boxes.insert(0, FoundBox(Finding.MASS, DRAWN, 0.9, 0.8))
        return DetectorOutput(tuple(boxes), 0.1)


class _AllInstalled(Readings):
    """Readings that ask no expert."""

    def __init__(self) -> None:
        super().__init__({})

    def installed(self, role: object) -> bool:
        """Always."""
        return True


def folder(root: Path) -> Path:
    """Four validation images: two with a drawn mass (one dim), two without any finding."""
    columns = list(NIH_COLUMNS.values())
    rows = [f"image,patient,split,view,{','.join(columns)},No_Finding,note"]
    boxes = ["image,finding,x_min,y_min,x_max,y_max,split"]
    (root / "nih" / "images").mkdir(parents=True)
    for number, (level, mass) in enumerate([(200, 1), (50, 1), (50, 0), (50, 0)]):
        Image.new("L", (100, 50), level).save(root / "nih" / "images" / f"{number}.jpg")
        cells = [str(int(column == "Mass" and bool(mass))) for column in columns]
        rows.append(f"{number},{number},val,PA,{','.join(cells)},{1 - mass},")
        if mass:
            boxes.append(f"{number},Mass,20,10,60,40,val")
    (root / "nih" / "labels.csv").write_text("\n".join(rows))
    (root / "nih" / "boxes.csv").write_text("\n".join(boxes))
    return root


def test_known_boxes_give_known_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FindingDetector, "load", classmethod(lambda cls: KnownDetector()))
    score = evaluate_detector(folder(tmp_path), "val", _AllInstalled())
    assert score is not None and score.images == 4 and score.nodules is None
    (mass,) = score.findings
    assert (mass.finding, mass.boxes, mass.clear_images) == (Finding.MASS, 2, 2)
    assert [own.value for own in mass.precision] == pytest.approx([0.5, 0.5])
    assert [own.value for own in mass.localisation] == pytest.approx([0.5] * 3)
    assert mass.froc is not None and set(mass.froc.sensitivity) == {0.5}
    assert mass.presence_auc.value == pytest.approx(0.75)
    assert (mass.shown_false_boxes, mass.shown_sensitivity) == (0.0, 0.5)
    tables = [
        block.splitlines()
        for block in "\n".join(score.markdown()).split("\n\n")
        if block.startswith("|")
    ]
    for head, rule, *rows in tables:
        assert len({line.count("|") for line in (head, rule, *rows)}) == 1
        assert rows[0].startswith("| nih | mass | 2 |") and rows[-1].startswith("| nih | mean |")
    precision, localisation = tables
    assert localisation[2].endswith("| 0.40 | 0.71 | 0.15 | 0.45 | 0.01 | 0.22 |")
    assert localisation[-1].startswith("| nih | mean | | 0.50 | 0.50 | 0.50 |")
    assert precision[-1].startswith("| nih | mean | | 0.50 | 0.50 |")


def test_nothing_to_measure_on_is_no_score(tmp_path: Path) -> None:
    assert evaluate_detector(tmp_path, "val", _AllInstalled()) is None
    assert evaluate_detector(folder(tmp_path), "val", Readings({})) is None


def test_published_means_are_those_of_the_papers() -> None:
    means = {
        name: [round(float(np.mean([own[n] for own in table.values()])), 2) for n in range(3)]
        for name, table in PUBLISHED.items()
    }
    assert means == {"Wang 2017": [0.57, 0.22, 0.06], "Li 2018": [0.73, 0.5, 0.27]}
