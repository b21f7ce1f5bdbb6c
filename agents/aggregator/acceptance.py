"""How often the embedded model's rewordings stand: `python -m agents.aggregator.acceptance`.

Single positive entries over findings, places, certainties and seeds are phrased, reworded and read
back as in a draft, and where that fails, again with the difference named, as often as in a draft.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from statistics import median
from time import perf_counter

from agents.aggregator.backends import embedded_backend
from agents.aggregator.contract import Attempt, RewordingBackend
from agents.aggregator.form import ill_formed
from agents.aggregator.tasks import complaint, reword_task, worth_rewording
from agents.reporter import LedgerReporter
from agents.settings import load_settings
from agents.state import DraftRequest
from findings.claims import Frozen, Measurement
from findings.regions import Region, region_side
from findings.vocabulary import Certainty, Finding, Polarity, Severity, Side
from reporting.context import ReportContext
from reporting.draft import Origin, Sentence
from reporting.ledger import Decision, Ledger, LedgerEntry, Vote

_BY_SIDE = (Finding.PLEURAL_EFFUSION, Finding.PNEUMOTHORAX, Finding.PLEURAL_THICKENING)
_BY_REGION = (
    Finding.CONSOLIDATION,
    Finding.NODULE,
    Finding.MASS,
    Finding.ATELECTASIS,
    Finding.INFILTRATION,
    Finding.PNEUMONIA,
    Finding.FIBROSIS,
)
_WHOLE = (Finding.EDEMA, Finding.EMPHYSEMA, Finding.HERNIA, Finding.CARDIOMEGALY)
_ZONES = tuple(region for region in Region if region.value.endswith("_zone"))
_PATIENCE = 300.0
"""Seconds for a sentence: this measures what the model says, on however busy a machine."""
_GRADES = {Severity.MILD: 0.54, Severity.MODERATE: 0.58, Severity.SEVERE: 0.65}


class Acceptance(Frozen):
    """What came of rewording a number of sentences."""

    sentences: int
    accepted_first: int
    accepted_later: int
    """After one repair or more."""
    unchanged: int
    """Accepted, but word for word the phraser's."""
    seconds_p50: float
    seconds_max: float


def cases(count: int, seed: int = 0) -> Iterator[tuple[Ledger, ReportContext]]:
    """Ledgers of one positive entry each, in turn over the findings."""
    chance = random.Random(seed)
    findings = (*_BY_SIDE, *_BY_REGION, *_WHOLE)
    for number in range(count):
        finding = findings[number % len(findings)]
        region = chance.choice((None, *_ZONES)) if finding in _BY_REGION else None
        side = region_side(region) if region else None
        if finding in _BY_SIDE:
            side = chance.choice((None, Side.LEFT, Side.RIGHT))
        severity = measurement = None
        if finding is Finding.CARDIOMEGALY:
            severity, ratio = chance.choice(list(_GRADES.items()))
            measurement = Measurement(name="cardiothoracic_ratio", value=ratio, unit="1")
        certainty = chance.choice(list(Certainty))
        doubtful = certainty is Certainty.POSSIBLE
        entry = LedgerEntry(
            id="L1",
            finding=finding,
            region=region,
            side=side,
            probability=0.9,
            decision=Decision.UNCERTAIN if doubtful else Decision.PRESENT,
            certainty=certainty,
            severity=severity,
            measurement=measurement,
            reason="A case to reword.",
            votes=(Vote(expert="case", evidence="E1", polarity=Polarity.PRESENT),),
        )
        yield Ledger(entries=(entry,)), ReportContext(seed=chance.randrange(100))


def measure(
    backend: RewordingBackend, count: int, seed: int = 0, max_repairs: int = 2
) -> Acceptance:
    """Reword `count` sentences. Raises `BackendError` where the model fails."""
    reporter, request = LedgerReporter(), DraftRequest(path="")
    tries: list[int] = []
    unchanged, times = 0, []
    for ledger, context in cases(count, seed):
        sections = reporter.compose(ledger, context)
        chosen = [(s, t) for s in sections for t in s.sentences if worth_rewording(s, t)]
        for _, sentence in chosen:
            attempt = Attempt(sentence=sentence.id)
            while attempt.tries <= max_repairs and not attempt.settled:
                started = perf_counter()
                text = backend.reword(reword_task(sentence, attempt, (), request), _PATIENCE)
                times.append(perf_counter() - started)
                wrong = _fault(reporter, sentence, text, ledger, context)
                attempt = Attempt(
                    sentence=sentence.id,
                    tries=attempt.tries + 1,
                    rejected=text,
                    complaint=wrong,
                    settled=wrong is None,
                )
            tries.append(attempt.tries if attempt.settled else 0)
            unchanged += attempt.settled and attempt.rejected == sentence.text
    return Acceptance(
        sentences=len(tries),
        accepted_first=tries.count(1),
        accepted_later=sum(number > 1 for number in tries),
        unchanged=unchanged,
        seconds_p50=round(median(times), 3),
        seconds_max=round(max(times), 3),
    )


def _fault(
    reporter: LedgerReporter,
    sentence: Sentence,
    text: str,
    ledger: Ledger,
    context: ReportContext,
) -> str | None:
    form = ill_formed(text, sentence.text, context.language)
    if form is not None:
        return form
    written = sentence.model_copy(update={"text": text, "origin": Origin.MODEL})
    check = reporter.check(written, ledger, context)
    return complaint(check.differences) if check.differences else None


def main() -> None:
    """Measure with the settings in force and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=56)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    settings = load_settings()
    repairs = settings.llm.max_repairs
    result = measure(embedded_backend(settings), given.sentences, given.seed, repairs)
    print(result.model_dump_json())


if __name__ == "__main__":
    main()
