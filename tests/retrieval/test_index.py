"""Searching prior reports: similarity, filters, exclusions, languages, threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from findings.claims import Claim
from findings.errors import WeightsError
from findings.evidence import Neighbour
from findings.regions import Region
from findings.vocabulary import Finding, Language, Polarity, Side
from retrieval.corpora.report import ReportView, patient_key
from retrieval.index import Hit, Query, ReportIndex, neighbours
from retrieval.langchain_retriever import SimilarReportRetriever


def _ids(hits: tuple[Hit, ...]) -> list[str]:
    return [hit.report_id for hit in hits]


def test_the_report_itself_is_its_own_nearest(reports: ReportIndex) -> None:
    text = "Right apical pneumothorax."
    best = reports.search(Query(text=text, language=Language.ENGLISH))[0]
    assert best.report_id == "en-7"
    assert best.similarity == pytest.approx(1.0, abs=1e-3)
    assert best.text == text
    assert Finding.PNEUMOTHORAX in best.findings


def test_equal_reports_are_one_hit_with_a_count(reports: ReportIndex) -> None:
    query = Query(
        text="The heart and lungs are normal. No pneumothorax.", language=Language.ENGLISH
    )
    best = reports.search(query)[0]
    assert (best.report_id, best.count) == ("en-3", 2)
    assert [c.distinct for c in reports.info().languages[0].corpora] == [9]
    assert reports.info().languages[0].reports == 10


def test_claims_find_the_side(reports: ReportIndex) -> None:
    for side, expected in ((Side.LEFT, "en-0"), (Side.RIGHT, "en-1")):
        claim = Claim(finding=Finding.PLEURAL_EFFUSION, side=side)
        hits = reports.search(Query(claims=(claim,), language=Language.ENGLISH, floor=-1))
        effusions = [hit for hit in hits if Finding.PLEURAL_EFFUSION in hit.findings]
        assert effusions[0].report_id == expected


def test_spanish_reports_are_shown_as_findings_and_places(reports: ReportIndex) -> None:
    claim = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT)
    best = reports.search(Query(claims=(claim,), language=Language.SPANISH))[0]
    assert best.text == "Derrame pleural en el lado izquierdo."
    assert best.similarity == pytest.approx(1.0, abs=1e-3)
    normal = reports.search(Query(text="Sin alteraciones.", language=Language.SPANISH, floor=-1))
    assert all("patolog " not in hit.text for hit in normal)


def test_spanish_text_finds_reports_of_both_languages(reports: ReportIndex) -> None:
    query = Query(text="Derrame pleural izquierdo.", text_language=Language.SPANISH, floor=0.2)
    found = _ids(reports.search(query))
    assert found[0] == "es-0"
    assert "en-0" in found


def test_filters_hold(reports: ReportIndex) -> None:
    claim = Claim(finding=Finding.PLEURAL_EFFUSION)
    for finding in Finding:
        query = Query(claims=(claim,), findings=(finding,), k=50, floor=-1)
        for hit in reports.search(query):
            assert finding in hit.findings or finding in _implied(hit)
    ap = reports.search(Query(claims=(claim,), view=ReportView.AP, k=50, floor=-1))
    assert sorted(_ids(ap)) == ["en-1", "en-5", "en-6"]
    lateral = reports.search(Query(claims=(claim,), view=ReportView.LATERAL, k=50, floor=-1))
    assert sorted(_ids(lateral)) == ["en-2", "en-4"], "the member that has the view is named"
    spanish = reports.search(Query(claims=(claim,), language=Language.SPANISH, k=50, floor=-1))
    assert {hit.language for hit in spanish} == {Language.SPANISH}


def _implied(hit: Hit) -> set[Finding]:
    from findings.catalogue import ancestors

    return {parent for finding in hit.findings for parent in ancestors(finding)}


def test_a_general_finding_lets_its_kinds_through(reports: ReportIndex) -> None:
    query = Query(text="Fracture.", findings=(Finding.FRACTURE,), floor=-1)
    assert _ids(reports.search(query)) == ["en-9"]


def test_excluded_patient_and_report_stay_out(reports: ReportIndex) -> None:
    text = "The heart and lungs are normal. No pneumothorax."
    by_patient = Query(
        text=text, language=Language.ENGLISH, exclude_patient=patient_key("small", "D")
    )
    assert reports.search(by_patient)[0].report_id == "en-4", "another patient's equal report"
    by_report = Query(text=text, language=Language.ENGLISH, exclude_report="en-3")
    assert reports.search(by_report)[0].report_id == "en-4"
    alone = Query(
        text="Right apical pneumothorax.",
        language=Language.ENGLISH,
        exclude_patient=patient_key("small", "H"),
        floor=-1,
        k=50,
    )
    assert "en-7" not in _ids(reports.search(alone))


def test_the_floor_holds(reports: ReportIndex) -> None:
    for floor in (-1.0, 0.2, 0.5, 0.9):
        hits = reports.search(Query(text="Cardiomegaly.", k=50, floor=floor))
        assert all(hit.similarity >= floor for hit in hits)
    assert not reports.search(Query(text="Quarterly revenue grew.", floor=0.9))


def test_k_bounds_the_hits(reports: ReportIndex) -> None:
    query = Query(text="No pneumothorax.", k=3, floor=-1)
    assert len(reports.search(query)) == 3


def test_hits_do_not_change(reports: ReportIndex) -> None:
    query = Query(text="Left effusion and cardiomegaly.", k=10, floor=-1)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: reports.search(query), range(64)))
    assert all(answer == answers[0] for answer in answers)


def test_absent_only_claims_ask_for_normal_reports(reports: ReportIndex) -> None:
    claim = Claim(finding=Finding.PLEURAL_EFFUSION, polarity=Polarity.ABSENT)
    best = reports.search(Query(claims=(claim,), language=Language.SPANISH))[0]
    assert best.findings == (Finding.NO_FINDING,)
    assert best.count == 2


def test_a_query_asks_something() -> None:
    with pytest.raises(ValidationError):
        Query()
    with pytest.raises(ValidationError):
        Query(text="  ")
    with pytest.raises(ValidationError):
        Query(text="x" * 30_000)


def test_known_phrases_need_no_encoder(index_folder: object) -> None:
    from pathlib import Path

    assert isinstance(index_folder, Path)
    bare = ReportIndex.open(index_folder)
    claim = Claim(finding=Finding.PNEUMONIA, side=Side.RIGHT, region=Region.RIGHT_UPPER_LOBE)
    assert bare.search(Query(claims=(claim,), language=Language.SPANISH))[0].report_id == "es-4"
    for finding in Finding:
        assert bare.search(Query(claims=(Claim(finding=finding, side=Side.LEFT),), floor=-1))
    with pytest.raises(WeightsError, match="models pull"):
        bare.search(Query(text="A sentence nobody wrote.", language=Language.ENGLISH))


def test_hits_become_evidence(reports: ReportIndex) -> None:
    hits = reports.search(Query(text="Right apical pneumothorax.", floor=-1))
    evidence = neighbours(hits, 7, reports.info().version)
    assert [one.id for one in evidence] == [f"E{7 + n}" for n in range(len(hits))]
    assert all(isinstance(one, Neighbour) and one.probability is None for one in evidence)
    assert evidence[0].report_id == hits[0].report_id
    assert evidence[0].version


def test_langchain_retriever_gives_documents(reports: ReportIndex) -> None:
    retriever = SimilarReportRetriever(index=reports, language=Language.ENGLISH, k=2, floor=-1)
    documents = retriever.invoke("Right apical pneumothorax.")
    assert documents[0].id == "en-7"
    assert len(documents) == 2
    assert documents[0].metadata["findings"] == ["pneumothorax"]
    assert retriever.invoke("   ") == []
