"""The finished draft, put together from the state of the graph."""

from __future__ import annotations

from agents.reporting_context import named_measurements, report_context
from agents.services import Reporter
from agents.session import Session
from agents.state import DraftState
from findings.evidence import Neighbour
from imaging.study import Study
from reporting.draft import Draft, DraftStatus, ModelUse, Section, SectionName, Signature
from reporting.ledger import Ledger
from tools.contract import Role


def assemble(state: DraftState, session: Session) -> Draft:
    """The draft as it stands: verified where the reader confirmed every sentence, else a draft."""
    study = session.study(state["study"])
    manuscript, outputs = state["manuscript"], state.get("outputs", {})
    evidence = state["evidence"].items
    review = state.get("review")
    confirmed = manuscript.counts.unsupported == 0
    status = DraftStatus.VERIFIED if confirmed else DraftStatus.DRAFT
    ordered = [outputs[role.value] for role in Role if role.value in outputs]
    warnings = (*session.services.backend_warnings, *state.get("warnings", []))
    return Draft(
        schema="readingroom/draft/1",
        study_key=state["study"].study_key,
        status=review.status if review else status,
        language=(review and review.language) or state["request"].language,
        writer=manuscript.writer,
        seed=state["request"].seed,
        gate=state["gate"],
        sections=_with_indication(manuscript.sections, state, study, session.services.reporter),
        evidence=tuple(item for item in evidence if not isinstance(item, Neighbour)),
        ledger=state["ledger"].entries,
        measurements=named_measurements(state),
        neighbours=tuple(item for item in evidence if isinstance(item, Neighbour)),
        experts=tuple(output.note for output in ordered if output.note is not None),
        warnings=tuple(dict.fromkeys(warnings)),
        counts=manuscript.counts,
        timings=dict(sorted(state.get("timings", {}).items())),
        models=_models(state, session),
        signature=Signature(signer=review.signer, time=review.time)
        if review is not None and review.signer
        else None,
    )


def _models(state: DraftState, session: Session) -> tuple[ModelUse, ...]:
    outputs = state.get("outputs", {})
    used = [
        outputs[role.value].model
        for role in Role
        if role.value in outputs and outputs[role.value].model is not None
    ]
    source = session.services.neighbours
    found = any(isinstance(item, Neighbour) for item in state["evidence"].items)
    encoder = source.model if source is not None and found else None
    return tuple(m for m in (*used, encoder, *state["manuscript"].models) if m is not None)


def _with_indication(
    sections: tuple[Section, ...], state: DraftState, study: Study, reporter: Reporter
) -> tuple[Section, ...]:
    """The report with the indication's section, which is never in the state, at its head."""
    if study.indication is None:
        return sections
    context = report_context(state, study).model_copy(update={"indication": study.indication})
    quoted = [
        section
        for section in reporter.compose(Ledger(), context)
        if section.name is SectionName.INDICATION
    ]
    last = sum(len(section.sentences) for section in sections)
    return (
        *(
            section.model_copy(
                update={
                    "sentences": tuple(
                        sentence.model_copy(update={"id": f"S{last + number}"})
                        for number, sentence in enumerate(section.sentences, start=1)
                    )
                }
            )
            for section in quoted
        ),
        *sections,
    )
