"""What the report is told besides the ledger, from the study, the gate and the evidence."""

from __future__ import annotations

from agents.state import DraftState
from findings.evidence import MeasurementEvidence
from imaging.study import GateDecision, Study
from reporting.context import ReportContext
from reporting.draft import NamedMeasurement


def named_measurements(state: DraftState) -> tuple[NamedMeasurement, ...]:
    """Every measurement of the draft with the evidence it came from."""
    return tuple(
        NamedMeasurement.of(item.measurement, item.id)
        for item in state["evidence"].items
        if isinstance(item, MeasurementEvidence)
    )


def report_context(state: DraftState, study: Study) -> ReportContext:
    """The context of the report; the indication is left out (see `agents.state`)."""
    request, frontal = state["request"], study.frontal
    return ReportContext(
        language=request.language,
        view=frontal.view,
        view_source=frontal.view_source,
        unread_views=tuple(image.view for image in study.images[1:]),
        has_prior=study.prior is not None or study.prior_report is not None,
        prior_report_only=study.prior is None and study.prior_report is not None,
        has_spacing=frontal.spacing is not None,
        gate_warnings=tuple(
            reason.code for reason in state["gate"].reasons if reason.severity is GateDecision.WARN
        ),
        measurements=named_measurements(state),
        seed=request.seed,
    )
