"""The labeler reads each phenomenon of report language, in English and Spanish."""

from __future__ import annotations

import pytest

from findings.catalogue import describe
from findings.claims import LabeledClaim
from findings.labeler import (
    LabeledLine,
    ReportLabeler,
    detect_language,
    label_line,
    label_report,
)
from findings.regions import Region
from findings.vocabulary import Certainty, Change, Finding, Language, Polarity, Severity, Side

EN, ES = Language.ENGLISH, Language.SPANISH


def only(text: str, language: Language = EN) -> LabeledClaim:
    (claim,) = label_report(text, language)
    return claim


def read(text: str, language: Language = EN) -> dict[Finding, LabeledClaim]:
    return {claim.finding: claim for claim in label_report(text, language)}


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(
    "finding", [f for f in Finding if f not in (Finding.NO_FINDING, Finding.OTHER_FINDING)]
)
def test_every_catalogue_name_is_read_as_its_finding(finding: Finding, language: Language) -> None:
    templates = {
        EN: {
            "{}.": (Polarity.PRESENT, Certainty.DEFINITE),
            "There is no evidence of {}.": (Polarity.ABSENT, Certainty.DEFINITE),
            "Possible {}.": (Polarity.PRESENT, Certainty.POSSIBLE),
            "Probable {}.": (Polarity.PRESENT, Certainty.PROBABLE),
        },
        ES: {
            "{}.": (Polarity.PRESENT, Certainty.DEFINITE),
            "No se observa {}.": (Polarity.ABSENT, Certainty.DEFINITE),
            "Posible {}.": (Polarity.PRESENT, Certainty.POSSIBLE),
            "Probable {}.": (Polarity.PRESENT, Certainty.PROBABLE),
        },
    }[language]
    entry = describe(finding)
    for name in {entry.name(language), entry.plural(language)}:
        for template, (polarity, certainty) in templates.items():
            claim = only(template.format(name), language)
            assert (claim.finding, claim.polarity, claim.certainty) == (
                finding,
                polarity,
                certainty,
            )


@pytest.mark.parametrize(
    ("text", "language", "side", "region"),
    [
        ("Left pleural effusion.", EN, Side.LEFT, None),
        ("Pleural effusion on the right.", EN, Side.RIGHT, None),
        ("Bilateral pleural effusions.", EN, Side.BILATERAL, None),
        ("Opacity in the left lower lobe.", EN, Side.LEFT, Region.LEFT_LOWER_LOBE),
        ("LLL opacity.", EN, Side.LEFT, Region.LEFT_LOWER_LOBE),
        ("Bibasilar opacities.", EN, Side.BILATERAL, Region.LOWER_ZONES),
        ("Opacities at both lung bases.", EN, Side.BILATERAL, Region.LOWER_ZONES),
        ("Opacity at the right lung base.", EN, Side.RIGHT, Region.RIGHT_LOWER_ZONE),
        ("Lingular opacity.", EN, Side.LEFT, Region.LINGULA),
        ("Opacity in the right middle lobe.", EN, Side.RIGHT, Region.RIGHT_MIDDLE_LOBE),
        ("Opacity in the left and right upper lobes.", EN, Side.BILATERAL, Region.UPPER_ZONES),
        ("Derrame pleural izquierdo.", ES, Side.LEFT, None),
        ("Opacidad en LSD.", ES, Side.RIGHT, Region.RIGHT_UPPER_LOBE),
        ("Opacidad en lóbulo inferior izquierdo.", ES, Side.LEFT, Region.LEFT_LOWER_LOBE),
        ("Opacidad en LII.", ES, Side.LEFT, Region.LEFT_LOWER_LOBE),
        ("Opacidades bibasales.", ES, Side.BILATERAL, Region.LOWER_ZONES),
        ("Opacidad en la base derecha.", ES, Side.RIGHT, Region.RIGHT_LOWER_ZONE),
        ("infiltr bas izquierd .", ES, Side.LEFT, Region.LEFT_LOWER_ZONE),
    ],
)
def test_side_and_region(text: str, language: Language, side: Side, region: Region | None) -> None:
    claim = only(text, language)
    assert (claim.side, claim.region) == (side, region)


