"""A language model's words: those the reader can vouch for, and no others."""

from __future__ import annotations

import pytest

from findings.claims import Claim, Measurement
from findings.vocabulary import Change, Finding, Language, Polarity, Severity, Side
from reporting.draft import Origin, Sentence
from reporting.ledger import Decision, LedgerEntry, Vote
from reporting.read_back import DifferenceType
from reporting.verify import verify_sentence
from reporting.vouching import beyond_reading, unread_words

EFFUSION = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT)
ENTRY = LedgerEntry(
    id="L1",
    finding=Finding.PLEURAL_EFFUSION,
    side=Side.LEFT,
    probability=0.9,
    decision=Decision.PRESENT,
    reason="A test.",
    votes=(Vote(expert="test", evidence="E1", polarity=Polarity.PRESENT),),
)


def differences(text: str, origin: Origin) -> set[DifferenceType]:
    sentence = Sentence(
        id="S1", text=text, claims=(EFFUSION,), evidence=("E1",), entries=("L1",), origin=origin
    )
    check = verify_sentence(sentence, (ENTRY,), False, Language.ENGLISH)
    return {difference.type for difference in check.differences}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Left pleural effusion, drainage is advised.", ("drainage", "advised")),
        ("There is a left pleural effusion with tension.", ("tension",)),
        ("Two left pleural effusions.", ("two",)),
        ("A layering left pleural effusion.", ("layering",)),
        ("Left pleural effusion in the setting of pneumonia.", ("setting", "pneumonia")),
        ("Left pleural effusion due to heart failure.", ("due", "heart", "failure")),
        ("History of left pleural effusion.", ("history",)),
        ("Dr Roe sees a left pleural effusion.", ("dr", "roe", "sees")),
        ("Left pleural effusion or pneumothorax.", ("or", "pneumothorax")),
        ("Left pleural effusion since the prior study.", ("since", "prior", "study")),
        ("The left hemithorax demonstrates a pleural effusion.", ()),
        ("There is evidence of a pleural effusion on the left.", ()),
    ],
)
def test_words_that_say_more_are_found(text: str, words: tuple[str, ...]) -> None:
    assert unread_words(text, [EFFUSION], Language.ENGLISH) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Derrame pleural izquierdo, se recomienda drenaje.", ("recomienda",)),
        ("Derrame pleural izquierdo por tercera vez.", ("tercera", "vez")),
        ("Se aprecia derrame pleural en el lado izquierdo.", ()),
    ],
)
def test_spanish_words(text: str, words: tuple[str, ...]) -> None:
    found = unread_words(text, [EFFUSION], Language.SPANISH)
    assert set(words) <= set(found) and bool(words) is bool(found)


LIES = {
    Language.ENGLISH: (
        "Left pleural effusion is unlikely.",
        "A left pleural effusion cannot be excluded.",
        "Possible there is a left pleural effusion.",
        "Left pleural effusion has resolved.",
        "Left pleural effusion is normal.",
        "Left pleural effusion in the heart.",
        "Left pleural effusion and normal heart size.",
        "Left pleural effusion is seen in the right lung.",
        "Left pleural effusion with air.",
        "Left pleural effusion, no.",
        "Not only a left pleural effusion.",
        "Left basal pleural effusion.",
        "Left pleural effusion at the aorta.",
        "Apparent left pleural effusion.",
        "Left pleural effusion if present.",
        "Loculated left pleural effusion.",
        "Left pleural effusion on the opposite side.",
        "A left pleural effusion and nothing else.",
        "Stable left pleural effusion.",
        "Left pleural effusion, otherwise clear.",
        "Malignant left pleural effusion.",
        "Left pleural effusion of the brother.",
        "Left pleural effusion without left pleural effusion.",
        "Left hydropneumothorax.",
        "Left pleural effusion with a tube.",
    ),
    Language.SPANISH: (
        "Derrame pleural izquierdo improbable.",
        "Posible que exista derrame pleural izquierdo.",
        "Resolución del derrame pleural izquierdo.",
        "Derrame pleural izquierdo normal.",
        "Derrame pleural izquierdo en el corazón.",
        "Derrame pleural izquierdo en el pulmón derecho.",
        "Derrame pleural izquierdo con aire.",
        "Derrame pleural izquierdo no.",
        "Derrame pleural izquierdo basal.",
        "Derrame pleural izquierdo encapsulado.",
        "Derrame pleural izquierdo del lado contrario.",
        "Derrame pleural izquierdo, resto normal.",
        "Derrame pleural izquierdo conocido.",
        "Derrame pleural izquierdo bilateral.",
        "Dos derrames pleurales izquierdos.",
        "Derrame pleural izquierdo con drenaje.",
        "Hidroneumotórax izquierdo.",
    ),
}


