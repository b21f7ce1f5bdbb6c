"""Readers of drawn boxes: tiny folders of the right shape, and the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from findings.errors import StudyError, UserInputError
from findings.vocabulary import Finding
from models.data.box_cache import load_boxes
from models.data.box_sources import mask_boxes, read_boxes
from models.data.finding_sources import NIH_COLUMNS
from models.data.records import Split

LABELS = ",".join(NIH_COLUMNS.values())


def picture(path: Path, width: int = 100, height: int = 50) -> None:
    """A grey image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (width, height), 90).save(path)


def nih(folder: Path, rows: list[tuple[str, set[str], str]], boxes: list[str]) -> Path:
    """An NIH folder: image, labels, note for each row."""
    lines = [f"image,patient,split,view,{LABELS},No_Finding,note"]
    for image, labels, note in rows:
        picture(folder / "nih" / "images" / f"{image}.jpg")
        cells = [str(int(column in labels)) for column in NIH_COLUMNS.values()]
        lines.append(f"{image},7,train,PA,{','.join(cells)},{int(not labels)},{note}")
    (folder / "nih" / "labels.csv").write_text("\n".join(lines))
    header = "image,finding,x_min,y_min,x_max,y_max,split"
    (folder / "nih" / "boxes.csv").write_text("\n".join([header, *boxes]))
    return folder


def test_presence_and_completeness_of_nih_images(tmp_path: Path) -> None:
    data = nih(
        tmp_path,
        [
            ("a", {"Mass"}, ""),
            ("b", {"Mass", "Edema"}, ""),
            ("c", set(), ""),
            ("d", set(), "lateral view"),
        ],
        ["a,Mass,10,5,60,45,train", "b,Mass,0,0,200,25,train"],
    )
    drawn, hidden, clear = read_boxes(data, ("nih",))
    assert drawn.boxes[0].box == pytest.approx((0.1, 0.1, 0.6, 0.9))
    assert drawn.complete and drawn.present[Finding.MASS] and not drawn.present[Finding.EDEMA]
    assert Finding.GROUND_GLASS_OPACITY not in drawn.present
    # Edema is stated and not drawn; a box is cut to its image.
    assert not hidden.complete and hidden.boxes[0].box == (0, 0, 1, 0.5)
    assert clear.complete and not clear.boxes
    assert clear.present[Finding.GROUND_GLASS_OPACITY] is False
    assert [record.split for record in (drawn, hidden, clear)] == [Split.TRAIN] * 3

    arrays = load_boxes([drawn, hidden, clear], (Finding.EDEMA, Finding.MASS), 32, None)
    assert arrays.images.shape == (3, 32, 32)
    assert arrays.stated.tolist() == [[0, 1], [1, 1], [0, 0]]
    assert [own.tolist() for own in arrays.findings] == [[1], [1], []]
    assert arrays.drawn().tolist() == [True, True, False]


@pytest.mark.parametrize("box", ["60,5,10,45", "10,x,60,45", "120,5,160,45"])
def test_a_row_without_a_usable_box_is_told(tmp_path: Path, box: str) -> None:
    data = nih(tmp_path, [("a", {"Mass"}, "")], [f"a,Mass,{box},train"])
    with pytest.raises(StudyError, match="box table"):
        read_boxes(data, ("nih",))


def test_nodules_above_three_centimetres_are_masses(tmp_path: Path) -> None:
    folder = tmp_path / "jsrt"
    for name in ("n", "m", "z"):
        picture(folder / "images" / f"{name}.jpg")
    (folder / "split.csv").write_text("image,split\nn,train\nm,val\nz,val\n")
    (folder / "nodules.csv").write_text(
        "image,x,y,size_mm,x_min,y_min,x_max,y_max\n"
        "n,512,256,30,448,192,576,320\nm,512,256,31,448,192,576,320\n"
    )
    nodule, mass, neither = read_boxes(tmp_path, ("jsrt",))
    assert nodule.boxes[0].finding is Finding.NODULE
    assert nodule.boxes[0].box == pytest.approx((0.4375, 0.1875, 0.5625, 0.3125))
    assert mass.boxes[0].finding is Finding.MASS and mass.present[Finding.NODULE] is False
    assert neither.present == {Finding.NODULE: False, Finding.MASS: False}


def test_patches_of_a_mask() -> None:
    mask = np.zeros((100, 200), dtype=bool)
    mask[10:30, 20:60] = mask[50:90, 120:160] = True
    mask[0, 0] = True
    assert mask_boxes(mask, apart=True) == [(0.1, 0.1, 0.3, 0.3), (0.6, 0.5, 0.8, 0.9)]
    assert mask_boxes(mask, apart=False) == [(0.0, 0.0, 0.8, 0.9)]
    assert mask_boxes(np.zeros((9, 9), dtype=bool), apart=False) == []


def test_what_is_absent_is_passed_over_and_an_unknown_folder_is_told(tmp_path: Path) -> None:
    assert read_boxes(tmp_path) == []
    with pytest.raises(UserInputError, match="no data set reader"):
        read_boxes(tmp_path, ("elsewhere",))


def test_several_radiologists_of_vindr_make_one_box(tmp_path: Path) -> None:
    rows = ["image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"]
    for number in range(12):
        picture(tmp_path / "train" / f"{number}.png", 200, 100)
        if number % 2:
            rows += [f"{number},No finding,14,R{n},,,," for n in (1, 2, 3)]
        else:
            rows += [
                f"{number},Cardiomegaly,3,R1,50,40,110,90",
                f"{number},Cardiomegaly,3,R2,54,42,114,90",
                f"{number},No finding,14,R3,,,,",
            ]
    (tmp_path / "train.csv").write_text("\n".join(rows))
    records = read_boxes(tmp_path, ("vindr-cxr",))
    assert len(records) == 12 and all(record.complete for record in records)
    assert {record.split for record in records} == {Split.TRAIN, Split.VAL}
    drawn = [record for record in records if record.boxes]
    assert len(drawn) == 6
    assert [box.box for record in drawn for box in record.boxes] == [
        pytest.approx((0.25, 0.4, 0.57, 0.9))
    ] * 6
    assert all(record.present[Finding.CARDIOMEGALY] for record in drawn)
    clear = next(record for record in records if not record.boxes)
    assert not any(here for f, here in clear.present.items() if f is not Finding.NO_FINDING)
    assert load_boxes(records, (Finding.CARDIOMEGALY,), 32, None).drawn().sum() == 6


def test_the_real_folders_hold_what_their_description_says(shared_data: Path) -> None:
    nodules = [record for record in read_boxes(shared_data, ("jsrt",)) if record.boxes]
    assert len(nodules) == 110
    opacities = [record for record in read_boxes(shared_data, ("gbseg",)) if record.boxes]
    drawn = {box.finding for record in opacities for box in record.boxes}
    assert {Finding.GROUND_GLASS_OPACITY, Finding.CONSOLIDATION} <= drawn
    boxes = [box for record in nodules + opacities for box in record.boxes]
    assert all(0 <= b.box[0] < b.box[2] <= 1 and 0 <= b.box[1] < b.box[3] <= 1 for b in boxes)
