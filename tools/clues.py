"""The clue retriever: disease clues by image-text similarity (TRRG, 3.2). None is installed."""

from __future__ import annotations

from tools.contract import Role
from tools.not_installed import NotInstalledExpert


class ClueExpert(NotInstalledExpert):
    """Will return `Clue` evidence: the clues nearest to the image, with their weights."""

    role = Role.CLUES
    name = "clue-retriever"
