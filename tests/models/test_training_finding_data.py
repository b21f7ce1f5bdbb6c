"""Recognised data sets as training records: labels, views, splits by patient."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from findings.errors import StudyError, UserInputError
from models.data.records import FindingRecord, Split
from models.training.finding_data import read_finding_data

TARGETS = ("cardiomegaly", "edema", "pneumothorax", "paediatric_pneumonia")


def picture(path: Path) -> None:
    """A grey image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (32, 32), 90).save(path)


def make_nih(folder: Path, patients: int, lists: bool) -> None:
    """Two films a patient; every third patient has a large heart; the last four are the test's."""
    rows, parts = ["Image Index,Finding Labels,Follow-up #,Patient ID,View Position"], ([], [])
    for patient in range(1, patients + 1):
        for number in range(2):
            name = f"{patient:08d}_{number:03d}.png"
            labels = "Cardiomegaly" if patient % 3 == 0 else "No Finding"
            rows.append(f"{name},{labels},{number},{patient},PA")
            parts[patient > patients - 4].append(name)
            picture(folder / "images" / name)
    (folder / "Data_Entry_2017.csv").write_text("\n".join(rows) + "\n")
    if lists:
        (folder / "train_val_list.txt").write_text("\n".join(parts[0]) + "\n")
        (folder / "test_list.txt").write_text("\n".join(parts[1]) + "\n")


def patients_in(records: list[FindingRecord], split: Split) -> set[str]:
    """Who has an image in a part."""
    return {record.patient for record in records if record.split is split}


@pytest.mark.parametrize("lists", [True, False])
def test_nih_gets_a_validation_part_apart_by_patient(tmp_path: Path, lists: bool) -> None:
    make_nih(tmp_path, patients=60, lists=lists)
    records = read_finding_data(tmp_path, TARGETS)
    assert len(records) == 120
    train, val = patients_in(records, Split.TRAIN), patients_in(records, Split.VAL)
    test = patients_in(records, Split.TEST)
    assert not train & val and not (train | val) & test
    assert len(test) == (4 if lists else 0) and len(train | val | test) == 60
    # The quota of ten patients with the finding outweighs the tenth of the images; of the eighteen
    # whom a test split leaves, training keeps its ten.
    hearts = {record.patient for record in records if record.labels["cardiomegaly"]}
    assert len(hearts & val) == (8 if lists else 10)
    assert all("paediatric_pneumonia" not in record.labels for record in records)
    again = read_finding_data(tmp_path, TARGETS)
    assert again == records


def test_chexpert_knows_only_what_is_stated(tmp_path: Path) -> None:
    header = (
        "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Lung Opacity,Cardiomegaly,Edema,Pneumothorax"
    )
    rows = {
        "train.csv": [
            ("patient00001/study1/view1_frontal.jpg", "Frontal,AP,,,1.0,-1.0,0.0"),
            ("patient00001/study1/view2_lateral.jpg", "Lateral,,,,1.0,-1.0,0.0"),
            ("patient00002/study1/view1_frontal.jpg", "Frontal,PA,1.0,,,,"),
            ("patient00003/study1/view1_frontal.jpg", "Frontal,PA,,1.0,,,"),
        ],
        "valid.csv": [("patient00009/study1/view1_frontal.jpg", "Frontal,AP,0.0,0.0,0.0,1.0,0.0")],
    }
    for table, films in rows.items():
        part = table.removesuffix(".csv")
        lines = [f"CheXpert-v1.0-small/{part}/{path},Male,60,{rest}" for path, rest in films]
        (tmp_path / table).write_text("\n".join([header, *lines]) + "\n")
        for path, _ in films:
            picture(tmp_path / part / path)
    records = {record.patient[-1]: record for record in read_finding_data(tmp_path, TARGETS)}
    assert records["1"].labels == {"cardiomegaly": 1, "pneumothorax": 0}  # oedema is uncertain
    assert records["2"].labels == {"cardiomegaly": 0, "edema": 0, "pneumothorax": 0}
    assert "3" not in records, "an opacity is nothing that the network is taught"
    assert records["9"].split is Split.VAL and records["9"].labels["edema"] == 1
    assert records["1"].view == "AP" and records["1"].split is Split.TRAIN


def test_a_folder_without_anything_to_learn_is_told(tmp_path: Path) -> None:
    make_nih(tmp_path, patients=6, lists=True)
    with pytest.raises(StudyError, match=r"ChestX-ray14.*free to train on"):
        read_finding_data(tmp_path, ("paediatric_pneumonia",))
    with pytest.raises(UserInputError, match="fits no data set"):
        (tmp_path / "other").mkdir()
        read_finding_data(tmp_path / "other", TARGETS)
