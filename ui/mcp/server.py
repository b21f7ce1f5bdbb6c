"""The MCP server: every expert and the three jobs as tools, drafts as resources.

Each call is bounded in time, its errors are sentences without patient data, and what a client sends
is checked and never echoed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Annotated, Any, Final, Literal, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp.types import CallToolResult, InputRequiredResult, ToolAnnotations
from mcp.types import Resource as ListedResource
from pydantic import Field, ValidationError

from findings.errors import ReadingRoomError
from findings.regions import Region
from findings.vocabulary import Finding, Language, Side
from tools.as_langchain import WHAT_IT_DOES, ExpertQuestion
from tools.contract import Role
from ui.mcp.desk import LONGEST_QUESTION, LONGEST_REPORT, Desk
from ui.mcp.shapes import (
    AnswerShown,
    DraftShown,
    EvidenceShown,
    ReviewShown,
    StudyList,
    StudyShown,
)

_LOG: Final = logging.getLogger("readingroom.mcp")
_T = TypeVar("_T")

_INSTRUCTIONS: Final = (
    "Chest X-ray studies, drafted reports and the evidence under every sentence. Research use "
    "only. Take a study from list_studies or add_study, draft it, then ask, review, or read its "
    "evidence. State nothing of a study that the tools did not: similar reports and general "
    "knowledge are not this patient's findings."
)
_DRAFT_URI: Final = "readingroom://studies/{study_id}/draft"
_REPORT_URI: Final = "readingroom://studies/{study_id}/report"
_LOOKS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WORKS: Final = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)

StudyId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="id from list_studies")]
Thread = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="conversation's name")]
Path = Annotated[str, Field(min_length=1, max_length=1_000, description="in the open folder")]
EvidenceIds = Annotated[
    list[Annotated[str, Field(pattern=r"^E[1-9][0-9]{0,4}$")]], Field(max_length=200)
]
Asked = Annotated[str, Field(min_length=1, max_length=LONGEST_QUESTION)]
Report = Annotated[str, Field(min_length=1, max_length=LONGEST_REPORT)]
Indication = Annotated[str, Field(max_length=2_000)]


class RoomServer(MCPServer[None]):
    """An MCP server on a desk of the room."""

    def __init__(self, desk: Desk, seconds: float, at_once: int = 4) -> None:
        """`seconds` bounds each call; `at_once` calls work at the same time, others wait."""
        super().__init__(
            "readingroom",
            title="Reading Room",
            instructions=_INSTRUCTIONS,
            version=version("readingroom"),
            log_level="ERROR",
        )
        self._desk, self._seconds = desk, seconds
        self._places = anyio.Semaphore(at_once)
        self._add_studies()
        self._add_jobs()
        for role in Role:
            self._add_expert(role)
        self._add_resources()

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[None, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; arguments that do not fit are named and not repeated."""
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                raise ToolError(_unfit(error.__cause__)) from None
            raise

    async def list_resources(self) -> list[ListedResource]:
        """Each draft, as JSON and as text."""
        return [
            ListedResource(uri=uri.format(study_id=key), name=f"{what} {key}", mime_type=kind)
            for key in await self._bounded(self._desk.drafted)
            for uri, what, kind in (
                (_DRAFT_URI, "draft", "application/json"),
                (_REPORT_URI, "report", "text/markdown"),
            )
        ]

    async def _bounded(self, work: Callable[[], _T]) -> _T:
        """Do work in a thread, within the time of a call. Raises `ToolError`, and nothing else."""
        async with self._places:
            try:
                with anyio.fail_after(self._seconds):
                    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
            except ReadingRoomError as error:
                raise ToolError(str(error)) from None
            except TimeoutError:
                raise ToolError(
                    f"This took longer than {self._seconds:g} seconds and was given up."
                ) from None
            except Exception as error:
                _LOG.error("call failed error=%s", type(error).__name__)
                raise ToolError(
                    f"An unexpected {type(error).__name__} stopped this: a fault of the program."
                ) from None

    def _add_studies(self) -> None:
        desk = self._desk

        @self.tool(annotations=_LOOKS)
        async def list_studies() -> StudyList:
            """The studies in the room and how far each has come."""
            return await self._bounded(desk.list_studies)

        @self.tool(annotations=_WORKS)
        async def add_study(path: Path, prior: Path | None = None) -> StudyShown:
            """Take a study (DICOM file or folder, ZIP, PNG, JPEG) from the open folder.

            `prior` is an earlier study of the same patient to compare with.
            """
            return await self._bounded(partial(desk.add_study, path, prior))

        @self.tool(annotations=_LOOKS)
        async def get_draft(study_id: StudyId) -> DraftShown:
            """A study's drafted report: sentences with claims and evidence ids."""
            return await self._bounded(partial(desk.get_draft, study_id))

        @self.tool(annotations=_LOOKS)
        async def get_evidence(
            study_id: StudyId,
            ids: EvidenceIds | None = None,
            finding: Finding | None = None,
            region: Region | None = None,
            side: Side | None = None,
        ) -> EvidenceShown:
            """What a draft rests on: evidence by id, or on a finding, region or patient's side."""
            chosen = tuple(ids or ())
            return await self._bounded(
                partial(desk.get_evidence, study_id, chosen, finding, region, side)
            )

    def _add_jobs(self) -> None:
        desk = self._desk

        @self.tool(annotations=_WORKS)
        async def draft(
            study_id: StudyId,
            context: Context[None, Any],
            language: Language = Language.ENGLISH,
            aggregator: Literal["embedded", "vllm", "phraser"] | None = None,
            indication: Indication | None = None,
        ) -> DraftShown:
            """Draft a report of a study with all experts, and return it when it is verified."""

            def tell(share: float, what: str) -> None:
                anyio.from_thread.run(context.report_progress, share, 1.0, what)

            seconds = 0.9 * self._seconds
            return await self._bounded(
                partial(desk.draft, study_id, language, aggregator, indication, tell, seconds)
            )

        @self.tool(annotations=_WORKS)
        async def ask(
            study_id: StudyId,
            question: Asked,
            thread: Thread = "mcp",
            language: Language | None = None,
        ) -> AnswerShown:
            """Answer a question about a drafted study from its evidence, in English or Spanish."""
            return await self._bounded(partial(desk.ask, study_id, question, thread, language))

        @self.tool(annotations=_LOOKS)
        async def review(
            study_id: StudyId, report: Report, language: Language | None = None
        ) -> ReviewShown:
            """Check the text of an existing report against what the experts see in the study."""
            return await self._bounded(partial(desk.review, study_id, report, language))

    def _add_expert(self, role: Role) -> None:
        async def consult(
            study_id: StudyId,
            finding: Finding | None = None,
            region: Region | None = None,
            side: Side | None = None,
        ) -> EvidenceShown:
            question = ExpertQuestion(finding=finding, region=region, side=side)
            return await self._bounded(partial(self._desk.consult, study_id, role, question))

        self.add_tool(consult, name=role.value, description=WHAT_IT_DOES[role], annotations=_LOOKS)

    def _add_resources(self) -> None:
        @self.resource(_DRAFT_URI, mime_type="application/json", description="A draft, whole.")
        async def draft(study_id: str) -> str:
            return await self._read(partial(self._desk.draft_json, study_id))

        @self.resource(_REPORT_URI, mime_type="text/markdown", description="A draft's report.")
        async def report(study_id: str) -> str:
            return await self._read(partial(self._desk.report, study_id))

    async def _read(self, work: Callable[[], str]) -> str:
        try:
            return await self._bounded(work)
        except ToolError as error:
            raise ResourceError(str(error)) from None


def _unfit(error: ValidationError) -> str:
    """Which arguments do not fit and why, without their values."""
    problems: Sequence[Any] = error.errors(include_input=False, include_url=False)
    said = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'arguments'}: {p['msg']}" for p in problems)
    return f"The arguments cannot be used. {said[:500]}"
