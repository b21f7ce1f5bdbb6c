"""Studies that an MCP client names by path: read from one folder, and from nowhere else."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Final

from agents.room.shelf import MOST_BYTES
from findings.errors import UserInputError

_MOST_FILES: Final = 400


class StudyFolder:
    """The one folder that studies may be read from; with none, no file is read at all."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder.resolve() if folder is not None else None

    def read(self, path: str) -> bytes:
        """The bytes of a file under the folder; those of a folder under it as a ZIP.

        Raises `UserInputError` where it lies elsewhere (also by a link), is no ordinary file, or is
        too large. The message never holds the path.
        """
        if self._folder is None:
            raise UserInputError(
                "No folder of studies is open. Start the server with --studies FOLDER, or give the "
                "study through the web page or over HTTP."
            )
        try:
            found = (self._folder / path).resolve()
            inside = found.is_relative_to(self._folder)
            if inside and found.is_file():
                return _content(found, MOST_BYTES)
            if inside and found.is_dir() and found != self._folder:
                return self._packed(found)
        except (OSError, ValueError, RuntimeError) as error:
            raise UserInputError(f"The file cannot be read ({type(error).__name__}).") from None
        raise UserInputError("There is no such file in the open folder of studies.")

    def _packed(self, folder: Path) -> bytes:
        assert self._folder is not None
        stream, left = io.BytesIO(), MOST_BYTES
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for number, file in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
                if number >= _MOST_FILES:
                    raise UserInputError(f"The folder holds more than {_MOST_FILES} files.")
                if file.resolve().is_relative_to(self._folder):
                    content = _content(file, left)
                    left -= len(content)
                    archive.writestr(f"{number:04d}", content)
        return stream.getvalue()


def _content(file: Path, most: int) -> bytes:
    with file.open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise UserInputError(f"The study is larger than {MOST_BYTES >> 20} MB. Give one study.")
    return content
