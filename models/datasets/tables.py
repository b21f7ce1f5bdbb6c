"""Tables, texts and file names that come with a data set, read as untrusted input.

Cells are text and stay text (an id keeps its leading zeros). Tables are read row by row; sizes are
bounded; a name that would leave the data set's folder is refused.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Final

from findings.errors import UserInputError
from models.datasets.notes import Notes, Problem

LONGEST_ROW: Final = 1 << 20
"""Characters of one row. The longest row of the tables read here is under 20,000."""
MOST_ROWS: Final = 20_000_000
LONGEST_TEXT: Final = 1 << 20
"""Bytes of a text file; the longest report is under 20,000."""
MOST_FILES: Final = 4_000_000
DEEPEST_FOLDER: Final = 6

Row = Mapping[str, str]

_DAMAGED_TABLE: Final = (
    UnicodeDecodeError,
    csv.Error,
    OSError,
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
)


def find_table(folder: Path, *names: str) -> Path | None:
    """The first of `names` (relative to the folder) that is there: plain, gzipped or zipped."""
    for name in names:
        for ending in ("", ".gz", ".zip"):
            if (candidate := folder / f"{name}{ending}").is_file():
                return candidate
    return None


def required_table(folder: Path, *names: str) -> Path:
    """The first of `names` that is there, as `find_table` looks for it.

    Raises:
        UserInputError: none is.
    """
    table = find_table(folder, *names)
    if table is None:
        raise UserInputError(
            f"There is no table {' or '.join(names)} in the folder; get a complete copy of the "
            "data set."
        )
    return table


def columns_of(table: Path) -> tuple[str, ...]:
    """The column names of a table, without blanks around them.

    Raises:
        UserInputError: it is no CSV table in UTF-8.
    """
    with _opened(table) as stream:
        return _header(csv.reader(_bounded_lines(stream, table)), table)


def missing_columns(table: Path, required: Sequence[str]) -> tuple[str, ...]:
    """What keeps a table from being the one looked for, in words; empty: nothing."""
    try:
        columns = columns_of(table)
    except UserInputError as error:
        return (str(error).rstrip("."),)
    lacking = [repr(name) for name in required if name not in columns]
    if not lacking:
        return ()
    word = "column" if len(lacking) == 1 else "columns"
    return (f"{table.name} lacks the {word} {', '.join(lacking)}",)


def read_table(table: Path, required: Sequence[str], notes: Notes) -> Iterator[Row]:
    """The rows of a CSV table in UTF-8 (.csv, .csv.gz, .csv.zip), blanks around cells cut off.

    A row too short to hold every required column is noted and passed over; other cells that are
    missing are blank.

    Raises:
        UserInputError: the table cannot be read, is not UTF-8, lacks a column, has it twice, or
            runs past the bounds. The message names the table and the column, never a cell.
    """
    with _opened(table) as stream:
        reader = csv.reader(_bounded_lines(stream, table))
        header = _header(reader, table)
        for column in required:
            if header.count(column) != 1:
                fault = "lacks the column" if column not in header else "has more than one column"
                raise UserInputError(
                    f"The table {table.name} {fault} '{column}'; it is not the table that this "
                    f"data set is published with. Its columns are: {_some(header)}."
                )
        width = max((header.index(column) for column in required), default=-1) + 1
        count = 0
        for cells in _rows(reader, table):
            count += 1
            if count > MOST_ROWS:
                raise UserInputError(
                    f"The table {table.name} has more than {MOST_ROWS} rows, which no public data "
                    "set has; check the file."
                )
            if not cells:
                continue
            if len(cells) < width:
                notes.add(Problem.BROKEN_ROW)
                continue
            padded = cells + [""] * (len(header) - len(cells))
            yield dict(zip(header, map(str.strip, padded), strict=False))


def inside(folder: Path, name: str) -> Path | None:
    """The file `name` within `folder`; None where the name is blank or could lead outside.

    Names come from tables of unknown origin: absolute names, drive letters, backslashes, control
    characters and `..` are refused. A link that the user has put into the folder is followed.
    """
    pure = PurePosixPath(name)
    if not pure.name or pure.is_absolute() or ".." in pure.parts:
        return None
    if any(character in '\\:*?"<>|' or ord(character) < 32 for character in name):
        return None
    return folder.joinpath(*pure.parts)


def files_by_name(folder: Path, suffixes: Sequence[str], notes: Notes) -> dict[str, Path]:
    """Every file under `folder` with one of the suffixes (lower case), by its file name.

    Of two files of one name the one whose path sorts first is taken, and the other one noted.

    Raises:
        UserInputError: there are more files than any public data set has.
    """
    found: dict[str, Path] = {}
    for path in _walk(folder, 0):
        if path.suffix.lower() not in suffixes:
            continue
        if path.name in found:
            notes.add(Problem.SAME_NAME)
            continue
        found[path.name] = path
        if len(found) > MOST_FILES:
            raise UserInputError(
                f"The folder holds more than {MOST_FILES} images; give the folder of one data set."
            )
    return found


def read_text(path: Path, notes: Notes) -> str | None:
    """A small text file; bytes that are not UTF-8 are replaced. None where there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_TEXT + 1)
    except OSError:
        notes.add(Problem.MISSING_REPORT)
        return None
    if len(content) > LONGEST_TEXT:
        notes.add(Problem.OVERSIZED_TEXT)
        return None
    return content.decode("utf-8-sig", errors="replace")


