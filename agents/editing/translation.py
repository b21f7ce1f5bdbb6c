"""The machine's report in the other language: the same plan, phrased anew from the same ledger."""

from __future__ import annotations

from findings.vocabulary import Language
from imaging.study import GateDecision, Study
from reporting.context import ReportContext
from reporting.draft import Draft, Origin, Section
from reporting.ledger import Ledger
from reporting.phraser import phrase_report


def translated(draft: Draft, study: Study, language: Language) -> tuple[Section, ...]:
    """The draft's sections in `language`, sentence by sentence under the same ids.

    The words are the phraser's; a rewording by a language model is not carried over.
    """
    frontal = study.frontal
    context = ReportContext(
        language=language,
        view=frontal.view,
        view_source=frontal.view_source,
        has_prior=study.prior is not None or study.prior_report is not None,
        prior_report_only=study.prior is None and study.prior_report is not None,
        has_spacing=frontal.spacing is not None,
        gate_warnings=tuple(
            reason.code for reason in draft.gate.reasons if reason.severity is GateDecision.WARN
        ),
        measurements=draft.measurements,
        seed=draft.seed,
    )
    phrased = phrase_report(Ledger(entries=draft.ledger), context)
    words = {
        (section.name, place): sentence
        for section in phrased
        for place, sentence in enumerate(section.sentences)
    }
    return tuple(
        section.model_copy(
            update={
                "sentences": tuple(
                    sentence.model_copy(update={"text": other.text, "origin": Origin.PHRASER})
                    if (other := words.get((section.name, place))) is not None
                    and other.entries == sentence.entries
                    else sentence
                    for place, sentence in enumerate(section.sentences)
                )
            }
        )
        for section in draft.sections
    )
