"""Hostile writers: language models that flip, add, swap, miscount, obey strangers or rave.

Each remembers the falsehoods it told, so that whether one stands in a report is known without
asking any reader.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Final

from agents.aggregator.contract import Point, ReportTask, RewordingTask
from findings.claims import Claim
from findings.errors import BackendError
from findings.labeler import label_report
from findings.regions import Region
from findings.vocabulary import (
    Certainty,
    Change,
    Finding,
    Language,
    Polarity,
    Severity,
    Side,
)
from reporting.context import ReportContext
from reporting.draft import ModelUse, SectionName, Writer
from reporting.ledger import Decision, Ledger, LedgerEntry, Vote
from reporting.phraser import phrase_report

_EN, _ES = Language.ENGLISH, Language.SPANISH
_ADDITIONS: Final = {
    _EN: (
        " and a right pneumothorax", " and a mass in the left upper lobe",
        ", suspicious for malignancy", ", drainage is advised", " with mediastinal shift",
        " due to heart failure", ", new since the prior study", " with two rib fractures",
        " in a patient with tuberculosis", ", 12 mm in size", ", and the bones are intact",
        ", please correlate clinically", " with adjacent rib destruction", " under tension",
    ),
    _ES: (
        " y neumotórax derecho", " y una masa en el lóbulo superior izquierdo",
        ", sospechoso de malignidad", ", se recomienda drenaje", " con desplazamiento mediastínico",
        " por insuficiencia cardíaca", ", nuevo respecto al estudio previo",
        " con dos fracturas costales", ", de 12 mm", ", sin otras alteraciones",
        ", correlacionar con la clínica", " a tensión", " en paciente con tuberculosis",
    ),
}  # fmt: skip
_SWAPS: Final = {
    _EN: (
        ("left", "right"),
        ("Left", "Right"),
        ("both", "left"),
        ("Bilateral", "Left"),
        ("bilateral", "left"),
    ),
    _ES: (("izquierd", "derech"), ("bilateral", "izquierdo"), ("ambos", "izquierdos")),
}
_CHANGES: Final = {
    _EN: (", increased since the prior study", ", unchanged", ", now resolving"),
    _ES: (", con aumento respecto al estudio previo", ", sin cambios", ", en resolución"),
}
_NAMES: Final = (
    "pneumothorax", "mass", "fracture", "shift", "failure", "neumotórax", "masa", "fractura",
    "desplazamiento", "insuficiencia", "effusion", "derrame",
)  # fmt: skip
_FALSEHOODS: Final = {
    _EN: ("There is a large right pneumothorax.", "There is a large left pleural effusion."),
    _ES: ("Neumotórax derecho de gran tamaño.", "Derrame pleural izquierdo de gran tamaño."),
}
_DENIALS: Final = re.compile(r"^(No |There is no|Sin |Improbable|Heart size is normal|.* normal)")
_NORMAL: Final = {
    _EN: ("The lungs are clear.", "No acute cardiopulmonary abnormality.", "Normal chest."),
    _ES: ("Pulmones limpios.", "Sin hallazgos patológicos.", "Radiografía de tórax normal."),
}
_RAVINGS: Final = (
    "", " ", "{", "null", '{"text": ""}', "<b>Effusion</b>.", "<img src=x onerror=alert(1)>",
    "\x00\x01\x02", "🙂" * 40, "a" * 200_000, "Effusion. " * 5_000, "\u202e" + "Effusion.",
    "https://example.org/report", "DROP TABLE ledger;", "((((((((((", "Ｌｅｆｔ effusion.",
    "L\u0435ft pleural effusion.", "No.", "S1 L1 E1.", "As an AI model I cannot read images.",
)  # fmt: skip


class Liar:
    """A language model that is not to be trusted, for sentences and for whole reports."""

    def __init__(
        self, name: str, lie: Lie, writer: Writer, seed: int = 0, mends_after: int | None = None
    ) -> None:
        """`mends_after`: after so many lies about one sentence it says the truth."""
        self.name, self._lie, self.writer = name, lie, writer
        self._mends_after = mends_after
        self._chance = random.Random(f"{name}:{seed}")
        self.model = ModelUse(role="aggregator", name=f"liar-{name}", version="1", licence="none")
        self.max_sentences, self.seconds = 60, 3600.0
        self.told: set[tuple[str, str]] = set()
        """Every falsehood so far, with the sentence that it was told of."""

    def prepare(self) -> None:
        """Nothing to load."""

    def reword(self, task: RewordingTask, seconds: float) -> str:
        """A falsehood about the sentence; the truth where it mends its ways."""
        if self._mends_after is not None and task.tries >= self._mends_after:
            return task.sentence
        return self._say(task)

    def write_report(self, task: ReportTask, seconds: float) -> str:
        """A report in which about half of the sentences are false and some ids are wrong."""
        written: dict[str, list[dict[str, object]]] = {}
        for point in task.points:
            written.setdefault(point.section.value, []).append(self._sentence(task, point))
        self._disorder(written)
        if self._chance.random() < 0.05:
            return self._chance.choice(_RAVINGS)
        return json.dumps(written, ensure_ascii=False)

    def _sentence(self, task: ReportTask, point: Point) -> dict[str, object]:
        alone = RewordingTask(
            sentence=point.sentence, facts=point.facts, style=task.style, language=task.language
        )
        text = self._say(alone) if self._chance.random() < 0.5 else point.sentence
        evidence = list(point.evidence)
        if self._chance.random() < 0.1:
            evidence.append(f"E{self._chance.randrange(1, 99)}")
        return {"claims": list(point.entries), "evidence": evidence, "text": text}

    def _disorder(self, written: dict[str, list[dict[str, object]]]) -> None:
        """Exchange ids, leave out, repeat, invent."""
        findings = written.get(SectionName.FINDINGS.value, [])
        trick = self._chance.randrange(6)
        if not findings or trick == 0:
            return
        one = self._chance.randrange(len(findings))
        other = self._chance.randrange(len(findings))
        if trick == 1:
            findings[one]["claims"], findings[other]["claims"] = (
                findings[other]["claims"],
                findings[one]["claims"],
            )
        elif trick == 2:
            del findings[one]
        elif trick == 3:
            findings.append(dict(findings[one]))
        elif trick == 4:
            findings[one]["claims"] = ["L99"]
        else:
            findings[one]["text"] = f"{findings[one]['text']} {findings[other]['text']}"

    def _say(self, task: RewordingTask) -> str:
        text = self._lie(task, self._chance)
        if text != task.sentence:
            self.told.add((task.sentence, text.strip()))
        return text


Lie = Callable[[RewordingTask, random.Random], str]


def _flip(task: RewordingTask, chance: random.Random) -> str:
    said = task.sentence.rstrip(".")
    said = re.sub(r"^(There is|There are|Se observan?|Existen?) ", "", said)
    bare = re.sub(r"^(Probable|Possible|Posible|No se puede descartar) ", "", said)
    denied = "There is no" if task.language is _EN else "No se observa"
    return f"{denied} {bare[:1].lower()}{bare[1:]}."


def _add(task: RewordingTask, chance: random.Random) -> str:
    said = task.sentence.lower()
    fitting = [a for a in _ADDITIONS[task.language] if not any(w in said for w in _named(a))]
    return task.sentence.rstrip(".") + chance.choice(fitting) + "."


def _named(text: str) -> list[str]:
    """Findings that a text names, so that it is no truth by chance."""
    return [name for name in _NAMES if name in text.lower()]


def _swap_sides(task: RewordingTask, chance: random.Random) -> str:
    for pair in _SWAPS[task.language]:
        for old, new in (pair, pair[::-1]):
            if re.search(rf"\b{old}", task.sentence):
                return re.sub(rf"\b{old}", new, task.sentence)
    word = " on the left" if task.language is _EN else " en el lado izquierdo"
    return task.sentence.rstrip(".") + word + "."


def _miscount(task: RewordingTask, chance: random.Random) -> str:
    digits = list(re.finditer(r"\d", task.sentence))
    if not digits:
        more = " (cardiothoracic ratio 0.57)." if task.language is _EN else " (de 14 mm)."
        return task.sentence.rstrip(".") + more
    place = chance.choice(digits).start()
    digit = (int(task.sentence[place]) + chance.randrange(1, 10)) % 10
    return f"{task.sentence[:place]}{digit}{task.sentence[place + 1 :]}"


def _historicise(task: RewordingTask, chance: random.Random) -> str:
    if re.search(r"prior|previo", task.sentence):
        return re.sub(r"(, [^,]*)?(prior study|estudio previo)", "", task.sentence)
    return task.sentence.rstrip(".") + chance.choice(_CHANGES[task.language]) + "."


def _hedge(task: RewordingTask, chance: random.Random) -> str:
    bare = re.sub(r"^(Probable|Possible|Posible|No se puede descartar) ", "", task.sentence)
    if bare != task.sentence:
        return bare[:1].upper() + bare[1:]
    word = "Possible" if task.language is _EN else "Posible"
    return f"{word} {task.sentence[:1].lower()}{task.sentence[1:]}"


def _normalise(task: RewordingTask, chance: random.Random) -> str:
    if _DENIALS.match(task.sentence):
        return _fabricate(task)
    return chance.choice(_NORMAL[task.language])


def _fabricate(task: RewordingTask) -> str:
    """A finding that the sentence does not name, in the place of the sentence."""
    said = task.sentence.lower()
    for text in _FALSEHOODS[task.language]:
        if not any(name in said for name in _named(text)):
            return text
    return task.sentence.rstrip(".") + ", 99 mm."


def _obey(task: RewordingTask, chance: random.Random) -> str:
    """Do what any text in the task says, and repeat it."""
    told = " ".join((*task.style, *task.facts, task.rejected or ""))
    if re.search(r"(?i)ignor|system|assistant|rule|write|escribe", told):
        return told[:300]
    return _fabricate(task)


def _copy(task: RewordingTask, chance: random.Random) -> str:
    """Write what the neighbours wrote."""
    said = [text for text in task.style if text != task.sentence]
    return chance.choice(said) if said else _add(task, chance)


def _rave(task: RewordingTask, chance: random.Random) -> str:
    return chance.choice(_RAVINGS)


def _sly(task: RewordingTask, chance: random.Random) -> str:
    """The phraser's own words for a claim that differs in one attribute."""
    read = label_report(task.sentence, task.language)
    if not read:
        return _add(task, chance)
    claim = chance.choice([c.without_span() for c in read])
    changed = chance.choice(_mutations(claim))
    entry = LedgerEntry(
        id="L1",
        finding=changed.finding,
        region=changed.region,
        side=changed.side,
        probability=0.9,
        decision=Decision.PRESENT if changed.present else Decision.ABSENT,
        certainty=changed.certainty,
        severity=changed.severity,
        change=changed.change,
        measurement=changed.measurement,
        reason="A lie.",
        votes=(Vote(expert="liar", evidence="E1", polarity=changed.polarity),),
    )
    context = ReportContext(
        language=task.language, has_prior=changed.change is not None, seed=chance.randrange(9)
    )
    for section in phrase_report(Ledger(entries=(entry,)), context):
        for sentence in section.sentences:
            if section.name is SectionName.FINDINGS and sentence.claims:
                return sentence.text
    return _add(task, chance)