def listed_names(path: Path) -> frozenset[str]:
    """The lines of a list of file names.

    Raises:
        UserInputError: it cannot be read or is not UTF-8.
    """
    with _opened(path) as stream:
        try:
            return frozenset(line.strip() for line in _bounded_lines(stream, path) if line.strip())
        except _DAMAGED_TABLE as error:
            raise _unreadable(path, error) from error


def number(cell: str) -> float | None:
    """A finite number in a cell, or None."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.is_dir():
            yield Path(entry.path)
        elif depth < DEEPEST_FOLDER and not entry.name.startswith("."):
            yield from _walk(Path(entry.path), depth + 1)


def _opened(table: Path) -> IO[str]:
    try:
        # The caller closes it: the wrapper below owns it.
        raw = _unpacked(table) if table.suffix in (".gz", ".zip") else table.open("rb")
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise _unreadable(table, error) from error
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")


def _unpacked(table: Path) -> IO[bytes]:
    """A gzipped table, or the only table of a zip archive, as Kaggle hands tables out."""
    if table.suffix == ".gz":
        return gzip.open(table, "rb")  # type: ignore[return-value]
    archive = zipfile.ZipFile(table)
    members = [name for name in archive.namelist() if name.lower().endswith(".csv")]
    if len(members) != 1:
        raise UserInputError(
            f"The archive {table.name} must hold one CSV table and nothing else like it; unpack it."
        )
    return archive.open(members[0])


def _bounded_lines(stream: IO[str], table: Path) -> Iterator[str]:
    while line := stream.readline(LONGEST_ROW):
        if len(line) >= LONGEST_ROW:
            raise UserInputError(
                f"The table {table.name} has a row of more than {LONGEST_ROW} characters; it is "
                "damaged or no CSV table."
            )
        yield line


def _rows(reader: Iterator[list[str]], table: Path) -> Iterator[list[str]]:
    while True:
        try:
            row = next(reader, None)
        except _DAMAGED_TABLE as error:
            raise _unreadable(table, error) from error
        if row is None:
            return
        yield row


def _header(reader: Iterator[list[str]], table: Path) -> tuple[str, ...]:
    for cells in _rows(reader, table):
        return tuple(cell.strip() for cell in cells)
    raise UserInputError(f"The table {table.name} is empty; get a complete copy.")


def _unreadable(table: Path, error: Exception) -> UserInputError:
    if isinstance(error, UnicodeDecodeError):
        return UserInputError(
            f"The table {table.name} is not UTF-8 text; save it as 'CSV UTF-8' or get the "
            "publisher's copy."
        )
    return UserInputError(
        f"The table {table.name} cannot be read ({type(error).__name__}); it is damaged or cut "
        "off. Get a complete copy."
    )


def _some(header: Sequence[str]) -> str:
    # Column names of a foreign table: few, short and printable.
    shown = [name[:40] for name in header if name and name.isprintable()]
    return ", ".join(shown[:20]) + (", …" if len(shown) > 20 else "")
