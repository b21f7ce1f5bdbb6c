"""The readers by name, and recognising which of them fits a folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from findings.errors import UserInputError
from models.datasets.dataset import Dataset, DatasetReader, require
from models.datasets.nih import NihChestXray14
from models.datasets.vindr import VinDrCxr


@cache
def readers() -> dict[str, DatasetReader]:
    """Every reader by the name on its card, in the order in which folders are tried."""
    every: tuple[DatasetReader, ...] = (NihChestXray14(), VinDrCxr())
    return {reader.card.name: reader for reader in every}


def detect(folder: Path) -> tuple[str, ...]:
    """The names of the readers that the folder fits; several where data sets share a layout."""
    return tuple(name for name, reader in readers().items() if reader.detect(folder))


def open_dataset(folder: Path, kind: str | None = None) -> Dataset:
    """Recognise a data set's folder, or take it for the named kind.

    Raises:
        UserInputError: there is no such folder or kind; the folder lacks a file or a column of that
            kind; without a kind, no reader or more than one fits it.
    """
    if kind is not None:
        if kind not in readers():
            raise UserInputError(
                f"There is no data set reader of that name. Choose one of: {', '.join(readers())}."
            )
        require(readers()[kind], folder)
        return Dataset(readers()[kind], folder)
    if not folder.is_dir():
        raise UserInputError("There is no such folder; check the path to the data set.")
    found = detect(folder)
    if len(found) == 1:
        return Dataset(readers()[found[0]], folder)
    if found:
        raise UserInputError(
            f"The folder could be any of: {', '.join(found)}. Say which one (--kind)."
        )
    raise UserInputError(
        "The folder fits no data set that is known here. docs/datasets.md says what each looks "
        f"like; name one to learn what is missing: {', '.join(readers())}."
    )