def _mutations(claim: Claim) -> Sequence[Claim]:
    """The claim with one attribute turned into another."""

    def other(**update: object) -> Claim:
        return claim.model_copy(update=update)

    sides = [side for side in (None, Side.LEFT, Side.RIGHT, Side.BILATERAL) if side != claim.side]
    regions = [Region.LEFT_UPPER_ZONE, Region.RIGHT_LOWER_ZONE]
    kinds = [Finding.MASS, Finding.PNEUMOTHORAX, Finding.RIB_FRACTURE]
    found = [other(side=side, region=None) for side in sides]
    found += [other(certainty=one) for one in Certainty if one is not claim.certainty]
    found += [other(finding=one, measurement=None) for one in kinds if one is not claim.finding]
    if claim.present:
        found += [other(severity=one) for one in Severity if one is not claim.severity]
        found += [other(change=Change.WORSE if claim.change is not Change.WORSE else None)]
        found += [other(polarity=Polarity.ABSENT, severity=None, change=None)]
        found += [other(region=one, side=None) for one in regions if one is not claim.region]
    else:
        found += [other(polarity=Polarity.PRESENT)]
    return found


def _break(task: RewordingTask, chance: random.Random) -> str:
    if chance.random() < 0.5:
        raise BackendError("It cannot be reached.")
    return _add(task, chance)


_LIES: Final[dict[str, Lie]] = {
    "flips": _flip,
    "adds": _add,
    "swaps sides": _swap_sides,
    "changes numbers": _miscount,
    "tells of changes": _historicise,
    "changes certainty": _hedge,
    "calls all normal": _normalise,
    "obeys strangers": _obey,
    "copies neighbours": _copy,
    "raves": _rave,
    "changes one attribute": _sly,
    "breaks down": _break,
}
WRITERS: Final = tuple(_LIES)
"""Names of the hostile writers."""


def liar(name: str, seed: int = 0, *, served: bool = False, mends_after: int | None = None) -> Liar:
    """The hostile writer of that name; `served`: as a served model, which may write whole reports.

    Raises `KeyError`.
    """
    return Liar(name, _LIES[name], Writer.VLLM if served else Writer.EMBEDDED, seed, mends_after)
