"""What a reader comes upon in a data set's folder: counted, never with an id or a file name."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum


class Problem(StrEnum):
    """Something that keeps a row, or a part of it, from becoming part of a record."""

    MISSING_IMAGE = "image named in a table but not in the folder"
    REFUSED_NAME = "file name that leads outside the folder or is not usable"
    BROKEN_ROW = "row of a table that is cut short or has an unusable value"
    BROKEN_BOX = "box without extent or with an unusable number"
    BROKEN_FILE = "report or scene graph that cannot be read"
    MISSING_REPORT = "report named in a table but not in the folder"
    OVERSIZED_TEXT = "text too long to be a report"
    UNMAPPED_LABEL = "label that stands for no finding of the vocabulary"
    CONFLICT = "label that the data set both affirms and denies"
    SAME_NAME = "second file of the same name"


class Notes:
    """Counts of problems, and the labels that no finding was found for."""

    def __init__(self) -> None:
        self.counts: Counter[Problem] = Counter()
        self.unmapped: Counter[str] = Counter()

    def add(self, problem: Problem, count: int = 1) -> None:
        """Count a problem."""
        self.counts[problem] += count

    def unmapped_label(self, label: str) -> None:
        """Count a label that stands for no finding. Labels are the data set's vocabulary."""
        self.counts[Problem.UNMAPPED_LABEL] += 1
        # A hostile table could make up labels without end.
        if label in self.unmapped or len(self.unmapped) < 1000:
            self.unmapped[label[:80]] += 1