def test_each_finding_of_a_sentence_keeps_its_own_side() -> None:
    claims = read("Small left pleural effusion and right lower lobe consolidation.")
    assert claims[Finding.PLEURAL_EFFUSION].side is Side.LEFT
    assert claims[Finding.PLEURAL_EFFUSION].severity is Severity.MILD
    assert claims[Finding.CONSOLIDATION].region is Region.RIGHT_LOWER_LOBE
    assert claims[Finding.CONSOLIDATION].severity is None
    claims = read("Leve derrame pleural izquierdo y consolidación en lóbulo superior derecho.", ES)
    assert claims[Finding.PLEURAL_EFFUSION].side is Side.LEFT
    assert claims[Finding.PLEURAL_EFFUSION].severity is Severity.MILD
    assert claims[Finding.CONSOLIDATION].region is Region.RIGHT_UPPER_LOBE


def test_what_follows_a_list_belongs_to_all_of_it() -> None:
    claims = read("Consolidation and pleural effusion in the left base.")
    assert {claim.side for claim in claims.values()} == {Side.LEFT}
    claims = read("Left basilar atelectasis and effusion.")
    assert {claim.side for claim in claims.values()} == {Side.LEFT}


@pytest.mark.parametrize(
    ("text", "language", "severity"),
    [
        ("Trace left effusion.", EN, Severity.MINIMAL),
        ("Mild cardiomegaly.", EN, Severity.MILD),
        ("Heart is mildly enlarged.", EN, Severity.MILD),
        ("Mild to moderate effusion.", EN, Severity.MODERATE),
        ("Large right effusion.", EN, Severity.SEVERE),
        ("Mínimo derrame pleural.", ES, Severity.MINIMAL),
        ("Discreta cardiomegalia.", ES, Severity.MILD),
        ("Derrame pleural moderado.", ES, Severity.MODERATE),
        ("Gran derrame pleural.", ES, Severity.SEVERE),
    ],
)
def test_severity(text: str, language: Language, severity: Severity) -> None:
    assert only(text, language).severity is severity


@pytest.mark.parametrize(
    ("text", "language", "change"),
    [
        ("New left effusion.", EN, Change.NEW),
        ("Left effusion has increased.", EN, Change.WORSE),
        ("Worsening edema.", EN, Change.WORSE),
        ("Stable cardiomegaly.", EN, Change.UNCHANGED),
        ("No change in the left effusion.", EN, Change.UNCHANGED),
        ("The effusion is unchanged.", EN, Change.UNCHANGED),
        ("The edema has improved.", EN, Change.BETTER),
        ("Decreasing left effusion.", EN, Change.BETTER),
        ("Derrame pleural de nueva aparición.", ES, Change.NEW),
        ("El derrame ha aumentado.", ES, Change.WORSE),
        ("Derrame sin cambios.", ES, Change.UNCHANGED),
        ("El edema ha mejorado.", ES, Change.BETTER),
    ],
)
def test_change(text: str, language: Language, change: Change) -> None:
    claim = only(text, language)
    assert claim.present
    assert claim.change is change


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The pneumothorax has resolved.", EN),
        ("Resolution of the pneumothorax.", EN),
        ("El neumotórax se ha resuelto.", ES),
        ("Resolución del neumotórax.", ES),
    ],
)
def test_a_resolved_finding_is_absent(text: str, language: Language) -> None:
    claim = only(text, language)
    assert (claim.polarity, claim.change) == (Polarity.ABSENT, Change.RESOLVED)


