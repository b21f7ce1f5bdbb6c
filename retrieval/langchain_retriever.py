"""The index of prior reports as a LangChain retriever, for chains and tool-calling agents."""

from __future__ import annotations

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from findings.vocabulary import Finding, Language
from retrieval.corpora.report import ReportView
from retrieval.index import Query, ReportIndex


class SimilarReportRetriever(BaseRetriever):
    """Documents are reports as shown to a person; ids are report ids, stable between builds.

    Metadata: source, language, similarity, findings, count.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    index: ReportIndex
    language: Language | None = None
    text_language: Language | None = None
    view: ReportView | None = None
    findings: tuple[Finding, ...] = ()
    exclude_patient: str | None = None
    k: int = Field(default=5, ge=1, le=100)
    floor: float = Field(default=0.35, ge=-1, le=1)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        if not query.strip():
            return []
        hits = self.index.search(
            Query(
                text=query,
                language=self.language,
                text_language=self.text_language,
                view=self.view,
                findings=self.findings,
                exclude_patient=self.exclude_patient,
                k=self.k,
                floor=self.floor,
            )
        )
        return [
            Document(
                id=hit.report_id,
                page_content=hit.text,
                metadata={
                    "source": hit.source,
                    "language": hit.language.value,
                    "similarity": hit.similarity,
                    "findings": [finding.value for finding in hit.findings],
                    "count": hit.count,
                },
            )
            for hit in hits
        ]
