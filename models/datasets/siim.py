"""SIIM-ACR Pneumothorax Segmentation 2019: masks of pneumothorax as run lengths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from findings.vocabulary import Finding
from models.data.records import Split
from models.datasets.dataset import DatasetCard, DatasetReader
from models.datasets.notes import Notes
from models.datasets.outlines import RunLengthOutline
from models.datasets.record import LabelOrigin, LabelState, RadiographRecord
from models.datasets.tables import (
    files_by_name,
    find_table,
    missing_columns,
    read_table,
    required_table,
)

_TABLES: Final = ("stage_2_train.csv", "train-rle.csv", "siim-pneumothorax-train-rle.csv")
_COLUMNS: Final = ("ImageId", "EncodedPixels")
_NONE: Final = ("-1", "")
_SIDE: Final = 1024


class SiimPneumothorax(DatasetReader):
    """`train-rle.csv` or `stage_2_train.csv` with the DICOM files at any depth.

    An image may have several rows, one mask each; together they are the pneumothorax. -1 says
    that there is none. The images are NIH ChestX-ray14's under other names, and patients are not
    told apart.
    """

    card = DatasetCard(
        name="siim-pneumothorax",
        title="SIIM-ACR Pneumothorax Segmentation",
        home="https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation",
        terms="non-commercial research; the challenge's rules",
        cite="SIIM-ACR Pneumothorax Segmentation Challenge, Society for Imaging Informatics, 2019",
        layout=(
            " or ".join(_TABLES),
            "dicom-images-train/**/*.dcm (or .png, .jpg), 1024 × 1024",
        ),
    )

    def missing(self, folder: Path) -> tuple[str, ...]:
        """See `DatasetReader`."""
        table = find_table(folder, *_TABLES)
        if table is None:
            return (f"there is no table {' or '.join(_TABLES)}",)
        return missing_columns(table, _COLUMNS)

    def read(self, folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
        """See `DatasetReader`."""
        table = required_table(folder, *_TABLES)
        runs: dict[str, tuple[str, ...]] = {}
        for row in read_table(table, _COLUMNS, notes):
            text = row["EncodedPixels"]
            own = () if text in _NONE else (text,)
            runs[row["ImageId"]] = runs.get(row["ImageId"], ()) + own
        files = files_by_name(folder, (".dcm", ".png", ".jpg", ".jpeg"), notes)
        images = {path.stem: path for path in files.values()}
        finding = Finding.PNEUMOTHORAX
        for name, masks in runs.items():
            yield RadiographRecord(
                source=self.card.name,
                image_id=name,
                image=images.get(name, folder / "absent"),
                patient="",
                split=Split.TRAIN,
                labels={finding: LabelState.PRESENT if masks else LabelState.ABSENT},
                origin=LabelOrigin.RADIOLOGISTS,
                outlines=(RunLengthOutline(finding, masks, _SIDE, _SIDE),) if masks else (),
                frame=(_SIDE, _SIDE),
            )
