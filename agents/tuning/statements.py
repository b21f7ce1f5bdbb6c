"""One real sentence as the answer to the very task that a draft would set for its claims.

A sentence of a report becomes a training pair only where everything about it holds: the labeler
reads claims from it, the phraser says those claims in one sentence, and the real sentence passes
as a rewording of that one (form and read-back), as in a draft, and adds no word that the reader
passes over.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from agents.aggregator.contract import Attempt, RewordingTask
from agents.aggregator.form import ill_formed
from agents.aggregator.tasks import reword_task
from agents.reporter import LedgerReporter
from agents.state import DraftRequest
from findings.claims import Claim
from findings.vocabulary import Certainty, Finding, Language
from reporting.context import ReportContext
from reporting.draft import Origin, SectionName, Sentence
from reporting.ledger import Decision, Ledger, LedgerEntry, Vote
from reporting.read_back import read_claims

_WORD: Final = re.compile(r"[a-z][a-z'-]*")
_REMOVED: Final = "…"
_LEVELS: Final = frozenset(
    {"upper", "mid", "middle", "lower", "midlung", "lingula", "lingular", "hilar", "perihilar"}
) | {"apex", "apical", "apices", "biapical", "base", "bases", "basal", "basilar", "bibasilar"}
_ONE_OF: Final = (
    frozenset({"left", "right", "left-sided", "right-sided", "bilateral", "bilaterally", "both"}),
    _LEVELS,
    frozenset({"small", "tiny", "trace", "minimal", "mild", "moderate", "large", "severe"}),
)
"""Words of which a sentence of one place and one size needs but one."""
_ABSENT: Final = 0.02
_PRESENT: Final = {Certainty.DEFINITE: 0.9, Certainty.PROBABLE: 0.6, Certainty.POSSIBLE: 0.4}


@dataclass(frozen=True)
class Statement:
    """A real sentence with its claims, and the phraser's sentence for them."""

    text: str
    claims: tuple[Claim, ...]
    phrased: Sentence
    ledger: Ledger

    @property
    def present(self) -> bool:
        """True where it affirms its findings, false where it denies them."""
        return self.claims[0].present

    def task(self, seed: int = 0) -> RewordingTask:
        """What a draft would ask the language model for."""
        request = DraftRequest(path="", seed=seed)
        return reword_task(self.phrased, Attempt(sentence=self.phrased.id), (), request)


def statement(text: str, context: ReportContext | None = None) -> Statement | None:
    """The statement that an English sentence makes; `None` where it cannot be taught.

    `context` chooses the phraser's wording by its seed.
    """
    closed = _closed(text)
    if closed is None:
        return None
    text = closed
    claims = tuple(
        dict.fromkeys(claim.without_span() for claim in read_claims(text, Language.ENGLISH))
    )
    if not claims or len({claim.present for claim in claims}) > 1:
        return None
    if any(claim.change or claim.finding is Finding.NO_FINDING for claim in claims):
        return None
    context = context or ReportContext()
    ledger = ledger_of(claims)
    phrased = _one_sentence(ledger, context)
    if phrased is None or text == phrased.text:
        return None
    if not _says_no_more(text, phrased.text, claims):
        return None
    if not passes(text, phrased, ledger, context):
        return None
    return Statement(text, claims, phrased, ledger)


def passes(text: str, phrased: Sentence, ledger: Ledger, context: ReportContext) -> bool:
    """Whether a text would stand in a draft as a rewording of the phraser's sentence."""
    if ill_formed(text, phrased.text, context.language) is not None:
        return False
    candidate = phrased.model_copy(update={"text": text, "origin": Origin.MODEL})
    check = LedgerReporter().check(candidate, ledger, context)
    return check.supported and not check.differences


def ledger_of(claims: Sequence[Claim]) -> Ledger:
    """The ledger that carries exactly these claims, each on a vote of its own."""
    entries = []
    for number, claim in enumerate(claims, start=1):
        probability = _PRESENT[claim.certainty] if claim.present else _ABSENT
        entries.append(
            LedgerEntry(
                id=f"L{number}",
                finding=claim.finding,
                region=claim.region,
                side=claim.side,
                probability=probability,
                decision=Decision.stating(claim),
                certainty=claim.certainty,
                severity=claim.severity,
                measurement=claim.measurement,
                reason="As a report states it.",
                votes=(
                    Vote(
                        expert="report",
                        evidence=f"E{number}",
                        polarity=claim.polarity,
                        probability=probability,
                    ),
                ),
            )
        )
    return Ledger(entries=tuple(entries))


def _one_sentence(ledger: Ledger, context: ReportContext) -> Sentence | None:
    """The phraser's one sentence for all entries; `None` where it takes several."""
    told = [
        sentence
        for section in LedgerReporter().compose(ledger, context)
        if section.name is SectionName.FINDINGS
        for sentence in section.sentences
        if sentence.entries
    ]
    if len(told) != 1 or set(told[0].entries) != {entry.id for entry in ledger.entries}:
        return None
    return told[0]


def _closed(text: str) -> str | None:
    """The sentence capitalised and closed; `None` where words were taken out of it."""
    text = text.strip(" .;,")
    if not text or _REMOVED in text:
        return None
    return f"{text[0].upper()}{text[1:]}."


def _says_no_more(text: str, phrased: str, claims: Sequence[Claim]) -> bool:
    """Whether every word is accounted for, and the places are too simple to be misread."""
    words = _words(text)
    table = _taught_words()
    plain = set(table["affirming" if claims[0].present else "denying"]) | set(_words(phrased))
    for claim in claims:
        plain |= table.get(claim.finding, frozenset())
    if not any(claim.region for claim in claims):
        plain -= _LEVELS
    if not set(words) <= plain:
        return False
    return not any(len(kinds & set(words)) > 1 for kinds in _ONE_OF) and not any(
        words.count(word) > 1 for word in set(words) - table["denying"]
    )


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


@cache
def _taught_words() -> dict[str, frozenset[str]]:
    """The words of `agents/data/taught_words.toml`: two general lists, and one for each finding."""
    text = resources.files("agents").joinpath("data", "taught_words.toml").read_text("utf-8")
    table = tomllib.loads(text)
    lists = {"affirming": table["affirming"], "denying": table["denying"], **table["naming"]}
    return {name: frozenset(str(words).split()) for name, words in lists.items()}
