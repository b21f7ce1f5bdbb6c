"""The job: an existing report checked against the experts, the prior and similar reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.asking import kept_draft
from agents.drafting import DraftOptions, draft_aside
from agents.events import EventSink
from agents.review_table import readable
from agents.services import Services
from agents.settings import Settings
from findings.catalogue import describe, is_a
from findings.evidence import Neighbour
from findings.vocabulary import Finding, Language
from reporting.draft import Draft
from reporting.existing_report import ExistingReport, read_report
from reporting.files import read_draft
from reporting.review import Review, review_report

_ASKED_FROM = 0.5
"""Share of the similar reports that must state a finding before it is asked about."""

_QUESTION = {
    Language.ENGLISH: "{count} of {all} similar reports mention {finding}; this one does not.",
    Language.SPANISH: "{count} de {all} informes similares mencionan {finding}; este no.",
}


@dataclass(frozen=True)
class ReviewRequest:
    """What to review, and what to hold it against."""

    study: Path
    """A study, or the folder of a draft made of it."""
    report: str
    """The report's text."""
    prior: Path | None = None
    language: Language | None = None
    """Of the report; guessed where it is not given."""


@dataclass(frozen=True)
class ReviewOutcome:
    """The table, the draft whose ledger it was made from, and questions that neighbours raise."""

    review: Review
    draft: Draft
    report: ExistingReport
    questions: tuple[str, ...]


def review_study(
    request: ReviewRequest,
    settings: Settings,
    on_event: EventSink | None = None,
    services: Services | None = None,
) -> ReviewOutcome:
    """Look at the study as a draft does, and hold the report against what was found.

    Raises:
        ReportError: the report is empty, or far longer than one.
        StudyError: the study cannot be read, or is no frontal chest radiograph.
    """
    report = read_report(request.report, request.language)
    draft = _draft(request, report.language, settings, on_event, services)
    found = review_report(report, draft.ledger, has_prior=request.prior is not None)
    review = readable(found, report)
    return ReviewOutcome(review, draft, report, questions(report, draft.neighbours))


def _draft(
    request: ReviewRequest,
    language: Language,
    settings: Settings,
    on_event: EventSink | None,
    services: Services | None,
) -> Draft:
    kept = kept_draft(request.study)
    if kept is not None:
        return read_draft(kept)
    options = DraftOptions(prior=request.prior, language=language)
    return draft_aside(request.study, options, settings, on_event, services)


def questions(report: ExistingReport, neighbours: Sequence[Neighbour]) -> tuple[str, ...]:
    """What most similar reports state and this one neither affirms nor denies.

    A question and no more: a finding that only a neighbour has never enters a report.
    """
    stated = [claim.finding for sentence in report.sentences for claim in sentence.claims]
    counts = Counter(finding for n in neighbours for finding in set(n.findings))
    return tuple(
        _QUESTION[report.language].format(
            count=count, all=len(neighbours), finding=describe(finding).name(report.language)
        )
        for finding, count in counts.most_common()
        if count >= _ASKED_FROM * len(neighbours)
        and finding is not Finding.NO_FINDING
        and not any(is_a(s, finding) or is_a(finding, s) for s in stated)
    )
