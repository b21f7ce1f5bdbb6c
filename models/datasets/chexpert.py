"""CheXpert (Irvin et al., AAAI 2019): fourteen labels that may be uncertain or not mentioned."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from findings.label_maps import Dataset as LabelSet
from findings.label_maps import finding_of, labels_of
from findings.vocabulary import Finding
from imaging.study import View
from models.data.records import Split
from models.datasets.dataset import DatasetCard, DatasetReader
from models.datasets.labels import state_of
from models.datasets.notes import Notes, Problem
from models.datasets.record import LabelOrigin, LabelState, RadiographRecord
from models.datasets.tables import find_table, inside, missing_columns, read_table
from models.datasets.views import view_of

CHEXPERT_LABELS: Final = tuple(
    label for finding in Finding for label in labels_of(LabelSet.CHEXPERT, finding)
)
_TABLES: Final = {Split.TRAIN: "train.csv", Split.VAL: "valid.csv", Split.TEST: "test.csv"}
_TRAIN_ALSO: Final = "chexpert_train.csv"
_PLACE: Final = re.compile(r"(patient[0-9]+)/(study[0-9]+)/")


class CheXpert(DatasetReader):
    """`train.csv` and `valid.csv` beside the folders `train/` and `valid/`.

    1 is present, 0 absent, -1 uncertain, blank not mentioned, hence unknown. The validation (and
    test) labels are radiologists'; the training labels a program's.
    """

    card = DatasetCard(
        name="chexpert",
        title="CheXpert",
        home="https://stanfordmlgroup.github.io/competitions/chexpert/",
        terms="Stanford University Dataset Research Use Agreement; no sharing, no commercial use",
        cite="Irvin et al., CheXpert, AAAI 2019",
        layout=(
            "train.csv, valid.csv or test.csv with the column Path",
            "train/patient00001/study1/view1_frontal.jpg …",
        ),
    )

    def missing(self, folder: Path) -> tuple[str, ...]:
        """See `DatasetReader`."""
        tables = [table for _, table in _tables(folder)]
        if not tables:
            return ("there is no table train.csv, valid.csv or test.csv",)
        wanted = ("Path", "Frontal/Lateral", "Lung Opacity")
        return tuple(
            fault
            for table in tables
            for fault in missing_columns(table, wanted[:1] if table.stem == "test" else wanted)
        )

    def read(self, folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
        """See `DatasetReader`."""
        for split, table in _tables(folder):
            for row in read_table(table, ("Path",), notes):
                # The first part of the path names the edition ("CheXpert-v1.0-small").
                name = row["Path"].partition("/")[2]
                image, place = inside(folder, name), _PLACE.search(name)
                if image is None or place is None:
                    notes.add(Problem.REFUSED_NAME)
                    continue
                lateral = row.get("Frontal/Lateral", "").lower() == "lateral"
                labels = chexpert_labels(tuple(row.get(name, "") for name in CHEXPERT_LABELS))
                if labels is None:
                    notes.add(Problem.BROKEN_ROW)
                    continue
                yield RadiographRecord(
                    source=self.card.name,
                    image_id=name,
                    image=image,
                    patient=place[1],
                    study=f"{place[1]}/{place[2]}",
                    view=View.LATERAL if lateral else view_of(row.get("AP/PA", "")),
                    split=split,
                    labels=labels,
                    origin=LabelOrigin.PROGRAM
                    if split is Split.TRAIN
                    else LabelOrigin.RADIOLOGISTS,
                )


@lru_cache(maxsize=1 << 16)
def chexpert_labels(cells: tuple[str, ...]) -> Mapping[Finding, LabelState] | None:
    """States out of cells in the order of `CHEXPERT_LABELS`; None where a cell means none."""
    states = {}
    for label, cell in zip(CHEXPERT_LABELS, cells, strict=True):
        finding, state = finding_of(LabelSet.CHEXPERT, label), state_of(cell)
        if state is None:
            return None
        if finding is not None and state is not LabelState.UNKNOWN:
            states[finding] = state
    return MappingProxyType(states)


def _tables(folder: Path) -> list[tuple[Split, Path]]:
    found = []
    for split, name in _TABLES.items():
        names = (name, _TRAIN_ALSO) if split is Split.TRAIN else (name,)
        if table := find_table(folder, *names):
            found.append((split, table))
    return found
