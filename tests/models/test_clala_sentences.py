"""What labels say of regions, and how region sentences become one report."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findings.catalogue import describe
from findings.claims import Claim
from findings.labeler import label_report
from findings.regions import CLALA_REGIONS, Region, region_side
from findings.vocabulary import Finding, Language, Polarity, Severity, Side
from models.clala.aggregation import RegionSentence, aggregate
from models.clala.lesions import LESIONS, Standing, lesion_labels, region_labels, standing
from models.clala.region_sentences import (
    NORMAL_SENTENCES,
    compose_region,
    every_sentence,
    region_claims,
)
from models.data.sentence_pool import composed
from models.data.weak_pair_sources import FOURTEEN, with_absences

LEFT_EFFUSION = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT)
RIGHT_BASE = Claim(finding=Finding.PNEUMONIA, side=Side.RIGHT, region=Region.RIGHT_LOWER_ZONE)
NORMAL = with_absences((), FOURTEEN)


def wordings(claim: Claim) -> list[str]:
    """Plain sentences."""
    return [sentence.text for sentence in composed(claim)]


# What labels say of regions


def test_the_fourteen_lesions_are_the_classifiers() -> None:
    assert set(LESIONS) == set(FOURTEEN)


@pytest.mark.parametrize(
    ("claim", "here", "unknown"),
    [
        (LEFT_EFFUSION, {"left_lung", "left_costophrenic_angle"}, set()),
        (RIGHT_BASE, {"right_lung", "right_lower_zone"}, set()),
        (
            Claim(finding=Finding.NODULE, side=Side.LEFT, region=Region.LEFT_UPPER_ZONE),
            {"left_lung"},
            set(),
        ),
        (
            Claim(finding=Finding.ATELECTASIS, side=Side.BILATERAL),
            {"left_lung", "right_lung"},
            {"left_lower_zone", "right_lower_zone"},
        ),
        (Claim(finding=Finding.CARDIOMEGALY), {"cardiac_silhouette"}, set()),
        (Claim(finding=Finding.HERNIA), {"mediastinum"}, set()),
        (
            Claim(finding=Finding.PNEUMOTHORAX),
            set(),
            {"left_lung", "right_lung"},
        ),
        (
            Claim(finding=Finding.MASS, side=Side.RIGHT, region=Region.RIGHT_HILUM),
            {"right_lung", "right_hilum"},
            set(),
        ),
    ],
)
def test_lesions_lie_where_their_place_puts_them(
    claim: Claim, here: set[str], unknown: set[str]
) -> None:
    found = {region: standing(claim, region) for region in CLALA_REGIONS}
    assert {r.value for r, held in found.items() if held is Standing.HERE} == here
    assert {r.value for r, held in found.items() if held is Standing.UNKNOWN} == unknown


def test_region_labels_are_here_absent_or_unknown() -> None:
    labels = region_labels(with_absences([LEFT_EFFUSION], FOURTEEN))
    lesion, left, right = (
        LESIONS.index(Finding.PLEURAL_EFFUSION),
        CLALA_REGIONS.index(Region.LEFT_COSTOPHRENIC_ANGLE),
        CLALA_REGIONS.index(Region.RIGHT_COSTOPHRENIC_ANGLE),
    )
    assert labels[left, lesion] == 1
    assert labels[right, lesion] == 0
    unplaced = region_labels(with_absences([Claim(finding=Finding.PLEURAL_EFFUSION)], FOURTEEN))
    assert unplaced[left, lesion] == unplaced[right, lesion] == -1
    assert (region_labels(NORMAL) == 0).all()
    assert lesion_labels([LEFT_EFFUSION]).sum() == 1


# Region sentences


def test_a_normal_film_has_a_normal_sentence_everywhere() -> None:
    random = np.random.default_rng(0)
    for region in CLALA_REGIONS:
        assert region_claims(NORMAL, region) == ()
        assert compose_region(NORMAL, region, wordings, random) in NORMAL_SENTENCES[region]


def test_normal_sentences_deny_and_stay_on_their_side() -> None:
    for region, lines in NORMAL_SENTENCES.items():
        for line in lines:
            claims = label_report(line, Language.ENGLISH)
            assert claims and not any(claim.present for claim in claims), line
            side = region_side(region)
            assert {claim.side for claim in claims} == {
                side if side in (Side.LEFT, Side.RIGHT) else None
            }


def test_a_region_states_what_is_there_and_is_silent_where_nobody_knows() -> None:
    placed = with_absences([LEFT_EFFUSION], FOURTEEN)
    assert region_claims(placed, Region.LEFT_COSTOPHRENIC_ANGLE) == (LEFT_EFFUSION,)
    assert region_claims(placed, Region.RIGHT_COSTOPHRENIC_ANGLE) == ()
    unplaced = with_absences([Claim(finding=Finding.PLEURAL_EFFUSION)], FOURTEEN)
    assert region_claims(unplaced, Region.LEFT_COSTOPHRENIC_ANGLE) is None
    # It lies in one of the lungs, so both are told of it, and neither of its side.
    for lung in (Region.LEFT_LUNG, Region.RIGHT_LUNG):
        assert region_claims(unplaced, lung) == (Claim(finding=Finding.PLEURAL_EFFUSION),)


def test_a_bilateral_lesion_is_worded_for_each_side() -> None:
    both = with_absences([Claim(finding=Finding.EDEMA, side=Side.BILATERAL)], FOURTEEN)
    assert region_claims(both, Region.LEFT_LUNG) == (Claim(finding=Finding.EDEMA, side=Side.LEFT),)


@given(
    st.lists(
        st.builds(
            Claim,
            finding=st.sampled_from(LESIONS),
            side=st.sampled_from([None, Side.LEFT, Side.RIGHT, Side.BILATERAL]),
        ),
        max_size=3,
    ),
    st.sampled_from(CLALA_REGIONS),
)
def test_no_region_is_told_what_its_film_has_not(present: list[Claim], region: Region) -> None:
    film = with_absences(present, FOURTEEN)
    text = compose_region(film, region, wordings, np.random.default_rng(0))
    if text is None:
        return
    held = {claim.finding for claim in present}
    for claim in label_report(text, Language.ENGLISH):
        if claim.present:
            assert claim.finding in held
        side = region_side(region)
        if side in (Side.LEFT, Side.RIGHT):
            assert claim.side in (side, None)


def test_every_sentence_holds_what_is_composed() -> None:
    films = [NORMAL, with_absences([LEFT_EFFUSION, RIGHT_BASE], FOURTEEN)]
    known = set(every_sentence(films, wordings))
    for film in films:
        for region in CLALA_REGIONS:
            for claim in region_claims(film, region) or ():
                assert set(wordings(claim)) <= known


# The aggregator's rules


def said(region: Region, text: str) -> RegionSentence:
    """A region's sentence."""
    return RegionSentence(region, text)