@pytest.mark.parametrize(
    ("text", "language", "finding", "name", "value", "unit"),
    [
        ("CTR 0.56.", EN, Finding.CARDIOMEGALY, "cardiothoracic_ratio", 0.56, "1"),
        (
            "Cardiomegaly with a cardiothoracic ratio of 0.61.",
            EN,
            Finding.CARDIOMEGALY,
            "cardiothoracic_ratio",
            0.61,
            "1",
        ),
        (
            "Índice cardiotorácico de 0,56.",
            ES,
            Finding.CARDIOMEGALY,
            "cardiothoracic_ratio",
            0.56,
            "1",
        ),
        ("A 3 mm nodule in the right upper lobe.", EN, Finding.NODULE, "diameter", 3.0, "mm"),
        ("Mass measuring 2.5 x 4.1 cm.", EN, Finding.MASS, "diameter", 4.1, "cm"),
        ("Nódulo de 1,2 cm.", ES, Finding.NODULE, "diameter", 1.2, "cm"),
        (
            "Endotracheal tube tip 4 cm above the carina.",
            EN,
            Finding.ENDOTRACHEAL_TUBE,
            "distance",
            4.0,
            "cm",
        ),
    ],
)
def test_measurement(
    text: str, language: Language, finding: Finding, name: str, value: float, unit: str
) -> None:
    claim = only(text, language)
    assert claim.finding is finding and claim.measurement is not None
    measured = claim.measurement
    assert (measured.name, measured.value, measured.unit) == (name, value, unit)


def test_a_normal_ratio_denies_cardiomegaly() -> None:
    assert only("CTR 0.44").polarity is Polarity.ABSENT
    assert label_report("CTR 7 in 2019", EN) == ()


@pytest.mark.parametrize(
    ("text", "language", "denied"),
    [
        ("Heart size is normal.", EN, {Finding.CARDIOMEGALY}),
        ("The lungs are clear.", EN, {Finding.LUNG_OPACITY}),
        (
            "The cardiomediastinal silhouette is within normal limits.",
            EN,
            {Finding.CARDIOMEGALY, Finding.ENLARGED_CARDIOMEDIASTINUM},
        ),
        ("Silueta cardíaca normal.", ES, {Finding.CARDIOMEGALY}),
        ("Senos costofrénicos libres.", ES, {Finding.PLEURAL_EFFUSION}),
    ],
)
def test_normal_statements_deny(text: str, language: Language, denied: set[Finding]) -> None:
    claims = label_report(text, language)
    assert {claim.finding for claim in claims} == denied
    assert not any(claim.present for claim in claims)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("No acute cardiopulmonary abnormality.", EN),
        ("Normal chest radiograph.", EN),
        ("Sin hallazgos patológicos.", ES),
        ("sin hallazg signific .", ES),
    ],
)
def test_a_normal_study_has_no_finding(text: str, language: Language) -> None:
    claim = only(text, language)
    assert claim.finding is Finding.NO_FINDING and claim.present


def test_sections_that_ask_assert_nothing() -> None:
    text = "INDICATION: Pneumonia?\r\nFINDINGS: Cardiomegaly.\r\n\r\nIMPRESSION: Cardiomegaly."
    sentences = ReportLabeler(EN).label(text)
    assert [claim.finding for s in sentences for claim in s.claims] == [Finding.CARDIOMEGALY] * 2


def test_a_wrapped_line_is_one_sentence() -> None:
    (sentence,) = ReportLabeler(EN).label("There is no\nevidence of pneumothorax or\neffusion.")
    assert [claim.polarity for claim in sentence.claims] == [Polarity.ABSENT] * 2


def test_a_decimal_number_does_not_end_a_sentence() -> None:
    assert len(ReportLabeler(EN).label("Nodule of 1.2 cm. No effusion.")) == 2


def test_general_findings_take_the_name_of_their_place() -> None:
    assert only("Fracture of the left sixth rib.").finding is Finding.RIB_FRACTURE
    assert Finding.PSEUDONODULE in read("Left basal nodule, likely the nipple.")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The heart is enlarged and there is a left effusion.", EN),
        ("No acute abnormality.", EN),
        ("Cardiomegalia con derrame pleural izquierdo.", ES),
        ("sin hallazg patolog .", ES),
        ("", EN),
    ],
)
def test_the_language_is_detected(text: str, language: Language) -> None:
    assert detect_language(text) is language


def test_a_line_is_labelled_in_the_language_it_is_in() -> None:
    line = label_line("Derrame pleural izquierdo.", None)
    assert [claim.finding for claim in line.claims] == [Finding.PLEURAL_EFFUSION]
    assert LabeledLine.model_validate_json(line.model_dump_json()) == line
