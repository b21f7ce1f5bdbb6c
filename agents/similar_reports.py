"""Similar prior reports for a draft: the evidence so far, put to the retrieval index."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from findings.claims import Claim
from findings.errors import IndexUnavailableError, WeightsError
from findings.evidence import Classification, Detection, Evidence, MeasurementEvidence, Neighbour
from findings.vocabulary import Finding, Language, Polarity
from reporting.draft import ModelUse

if TYPE_CHECKING:
    from retrieval.index import ReportIndex


class ReportNeighbours:
    """The retrieval index, opened on first use and shared between threads."""

    def __init__(self, index_dir: Path, cache_dir: Path) -> None:
        self._index_dir, self._cache_dir = index_dir, cache_dir
        self._lock = threading.Lock()
        self._index: ReportIndex | None = None

    @property
    def model(self) -> ModelUse | None:
        """The sentence encoder, once an index is open."""
        if self._index is None:
            return None
        from models.artefacts import Manifest
        from retrieval.encoder import ARTEFACT

        artefact = Manifest.load().entry(ARTEFACT)
        return ModelUse(
            role="retrieval",
            name=artefact.name,
            version=artefact.version,
            licence=artefact.licence,
            sha256=artefact.files[0].sha256 or None,
        )

    def neighbours(
        self, evidence: Sequence[Evidence], language: Language, count: int, floor: float
    ) -> tuple[Neighbour, ...]:
        """Reports that say what the evidence shows. Raises `IndexUnavailableError`."""
        from retrieval.query import Query, neighbours

        claims = shown(evidence)
        if not claims:
            return ()
        index = self._opened()
        try:
            hits = index.search(Query(claims=claims, language=language, k=count, floor=floor))
        except WeightsError as error:
            raise IndexUnavailableError(str(error)) from error
        return neighbours(hits, 1, index.info().version)

    def _opened(self) -> ReportIndex:
        from retrieval.index import ReportIndex

        with self._lock:
            if self._index is None:
                self._index = ReportIndex.open(self._index_dir, self._cache_dir)
            return self._index


def shown(evidence: Sequence[Evidence]) -> tuple[Claim, ...]:
    """What the image evidence shows at its own operating points, as claims for a search.

    Positive findings; where there is none, what is denied, so that normal films find normal
    reports.
    """
    present: dict[Finding, Claim] = {}
    absent: dict[Finding, Claim] = {}
    for item in evidence:
        match item:
            case Classification(screen=True):
                continue
            case Classification() if item.probability >= item.threshold:
                present.setdefault(item.finding, Claim(finding=item.finding, side=item.side))
            case Classification() if item.probability < item.sensitive_threshold:
                denied = Claim(finding=item.finding, polarity=Polarity.ABSENT)
                absent.setdefault(item.finding, denied)
            case Detection() if not item.weak and item.probability >= 0.5:
                present[item.finding] = Claim(
                    finding=item.finding, side=item.side, region=item.region
                )
            case MeasurementEvidence() if (
                item.finding is not None and item.polarity is Polarity.PRESENT
            ):
                present.setdefault(item.finding, Claim(finding=item.finding))
            case MeasurementEvidence() if (
                item.finding is not None and item.polarity is Polarity.ABSENT
            ):
                denied = Claim(finding=item.finding, polarity=Polarity.ABSENT)
                absent.setdefault(item.finding, denied)
            case _:
                continue
    return tuple(present.values()) or tuple(absent.values())