def test_a_repeated_statement_is_written_once() -> None:
    report = aggregate(
        [
            said(Region.LEFT_LUNG, "there is left pleural effusion ."),
            said(Region.LEFT_COSTOPHRENIC_ANGLE, "left pleural effusion ."),
        ]
    )
    assert len(report) == 1


def test_the_statement_that_tells_more_is_kept() -> None:
    report = aggregate(
        [
            said(Region.LEFT_LUNG, "there is atelectasis ."),
            said(Region.LEFT_LOWER_ZONE, "atelectasis in the left lower lung zone ."),
        ]
    )
    assert report == ("Atelectasis in the left lower lung zone.",)


def test_left_and_right_are_merged() -> None:
    [sentence] = aggregate(
        [
            said(Region.LEFT_LUNG, "there is left pleural effusion ."),
            said(Region.RIGHT_LUNG, "there is right pleural effusion ."),
        ]
    )
    [claim] = label_report(sentence, Language.ENGLISH)
    assert (claim.finding, claim.side) == (Finding.PLEURAL_EFFUSION, Side.BILATERAL)


def test_a_positive_wins_over_a_negative_anywhere() -> None:
    report = " ".join(
        aggregate(
            [
                said(Region.LEFT_LUNG, "no pneumothorax . no pleural effusion ."),
                said(Region.RIGHT_LUNG, "there is right pneumothorax ."),
            ]
        )
    )
    claims = label_report(report, Language.ENGLISH)
    pneumothorax = [claim for claim in claims if claim.finding is Finding.PNEUMOTHORAX]
    assert pneumothorax and all(claim.present for claim in pneumothorax)
    assert "No pleural effusion." in report


