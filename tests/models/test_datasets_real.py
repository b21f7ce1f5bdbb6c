"""The readers on the published tables, and on the shared data; images are not needed for counts.

Expected numbers are those that the data sets' publishers state, or counts of the tables by other
means.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from agents.settings import load_settings
from findings.errors import WeightsError
from findings.vocabulary import Finding
from imaging.study import View
from models.data.records import MaskKind, Split
from models.datasets.box_merging import merge_boxes
from models.datasets.check import check_dataset
from models.datasets.notes import Notes, Problem
from models.datasets.record import LabelState, RadiographRecord
from models.datasets.registry import detect, open_dataset
from models.weights import locate

PRESENT, UNCERTAIN = LabelState.PRESENT, LabelState.UNCERTAIN


def tables(artefact: str) -> Path:
    """The folder of a pulled artefact; skips where it is absent."""
    try:
        return locate(artefact, load_settings().cache_dir)
    except WeightsError as error:
        pytest.skip(str(error))


def published(folder: Path, artefact: str, *names: str, **renamed: str) -> Path:
    """A folder with links to published tables, under the names that the data set gives them."""
    source = tables(artefact)
    for name in names:
        target = folder / renamed.get(name.split(".")[0].replace("-", "_"), name)
        target.symlink_to(source / name)
    return folder


def rows(folder: Path, notes: Notes) -> list[RadiographRecord]:
    """Every record of the tables, though no image is there."""
    (name,) = detect(folder)
    return list(open_dataset(folder, name).reader.read(folder, notes))


def count(records: list[RadiographRecord], finding: Finding, state: LabelState = PRESENT) -> int:
    """Images with a finding in a state."""
    return sum(record.label(finding) is state for record in records)


def test_nih(tmp_path: Path) -> None:
    folder = published(
        tmp_path, "report-corpora", "Data_Entry_2017_v2020.csv.gz", "BBox_List_2017.csv.gz"
    )
    notes = Notes()
    records = rows(folder, notes)
    assert len(records) == 112_120
    assert len({record.patient for record in records}) == 30_805
    assert sum(len(record.boxes) for record in records) == 984
    assert sum(bool(record.boxes) for record in records) == 880
    assert count(records, Finding.HERNIA) == 227
    assert count(records, Finding.INFILTRATION) == 19_894
    assert Counter(box.finding for r in records for box in r.boxes)[Finding.INFILTRATION] == 123
    assert all(box.box[2] <= 1024.5 and box.box[3] <= 1024.5 for r in records for box in r.boxes)
    assert not notes.counts


def test_vindr(tmp_path: Path) -> None:
    folder = published(
        tmp_path,
        "report-corpora",
        "vinbigdata-train.csv.gz",
    )
    notes = Notes()
    records = rows(folder, notes)
    assert len(records) == 15_000
    assert all(len(record.readings) == 3 for record in records)
    assert sum(len(record.boxes) for record in records) == 67_914 - 31_818
    assert count(records, Finding.NO_FINDING) == 10_606
    assert not notes.counts
    example = next(r for r in records if r.image_id == "0005e8e3701dfb1dd93d53e2ff537b6e")
    merged = merge_boxes(example.boxes)
    assert [(own.box, own.labels) for own in merged] == [
        ((900, 583, 1205, 890), ("Infiltration", "Lung Opacity")),
        ((932, 567, 1197, 896), ("Consolidation", "Nodule/Mass")),
    ]
    total = sum(len(merge_boxes(record.boxes)) for record in records)
    assert 4_394 < total < 36_096, "no image loses all its boxes"
    assert all(bool(merge_boxes(r.boxes)) == bool(r.boxes) for r in records)


def test_chexpert(tmp_path: Path) -> None:
    folder = published(tmp_path, "report-corpora", "chexpert_train.csv.gz")
    records = rows(folder, Notes())
    assert len(records) == 223_414
    assert len({record.patient for record in records}) == 64_540
    # Irvin et al. count studies; these are images, counted in the table by hand.
    assert count(records, Finding.PLEURAL_EFFUSION) == 86_187
    assert count(records, Finding.ATELECTASIS, UNCERTAIN) == 33_739
    views = Counter(record.view for record in records)
    assert views[View.LATERAL] == 32_387 + 17
    assert views[View.AP] == 161_590


@pytest.mark.slow
def test_padchest(tmp_path: Path) -> None:
    table = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"
    notes = Notes()
    records = rows(published(tmp_path, "report-corpora", table), notes)
    assert len(records) == 160_861
    assert sum(record.origin == "report readers" for record in records) == 39_053
    assert len({record.patient for record in records}) == 67_625
    assert set(notes.counts) == {Problem.UNMAPPED_LABEL}
    assert "loc basal" not in notes.unmapped
    with_side = [r for r in records if any(claim.side for claim in r.claims)]
    assert len(with_side) > 20_000
    assert count(records, Finding.PNEUMOTHORAX) > 300


def test_openi(tmp_path: Path) -> None:
    folder = published(
        tmp_path, "report-corpora", "NLMCXR_reports.tgz", "nlmcxr_dicom_metadata.csv.gz"
    )
    notes = Notes()
    records = rows(folder, notes)
    assert len(records) == 7_470
    # 3,955 reports, of which 104 have no image.
    assert len({record.patient for record in records}) == 3_851
    assert count(records, Finding.NO_FINDING) == 2_696
    assert sum(record.report is not None for record in records) > 7_400
    assert notes.counts[Problem.BROKEN_FILE] == 0


def test_rsna(tmp_path: Path) -> None:
    folder = published(
        tmp_path,
        "challenge-tables",
        "kaggle_stage_2_train_labels.csv.zip",
        "kaggle_stage_2_train_images_dicom_headers.csv.gz",
        kaggle_stage_2_train_labels="stage_2_train_labels.csv.zip",
    )
    records = rows(folder, Notes())
    assert len(records) == 26_684
    assert count(records, Finding.LUNG_OPACITY) == 6_012
    assert sum(len(record.boxes) for record in records) == 9_555
    assert Counter(record.view for record in records)[View.UNKNOWN] == 0
    assert all(box.box[2] <= 1024 and box.box[3] <= 1024 for r in records for box in r.boxes)


def test_siim(tmp_path: Path) -> None:
    folder = published(tmp_path, "challenge-tables", "siim-pneumothorax-train-rle.csv.gz")
    records = rows(folder, Notes())
    assert len(records) == 12_047
    assert count(records, Finding.PNEUMOTHORAX) == 2_669
    masked = [record for record in records if record.outlines][:150]
    shares, heights = [], []
    for record in masked:
        mask = record.outlines[0].read()
        shares.append(mask.mean())
        heights.append(np.argwhere(mask)[:, 0].mean() / len(mask))
    assert min(shares) > 0
    assert max(shares) < 0.35
    # Free air rises: decoded along rows in place of columns, the masks lie as often low as high.
    assert np.mean(np.array(heights) < 0.5) > 0.7


def test_shared_data(shared_data: Path) -> None:
    notes = Notes()
    dataset = open_dataset(shared_data)
    assert dataset.card.name == "shared"
    records = list(dataset.records(notes))
    sources = Counter(record.source for record in records)
    if sources["nih"] != 2_797:
        pytest.skip("these are other images in the same layout: the counts differ")
    # The folder's README states these.
    assert sources == {
        **{"nih": 2797, "montgomery": 110, "shenzhen": 530, "jsrt": 180, "gbseg": 75},
        **{"openist": 199, "covid": 349, "paediatric": 1600},
    }
    nih = [record for record in records if record.source == "nih"]
    assert len({record.patient for record in nih}) == 1_852
    assert sum(len(record.boxes) for record in nih) == 800
    assert Counter(r.split for r in nih) == {Split.TRAIN: 2373, Split.VAL: 424}
    assert count(nih, Finding.HERNIA) == 26
    outlined = Counter(own.structure for record in records for own in record.outlines)
    assert outlined[MaskKind.HEART] == 180
    assert notes.counts[Problem.MISSING_IMAGE] == 0


def test_shared_data_check(shared_data: Path) -> None:
    report = check_dataset(open_dataset(shared_data), sample=60)
    assert report.unreadable_images == report.boxes_outside == report.other_frame == 0
    assert report.leaks.clean
    assert report.images == sum(part.images for part in report.splits)


def test_real_reports_with_images(shared_data: Path) -> None:
    report = check_dataset(open_dataset(shared_data / "iu"))
    assert (report.card.name, report.images, report.reports) == ("openi", 6, 6)
    assert report.unreadable_images == 0
    assert report.splits[0].patients == 3
