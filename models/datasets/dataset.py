"""What a data set is to the rest of the program: a card, a reader of its folder, its records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path
from typing import ClassVar

from findings.claims import Frozen
from findings.errors import UserInputError
from models.data.records import Split
from models.datasets.notes import Notes, Problem
from models.datasets.record import RadiographRecord

ImageKey = tuple[str, str]
"""Source and image id: what tells an image from every other one of a data set's folder."""


class DatasetCard(Frozen):
    """What a user must know of a data set before using it."""

    name: str
    """Short name, for `--kind`."""
    title: str
    home: str
    """Where its publishers hand it out."""
    terms: str
    """Licence or terms of use, as its publishers state them."""
    cite: str
    layout: tuple[str, ...]
    """The files and folders that are looked for; the first ones are required."""


class Mark(IntEnum):
    """What a reader knows its data set by; where several fit a folder, the surest counts."""

    TABLE = 0
    """A table of a name of its own at a place of its own."""
    FILE_NAMES = 1
    """Names of files, at any depth: the folder may hold more than this data set."""
    ANY_TABLE = 2
    """A table that any folder may have."""


class DatasetReader(ABC):
    """Reads the published layout of one data set."""

    card: ClassVar[DatasetCard]
    mark: ClassVar[Mark] = Mark.TABLE

    @abstractmethod
    def missing(self, folder: Path) -> tuple[str, ...]:
        """The files or columns that the folder lacks to be this data set; empty: it is one."""

    @abstractmethod
    def read(self, folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
        """Every radiograph that the tables name, whether its image file is there or not.

        Raises:
            UserInputError: a table is damaged or lacks a column.
        """

    def detect(self, folder: Path) -> bool:
        """True where the folder is laid out as this data set is."""
        return not self.missing(folder)


@dataclass(frozen=True)
class Dataset:
    """A data set's folder, recognised and ready to be read."""

    reader: DatasetReader
    folder: Path
    splits: Mapping[ImageKey, Split] = field(default_factory=dict)
    """In place of the published split; images that it does not name are `OTHER`."""

    @property
    def card(self) -> DatasetCard:
        """What the data set is, and under which terms."""
        return self.reader.card

    def records(self, notes: Notes | None = None) -> Iterator[RadiographRecord]:
        """Every radiograph whose image file is there, in the order of the tables.

        `notes` counts what was passed over. Raises `UserInputError` where a table is damaged.
        """
        notes = Notes() if notes is None else notes
        for record in self.reader.read(self.folder, notes):
            if not record.image.is_file():
                notes.add(Problem.MISSING_IMAGE)
            elif self.splits:
                key = (record.source, record.image_id)
                yield replace(record, split=self.splits.get(key, Split.OTHER))
            else:
                yield record


def require(reader: DatasetReader, folder: Path) -> None:
    """Refuse a folder that lacks what the reader needs.

    Raises:
        UserInputError: it does; the message names what is missing.
    """
    if not folder.is_dir():
        raise UserInputError("There is no such folder; check the path to the data set.")
    if missing := reader.missing(folder):
        raise UserInputError(
            f"The folder is not laid out as {reader.card.title} ('{reader.card.name}'): "
            f"{'; '.join(missing)}. docs/datasets.md says what it must look like."
        )
