"""`readingroom data`: what it prints, what it writes, and how it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from findings.errors import UserInputError
from ui.cli.main import readingroom

PATIENTS = 40


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(readingroom, ["data", *arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty patients with two images each; one picture is in two parts, one is missing."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "images").mkdir()
    rng = np.random.default_rng(1)
    lines = ["image,patient,split,view,Effusion,Nodule,wrong column"]
    for patient in range(PATIENTS):
        for image in range(2):
            name = f"{patient}_{image}.png"
            coarse = Image.fromarray(rng.integers(0, 255, (8, 8)).astype(np.uint8))
            coarse.resize((64, 64)).save(folder / "images" / name)
            part = "val" if patient % 5 == 0 else "train"
            lines.append(f"{name},{patient:03},{part},PA,{patient % 2},{int(patient < 6)},x")
    (folder / "images" / "0_0.png").write_bytes((folder / "images" / "1_0.png").read_bytes())
    lines.append("gone.png,999,train,PA,1,0,x")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    boxes = (
        "image,finding,x_min,y_min,x_max,y_max\n1_0.png,Nodule,1,1,9,9\n2_0.png,Nodule,1,1,99,9\n"
    )
    (folder / "boxes.csv").write_text(boxes, encoding="utf-8")
    return folder


def test_check_says_what_there_is_and_what_is_missing(folder: Path) -> None:
    text = run("check", str(folder), "--images").output
    assert "a folder of images with labels.csv (folder-csv)" in text
    assert "80 images" in text
    assert "train        64 images       32 patients" in text
    assert "passed over: 1 × image named in a table but not in the folder" in text
    assert "labels without a finding: wrong column 1" in text
    assert "1 of their boxes reach out of the image" in text
    assert "patients in more than one part: 0" in text
    assert "pictures in more than one part: 1 identical, 0 nearly so, of 80 images" in text
    assert "folder-csv/0_0.png = folder-csv/1_0.png" in text
    rows = [line.split() for line in text.splitlines() if line.startswith("nodule")]
    assert rows == [["nodule", "train", "8", "56", "0", "2"]]


def test_check_as_json(folder: Path) -> None:
    report = json.loads(run("check", str(folder), "--json").output)
    assert report["card"]["name"] == "folder-csv"
    assert {row["split"]: row["images"] for row in report["splits"]} == {"train": 64, "val": 16}
    assert report["leaks"]["images_compared"] == 0


def test_split_writes_a_table_that_check_takes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "splits.csv"
    shares = ("--train", "0.5", "--val", "0.25", "--test", "0.25", "--quota", "1")
    result = run("split", str(folder), "--out", str(out), *shares)
    assert result.exit_code == 0
    assert "80 images written" in result.output
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    parts = {row["patient"]: row["split"] for row in rows}
    assert all(parts[row["patient"]] == row["split"] for row in rows)
    assert sorted(parts) == [f"{patient:03}" for patient in range(PATIENTS)]
    text = run("check", str(folder), "--splits", str(out)).output
    assert "test         20 images       10 patients" in text
    again = tmp_path / "again.csv"
    run("split", str(folder), "--out", str(again), *shares)
    assert again.read_bytes() == out.read_bytes()


def test_a_quota_that_cannot_be_met_is_said(folder: Path, tmp_path: Path) -> None:
    result = run("split", str(folder), "--out", str(tmp_path / "s.csv"), "--quota", "5")
    assert "under the quota: val has" in result.output


def test_wrong_requests_are_refused(folder: Path, tmp_path: Path) -> None:
    for arguments, reason in (
        (("check", str(tmp_path / "nowhere")), "no such folder"),
        (("check", str(folder), "--kind", "mnist"), "Choose one of"),
        (("check", str(folder), "--kind", "chexpert"), "train.csv"),
        (("split", str(folder), "--out", str(tmp_path / "s.csv"), "--val", "0.9"), "add up to 1"),
        (("split", str(folder), "--out", str(tmp_path / "no" / "s.csv")), "cannot be written"),
    ):
        error = run(*arguments).exception
        assert isinstance(error, UserInputError)
        assert reason in str(error)


def test_kinds_are_listed_with_their_terms() -> None:
    text = run("kinds").output
    for name in ("nih-chestxray14", "vindr-cxr", "mimic-cxr-jpg", "folder-csv"):
        assert f"\n{name}" in f"\n{text}"
    assert "PhysioNet Credentialed Health Data License" in text