def test_a_positive_kind_silences_the_denial_of_its_parent() -> None:
    report = aggregate(
        [
            said(Region.LEFT_LUNG, "the left lung is clear ."),
            said(Region.RIGHT_LUNG, "right pneumonia ."),
            said(Region.CARDIAC_SILHOUETTE, "heart size is normal ."),
        ]
    )
    assert report == ("Right pneumonia.", "Heart size is normal.")


def test_a_sentence_that_affirms_and_denies_is_parted() -> None:
    report = aggregate(
        [
            said(Region.LEFT_LUNG, "left pleural effusion without pneumothorax ."),
            said(Region.RIGHT_LUNG, "right pneumothorax ."),
        ]
    )
    claims = label_report(" ".join(report), Language.ENGLISH)
    assert all(claim.present for claim in claims)
    assert {claim.finding for claim in claims} == {Finding.PLEURAL_EFFUSION, Finding.PNEUMOTHORAX}


def test_what_a_region_says_of_the_other_side_is_not_believed() -> None:
    assert aggregate([said(Region.LEFT_LUNG, "there is right pneumothorax .")]) == ()


def test_normal_regions_are_said_in_few_words() -> None:
    report = aggregate(said(region, NORMAL_SENTENCES[region][-1]) for region in CLALA_REGIONS)
    assert len(report) <= 5
    claims = label_report(" ".join(report), Language.ENGLISH)
    assert claims and not any(claim.present for claim in claims)
    clear = aggregate(said(region, NORMAL_SENTENCES[region][0]) for region in CLALA_REGIONS)
    assert "The lungs are clear." in clear


SENTENCES = st.builds(
    lambda region, claims: RegionSentence(
        region, " ".join(next(iter(composed(claim))).text for claim in claims)
    ),
    st.sampled_from(CLALA_REGIONS),
    st.lists(
        st.builds(
            Claim,
            finding=st.sampled_from(LESIONS),
            polarity=st.sampled_from(list(Polarity)),
            side=st.sampled_from([None, Side.LEFT, Side.RIGHT]),
            severity=st.sampled_from([None, Severity.MILD]),
        ).map(
            lambda claim: (
                claim if claim.present else Claim(finding=claim.finding, polarity=claim.polarity)
            )
        ),
        min_size=1,
        max_size=2,
    ),
)


@given(st.lists(SENTENCES, max_size=8))
def test_the_rules_hold_for_any_sentences(sentences: list[RegionSentence]) -> None:
    report = aggregate(sentences)
    claims = [claim for line in report for claim in label_report(line, Language.ENGLISH)]
    affirmed = {claim.finding for claim in claims if claim.present}
    denied = {claim.finding for claim in claims if not claim.present}
    # 1. once; 2. a positive wins; 3. in order of weight, positives first.
    assert len(set(report)) == len(report)
    assert not affirmed & denied
    weights = [
        max(describe(claim.finding).weight for claim in own)
        for line in report
        if (own := [c for c in label_report(line, Language.ENGLISH) if c.present])
    ]
    assert weights == sorted(weights, reverse=True)
    places = [any(c.present for c in label_report(line, Language.ENGLISH)) for line in report]
    assert places == sorted(places, reverse=True)
    # Nothing is made up, and no believed positive is lost.
    believed = set()
    for sentence in sentences:
        for line in sentence.text.split("."):
            own = label_report(line, Language.ENGLISH)
            side = region_side(sentence.region)
            pair = {Side.LEFT, Side.RIGHT}
            if not any(side in pair and c.side in pair and c.side is not side for c in own):
                believed |= {c.finding for c in own if c.present}
    assert affirmed == believed
    assert aggregate(reversed(sentences)) == report
