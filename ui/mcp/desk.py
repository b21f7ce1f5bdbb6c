"""The work behind the MCP tools: one owner's studies in the room, and the experts on them."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, Final

from agents.consulting import Consultation, consult
from agents.room import Room, ShelvedStudy
from findings.errors import ReportError, UserInputError
from findings.evidence import Evidence
from findings.regions import Region
from findings.vocabulary import Finding, Language, Side
from reporting.render import report_markdown
from tools.as_langchain import ExpertQuestion, evidence_json
from tools.contract import Role
from ui.mcp.files import StudyFolder
from ui.mcp.shapes import (
    AnswerShown,
    DraftShown,
    EvidenceShown,
    ReviewShown,
    StudyList,
    StudyShown,
)

MOST_EVIDENCE: Final = 200
LONGEST_QUESTION: Final = 2_000
LONGEST_REPORT: Final = 100_000
_OPEN_STUDIES: Final = 2
_STARTED_EVENTS: Final = 12
"""About how many nodes and experts a draft goes through, for the progress shown."""

Tell = Callable[[float, str], None]
"""Takes a share of the work done, from 0 to 1, and what is going on."""


class Desk:
    """What a client of the Model Context Protocol may do; safe to use from several threads."""

    def __init__(self, room: Room, owner: str, files: StudyFolder) -> None:
        self._room, self._owner, self._files = room, owner, files
        self._open: OrderedDict[str, Consultation] = OrderedDict()
        self._lock = threading.Lock()

    def list_studies(self) -> StudyList:
        """The studies in the room with how far each has come."""
        shelf = self._room.shelf(self._owner)
        return StudyList(studies=tuple(self._shown(study) for study in shelf.all()))

    def add_study(self, path: str, prior: str | None = None) -> StudyShown:
        """Take a study, and the prior one, from the open folder into the room."""
        content = self._files.read(path)
        before = self._files.read(prior) if prior is not None else None
        return self._shown(self._room.shelf(self._owner).add(content, before))

    def draft(
        self,
        study_id: str,
        language: Language,
        aggregator: str | None,
        indication: str | None,
        tell: Tell,
        seconds: float,
    ) -> DraftShown:
        """Draft a report and wait for it; after `seconds` it goes on without the caller."""
        study = self._study(study_id)
        self._room.start_draft(study, language, aggregator, indication)
        until, done = monotonic() + seconds, 0
        for event in self._room.board.watch(study.id, patience=1.0):
            if monotonic() > until:
                break
            if event is not None:
                done += event.phase == "finished"
                tell(min(done / _STARTED_EVENTS, 0.95), f"{event.node} {event.phase.value}")
        return self.get_draft(study_id)

    def get_draft(self, study_id: str) -> DraftShown:
        """The report with each sentence's claims and evidence ids, or how far it has come."""
        study = self._study(study_id)
        shown = self._shown(study)
        if not study.drafted or not self._room.note(study).state.over:
            return DraftShown(study=shown)
        return DraftShown.of(shown, self._room.draft(study))

    def get_evidence(
        self,
        study_id: str,
        ids: tuple[str, ...],
        finding: Finding | None,
        region: Region | None,
        side: Side | None,
    ) -> EvidenceShown:
        """The evidence of a draft: by id, or on a finding, a region, a side."""
        draft = self._room.draft(self._study(study_id))
        return _shown_evidence(
            item
            for item in (*draft.evidence, *draft.neighbours)
            if (not ids or item.id in ids)
            and finding in (None, item.finding)
            and region in (None, item.region)
            and side in (None, item.side)
        )

    def ask(
        self, study_id: str, question: str, thread: str, language: Language | None
    ) -> AnswerShown:
        """Answer a question from the draft's evidence."""
        if len(question) > LONGEST_QUESTION:
            raise UserInputError(f"The question is longer than {LONGEST_QUESTION} characters.")
        answer = self._room.ask(self._study(study_id), question, thread, language)
        return AnswerShown(answer=answer.text, details=answer)

    def review(self, study_id: str, report: str, language: Language | None) -> ReviewShown:
        """Check a report against the experts, the prior and similar reports."""
        if len(report) > LONGEST_REPORT:
            raise ReportError(f"The report is longer than {LONGEST_REPORT} characters.")
        outcome = self._room.review(self._study(study_id), report, language)
        return ReviewShown(
            language=outcome.report.language,
            items=outcome.review.items,
            questions=outcome.questions,
        )

    def consult(self, study_id: str, role: Role, question: ExpertQuestion) -> EvidenceShown:
        """Ask one expert; the ids of its evidence are its own, not those of a draft."""
        found: list[dict[str, Any]] = json.loads(self._consultation(study_id).ask(role, question))
        return EvidenceShown(
            evidence=tuple(found[:MOST_EVIDENCE]), left_out=max(len(found) - MOST_EVIDENCE, 0)
        )

    def drafted(self) -> tuple[str, ...]:
        """The ids of the studies that have a draft."""
        return tuple(s.id for s in self._room.shelf(self._owner).all() if s.drafted)

    def draft_json(self, study_id: str) -> str:
        """A whole draft as JSON, without masks."""
        draft = self._room.draft(self._study(study_id))
        left_out = {"evidence": {"__all__": {"mask", "landmarks"}}}
        return draft.model_dump_json(by_alias=True, exclude=left_out)

    def report(self, study_id: str) -> str:
        """A draft's report as text."""
        return report_markdown(self._room.draft(self._study(study_id)))

    def _study(self, study_id: str) -> ShelvedStudy:
        return self._room.shelf(self._owner).get(study_id)

    def _shown(self, study: ShelvedStudy) -> StudyShown:
        note = self._room.note(study)
        return StudyShown(id=study.id, state=note.state, detail=note.detail)

    def _consultation(self, study_id: str) -> Consultation:
        """The study with its experts; the last few are kept, so that each looks once."""
        study = self._study(study_id)
        with self._lock:
            if study_id not in self._open:
                self._open[study_id] = consult(study.study, self._room.settings, study.prior)
            self._open.move_to_end(study_id)
            while len(self._open) > _OPEN_STUDIES:
                self._open.popitem(last=False)
            return self._open[study_id]


def _shown_evidence(evidence: Iterable[Evidence]) -> EvidenceShown:
    items = list(evidence)
    return EvidenceShown(
        evidence=tuple(json.loads(evidence_json(items[:MOST_EVIDENCE]))),
        left_out=max(len(items) - MOST_EVIDENCE, 0),
    )
