"""One run's working memory: the study's pixels and the words that are never written to disk."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from agents.services import Services
from agents.settings import Settings
from agents.state import DraftRequest, LoadedStudy
from findings.errors import StudyError, UserInputError
from imaging.study import Study
from reporting.draft import Writer


def digest(text: str | None) -> str | None:
    """SHA-256 of a text that is kept out of checkpoints; `None` for none."""
    return None if text is None else hashlib.sha256(text.encode("utf-8")).hexdigest()


@dataclass
class Session:
    """What nodes share besides the state; made anew when a run is resumed."""

    services: Services
    settings: Settings
    request: DraftRequest
    indication: str | None = None
    prior_report: str | None = None
    load_seconds: float = 0.0
    lost_backends: set[Writer] = field(default_factory=set)
    """Language models that failed in this run and are not asked again."""
    second_reader_lost: bool = False
    """Whether the second reader failed in this run; it is not asked again."""
    writing_until: float | None = None
    """When the language model's time is up, over all passes of writing."""
    experts_seen_at: float | None = None
    """When the experts' stage was last passed through, for its time as a whole."""
    _study: Study | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        given = (digest(self.indication), digest(self.prior_report))
        if given != (self.request.indication_digest, self.request.prior_report_digest):
            raise UserInputError(
                "The indication or the prior report is not the one that the draft was begun with. "
                "Give the same texts again, or begin a new draft."
            )

    def study(self, expected: LoadedStudy | None = None) -> Study:
        """The study, loaded once per run.

        Raises `StudyError` where it cannot be loaded or its pixels are no longer those `expected`.
        """
        with self._lock:
            if self._study is None:
                started = perf_counter()
                request = self.request
                self._study = self.services.load_study(
                    Path(request.path),
                    indication=self.indication,
                    prior=Path(request.prior_path) if request.prior_path else None,
                    prior_report=self.prior_report,
                )
                self.load_seconds = perf_counter() - started
            study = self._study
        if expected is not None and identity(study) != expected:
            raise StudyError(
                "The study's pixels have changed since the draft was begun, so it cannot go on. "
                "Begin a new draft."
            )
        return study


def identity(study: Study) -> LoadedStudy:
    """What identifies a study and its prior by their pixels."""
    return LoadedStudy(
        study_key=study.study_key,
        prior_key=study.prior.study_key if study.prior is not None else None,
    )
