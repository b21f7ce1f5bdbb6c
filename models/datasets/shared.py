"""The project's own layout: the folders nih, tb, jsrt, gbseg, openist, covid and paediatric."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from findings.evidence import Box
from findings.label_maps import Dataset as LabelSet
from findings.label_maps import finding_of
from findings.vocabulary import Finding, Language
from models.data.anatomy_sources import read_anatomy
from models.data.finding_sources import (
    PAEDIATRIC_PNEUMONIA,
    read_nih,
    read_nodules,
    read_paediatric,
    read_tuberculosis,
)
from models.data.records import AnatomyRecord, FindingRecord, Split
from models.datasets.boxes import corners
from models.datasets.covid import diagnosis
from models.datasets.dataset import DatasetCard, DatasetReader
from models.datasets.notes import Notes, Problem
from models.datasets.outlines import FileOutline
from models.datasets.record import (
    FindingBox,
    LabelOrigin,
    LabelState,
    RadiographRecord,
    ReportText,
)
from models.datasets.tables import Row, find_table, inside, read_table
from models.datasets.views import view_of

_TABLES: Final = (
    "nih/labels.csv",
    "tb/labels.csv",
    "jsrt/split.csv",
    "gbseg/split.csv",
    "openist/split.csv",
    "covid/metadata.csv",
    "paediatric/labels.csv",
)
_CORNERS: Final = ("x_min", "y_min", "x_max", "y_max")
_STATES: Final = {0: LabelState.ABSENT, 1: LabelState.PRESENT}
_ORIGINS: Final = {"nih": LabelOrigin.PROGRAM, "jsrt": LabelOrigin.RADIOLOGISTS}
_COVID_POOL: Final = "covid"


class SharedLayout(DatasetReader):
    """Any of the folders, each with its own tables; what each holds stands in its README.

    Labels, masks and splits come from the readers that training uses. Boxes: `nih/boxes.csv`
    (not every finding is boxed) and `jsrt/nodules.csv` (every nodule is).
    """

    card = DatasetCard(
        name="shared",
        title="the project's shared chest X-ray data",
        home="put together from public data sets; see the folder's README.md",
        terms="differ by folder, and for covid/ and gbseg/ by image; see the folder's README.md",
        cite="the sources named in the folder's README.md",
        layout=_TABLES,
    )

    def missing(self, folder: Path) -> tuple[str, ...]:
        """See `DatasetReader`."""
        if any((folder / table).is_file() for table in _TABLES):
            return ()
        return (f"there is none of the tables {', '.join(_TABLES)}",)

    def read(self, folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
        """See `DatasetReader`."""
        outlined = {(mask.source, mask.image_id): mask for mask in read_anatomy(folder)}
        boxes = _read_nih_boxes(folder, notes) | _read_nodules(folder, notes)
        for reader in (read_nih, read_tuberculosis, read_nodules, read_paediatric):
            for labelled in reader(folder):
                key = (labelled.source, labelled.image_id)
                yield _from_labels(labelled, boxes.get(key, ()), outlined.pop(key, None))
        for record in _read_case_reports(folder, notes):
            mask = outlined.pop((record.source, record.image_id), None)
            yield replace(record, outlines=_outlines(mask))
        for mask in outlined.values():
            yield RadiographRecord(
                source=mask.source,
                image_id=mask.image_id,
                image=mask.image,
                patient="",
                split=mask.split,
                outlines=_outlines(mask),
            )


def _from_labels(
    labelled: FindingRecord, boxes: tuple[FindingBox, ...], mask: AnatomyRecord | None
) -> RadiographRecord:
    return RadiographRecord(
        source=labelled.source,
        image_id=labelled.image_id,
        image=labelled.image,
        patient=labelled.patient,
        view=view_of(labelled.view),
        split=labelled.split,
        labels=_labels(labelled),
        origin=_ORIGINS.get(labelled.source, LabelOrigin.REPORT_READERS),
        boxes=boxes,
        boxed=frozenset({Finding.NODULE}) if labelled.source == "jsrt" else frozenset(),
        outlines=_outlines(mask),
    )


def _labels(labelled: FindingRecord) -> dict[Finding, LabelState]:
    """States out of a training record's targets, which may be questions of their own."""
    states = {}
    for target, value in labelled.labels.items():
        name = Finding.PNEUMONIA.value if target == PAEDIATRIC_PNEUMONIA else target
        if name in Finding.__members__.values():
            states[Finding(name)] = _STATES[value]
    if labelled.source == "nih":
        # That data set's "No Finding" stands where none of its fourteen labels does.
        seen = LabelState.PRESENT in states.values()
        states[Finding.NO_FINDING] = LabelState.ABSENT if seen else LabelState.PRESENT
    return states


def _outlines(mask: AnatomyRecord | None) -> tuple[FileOutline, ...]:
    return tuple(FileOutline(kind, path) for kind, path in mask.masks.items()) if mask else ()


def _read_case_reports(folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
    """The films of covid/ and gbseg/, which come from one collection and share its patients."""
    columns = ("image", "patient", "split", "finding", "view")
    seen: set[str] = set()
    for source, table in (("gbseg", "gbseg/split.csv"), ("covid", "covid/metadata.csv")):
        path = find_table(folder, table)
        for row in read_table(path, columns, notes) if path else ():
            name = row["image"] if source == "covid" else f"gbseg/images/{row['image']}"
            image = inside(folder, name)
            if image is None:
                notes.add(Problem.REFUSED_NAME)
            elif name not in seen:
                seen.add(name)
                yield _case_report(source, row, image, notes)


def _case_report(source: str, row: Row, image: Path, notes: Notes) -> RadiographRecord:
    text = row.get("clinical_notes", "")
    return RadiographRecord(
        source=source,
        image_id=image.name,
        image=image,
        patient=row["patient"],
        patient_pool=_COVID_POOL,
        view=view_of(row["view"]),
        split=Split(row["split"]),
        labels=diagnosis(row["finding"], notes),
        origin=LabelOrigin.REPORT_READERS,
        report=ReportText(text, Language.ENGLISH) if text else None,
    )


def _read_nih_boxes(folder: Path, notes: Notes) -> dict[tuple[str, str], tuple[FindingBox, ...]]:
    table = find_table(folder, "nih/boxes.csv")
    rows = read_table(table, ("image", "finding", *_CORNERS), notes) if table else ()
    drawn = []
    for row in rows:
        finding = finding_of(LabelSet.NIH, row["finding"])
        if finding is None:
            notes.unmapped_label(row["finding"])
        else:
            drawn.append((("nih", row["image"]), finding, row["finding"], _box(row)))
    return _gathered(drawn, notes)


def _read_nodules(folder: Path, notes: Notes) -> dict[tuple[str, str], tuple[FindingBox, ...]]:
    table = find_table(folder, "jsrt/nodules.csv")
    rows = read_table(table, ("image", *_CORNERS), notes) if table else ()
    return _gathered(
        ((("jsrt", row["image"]), Finding.NODULE, "nodule", _box(row)) for row in rows), notes
    )


def _box(row: Row) -> Box | None:
    return corners(*(row[column] for column in _CORNERS))


def _gathered(
    drawn: Iterable[tuple[tuple[str, str], Finding, str, Box | None]], notes: Notes
) -> dict[tuple[str, str], tuple[FindingBox, ...]]:
    boxes: dict[tuple[str, str], tuple[FindingBox, ...]] = {}
    for key, finding, label, box in drawn:
        if box is None:
            notes.add(Problem.BROKEN_BOX)
        else:
            boxes[key] = (*boxes.get(key, ()), FindingBox(finding, box, label))
    return boxes