@pytest.mark.parametrize(
    ("language", "text"), [(language, text) for language, texts in LIES.items() for text in texts]
)
def test_crafted_falsehoods_do_not_pass(language: Language, text: str) -> None:
    sentence = Sentence(
        id="S1",
        text=text,
        claims=(EFFUSION,),
        evidence=("E1",),
        entries=("L1",),
        origin=Origin.MODEL,
    )
    assert verify_sentence(sentence, (ENTRY,), False, language).differences


@pytest.mark.parametrize(
    "text",
    [
        "No pleural effusion is absent.",
        "There is no absence of pleural effusion.",
        "Pleural effusion is not absent.",
        "The lungs are clear.",
        "No left pleural effusion.",
        "No pleural effusion or infection.",
        "No definite pleural effusion.",
        "No pleural effusion on the left.",
        "No large pleural effusion.",
        "No more pleural effusion.",
    ],
)
def test_crafted_denials_do_not_pass(text: str) -> None:
    denied = Claim(finding=Finding.PLEURAL_EFFUSION, polarity=Polarity.ABSENT)
    own = ENTRY.model_copy(update={"decision": Decision.ABSENT, "side": None})
    sentence = Sentence(
        id="S1", text=text, claims=(denied,), evidence=("E1",), entries=("L1",), origin=Origin.MODEL
    )
    assert verify_sentence(sentence, (own,), False, Language.ENGLISH).differences


@pytest.mark.parametrize(
    "text", ["Sin derrame pleural, sin cambios.", "No derrame pleural, estable."]
)
def test_a_denial_speaks_of_no_change(text: str) -> None:
    denied = Claim(finding=Finding.PLEURAL_EFFUSION, polarity=Polarity.ABSENT)
    found = beyond_reading(text, [denied], Language.SPANISH)
    assert DifferenceType.CHANGE in {difference.type for difference in found}


def test_some_words_are_plain_in_denials_or_beside_a_change_only() -> None:
    denied = EFFUSION.model_copy(update={"polarity": Polarity.ABSENT})
    said = "There is no left pleural effusion or pneumothorax."
    air = Claim(finding=Finding.PNEUMOTHORAX, polarity=Polarity.ABSENT)
    assert unread_words(said, [denied, air], Language.ENGLISH) == ()
    worse = EFFUSION.model_copy(update={"change": Change.WORSE})
    said = "Left pleural effusion, increased since the prior study."
    assert unread_words(said, [worse], Language.ENGLISH) == ()


def test_a_modifier_that_no_claim_has_is_found_wherever_it_stands() -> None:
    ratio = Measurement(name="cardiothoracic_ratio", value=0.61, unit="1")
    heart = Claim(finding=Finding.CARDIOMEGALY, severity=Severity.MODERATE, measurement=ratio)
    both = [EFFUSION, heart]
    said = "Moderate cardiomegaly (cardiothoracic ratio 0.61) and a {} pleural effusion on the {}."
    assert beyond_reading(said.format("", "left"), both, Language.ENGLISH) == ()
    found = beyond_reading(said.format("large", "right"), both, Language.ENGLISH)
    assert {(d.type, d.read) for d in found} == {
        (DifferenceType.SEVERITY, "severe"),
        (DifferenceType.SIDE, "right"),
    }


def test_only_a_models_sentence_is_held_to_its_words() -> None:
    said = "Left pleural effusion, drainage is advised."
    assert differences(said, Origin.MODEL) == {DifferenceType.UNREAD}
    assert differences(said, Origin.PERSON) == set()
