"""Writing a draft to a folder: whole or not at all, and never at the cost of an earlier one."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from findings.claims import Frozen
from findings.errors import ReportError, UserInputError
from imaging.study import StudyImage
from reporting.draft import Draft, DraftStatus
from reporting.overlay import overlay_png
from reporting.render import report_markdown

DRAFT_FILE: Final = "draft.json"
REPORT_FILE: Final = "report.md"
OVERLAY_FILE: Final = "overlay.png"
PREVIOUS_FOLDER: Final = "previous"
MAX_DRAFT_BYTES: Final = 64 * 2**20


class DraftFiles(Frozen):
    """Where a draft was written, and where the one before it was kept, if there was one."""

    draft: Path
    report: Path
    overlay: Path
    previous: Path | None = None


def write_draft(draft: Draft, image: StudyImage, out_dir: Path) -> DraftFiles:
    """Write `draft.json`, `report.md` and `overlay.png` into `out_dir`, each atomically.

    Files of an earlier draft are first copied to `previous/1`, `previous/2`, ... Writing the very
    same draft again changes nothing.

    Raises `UserInputError` where the folder holds a signed draft that this would replace, or
    cannot be written.
    """
    draft_bytes = draft_json(draft).encode("utf-8")
    contents = {
        REPORT_FILE: report_markdown(draft).encode("utf-8"),
        OVERLAY_FILE: overlay_png(image, draft),
        DRAFT_FILE: draft_bytes,
    }
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        _refuse_if_signed(out_dir / DRAFT_FILE, draft_bytes)
        previous = None if _is_same(out_dir, contents) else _keep_previous(out_dir)
        for name, content in contents.items():
            write_atomically(out_dir / name, content)
    except OSError as error:
        raise _unwritable(error.strerror or type(error).__name__) from None
    return DraftFiles(
        draft=out_dir / DRAFT_FILE,
        report=out_dir / REPORT_FILE,
        overlay=out_dir / OVERLAY_FILE,
        previous=previous,
    )


def require_writable(out_dir: Path) -> None:
    """Raise `UserInputError` where a draft could not be written to `out_dir`; makes nothing."""
    existing = next((p for p in (out_dir, *out_dir.parents) if p.exists() or p.is_symlink()), None)
    if existing is None or not existing.is_dir():
        raise _unwritable("A file is in its place")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise _unwritable("Permission denied")


def _unwritable(why: str) -> UserInputError:
    return UserInputError(
        f"The output folder cannot be written ({why}). Choose another folder or make room."
    )


def draft_json(draft: Draft) -> str:
    """The text of `draft.json`."""
    return draft.model_dump_json(by_alias=True, indent=1) + "\n"


def read_draft(path: Path) -> Draft:
    """Read a `draft.json`. Raises `ReportError` where it is none, or far too large."""
    try:
        if path.stat().st_size > MAX_DRAFT_BYTES:
            raise ReportError("The draft file is too large to be one this application wrote.")
        return Draft.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ReportError(
            "There is no draft there. Give the folder that 'readingroom draft' wrote."
        ) from None
    except (OSError, ValidationError):
        raise ReportError(
            "The file is not a readable draft. Give a draft.json that this application wrote."
        ) from None


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _refuse_if_signed(path: Path, new: bytes) -> None:
    if not path.is_file() or path.stat().st_size > MAX_DRAFT_BYTES:
        return
    old = path.read_bytes()
    if old == new:
        return
    try:
        status = json.loads(old).get("status")
    except (ValueError, AttributeError, RecursionError):
        return
    if status == DraftStatus.SIGNED:
        raise UserInputError(
            "The output folder holds a signed report, which is never replaced. Choose another "
            "folder for the new draft."
        )


def _is_same(out_dir: Path, contents: Mapping[str, bytes]) -> bool:
    return all(
        (out_dir / name).is_file() and (out_dir / name).read_bytes() == content
        for name, content in contents.items()
    )


def _keep_previous(out_dir: Path) -> Path | None:
    """Copy the files about to be replaced into the next free numbered folder."""
    old = [out_dir / name for name in (DRAFT_FILE, REPORT_FILE, OVERLAY_FILE)]
    old = [path for path in old if path.exists()]
    if not old:
        return None
    folder = out_dir / PREVIOUS_FOLDER
    folder.mkdir(exist_ok=True)
    number = 1 + max((int(p.name) for p in folder.iterdir() if p.name.isdecimal()), default=0)
    while True:
        kept = folder / str(number)
        try:
            kept.mkdir()
            break
        except FileExistsError:
            number += 1
    for path in old:
        shutil.copy2(path, kept / path.name)
    return kept
