"""MIMIC-CXR-JPG (Johnson et al., PhysioNet 2019) with its reports and Chest ImaGenome's regions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from findings.vocabulary import Finding, Language
from models.data.records import Split
from models.datasets.chexpert import CHEXPERT_LABELS, chexpert_labels
from models.datasets.dataset import DatasetCard, DatasetReader
from models.datasets.imagenome import read_scene_graph
from models.datasets.notes import Notes, Problem
from models.datasets.record import LabelOrigin, LabelState, RadiographRecord, ReportText
from models.datasets.tables import (
    find_table,
    inside,
    missing_columns,
    read_table,
    read_text,
    required_table,
)
from models.datasets.views import view_of

_VERSIONS: Final = ("mimic-cxr-2.1.0", "mimic-cxr-2.0.0")
_METADATA: Final = tuple(f"{version}-metadata.csv" for version in _VERSIONS)
_SPLIT: Final = tuple(f"{version}-split.csv" for version in _VERSIONS)
_LABELS: Final = tuple(
    f"{version}-{labeler}.csv" for labeler in ("chexpert", "negbio") for version in _VERSIONS
)
_COLUMNS: Final = ("dicom_id", "subject_id", "study_id", "ViewPosition", "Rows", "Columns")
_SPLITS: Final = {"train": Split.TRAIN, "validate": Split.VAL, "test": Split.TEST}
_REPORTS: Final = ("files", "reports/files", "mimic-cxr-reports/files")
_GRAPHS: Final = (
    "silver_dataset/scene_graph",
    "silver_dataset/scene_graph/scene_graph",
    "chest-imagenome/silver_dataset/scene_graph",
    "chest-imagenome/silver_dataset/scene_graph/scene_graph",
    "chest-imagenome-dataset/1.0.0/silver_dataset/scene_graph",
)


class MimicCxrJpg(DatasetReader):
    """The tables of MIMIC-CXR-JPG beside `files/p10/p10000032/s50414267/*.jpg`.

    Labels are CheXpert's, else NegBio's: present, absent, uncertain; a blank is unknown. Reports
    come with MIMIC-CXR, not with the images: unpack `mimic-cxr-reports.zip` in the same folder.
    Chest ImaGenome's `silver_dataset/` is read where it lies in the folder, or in
    `chest-imagenome/` there.
    """

    card = DatasetCard(
        name="mimic-cxr-jpg",
        title="MIMIC-CXR-JPG",
        home="https://physionet.org/content/mimic-cxr-jpg/",
        terms="PhysioNet Credentialed Health Data License 1.5.0; no sharing, no re-identification",
        cite="Johnson et al., MIMIC-CXR-JPG, arXiv:1901.07042; Wu et al., Chest ImaGenome, 2021",
        layout=(
            "mimic-cxr-2.0.0-metadata.csv.gz (or 2.1.0)",
            "files/p10/p10000032/s50414267/*.jpg …",
            "mimic-cxr-2.0.0-split.csv.gz",
            "mimic-cxr-2.0.0-chexpert.csv.gz or mimic-cxr-2.0.0-negbio.csv.gz",
            "files/p10/p10000032/s50414267.txt (reports)",
            "silver_dataset/scene_graph/*_SceneGraph.json (Chest ImaGenome)",
        ),
    )

    def missing(self, folder: Path) -> tuple[str, ...]:
        """See `DatasetReader`."""
        table = find_table(folder, *_METADATA)
        if table is None:
            return ("there is no table mimic-cxr-2.0.0-metadata.csv (or .csv.gz)",)
        return missing_columns(table, _COLUMNS)

    def read(self, folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
        """See `DatasetReader`."""
        table = required_table(folder, *_METADATA)
        splits = _read_splits(folder, notes)
        labels = _read_labels(folder, notes)
        graphs = next((folder / name for name in _GRAPHS if _has_graphs(folder / name)), None)
        reports = next((name for name in _REPORTS if _has_reports(folder / name)), None)
        report: tuple[str, ReportText | None] = ("", None)
        for row in read_table(table, _COLUMNS, notes):
            patient, study, name = row["subject_id"], row["study_id"], row["dicom_id"]
            place = f"p{patient[:2]}/p{patient}/s{study}"
            image = inside(folder / "files", f"{place}/{name}.jpg")
            if image is None or not (patient.isdigit() and study.isdigit()) or "/" in name:
                notes.add(Problem.REFUSED_NAME)
                continue
            if reports is not None and report[0] != study:
                text = read_text(folder / reports / f"{place}.txt", notes)
                report = (study, ReportText(text.strip(), Language.ENGLISH) if text else None)
            yield RadiographRecord(
                source=self.card.name,
                image_id=name,
                image=image,
                patient=patient,
                study=study,
                view=view_of(row["ViewPosition"]),
                split=splits.get(name, Split.OTHER),
                labels=labels.get(study, {}),
                origin=LabelOrigin.PROGRAM,
                regions=read_scene_graph(graphs / f"{name}_SceneGraph.json", notes)
                if graphs
                else (),
                report=report[1],
                frame=_frame(row["Columns"], row["Rows"]),
            )


def _read_splits(folder: Path, notes: Notes) -> dict[str, Split]:
    table = find_table(folder, *_SPLIT)
    if table is None:
        return {}
    return {
        row["dicom_id"]: _SPLITS.get(row["split"], Split.OTHER)
        for row in read_table(table, ("dicom_id", "split"), notes)
    }


def _read_labels(folder: Path, notes: Notes) -> dict[str, Mapping[Finding, LabelState]]:
    """Labels by study."""
    table = find_table(folder, *_LABELS)
    found: dict[str, Mapping[Finding, LabelState]] = {}
    if table is None:
        return found
    for row in read_table(table, ("study_id", *CHEXPERT_LABELS), notes):
        labels = chexpert_labels(tuple(row[name] for name in CHEXPERT_LABELS))
        if labels is None:
            notes.add(Problem.BROKEN_ROW)
        else:
            found[row["study_id"]] = labels
    return found


def _has_graphs(folder: Path) -> bool:
    return folder.is_dir() and next(folder.glob("*_SceneGraph.json"), None) is not None


def _has_reports(folder: Path) -> bool:
    return next(folder.glob("p*/p*/s*.txt"), None) is not None


def _frame(columns: str, rows: str) -> tuple[int, int] | None:
    if not (columns.isdigit() and rows.isdigit() and len(columns) < 6 and len(rows) < 6):
        return None
    return int(columns), int(rows)
