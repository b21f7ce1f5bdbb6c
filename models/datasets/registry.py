"""The readers by name, and recognising which of them fits a folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from findings.errors import UserInputError
from models.data.records import Split
from models.datasets.chexpert import CheXpert
from models.datasets.covid import CovidCollection
from models.datasets.dataset import Dataset, DatasetReader, ImageKey, Mark, require
from models.datasets.folder_csv import FolderWithTable
from models.datasets.jsrt import JsrtScr
from models.datasets.mimic import MimicCxrJpg
from models.datasets.nih import NihChestXray14
from models.datasets.openi import OpenI
from models.datasets.padchest import PadChest
from models.datasets.rsna import RsnaPneumonia
from models.datasets.shared import SharedLayout
from models.datasets.siim import SiimPneumothorax
from models.datasets.split_table import read_splits
from models.datasets.tuberculosis import Tuberculosis
from models.datasets.vindr import VinDrCxr


@cache
def readers() -> dict[str, DatasetReader]:
    """Every reader by the name on its card, in the order in which folders are tried."""
    every: tuple[DatasetReader, ...] = (
        NihChestXray14(),
        VinDrCxr(),
        CheXpert(),
        PadChest(),
        MimicCxrJpg(),
        OpenI(),
        RsnaPneumonia(),
        SiimPneumothorax(),
        JsrtScr(),
        Tuberculosis(),
        CovidCollection(),
        SharedLayout(),
        FolderWithTable(),
    )
    return {reader.card.name: reader for reader in every}


def detect(folder: Path) -> tuple[str, ...]:
    """The names of the readers that fit the folder best; several where they do so equally well."""
    for mark in Mark:
        # Looking for names of files walks the folder, so it comes after looking for tables.
        own = [reader for reader in readers().values() if reader.mark is mark]
        fitting = tuple(reader.card.name for reader in own if reader.detect(folder))
        if fitting:
            return fitting
    return ()


def open_dataset(folder: Path, kind: str | None = None, splits: Path | None = None) -> Dataset:
    """Recognise a data set's folder, or take it for the named kind.

    `splits` is a table that `write_splits` wrote; it takes the place of the published split.

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
        return Dataset(readers()[kind], folder, _splits(splits))
    if not folder.is_dir():
        raise UserInputError("There is no such folder; check the path to the data set.")
    found = detect(folder)
    if len(found) == 1:
        return Dataset(readers()[found[0]], folder, _splits(splits))
    if found:
        raise UserInputError(
            f"The folder could be any of: {', '.join(found)}. Say which one (--kind)."
        )
    raise UserInputError(
        f"The folder fits no data set that is known here.{_nearest(folder)} docs/datasets.md says "
        f"what each looks like; name one to learn what is missing: {', '.join(readers())}."
    )


def _nearest(folder: Path) -> str:
    """Which readers found their table in the folder, and what that table lacks."""
    faults = {name: reader.missing(folder) for name, reader in readers().items()}
    near = [f"{name}: {'; '.join(f)}" for name, f in faults.items() if "there is n" not in f[0]]
    return f" Nearest is {' or '.join(near)}." if near else ""


def _splits(table: Path | None) -> dict[ImageKey, Split]:
    return {} if table is None else read_splits(table)
