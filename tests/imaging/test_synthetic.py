"""The synthetic radiographs: what was asked for is what is shown, byte for byte."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from findings.errors import UserInputError
from findings.vocabulary import Finding, Side
from imaging.study import View
from imaging.synthetic import (
    Compression,
    Device,
    DeviceKind,
    Extent,
    Nodule,
    Opacity,
    PleuralEffusion,
    Pneumothorax,
    SampleRequest,
    SyntheticFinding,
    SyntheticRadiograph,
    Zone,
    generate,
    write_dicom,
    write_png,
    write_truth,
)
from imaging.synthetic.chest import build_chest
from imaging.synthetic.shapes import draw_outlines
from tests.imaging.conftest import untimed

SIZE = 512


@cache
def film(request: SampleRequest) -> SyntheticRadiograph:
    """One drawing per request for all tests."""
    return generate(request)


def shown(*findings: SyntheticFinding, seed: int = 5) -> SyntheticRadiograph:
    return film(SampleRequest(seed=seed, size=SIZE, findings=findings))


def difference(one: SyntheticRadiograph, other: SyntheticRadiograph) -> np.ndarray:
    return np.abs(one.pixels.astype(int) - other.pixels.astype(int))


def test_the_same_request_gives_the_same_bytes() -> None:
    request = SampleRequest(seed=5, size=SIZE)
    again = generate(SampleRequest.model_validate_json(request.model_dump_json()))
    assert again.pixels.tobytes() == film(request).pixels.tobytes()
    assert again.truth == film(request).truth


def test_another_seed_is_another_patient() -> None:
    one, other = shown(seed=5), shown(seed=6)
    assert (one.masks["left_lung"] != other.masks["left_lung"]).mean() > 0.01


def test_another_acquisition_is_the_same_patient_on_another_day() -> None:
    prior = film(SampleRequest(seed=5, size=SIZE))
    current = film(SampleRequest(seed=5, size=SIZE, acquisition=1))
    assert prior.truth.cardiothoracic_ratio == pytest.approx(
        current.truth.cardiothoracic_ratio, abs=0.005
    )
    assert not np.array_equal(prior.pixels, current.pixels)


@given(
    seed=st.integers(0, 2**31 - 1),
    # What is drawn unasked; a wider heart may, rarely, cover a lung's outer border. The truth that
    # goes with a film is measured on its masks in any case.
    ratio=st.floats(0.40, 0.60),
    anteroposterior=st.booleans(),
)
@settings(untimed, max_examples=10)
def test_masks_hold_the_cardiothoracic_ratio(
    seed: int, ratio: float, anteroposterior: bool
) -> None:
    rng = np.random.default_rng(seed)
    outlines = draw_outlines(rng, ratio, anteroposterior=anteroposterior)
    masks = build_chest(outlines, 1024, anteroposterior=anteroposterior, female=False).masks
    heart = np.flatnonzero(masks["heart"].any(axis=0))
    thorax = np.flatnonzero((masks["left_lung"] | masks["right_lung"]).any(axis=0))
    measured = (np.ptp(heart) + 1) / (np.ptp(thorax) + 1)
    assert measured == pytest.approx(ratio, abs=0.005)
    for name, mask in masks.items():
        assert mask.any(), name
        assert not mask[[0, -1]].any(), f"{name} leaves the frame"
        assert not mask[:, [0, -1]].any(), f"{name} leaves the frame"
    assert not (masks["left_lung"] & masks["right_lung"]).any()
    assert not (masks["heart"] & (masks["left_lung"] | masks["right_lung"])).any()


@pytest.mark.parametrize("ratio", [0.42, 0.62])
def test_truth_states_the_ratio_that_was_asked_for(ratio: float) -> None:
    drawn = film(SampleRequest(seed=8, size=SIZE, cardiothoracic_ratio=ratio))
    assert drawn.truth.cardiothoracic_ratio == pytest.approx(ratio, abs=0.005)
    heart = drawn.masks["heart"]
    lungs = drawn.masks["left_lung"] | drawn.masks["right_lung"]
    assert drawn.pixels[heart].mean() > 1.3 * drawn.pixels[lungs].mean()


def test_pixels_are_twelve_bit_and_the_left_lung_is_on_the_right() -> None:
    drawn = shown()
    assert drawn.pixels.dtype == np.uint16
    assert drawn.pixels.max() <= 4095
    columns = [np.nonzero(drawn.masks[f"{side}_lung"])[1].mean() for side in ("right", "left")]
    assert columns[0] < SIZE / 2 < columns[1]


@pytest.mark.parametrize(
    ("side", "extent"),
    [(Side.RIGHT, extent) for extent in Extent] + [(Side.LEFT, Extent.MODERATE)],
)
def test_an_effusion_whitens_its_own_base(side: Side, extent: Extent) -> None:
    drawn, plain = shown(PleuralEffusion(side=side, extent=extent)), shown()
    (truth,) = drawn.truth.findings
    fluid = drawn.masks[truth.mask]
    assert truth.finding is Finding.PLEURAL_EFFUSION
    assert truth.side is side
    assert fluid[plain.masks[f"{side}_lung"]].sum() == fluid.sum()
    assert not (fluid & drawn.masks[f"{side}_lung"]).any()
    brighter = drawn.pixels[fluid].astype(int) - plain.pixels[fluid].astype(int)
    assert np.median(brighter) > 300
    other = "left" if side is Side.RIGHT else "right"
    assert np.array_equal(drawn.masks[f"{other}_lung"], plain.masks[f"{other}_lung"])
    assert drawn.truth.cardiothoracic_ratio == plain.truth.cardiothoracic_ratio


def test_effusions_grow_with_their_extent() -> None:
    areas = []
    for extent in Extent:
        drawn = shown(PleuralEffusion(side=Side.RIGHT, extent=extent))
        areas.append(drawn.masks[drawn.truth.findings[0].mask].sum())
    assert areas[0] < areas[1] / 2 < areas[2] / 3


@pytest.mark.parametrize(
    ("side", "zone"),
    [(Side.LEFT, Zone.UPPER), (Side.RIGHT, Zone.MID), (Side.LEFT, Zone.LOWER)],
)
def test_a_nodule_lies_in_its_zone_at_its_size(side: Side, zone: Zone) -> None:
    drawn, plain = shown(Nodule(side=side, zone=zone, diameter_mm=16)), shown()
    (truth,) = drawn.truth.findings
    nodule = drawn.masks[truth.mask]
    assert (nodule & ~drawn.masks[f"{side}_lung"]).sum() == 0
    assert truth.region == f"{side}_{zone}_zone"
    width_mm = (truth.box[2] - truth.box[0]) * drawn.truth.spacing_mm
    assert width_mm == pytest.approx(16, abs=2 * drawn.truth.spacing_mm)
    assert drawn.pixels[nodule].mean() > plain.pixels[nodule].mean() + 80
    rows = np.nonzero(drawn.masks[f"{side}_lung"].any(axis=1))[0]
    third = len(rows) / 3
    middle = (truth.box[1] + truth.box[3]) / 2 - rows[0]
    assert list(Zone)[min(2, int(middle // third))] is zone


def test_a_nodule_can_be_placed_and_must_fit() -> None:
    lung = shown().masks["right_lung"]
    row = SIZE * 2 // 5
    column = int(np.median(np.nonzero(lung[row])[0]))
    centre = (column / SIZE, row / SIZE)
    drawn = shown(Nodule(side=Side.RIGHT, centre=centre, diameter_mm=10))
    x0, y0, x1, y1 = drawn.truth.findings[0].box
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((column, row), abs=1.5)
    with pytest.raises(UserInputError, match="left lung"):
        generate(
            SampleRequest(seed=5, size=SIZE, findings=(Nodule(side=Side.LEFT, centre=centre),))
        )


@pytest.mark.parametrize("zone", list(Zone))
def test_an_opacity_whitens_its_zone(zone: Zone) -> None:
    drawn, plain = shown(Opacity(side=Side.RIGHT, zone=zone)), shown()
    (truth,) = drawn.truth.findings
    cloud = drawn.masks[truth.mask]
    assert (cloud & ~plain.masks["right_lung"]).sum() == 0
    assert np.median(drawn.pixels[cloud].astype(int) - plain.pixels[cloud].astype(int)) > 200
    rows = np.nonzero(plain.masks["right_lung"].any(axis=1))[0]
    share = (np.nonzero(cloud)[0].mean() - rows[0]) / len(rows)
    assert list(Zone)[int(share * 3)] is zone


def test_a_pneumothorax_is_darker_and_on_its_side() -> None:
    drawn, plain = shown(Pneumothorax(side=Side.LEFT, extent=Extent.LARGE)), shown()
    (truth,) = drawn.truth.findings
    air = drawn.masks[truth.mask]
    assert (air & ~plain.masks["left_lung"]).sum() == 0
    assert drawn.pixels[air].mean() < plain.pixels[air].mean() - 60


@pytest.mark.parametrize(
    ("kind", "side"),
    [(kind, Side.RIGHT) for kind in DeviceKind] + [(DeviceKind.PICC, Side.LEFT)],
)
def test_a_device_is_bright_and_ends_where_it_says(kind: DeviceKind, side: Side) -> None:
    drawn, plain = shown(Device(kind=kind, side=side)), shown()
    (truth,) = drawn.truth.findings
    wire = drawn.masks[truth.mask]
    assert truth.device is kind
    assert truth.tip is not None
    near = np.argwhere(wire) - np.array([truth.tip[1], truth.tip[0]])
    assert np.hypot(*near.T).min() < 4
    assert drawn.pixels[wire].mean() > plain.pixels[wire].mean() + 30
    heart = drawn.masks["heart"]
    if kind in (DeviceKind.CENTRAL_VENOUS_CATHETER, DeviceKind.PICC):
        assert truth.tip[0] < np.nonzero(heart)[1].mean(), "the vena cava is on the right"
        assert truth.side is side


def test_a_finding_changes_nothing_far_from_itself() -> None:
    drawn = shown(Nodule(side=Side.LEFT, zone=Zone.MID, diameter_mm=8))
    x0, y0, x1, y1 = drawn.truth.findings[0].box
    changed = difference(drawn, shown())
    changed[y0 - 10 : y1 + 10, x0 - 10 : x1 + 10] = 0
    assert np.percentile(changed, 99) < 25


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 400},
        {"size": 1000},
        {"view": View.LATERAL},
        {"spacing_mm": 0.1},
        {"cardiothoracic_ratio": 0.9},
        {"findings": ({"finding": "pleural_effusion", "side": "midline"},)},
        {"findings": ({"finding": "nodule", "side": "left", "diameter_mm": 300},)},
        {"findings": ({"finding": "pneumothorax", "side": "left"},) * 2},
        {"unknown": 1},
    ],
)
def test_impossible_requests_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SampleRequest.model_validate(wrong)


@pytest.mark.parametrize("compression", list(Compression))
def test_dicom_reads_back_exactly(tmp_path: Path, compression: Compression) -> None:
    drawn = film(SampleRequest(seed=5, size=SIZE, view=View.AP, spacing_mm=0.7))
    path = tmp_path / "film.dcm"
    write_dicom(drawn, path, compression=compression)
    read = pydicom.dcmread(path)
    assert np.array_equal(read.pixel_array, drawn.pixels)
    assert read.SOPClassUID.name == "Digital X-Ray Image Storage - For Presentation"
    assert (read.PhotometricInterpretation, read.BitsStored) == ("MONOCHROME2", 12)
    assert (read.ViewPosition, list(read.PatientOrientation)) == ("AP", ["L", "F"])
    assert [float(v) for v in read.ImagerPixelSpacing] == [0.7, 0.7]
    assert "PixelSpacing" not in read


def test_dicom_says_that_it_is_synthetic_and_names_nobody(tmp_path: Path) -> None:
    write_dicom(shown(), tmp_path / "film.dcm", pixel_spacing=True)
    read = pydicom.dcmread(tmp_path / "film.dcm")
    assert str(read.PatientName) == "Example^Patient"
    assert read.PatientID == "SYNTHETIC-5"
    assert read.PatientBirthDate == ""
    assert read.SyntheticData == "YES"
    assert read.BurnedInAnnotation == "YES"
    for text in (read.ImageComments, read.SeriesDescription, read.DerivationDescription):
        assert "SYNTHETIC" in text
    assert read.StudyDate == "20200101"
    assert "PixelSpacing" in read
    for element in read:
        if element.VR == "UI" and element.keyword.endswith("InstanceUID"):
            assert element.value.startswith("2.25.")
            assert element.value.is_valid


def test_dicom_of_the_same_film_is_the_same_file(tmp_path: Path) -> None:
    write_dicom(shown(), tmp_path / "one.dcm")
    write_dicom(shown(), tmp_path / "two.dcm")
    assert (tmp_path / "one.dcm").read_bytes() == (tmp_path / "two.dcm").read_bytes()


def test_a_prior_shares_the_patient_and_comes_earlier(tmp_path: Path) -> None:
    prior = film(SampleRequest(seed=5, size=SIZE))
    current = film(SampleRequest(seed=5, size=SIZE, acquisition=1))
    files = []
    for number, drawn in enumerate((prior, current)):
        write_dicom(drawn, tmp_path / f"{number}.dcm")
        files.append(pydicom.dcmread(tmp_path / f"{number}.dcm"))
    assert files[0].PatientID == files[1].PatientID
    assert files[0].StudyDate < files[1].StudyDate
    assert files[0].StudyInstanceUID != files[1].StudyInstanceUID


def test_png_and_truth_files(tmp_path: Path) -> None:
    drawn = shown(PleuralEffusion(side=Side.RIGHT))
    write_png(drawn, tmp_path / "film.png")
    write_truth(drawn, tmp_path / "film.json")
    with Image.open(tmp_path / "film.png") as picture:
        assert picture.size == (SIZE, SIZE)
        assert picture.mode == "L"
        assert np.array_equal(np.asarray(picture), drawn.pixels >> 4)
        assert "SYNTHETIC" in picture.text["Description"]
    truth = json.loads((tmp_path / "film.json").read_text())
    assert truth["synthetic"] is True
    assert truth["findings"][0]["side"] == "right"
    assert type(drawn.truth).model_validate(truth) == drawn.truth


def test_the_word_synthetic_is_in_the_corner() -> None:
    corner = shown().pixels[:12, :90]
    assert corner.max() > 3500
    assert corner.min() == 0
