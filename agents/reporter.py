"""The reporter that drafts are written and verified with: phraser and reader of `reporting`."""

from __future__ import annotations

from collections.abc import Sequence

from findings.claims import Measurement, SpacingProvenance
from reporting.context import ReportContext
from reporting.draft import NamedMeasurement, Section, Sentence
from reporting.ledger import Ledger
from reporting.phraser import phrase_report
from reporting.verify import SentenceCheck, Verification, verify, verify_sentence


class LedgerReporter:
    """Writes a ledger and reads reports back against it."""

    def compose(self, ledger: Ledger, context: ReportContext) -> tuple[Section, ...]:
        """The phraser's report. Raises `EvidenceRuleError` where a positive has no evidence."""
        return phrase_report(ledger, context)

    def check(self, sentence: Sentence, ledger: Ledger, context: ReportContext) -> SentenceCheck:
        """One sentence against its claims and the ledger entries it names."""
        own = [entry for entry in ledger.entries if entry.id in sentence.entries]
        numbers = [
            *_numbers(context.measurements),
            *(entry.measurement for entry in own if entry.measurement is not None),
        ]
        return verify_sentence(sentence, own, context.has_prior, context.language, numbers)

    def verify(
        self, sections: Sequence[Section], ledger: Ledger, context: ReportContext
    ) -> Verification:
        """Every sentence, and whether a positive entry was left out."""
        return verify(
            sections,
            ledger.entries,
            context.has_prior,
            context.language,
            _numbers(context.measurements),
        )


def _numbers(named: Sequence[NamedMeasurement]) -> list[Measurement]:
    return [
        Measurement(
            name=item.name,
            value=item.value,
            unit=item.unit,
            provenance=SpacingProvenance(item.provenance),
        )
        for item in named
    ]
