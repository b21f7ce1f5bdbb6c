"""DICOM files to display pixels: the grayscale pipeline, orientation, spacing, the given files."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from findings.claims import SpacingProvenance
from findings.errors import StudyError
from imaging.dicom import read_dicom
from imaging.limits import LoadLimits
from imaging.loading import load_study
from imaging.study import Source, StudyImage, View
from tests.imaging.conftest import DicomMaker, as_bytes, made_dataset

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
PICTURE = (np.add.outer(np.arange(40), 3 * np.arange(60)) * 20).astype(np.uint16)
"""A slope with a different look from every side, values up to 4,340."""


def read(data: bytes, **limits: Any) -> StudyImage:
    return read_dicom(data, LoadLimits(**limits)).image


# ------------------------------------------------------------------ the files of the data folder

ACCEPTED = {
    "real_cr_ap_jpeg_c64d5667.dcm": (View.AP, (1024, 1024), False, None),
    "real_cr_pa_mono1_10bit.dcm": (View.PA, (440, 440), True, None),
    "real_cr_mono1_15bit_j2k.dcm": (View.PA, (1955, 1841), True, None),
    "made_dx_pa_mono2.dcm": (View.PA, (1234, 1024), False, 0.3466),
    "made_cr_ap_mono1_implicit.dcm": (View.AP, (1024, 1230), True, 0.3453),
    "made_dx_pa_voilut.dcm": (View.PA, (1024, 1024), False, 0.4177),
    "made_dx_ap_rle_sigmoid.dcm": (View.AP, (1024, 1250), False, 0.336),
    "made_cr_pa_mono1_jsrt.dcm": (View.PA, (1024, 1024), True, 0.35),
    "made_dx_pa_mono1_jsrt.dcm": (View.PA, (1024, 1024), True, 0.35),
}
"""View, display shape, MONOCHROME1, millimetres per display row."""

LEFT_TO_THE_GATE = {
    "tagged_chest_smpte_pattern.dcm": "OT",
    "ct_small.dcm": "CT",
    "mr_small.dcm": "MR",
    "mr_jpeg_ls.dcm": "MR",
    "mr_jpeg2000.dcm": "MR",
    "mr_rle.dcm": "MR",
    "cr_leg_j2k.dcm": "CR",
    "sc_colour_jpeg.dcm": "OT",
}
"""Well-formed pictures that are no chest radiograph, with their modality."""

REFUSED = {
    "enhanced_mr_multiframe.dcm": "several frames",
    "structured_report.dcm": "no picture",
    "rtstruct_no_preamble.dcm": "not a DICOM file",
    "mr_truncated.dcm": "cut off",
    "ct_no_file_meta.dcm": "not a DICOM file",
    "dx_missing_pixeldata.dcm": "no picture",
    "dx_truncated_file.dcm": "cut off",
    "dx_huge_dimensions.dcm": "65535",
    "not_dicom_text.dcm": "not a DICOM file",
}


def test_every_row_of_the_index_is_covered(shared_data: Path) -> None:
    with (shared_data / "dicom/index.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["file"] for row in rows} == {*ACCEPTED, *LEFT_TO_THE_GATE, *REFUSED}
    assert {row["file"] for row in rows if row["expected"] == "accept"} == set(ACCEPTED)


@pytest.mark.parametrize("name", ACCEPTED)
def test_chest_radiographs_are_read(shared_data: Path, name: str) -> None:
    view, shape, inverted, row_mm = ACCEPTED[name]
    image = load_study(shared_data / "dicom" / name).frontal
    assert (image.view, image.view_source) == (view, Source.TAG)
    assert image.display.shape == shape
    assert image.display.dtype == np.float32
    assert not image.display.flags.writeable
    assert float(image.display.min()) >= 0
    assert float(image.display.max()) <= 1
    assert float(image.display.std()) > 0.1
    assert image.inverted_source is inverted
    if row_mm is None:
        assert image.spacing is None
    else:
        assert image.spacing is not None
        assert image.spacing.row_mm == pytest.approx(row_mm, rel=1e-3)
        assert image.spacing.column_mm == pytest.approx(row_mm, rel=2e-3)
        assert image.spacing.provenance is SpacingProvenance.DETECTOR
    # The mediastinum is denser than the lungs beside it, whatever the stored polarity.
    rows, columns = shape
    band = image.display[int(0.35 * rows) : int(0.5 * rows)]
    middle = np.median(band[:, int(0.46 * columns) : int(0.54 * columns)])
    sides = np.median(
        np.concatenate(
            [
                band[:, int(0.2 * columns) : int(0.33 * columns)],
                band[:, int(0.67 * columns) : int(0.8 * columns)],
            ],
            axis=1,
        )
    )
    assert middle > sides


@pytest.mark.parametrize("name", LEFT_TO_THE_GATE)
def test_other_pictures_are_read_for_the_gate_to_judge(shared_data: Path, name: str) -> None:
    image = load_study(shared_data / "dicom" / name).frontal
    assert image.modality == LEFT_TO_THE_GATE[name]
    assert image.colour_source is (name == "sc_colour_jpeg.dcm")


@pytest.mark.parametrize("name", REFUSED)
def test_unusable_files_are_refused_with_their_reason(shared_data: Path, name: str) -> None:
    with pytest.raises(StudyError, match=REFUSED[name]):
        load_study(shared_data / "dicom" / name)


def test_the_same_pixels_in_four_encodings_are_one_picture(shared_data: Path) -> None:
    names = ("mr_small.dcm", "mr_jpeg_ls.dcm", "mr_jpeg2000.dcm", "mr_rle.dcm")
    images = [load_study(shared_data / "dicom" / name).frontal for name in names]
    assert len({image.digest for image in images}) == 1
    assert all(np.array_equal(image.display, images[0].display) for image in images)


# ------------------------------------------------------------------------ the grayscale pipeline


def test_linear_window_follows_the_standard(made_dicom: DicomMaker) -> None:
    display = read(made_dicom(RAMP, BitsStored=12, WindowCenter=2048, WindowWidth=1024)).display
    expected = np.clip((RAMP.astype(float) - 2047.5) / 1023 + 0.5, 0, 1)
    np.testing.assert_allclose(display, expected, atol=1e-6)


def test_exact_window_follows_the_standard(made_dicom: DicomMaker) -> None:
    data = made_dicom(
        RAMP, BitsStored=12, WindowCenter=2048, WindowWidth=1024, VOILUTFunction="LINEAR_EXACT"
    )
    expected = np.clip((RAMP.astype(float) - 2048) / 1024 + 0.5, 0, 1)
    np.testing.assert_allclose(read(data).display, expected, atol=1e-6)


def test_sigmoid_window_follows_the_standard(made_dicom: DicomMaker) -> None:
    data = made_dicom(
        RAMP, BitsStored=12, WindowCenter=2048, WindowWidth=1024, VOILUTFunction="SIGMOID"
    )
    expected = 1 / (1 + np.exp(-4 * (RAMP.astype(float) - 2048) / 1024))
    np.testing.assert_allclose(read(data).display, expected, atol=1e-6)


def test_the_first_of_several_windows_counts(made_dicom: DicomMaker) -> None:
    both = read(made_dicom(RAMP, WindowCenter=[1000, 3000], WindowWidth=[500, 100]))
    first = read(made_dicom(RAMP, WindowCenter=1000, WindowWidth=500))
    assert np.array_equal(both.display, first.display)


@pytest.mark.parametrize("width", [0, -5, "nonsense", float("nan")])
def test_an_impossible_window_is_replaced(made_dicom: DicomMaker, width: object) -> None:
    dataset = made_dataset(RAMP, WindowCenter=2048)
    dataset.add_new("WindowWidth", "LO", str(width))
    image = read(as_bytes(dataset))
    assert image.notes
    assert np.ptp(image.display) == pytest.approx(1, abs=1e-3)


def test_a_window_beside_all_values_is_replaced(made_dicom: DicomMaker) -> None:
    image = read(made_dicom(RAMP, WindowCenter=50000, WindowWidth=10))
    assert np.ptp(image.display) == pytest.approx(1, abs=1e-3)
    assert any("window" in note for note in image.notes)


def test_without_a_window_outliers_do_not_set_the_contrast(made_dicom: DicomMaker) -> None:
    pixels = RAMP.copy()
    pixels[0, 0] = 65535
    display = read(made_dicom(pixels)).display
    assert float(display[32, 32]) == pytest.approx(RAMP[32, 32] / 4095, abs=0.02)


def test_eight_bits_without_a_window_are_shown_as_they_are(made_dicom: DicomMaker) -> None:
    pixels = np.linspace(50, 200, 4096).astype(np.uint8).reshape(64, 64)
    np.testing.assert_allclose(read(made_dicom(pixels)).display, pixels / 255, atol=1e-6)


def test_signed_values_are_rescaled(made_dicom: DicomMaker) -> None:
    pixels = (RAMP.astype(np.int32) - 2000).astype(np.int16)
    data = made_dicom(
        pixels, RescaleSlope="0.5", RescaleIntercept="-100", WindowCenter=0, WindowWidth=1001
    )
    expected = np.clip((0.5 * pixels - 100 + 0.5) / 1000 + 0.5, 0, 1)
    np.testing.assert_allclose(read(data).display, expected, atol=1e-6)


def test_sign_and_overlay_bits_above_the_stored_ones_are_handled(made_dicom: DicomMaker) -> None:
    values = np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64)
    stored = (values & 0x0FFF).astype(np.uint16) | 0x4000
    dataset = made_dataset(stored, BitsStored=12, WindowCenter=0, WindowWidth=4096)
    dataset.PixelRepresentation = 1
    expected = np.clip((values + 0.5) / 4095 + 0.5, 0, 1)
    np.testing.assert_allclose(read(as_bytes(dataset)).display, expected, atol=1e-6)


def test_monochrome1_and_presentation_inverse_invert_once(made_dicom: DicomMaker) -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    plain = read(made_dicom(RAMP, **window))
    for tags in (
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PresentationLUTShape": "INVERSE"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    ):
        inverted = read(made_dicom(RAMP, **window, **tags))
        assert inverted.inverted_source
        np.testing.assert_allclose(inverted.display, 1 - plain.display, atol=1e-6)


def look_up_table(entries: list[int], first: int, bits: int) -> Dataset:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    table.add_new("LUTData", "US", entries)
    return table


def test_a_voi_lut_wins_over_a_window(made_dicom: DicomMaker) -> None:
    entries = [min(1023, (value * value) // 4096) for value in range(0, 4096, 2)]
    data = made_dicom(
        RAMP,
        VOILUTSequence=[look_up_table(entries, 100, 10)],
        WindowCenter=5,
        WindowWidth=2,
    )
    index = np.clip(RAMP.astype(int) - 100, 0, len(entries) - 1)
    np.testing.assert_allclose(read(data).display, np.array(entries)[index] / 1023, atol=1e-6)


def test_a_modality_lut_comes_before_the_window(made_dicom: DicomMaker) -> None:
    entries = [4095 - value for value in range(4096)]
    data = made_dicom(
        RAMP,
        ModalityLUTSequence=[look_up_table(entries, 0, 12)],
        WindowCenter=2048,
        WindowWidth=4096,
    )
    expected = np.clip((4095 - RAMP.astype(float) - 2047.5) / 4095 + 0.5, 0, 1)
    np.testing.assert_allclose(read(data).display, expected, atol=1e-6)


def test_a_lut_that_does_not_fit_its_descriptor_is_ignored(made_dicom: DicomMaker) -> None:
    table = look_up_table([1, 2, 3], 0, 12)
    table.LUTDescriptor = [500, 0, 12]
    data = made_dicom(RAMP, VOILUTSequence=[table], WindowCenter=2048, WindowWidth=4096)
    expected = read(made_dicom(RAMP, WindowCenter=2048, WindowWidth=4096))
    assert np.array_equal(read(data).display, expected.display)


def test_padding_is_black_and_does_not_set_the_contrast(made_dicom: DicomMaker) -> None:
    pixels = (RAMP.astype(np.int32) // 4 + 1000).astype(np.uint16)
    pixels[:, :20] = 60000
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        display = read(
            made_dicom(pixels, PhotometricInterpretation=photometric, PixelPaddingValue=60000)
        ).display
        assert not display[:, :20].any()
        assert np.ptp(display[:, 20:]) == pytest.approx(1, abs=1e-3)


def test_padding_range(made_dicom: DicomMaker) -> None:
    pixels = RAMP.copy() + 100
    pixels[:8], pixels[8:16] = 3, 7
    data = made_dicom(
        pixels,
        PixelPaddingValue=3,
        PixelPaddingRangeLimit=7,
        PhotometricInterpretation="MONOCHROME1",
    )
    assert not read(data).display[:16].any()


def test_colour_becomes_gray_and_is_remembered() -> None:
    dataset = made_dataset(np.zeros((32, 32), dtype=np.uint8))
    colour = np.zeros((32, 32, 3), dtype=np.uint8)
    colour[:16, :, 0] = 255
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = "RGB"
    dataset.PixelData = colour.tobytes()
    image = read(as_bytes(dataset))
    assert image.colour_source
    assert float(image.display[0, 0]) == pytest.approx(0.299, abs=0.01)
    dataset.PlanarConfiguration = 1
    dataset.PixelData = np.moveaxis(colour, -1, 0).tobytes()
    assert np.array_equal(read(as_bytes(dataset)).display, image.display)


def test_a_palette_is_looked_up() -> None:
    dataset = made_dataset(np.arange(256, dtype=np.uint8).reshape(16, 16))
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for colour in ("Red", "Green", "Blue"):
        dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        table = (65535 - np.arange(256) * 257).astype("<u2").tobytes()
        dataset.add_new(f"{colour}PaletteColorLookupTableData", "OW", table)
    image = read(as_bytes(dataset))
    assert not image.colour_source
    np.testing.assert_allclose(image.display, 1 - np.arange(256).reshape(16, 16) / 255, atol=1e-4)


# ------------------------------------------------------------------------------ transfer syntaxes


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_native_transfer_syntaxes_show_one_picture(syntax: str) -> None:
    dataset = made_dataset(PICTURE, WindowCenter=2000, WindowWidth=4000, PixelPaddingValue=0)
    expected = read(as_bytes(dataset))
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = PICTURE.astype(">u2").tobytes()
        dataset.set_original_encoding(None, None)
    changed = read(as_bytes(dataset))
    assert changed.digest == expected.digest
    assert np.array_equal(changed.display, expected.display)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_lossless_compression_shows_the_same_picture(syntax: str) -> None:
    dataset = made_dataset(PICTURE, BitsStored=16, WindowCenter=2000, WindowWidth=4000)
    expected = read(as_bytes(dataset))
    dataset.compress(syntax, generate_instance_uid=False)
    assert np.array_equal(read(as_bytes(dataset)).display, expected.display)


def test_a_deflated_bomb_is_refused() -> None:
    dataset = made_dataset(np.zeros((2000, 2000), dtype=np.uint16))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data = as_bytes(dataset)
    assert len(data) < 100_000
    with pytest.raises(StudyError, match="unpacks to more"):
        read(data, max_file_bytes=1_000_000)


def test_a_compressed_frame_of_another_size_is_refused() -> None:
    dataset = made_dataset(PICTURE, WindowCenter=2000, WindowWidth=4000)
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    dataset.Rows += 8
    with pytest.raises(StudyError):
        read(as_bytes(dataset))


def test_a_frame_that_is_no_image_is_refused_and_the_next_one_is_read() -> None:
    dataset = made_dataset(PICTURE, WindowCenter=2000, WindowWidth=4000)
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    good = as_bytes(dataset)
    dataset.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(200)])
    with pytest.raises(StudyError, match="cannot be decoded"):
        read(as_bytes(dataset))
    assert read(good).display.shape == PICTURE.shape


def test_decoding_beyond_the_time_limit_is_given_up() -> None:
    # Noise takes two orders of magnitude longer to decode than the limit.
    noise = np.random.default_rng(0).integers(0, 65536, (1024, 1024)).astype(np.uint16)
    dataset = made_dataset(noise)
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    data = as_bytes(dataset)
    with pytest.raises(StudyError, match="took too long"):
        read(data, decode_seconds=1e-3)
    assert read(data).display.shape == noise.shape


# --------------------------------------------------------------------- orientation, view, spacing


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (["L", "F"], PICTURE),
        (["R", "F"], PICTURE[:, ::-1]),
        (["L", "H"], PICTURE[::-1]),
        (["R", "H"], PICTURE[::-1, ::-1]),
        (["F", "L"], PICTURE.T),
        (["H", "L"], PICTURE.T[:, ::-1]),
        (["LH", "FL"], PICTURE),
    ],
)
def test_the_patients_left_comes_to_the_right(
    made_dicom: DicomMaker, orientation: list[str], stored: np.ndarray[Any, Any]
) -> None:
    upright = read(made_dicom(PICTURE, WindowCenter=2000, WindowWidth=4000)).display
    image = read(
        made_dicom(
            np.ascontiguousarray(stored),
            PatientOrientation=orientation,
            WindowCenter=2000,
            WindowWidth=4000,
        )
    )
    assert image.laterality_source is Source.TAG
    assert np.array_equal(image.display, upright)
    for x, y in ((0.5, 0.5), (7.5, 31.5), (59.5, 39.5)):
        column, row = image.to_stored.point((x, y))
        assert stored[int(row), int(column)] == PICTURE[int(y), int(x)]


def test_without_orientation_the_side_is_unknown(made_dicom: DicomMaker) -> None:
    for tags in ({}, {"PatientOrientation": ["A", "F"]}, {"PatientOrientation": ["L", "R"]}):
        assert read(made_dicom(PICTURE, **tags)).laterality_source is Source.UNKNOWN


def view_code(scheme: str, value: str) -> Dataset:
    code = Dataset()
    code.CodingSchemeDesignator, code.CodeValue, code.CodeMeaning = scheme, value, "a view"
    return code


@pytest.mark.parametrize(
    ("tags", "view"),
    [
        ({"ViewPosition": "PA"}, View.PA),
        ({"ViewPosition": "LL"}, View.LATERAL),
        ({"ViewPosition": "AP", "SeriesDescription": "Chest PA"}, View.AP),
        ({"SeriesDescription": "W033 Thorax p.a."}, View.UNKNOWN),
        ({"SeriesDescription": "CHEST PA"}, View.PA),
        ({"SeriesDescription": "Thorax lateral"}, View.LATERAL),
        ({"SeriesDescription": "Chest PA and lateral"}, View.UNKNOWN),
        ({"SeriesDescription": "Chest portable"}, View.UNKNOWN),
        ({"ViewCodeSequence": [view_code("SCT", "399348003")]}, View.AP),
        ({"ViewCodeSequence": [view_code("SRT", "R-10236")]}, View.LATERAL),
        ({"PatientOrientation": ["P", "F"]}, View.LATERAL),
        ({}, View.UNKNOWN),
    ],
)
def test_the_view_is_read_from_tags(
    made_dicom: DicomMaker, tags: dict[str, object], view: View
) -> None:
    image = read(made_dicom(PICTURE, **tags))
    if view is View.UNKNOWN:
        assert image.view_source is not Source.TAG
    else:
        assert (image.view, image.view_source) == (view, Source.TAG)


BIG = np.zeros((700, 800), dtype=np.uint8) + np.arange(800, dtype=np.uint16).astype(np.uint8)


@pytest.mark.parametrize(
    ("tags", "row_mm", "provenance", "magnification"),
    [
        ({"ImagerPixelSpacing": [0.4, 0.4]}, 0.4, SpacingProvenance.DETECTOR, None),
        ({"PixelSpacing": [0.4, 0.4]}, 0.4, SpacingProvenance.DETECTOR, None),
        (
            {"PixelSpacing": [0.35, 0.35], "ImagerPixelSpacing": [0.4, 0.4]},
            0.35,
            SpacingProvenance.CALIBRATED,
            None,
        ),
        (
            {"PixelSpacing": [0.4, 0.4], "PixelSpacingCalibrationType": "FIDUCIAL"},
            0.4,
            SpacingProvenance.CALIBRATED,
            None,
        ),
        (
            {
                "ImagerPixelSpacing": [0.44, 0.44],
                "EstimatedRadiographicMagnificationFactor": "1.1",
            },
            0.4,
            SpacingProvenance.DETECTOR_CORRECTED,
            1.1,
        ),
        (
            {
                "ImagerPixelSpacing": [0.4, 0.4],
                "EstimatedRadiographicMagnificationFactor": "1.0",
            },
            0.4,
            SpacingProvenance.DETECTOR,
            None,
        ),
        (
            {"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.4, 0.4]},
            0.4,
            SpacingProvenance.DETECTOR,
            None,
        ),
    ],
)
def test_spacing_and_where_it_comes_from(
    made_dicom: DicomMaker,
    tags: dict[str, object],
    row_mm: float,
    provenance: SpacingProvenance,
    magnification: float | None,
) -> None:
    spacing = read(made_dicom(BIG, **tags)).spacing
    assert spacing is not None
    assert spacing.row_mm == pytest.approx(row_mm)
    assert spacing.provenance is provenance
    assert spacing.magnification == magnification


@pytest.mark.parametrize(
    "spacing", [[0, 0], [-1, -1], [100, 100], [0.0001, 0.0001], [0.1, 2.0], [1e300, 1e300]]
)
def test_absurd_spacing_is_unknown(made_dicom: DicomMaker, spacing: list[float]) -> None:
    image = read(made_dicom(BIG, PixelSpacing=spacing))
    assert image.spacing is None
    assert any("spacing" in note for note in image.notes)


def test_a_field_too_small_for_an_adult_means_wrong_spacing(made_dicom: DicomMaker) -> None:
    for age, known in (("045Y", False), ("002Y", True)):
        image = read(made_dicom(BIG, PixelSpacing=[0.2, 0.2], PatientAge=age))
        assert (image.spacing is not None) is known


@pytest.mark.parametrize("tags", [{"PixelSpacing": [0.5, 0.4]}, {"PixelAspectRatio": [5, 4]}])
def test_pixels_that_are_not_square_are_shown_square(
    made_dicom: DicomMaker, tags: dict[str, object]
) -> None:
    image = read(made_dicom(BIG, **tags))
    assert image.display.shape == (875, 800)
    assert image.to_stored.point((800, 875)) == (pytest.approx(800), pytest.approx(700))
    if image.spacing is not None:
        assert image.spacing.row_mm == pytest.approx(image.spacing.column_mm)


@pytest.mark.parametrize(
    ("tags", "years"),
    [
        ({"PatientAge": "061Y"}, 61),
        ({"PatientAge": "68"}, 68),
        ({"PatientAge": "018M"}, 1),
        ({"PatientAge": "003W"}, 0),
        ({"PatientBirthDate": "19600615", "StudyDate": "20200614"}, 59),
        ({"PatientBirthDate": "19600615", "StudyDate": "20200615"}, 60),
        ({"PatientBirthDate": "20300101", "StudyDate": "20200615"}, None),
        ({"PatientAge": "xxx"}, None),
        ({}, None),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_age_in_years(made_dicom: DicomMaker, tags: dict[str, object], years: int | None) -> None:
    dataset = made_dataset(RAMP)
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    assert read_dicom(as_bytes(dataset), LoadLimits()).age_years == years


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"NumberOfFrames": 2}, "several frames"),
        ({"BitsAllocated": 12}, "bit depth"),
        ({"BitsStored": 20}, "bit depth"),
        ({"PhotometricInterpretation": "HSV"}, "photometric"),
        ({"Rows": 0}, "no picture"),
        ({"Rows": 60000}, "60000"),
        ({"Rows": 65}, "cut off"),
    ],
)
def test_what_cannot_be_a_radiograph_is_refused(tags: dict[str, object], words: str) -> None:
    dataset = made_dataset(RAMP)
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    with pytest.raises(StudyError, match=words):
        read(as_bytes(dataset))
