"""The input gate: rules, tags, and the network on real pictures of the val split."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imaging import made_pictures
from imaging.dicom import read_dicom
from imaging.gate import InputGate, examine_path
from imaging.gate_data import GatePicture, gate_pictures, read_gray
from imaging.gate_network import PictureKind, shared_model
from imaging.limits import LoadLimits
from imaging.loading import load_study
from imaging.study import GateDecision, GateResult, Source, Study, StudyImage, View
from tests.imaging.conftest import DicomMaker

GATE = InputGate()
ROOT = Path(__file__).resolve().parents[2]


def examine(display: np.ndarray[Any, Any], **properties: Any) -> GateResult:
    image = StudyImage(display=np.ascontiguousarray(display, dtype=np.float32), **properties)
    return GATE.examine(Study(images=(image,), study_key="k"))


def codes(result: GateResult) -> set[str]:
    return {reason.code for reason in result.reasons}


def of_source(data: Path, *sources: str, most: int = 30) -> list[GatePicture]:
    found = [
        p
        for p in gate_pictures(data)
        if p.source in sources and p.split == "val" and not p.atypical
    ]
    return found[:: max(1, len(found) // most)][:most]


def shares(pictures: list[GatePicture], change: Callable[[Any], Any] = lambda film: film) -> float:
    """Share of the pictures, changed, that the gate refuses."""
    refused = [
        examine(change(read_gray(picture.path))).decision is GateDecision.REFUSE
        for picture in pictures
    ]
    return float(np.mean(refused))


# ------------------------------------------------------------------------------- rules and tags


@pytest.mark.parametrize(
    ("display", "code"),
    [
        (np.zeros((512, 512)), "blank"),
        (np.full((512, 512), 0.7), "blank"),
        (np.random.default_rng(0).random((90, 500)), "tiny"),
        (np.random.default_rng(0).random((200, 600)), "shape"),
        (np.kron(np.random.default_rng(0).random((4, 4)), np.ones((100, 100))), "test_pattern"),
    ],
)
def test_rules_refuse(display: np.ndarray[Any, Any], code: str) -> None:
    result = examine(display)
    assert result.decision is GateDecision.REFUSE
    assert code in codes(result)


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"Modality": "CT"}, "ct_or_mr"),
        ({"Modality": "MR"}, "ct_or_mr"),
        ({"Modality": "US"}, "modality"),
        ({"BodyPartExamined": "HAND"}, "body_part"),
        ({"ViewPosition": "LL"}, "lateral"),
    ],
)
def test_tags_refuse(made_dicom: DicomMaker, tags: dict[str, str], code: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 4000, (300, 300)).astype(np.uint16)
    image = read_dicom(made_dicom(pixels, **tags), LoadLimits()).image
    result = GATE.examine(Study(images=(image,), study_key="k"))
    assert result.decision is GateDecision.REFUSE
    assert code in codes(result)


def test_colour_is_refused() -> None:
    result = examine(np.random.default_rng(0).random((300, 300)), colour_source=True)
    assert "colour" in codes(result)
    assert result.decision is GateDecision.REFUSE


@pytest.mark.parametrize("make", made_pictures.NOT_MEDICAL)
def test_pictures_that_are_no_radiographs_are_refused(make: Callable[..., Any]) -> None:
    rng = np.random.default_rng(99)
    refused = [examine(make(rng, 300)).decision is GateDecision.REFUSE for _ in range(20)]
    assert np.mean(refused) >= 0.9


def test_unreadable_files_are_refused_not_raised(tmp_path: Path) -> None:
    file = tmp_path / "x.dcm"
    file.write_text("no picture")
    for path in (file, tmp_path / "absent"):
        result = examine_path(path)
        assert result.decision is GateDecision.REFUSE
        assert codes(result) == {"unreadable"}


def test_importing_the_gate_does_not_import_torch() -> None:
    script = "import sys, imaging.gate; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


# --------------------------------------------------------------------------- the files as given


def test_every_dicom_of_the_index_is_judged_as_it_says(shared_data: Path) -> None:
    with (shared_data / "dicom/index.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            result = examine_path(shared_data / "dicom" / row["file"])
            refused = result.decision is GateDecision.REFUSE
            assert refused is (row["expected"] == "reject"), (row["file"], result)


def test_the_shipped_samples_pass() -> None:
    samples = [f for f in (ROOT / "docs/samples").glob("*") if f.suffix in (".dcm", ".png")]
    for sample in samples:
        result = examine_path(sample)
        assert result.decision is not GateDecision.REFUSE, (sample.name, result)


# ------------------------------------------------------------- real pictures of the val split


@pytest.mark.parametrize(
    ("sources", "most_refused"),
    [
        (("nih",), 0.04),
        (("tb-shenzhen", "tb-montgomery"), 0.04),
        (("jsrt",), 0.04),
        (("openist",), 0.04),
        (("covid", "gbseg"), 0.07),
        (("paediatric",), 0.1),
    ],
)
def test_chest_radiographs_pass(
    shared_data: Path, sources: tuple[str, ...], most_refused: float
) -> None:
    assert shares(of_source(shared_data, *sources)) <= most_refused


@pytest.mark.parametrize(
    ("source", "least_refused"), [("not_chest", 0.97), ("ct_slices", 0.75), ("orientation", 0.99)]
)
def test_other_pictures_are_refused(shared_data: Path, source: str, least_refused: float) -> None:
    assert shares(of_source(shared_data, source)) >= least_refused


@pytest.mark.parametrize(
    ("change", "least_refused"),
    [
        (lambda film: np.rot90(film, 1), 0.9),
        (lambda film: np.rot90(film, 2), 0.9),
        (lambda film: np.rot90(film, 3), 0.9),
        (lambda film: 1 - film, 0.9),
    ],
    ids=["turned left", "upside down", "turned right", "inverted"],
)
def test_changed_films_are_refused(
    shared_data: Path, change: Callable[[Any], Any], least_refused: float
) -> None:
    films = of_source(shared_data, "nih", "jsrt", "openist")
    assert shares(films, change) >= least_refused


def test_a_mirrored_film_is_told_from_its_original(shared_data: Path) -> None:
    model = shared_model()
    films = [read_gray(p.path) for p in of_source(shared_data, "nih", "jsrt", "openist")]
    right = [model.read(np.fliplr(film)).mirrored > model.read(film).mirrored for film in films]
    assert np.mean(right) >= 0.8


def test_a_side_that_tags_state_makes_mirroring_a_warning(shared_data: Path) -> None:
    film = np.fliplr(read_gray(shared_data / "jsrt/images/JPCNN001.jpg"))
    for source in (Source.TAG, Source.UNKNOWN):
        result = examine(film, laterality_source=source)
        found = [reason for reason in result.reasons if reason.code == "mirrored"]
        if source is Source.TAG:
            assert all(reason.severity is GateDecision.WARN for reason in found)


def test_a_child_by_tag_is_a_warning(shared_data: Path) -> None:
    image = load_study(shared_data / "dicom/made_dx_pa_voilut.dcm").frontal
    result = GATE.examine(Study(images=(image,), study_key="k", patient_age_years=4))
    assert result.decision is GateDecision.WARN
    assert "paediatric" in codes(result)


def test_the_frontal_of_two_pictures_without_tags_comes_first(
    shared_data: Path, tmp_path: Path
) -> None:
    for name in ("CXR54_IM-2145-1002.png", "CXR54_IM-2145-1001.png"):
        (tmp_path / name).write_bytes((shared_data / "iu" / name).read_bytes())
    study = load_study(tmp_path)
    assert study.images[1].view is View.LATERAL
    assert study.images[1].view_source is Source.GUESSED
    assert study.frontal.view is not View.LATERAL
    assert GATE.examine(study).decision is not GateDecision.REFUSE


def test_other_body_parts_are_refused_for_their_picture_too(shared_data: Path) -> None:
    model = shared_model()
    for picture in of_source(shared_data, "not_chest"):
        reading = model.read(read_gray(picture.path))
        assert reading.kind[PictureKind.FRONTAL] < model.card.thresholds.frontal


def test_the_gate_is_quick_when_warm(shared_data: Path) -> None:
    film = read_gray(of_source(shared_data, "nih")[0].path)
    examine(film)
    taken = []
    for _ in range(5):
        began = time.process_time()
        examine(film)
        taken.append(time.process_time() - began)
    # The best of five: threads that wait for a busy core spin, and that counts as their time.
    assert min(taken) < 0.3
