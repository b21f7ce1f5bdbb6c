"""Profiles: order, repetition, sides, kinds, denials."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from findings.catalogue import ancestors
from findings.claims import Claim
from findings.vocabulary import Certainty, Finding, Polarity, Side
from retrieval.profile import PROFILE_LENGTH, layout_version, profile

claims = st.builds(
    Claim,
    finding=st.sampled_from(Finding),
    polarity=st.sampled_from(Polarity),
    certainty=st.sampled_from(Certainty),
    side=st.one_of(st.none(), st.sampled_from(Side)),
)


@given(st.lists(claims, max_size=12), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(stated: list[Claim], random: object) -> None:
    vector = profile(stated)
    again = stated + stated
    random.shuffle(again)  # type: ignore[attr-defined]
    assert np.array_equal(vector, profile(again))
    assert vector.shape == (PROFILE_LENGTH,)
    assert vector.dtype == np.float32
    assert np.isfinite(vector).all()
    assert np.isclose(np.linalg.norm(vector), 1.0 if stated else 0.0, atol=1e-5)
    assert (vector >= 0).all()


@given(claims, claims)
def test_similarity_is_highest_with_itself(one: Claim, other: Claim) -> None:
    assert profile([one]) @ profile([other]) <= 1.0 + 1e-5
    assert np.isclose(profile([one]) @ profile([one]), 1.0, atol=1e-5)


@given(st.sampled_from([f for f in Finding if f is not Finding.NO_FINDING]))
def test_a_denial_is_unlike_the_finding(finding: Finding) -> None:
    present, absent = (profile([Claim(finding=finding, polarity=p)]) for p in Polarity)
    assert present @ absent < 0.3


@given(st.sampled_from([f for f in Finding if ancestors(f)]))
def test_a_kind_is_like_what_it_is_a_kind_of(finding: Finding) -> None:
    parent = profile([Claim(finding=next(iter(ancestors(finding))))])
    other = profile([Claim(finding=Finding.NIPPLE_SHADOW)])
    mine = profile([Claim(finding=finding)])
    assert mine @ parent > mine @ other


def test_sides_tell_reports_apart() -> None:
    left, right, both = (
        profile([Claim(finding=Finding.PLEURAL_EFFUSION, side=side)])
        for side in (Side.LEFT, Side.RIGHT, Side.BILATERAL)
    )
    assert left @ left > left @ both > left @ right


def test_only_denials_make_a_normal_report() -> None:
    denied = profile([Claim(finding=Finding.NODULE, polarity=Polarity.ABSENT)])
    normal = profile([Claim(finding=Finding.NO_FINDING)])
    assert denied @ normal > 0.9


def test_the_layout_has_a_version() -> None:
    assert layout_version() == layout_version()
    assert len(layout_version()) == 12
