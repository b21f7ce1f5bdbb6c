"""The crude-report generator: a first report whose sentences are read for claims."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from findings.evidence import CrudeSentence, Evidence
from findings.labeler import label_report
from findings.vocabulary import Language
from imaging.study import FloatImage, Study
from tools.contract import ExpertCard, ExpertContext, Role
from tools.embedded import NetworkExpert, evidence_ids

if TYPE_CHECKING:
    from models.crude_report.inference import CrudeReport

MOST_SENTENCES = 30
"""No report of sixty words comes near; what a replaced generator writes beyond is not read."""

_LEAST_WORDS = 3
"""Of a sentence in which no claim is read: fewer are a fragment ("There."), which says nothing."""


class CrudeReportModel(Protocol):
    """What writes the report: `models.crude_report.inference.CrudeReporter`."""

    def write(self, display: FloatImage, seed: int = 0) -> CrudeReport:
        """English sentences, the same for the same image and seed."""
        ...


class CrudeReportExpert(NetworkExpert[CrudeReportModel]):
    """Writes a crude report (CliniQure, section 4.3) and reads it back with the labeler.

    The generator learnt English only, so its sentences are English whatever the study's language
    is; the claims read in them have none.
    """

    role = Role.CRUDE_REPORT
    folder = "crude_report"
    seconds = 0.4

    def look(self, study: Study, context: ExpertContext) -> Iterator[Evidence]:
        """One item per sentence; finding, side and region are those of its main claim.

        The main claim is the first affirmation, or else the first claim.
        """
        report = self._model.get().write(study.frontal.display, context.seed)
        return read_sentences(report.sentences, self.card, Language.ENGLISH)

    def load(self) -> CrudeReportModel:
        """See `NetworkExpert`; over the shipped classifier's trunk, where it shares that."""
        from models.crude_report.inference import CrudeReporter

        return CrudeReporter.load(self.home)


def read_sentences(
    sentences: Sequence[str], card: ExpertCard, language: Language
) -> Iterator[CrudeSentence]:
    """Each sentence with the claims that the labeler reads in it; fragments are passed over."""
    ids = evidence_ids()
    for sentence in sentences[:MOST_SENTENCES]:
        claims = tuple(claim.without_span() for claim in label_report(sentence, language))
        if not claims and len(sentence.split()) < _LEAST_WORDS:
            continue
        main = next((claim for claim in claims if claim.present), claims[0] if claims else None)
        yield CrudeSentence(
            id=next(ids),
            expert=card.name,
            version=card.version,
            text=sentence,
            claims=claims,
            finding=main.finding if main else None,
            side=main.side if main else None,
            region=main.region if main else None,
        )
