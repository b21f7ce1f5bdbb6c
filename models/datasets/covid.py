"""COVID-19 image data collection (Cohen et al., arXiv:2006.11988): films from publications."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from findings.vocabulary import Finding, Language
from models.datasets.dataset import DatasetCard, DatasetReader
from models.datasets.labels import closed
from models.datasets.notes import Notes, Problem
from models.datasets.record import LabelOrigin, LabelState, RadiographRecord, ReportText
from models.datasets.tables import find_table, inside, missing_columns, read_table, required_table
from models.datasets.views import view_of

_TABLE: Final = "metadata.csv"
_COLUMNS: Final = ("patientid", "finding", "view", "modality", "folder", "filename")
_FINDINGS: Final = {
    "No Finding": Finding.NO_FINDING,
    "Pneumonia": Finding.PNEUMONIA,
    "Tuberculosis": Finding.TUBERCULOSIS,
}
_NOT_JUDGED: Final = frozenset({"", "todo", "Unknown"})


class CovidCollection(DatasetReader):
    """`metadata.csv` of covid-chestxray-dataset with the folder `images/`.

    The diagnosis is the case report's (`Pneumonia/Viral/COVID-19`: each part is a label, of which
    the first is mapped); "todo" and "Unknown" are unknown. CT slices are passed over. The clinical
    notes stand as the report. Every image has a licence of its own (column `license`).
    """

    card = DatasetCard(
        name="covid-chestxray",
        title="COVID-19 image data collection",
        home="https://github.com/ieee8023/covid-chestxray-dataset",
        terms="per image, in the column `license`; many are non-commercial",
        cite="Cohen et al., COVID-19 Image Data Collection, arXiv:2006.11988",
        layout=("metadata.csv with the column patientid", "images/*.jpg, *.png"),
    )

    def missing(self, folder: Path) -> tuple[str, ...]:
        """See `DatasetReader`."""
        table = find_table(folder, _TABLE)
        if table is None:
            return (f"there is no table {_TABLE}",)
        return missing_columns(table, _COLUMNS)

    def read(self, folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
        """See `DatasetReader`."""
        table = required_table(folder, _TABLE)
        for row in read_table(table, _COLUMNS, notes):
            if row["modality"].upper() != "X-RAY":
                continue
            image = inside(folder, f"{row['folder'] or 'images'}/{row['filename']}")
            if image is None or not row["filename"]:
                notes.add(Problem.REFUSED_NAME)
                continue
            text = row.get("clinical_notes", "")
            yield RadiographRecord(
                source=self.card.name,
                image_id=row["filename"],
                image=image,
                patient=row["patientid"],
                study=f"{row['patientid']}/{row.get('offset', '')}",
                view=view_of(row["view"]),
                labels=diagnosis(row["finding"], notes),
                origin=LabelOrigin.REPORT_READERS,
                report=ReportText(text, Language.ENGLISH) if text else None,
            )


def diagnosis(cell: str, notes: Notes) -> dict[Finding, LabelState]:
    """States out of a diagnosis such as `Pneumonia/Viral/COVID-19`."""
    if cell in _NOT_JUDGED:
        return {}
    finding = _FINDINGS.get(cell.partition("/")[0])
    if finding is None:
        notes.unmapped_label(cell)
        return {Finding.NO_FINDING: LabelState.ABSENT}
    return closed(_FINDINGS.values(), [finding])
