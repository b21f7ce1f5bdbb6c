"""The state machine with small experts: order, parallelism, time limits, failures, refusal."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fakes import (
    FakeExpert,
    FakeGate,
    classifications,
    default_experts,
    effusion_box,
    fake_services,
    fake_settings,
)

from agents.drafting import (
    DraftOptions,
    DraftOutcome,
    draft_study,
    sign_draft,
    unfinished_drafts,
)
from agents.events import Phase, ProgressEvent
from agents.services import Services
from agents.state import SignOff
from findings.errors import (
    ExpertError,
    IndexUnavailableError,
    NotAChestRadiographError,
    UserInputError,
)
from findings.evidence import Evidence, Neighbour
from findings.vocabulary import Finding, Language
from imaging.study import GateDecision, GateResult, Study
from reporting.audit import AUDIT_FILE, verify_chain
from reporting.draft import Draft, DraftStatus, ModelUse, Origin, SectionName, Writer
from reporting.files import read_draft
from tools.contract import ExpertContext, Role


def run(
    film: Path,
    services: Services | None = None,
    events: list[ProgressEvent] | None = None,
    limit: float = 30.0,
    **options: object,
) -> DraftOutcome:
    out = film.parent / "out"
    wanted = DraftOptions(out=out, **{"aggregator": "phraser", **options})  # type: ignore[arg-type]
    return draft_study(
        film,
        wanted,
        fake_settings(film.parent, limit),
        on_event=None if events is None else events.append,
        services=services or fake_services(),
    )


def without_times(draft: Draft) -> str:
    return draft.model_copy(update={"timings": {}}).model_dump_json()


def test_a_draft_is_verified_written_and_cites_its_evidence(film: Path) -> None:
    outcome = run(film)
    draft = outcome.draft
    assert draft.status is DraftStatus.VERIFIED
    assert draft.writer is Writer.PHRASER
    assert draft.counts.unsupported == 0
    known = {item.id for item in draft.evidence}
    positive = [s for s in draft.sentences() if any(c.present for c in s.claims)]
    assert positive and all(s.evidence and set(s.evidence) <= known for s in positive)
    words = " ".join(s.text for s in draft.section(SectionName.FINDINGS).sentences)
    assert "left pleural effusion" in words.lower()
    assert read_draft(outcome.out / "draft.json") == draft
    assert verify_chain(outcome.out / AUDIT_FILE) > 5
    assert [m.name for m in draft.measurements] == ["cardiothoracic_ratio"]
    assert outcome.thread_id.startswith(outcome.study.study_key)


def test_events_come_from_every_node_with_its_time(film: Path) -> None:
    events: list[ProgressEvent] = []
    outcome = run(film, events=events)
    finished = [e.node for e in events if e.phase is Phase.FINISHED]
    nodes = ["load", "gate", "regions", "retrieve", "reconcile", "write", "verify"]
    assert [node for node in finished if node in nodes] == nodes
    assert {"experts.classifier", "experts.measurer"} <= set(finished)
    assert all(e.seconds is not None for e in events if e.phase is Phase.FINISHED)
    shown = [e.sentence for e in events if e.sentence is not None]
    assert shown == [s.text for s in outcome.draft.sentences()]
    assert {*nodes, "experts.classifier"} <= set(outcome.draft.timings)


def test_experts_run_in_parallel_and_those_with_needs_after(film: Path) -> None:
    seen: list[ExpertContext] = []
    experts = {
        role: FakeExpert(role, seconds=1.0)
        for role in (Role.CLASSIFIER, Role.DETECTOR, Role.SEGMENTER)
    }
    experts[Role.SEGMENTER] = FakeExpert(Role.SEGMENTER, [effusion_box()], seconds=1.0)
    experts[Role.MEASURER] = FakeExpert(
        Role.MEASURER, needs=(Role.SEGMENTER,), seconds=0.1, on_run=seen.append
    )
    run(film, fake_services(experts))
    wave = [experts[role].runs[0] for role in (Role.CLASSIFIER, Role.DETECTOR, Role.SEGMENTER)]
    assert max(start for start, _ in wave) < min(end for _, end in wave)
    assert experts[Role.MEASURER].runs[0][0] >= experts[Role.SEGMENTER].runs[0][1]
    assert [item.expert for item in seen[0].evidence] == ["fake-detector"]


def test_an_expert_past_its_time_limit_is_noted_and_the_draft_goes_on(film: Path) -> None:
    experts = default_experts()
    experts[Role.DETECTOR] = FakeExpert(Role.DETECTOR, [effusion_box()], seconds=120.0)
    started = time.perf_counter()
    draft = run(film, fake_services(experts), limit=2.0).draft
    assert time.perf_counter() - started < 60.0
    notes = {note.role: note.status for note in draft.experts}
    assert notes == {"detector": "timed_out", "clues": "not_installed"}
    assert draft.status is DraftStatus.VERIFIED


@pytest.mark.parametrize("error", [ExpertError("It broke."), ValueError("secret words")])
def test_an_experts_failure_is_noted_and_those_who_need_it_are_skipped(
    film: Path, error: Exception
) -> None:
    experts = default_experts()
    experts[Role.SEGMENTER] = FakeExpert(Role.SEGMENTER, error=error)
    experts[Role.PRIOR_COMPARER] = FakeExpert(Role.PRIOR_COMPARER, needs=(Role.MEASURER,))
    draft = run(film, fake_services(experts)).draft
    notes = {note.role: note for note in draft.experts}
    assert notes["segmenter"].status == "failed"
    assert notes["measurer"].status == "skipped"
    assert notes["prior_comparer"].status == "skipped"
    assert "secret" not in draft.model_dump_json()
    assert not experts[Role.MEASURER].runs


class OnlyTheStudy:
    """Lets a study with a prior in and refuses one without: the prior itself."""

    def examine(self, study: Study) -> GateResult:
        decision = GateDecision.REFUSE if study.prior is None else GateDecision.ACCEPT
        return FakeGate(decision).examine(study)


def test_a_prior_that_the_gate_refuses_is_not_compared_with(film: Path) -> None:
    prior = film.with_name("prior.png")
    prior.write_bytes(b"another picture")
    experts = default_experts()
    services = fake_services(experts, gate=OnlyTheStudy())
    with pytest.raises(NotAChestRadiographError, match=r"The prior was refused .*a hand\."):
        run(film, services, prior=prior)
    assert not experts[Role.CLASSIFIER].runs
    assert unfinished_drafts(fake_settings(film.parent)) == ()


def test_a_folder_that_cannot_be_written_is_told_before_any_work(film: Path) -> None:
    experts = default_experts()
    for folder in (film, film / "below"):
        options = DraftOptions(out=folder, aggregator="phraser")
        with pytest.raises(UserInputError, match="cannot be written"):
            draft_study(film, options, fake_settings(film.parent), services=fake_services(experts))
    assert not experts[Role.CLASSIFIER].runs


def test_the_gates_refusal_ends_the_run_with_its_reasons(film: Path) -> None:
    experts = default_experts()
    services = fake_services(experts, gate=FakeGate(GateDecision.REFUSE))
    with pytest.raises(NotAChestRadiographError, match="It shows a hand"):
        run(film, services)
    assert not experts[Role.CLASSIFIER].runs
    assert not (film.parent / "out").exists()


def test_the_gates_warnings_are_part_of_the_draft(film: Path) -> None:
    draft = run(film, fake_services(gate=FakeGate(GateDecision.WARN))).draft
    assert draft.gate.decision is GateDecision.WARN
    assert draft.status is DraftStatus.VERIFIED


def test_the_same_seed_gives_the_same_draft_whoever_answers_first(film: Path) -> None:
    first, second = default_experts(), default_experts()
    positive = {Finding.PLEURAL_EFFUSION: 0.9, Finding.CARDIOMEGALY: 0.85}
    slow = FakeExpert(Role.CLASSIFIER, classifications(positive), seconds=0.3)
    first[Role.CLASSIFIER] = slow
    reordered = {role: second[role] for role in reversed(list(second))}
    one = run(film, fake_services(first), seed=5).draft
    other = run(film, fake_services(reordered), seed=5).draft
    assert without_times(one) == without_times(other)
    assert [item.id for item in one.evidence] == [f"E{n + 1}" for n in range(len(one.evidence))]


class _Neighbours:
    model: ModelUse | None = None

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def neighbours(
        self, evidence: list[Evidence], language: Language, count: int, floor: float
    ) -> tuple[Neighbour, ...]:
        if self._error is not None:
            raise self._error
        return (
            Neighbour(
                id="E1",
                expert="retrieval",
                version="1",
                report_id="R1",
                similarity=0.9,
                language=language.value,
                text="There is a large right upper lobe mass.",
                findings=(Finding.MASS,),
            ),
        )


def test_neighbours_are_listed_and_change_nothing(film: Path) -> None:
    plain = run(film).draft
    helped = run(film, fake_services(neighbours=_Neighbours())).draft  # type: ignore[arg-type]
    assert [n.report_id for n in helped.neighbours] == ["R1"]
    assert helped.neighbours[0].id == f"E{len(helped.evidence) + 1}"
    assert helped.sections == plain.sections
    assert helped.ledger == plain.ledger


def test_a_missing_index_is_a_warning(film: Path) -> None:
    source = _Neighbours(IndexUnavailableError("There is no index. Build it."))
    draft = run(film, fake_services(neighbours=source)).draft  # type: ignore[arg-type]
    assert any("There is no index" in warning for warning in draft.warnings)
    assert draft.status is DraftStatus.VERIFIED


def test_without_any_expert_the_draft_says_so_little(film: Path) -> None:
    draft = run(film, fake_services({})).draft
    assert draft.ledger == ()
    assert not any(claim.present for s in draft.sentences() for claim in s.claims)


def test_the_indication_is_quoted_and_a_prior_allows_comparison(film: Path) -> None:
    draft = run(film, indication="Cough for three weeks", prior=film).draft
    assert draft.sections[0].name is SectionName.INDICATION
    assert "Cough for three weeks" in draft.sections[0].sentences[0].text
    ids = [s.id for s in draft.sentences()]
    assert len(ids) == len(set(ids))


def test_sign_off_makes_the_draft_signed_once(film: Path) -> None:
    services = fake_services()
    outcome = run(film, services)
    settings = fake_settings(film.parent)
    signed = sign_draft(
        outcome.thread_id,
        SignOff(signer="Reader One"),
        settings,
        out=film.parent / "signed",
        services=services,
    )
    assert signed.draft.status is DraftStatus.SIGNED
    assert signed.draft.sections == outcome.draft.sections
    with pytest.raises(UserInputError, match="not waiting"):
        sign_draft(outcome.thread_id, SignOff(signer="Two"), settings, services=services)


def test_sentences_of_the_phraser_keep_their_origin(film: Path) -> None:
    assert {s.origin for s in run(film).draft.sentences()} == {Origin.PHRASER}
