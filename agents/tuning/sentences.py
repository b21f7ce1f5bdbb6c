"""Sentence-level pairs: the phraser's sentence for some claims, and a radiologist's."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from agents.aggregator.prompt import RewordingPrompt
from agents.tuning.statements import Statement, statement
from agents.tuning.variations import variations
from findings.labeler import ReportLabeler
from findings.vocabulary import Language
from models.language.pairs import Form, Pair, Part, Turn
from reporting.context import ReportContext
from retrieval.corpora.report import CorpusReport

REAL: Final = "real"
MOST_VARIATIONS: Final = 8
MOST_USES: Final = 3
"""Of one real sentence that several reports have: each time for another of the phraser's."""
_PHRASER_SEEDS: Final = 100
ROLES: Final = {"system": "system", "human": "user", "ai": "assistant"}


class Used:
    """The sentences that pairs were made of so far, over all parts."""

    def __init__(self) -> None:
        self.parts: dict[str, Part] = {}
        self._counts: Counter[str] = Counter()
        self._pairs: set[tuple[str, str]] = set()

    def admits(self, text: str, part: Part) -> bool:
        """Whether a sentence may be used in a part: not where another part has it already."""
        return self.parts.get(text, part) is part and self._counts[text] < MOST_USES

    def add(self, made: Statement, part: Part) -> bool:
        """Use a statement; false where it may not, or the same pair was there before."""
        pair = (made.phrased.text, made.text)
        if pair in self._pairs or not self.admits(made.text, part):
            return False
        self._pairs.add(pair)
        self._counts[made.text] += 1
        self.parts[made.text] = part
        return True


def sentence_pairs(
    reports: Sequence[CorpusReport], part: Part, prompt: RewordingPrompt, seed: int, used: Used
) -> Iterator[tuple[Pair, Statement]]:
    """The pairs of one part: every real sentence, and its variations where it is met first.

    Make the training part first: a sentence that it has is no test of what was learnt.
    """
    labeler = ReportLabeler(Language.ENGLISH)
    for report in reports:
        chance = random.Random(f"{seed}:{report.report_id}")
        number = 0
        for sentence in labeler.label(report.text):
            if not sentence.claims or not used.admits(sentence.text, part):
                continue
            context = ReportContext(seed=chance.randrange(_PHRASER_SEEDS))
            real = statement(sentence.text, context)
            if real is None:
                continue
            first = real.text not in used.parts
            varied = variations(real, chance, MOST_VARIATIONS) if first else []
            for origin, made in [(REAL, real), *varied]:
                if used.add(made, part):
                    number += 1
                    key = f"{report.report_id}-{number}"
                    yield _pair(key, report, part, origin, made, prompt), made


def _pair(
    key: str,
    report: CorpusReport,
    part: Part,
    origin: str,
    made: Statement,
    prompt: RewordingPrompt,
) -> Pair:
    return Pair(
        id=key,
        patient=report.patient,
        part=part,
        language=Language.ENGLISH,
        form=Form.SENTENCE,
        origin=origin,
        prompt=turns(made, prompt),
        answer=answer(made.text),
    )


def turns(made: Statement, prompt: RewordingPrompt) -> tuple[Turn, ...]:
    """The conversation that a draft would open for this statement's sentence."""
    return tuple(
        Turn.model_validate({"role": ROLES[message.type], "content": message.text})
        for message in prompt.messages(made.task())
    )


def answer(text: str) -> str:
    """A sentence in the form that the prompt's schema asks for."""
    return json.dumps({"text": text}, ensure_ascii=False)
