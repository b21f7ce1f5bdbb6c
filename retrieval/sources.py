"""Where pulled corpora and the encoder lie in the cache folder: ``models/NAME/VERSION/``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from retrieval.encoder import ARTEFACT, MiniLmEncoder

CORPORA: Final = "report-corpora"
"""The name under which the weights manifest lists the corpora."""

REFERENCE: Final = "all-minilm-l6-v2"
"""The encoder's 32-bit weights, for comparison."""

_RECEIPT: Final = "receipt.json"
_MODEL: Final = "model.onnx"


def find_corpora(cache: Path) -> Path | None:
    """The folder of the pulled corpora; its name is their version."""
    return _newest(cache / "models" / CORPORA)


def find_encoder(cache: Path, *, threads: int = 0) -> MiniLmEncoder | None:
    """The pulled sentence encoder, not yet loaded."""
    folder = _newest(cache / "models" / ARTEFACT)
    return None if folder is None else MiniLmEncoder(folder / _MODEL, threads=threads)


def find_reference(cache: Path) -> Path | None:
    """The folder of the pulled 32-bit weights."""
    return _newest(cache / "models" / REFERENCE)


def _newest(folder: Path) -> Path | None:
    """The version pulled last; a receipt marks a version that is complete."""
    receipts = sorted(folder.glob(f"*/{_RECEIPT}"), key=lambda path: path.stat().st_mtime_ns)
    return receipts[-1].parent if receipts else None
