"""The overlay: any film size, marks where they belong, labels apart, every letter drawable."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findings.catalogue import describe, region_name
from findings.regions import Region
from findings.vocabulary import Finding, Language
from imaging.study import StudyImage
from reporting.draft import Draft, DraftStatus
from reporting.labels import labels
from reporting.ledger import Ledger
from reporting.overlay import HEIGHT, LEGEND_WIDTH, STRIP_HEIGHT, draw_overlay, overlay_png
from reporting.overlay_legend import PALETTE, fit_text, font, marked_findings
from reporting.overlay_placement import LabelPlacer, overlap

MakeDraft = Callable[..., Draft]
MakeFilm = Callable[[int, int], StudyImage]


@pytest.mark.parametrize("size", [(128, 128), (700, 500), (96, 1600), (1600, 96), (4000, 3200)])
def test_any_film_size_gives_a_picture_of_one_height(
    rich_ledger: Ledger, make_draft: MakeDraft, make_film: MakeFilm, size: tuple[int, int]
) -> None:
    film = make_film(*size)
    picture = draw_overlay(film, make_draft(rich_ledger, film))
    assert picture.height == HEIGHT
    assert picture.mode == "RGB"
    assert LEGEND_WIDTH + 400 <= picture.width <= 1300 + LEGEND_WIDTH


def test_film_shows_through_and_a_positive_box_is_in_its_colour(
    rich_ledger: Ledger, make_draft: MakeDraft, make_film: MakeFilm
) -> None:
    film = make_film(1000, 1000)
    draft = make_draft(rich_ledger, film)
    picture = np.asarray(draw_overlay(film, draft))
    scale = (HEIGHT - STRIP_HEIGHT) / 1000
    corner = picture[STRIP_HEIGHT + round(950 * scale), round(60 * scale)]
    assert np.ptp(corner) == 0
    assert abs(int(corner[0]) - round(float(film.display[950, 60]) * 255)) <= 2
    (mark,) = (m for m in marked_findings(draft) if m.entry.finding is Finding.CONSOLIDATION)
    edge = picture[STRIP_HEIGHT + round(575 * scale), round(200 * scale)]
    assert tuple(int(v) for v in edge) == mark.colour


def test_marks_are_numbered_by_weight_in_distinct_colours(
    rich_ledger: Ledger, make_draft: MakeDraft, make_film: MakeFilm
) -> None:
    marks = marked_findings(make_draft(rich_ledger, make_film(64, 64)))
    weights = [describe(mark.entry.finding).weight for mark in marks]
    assert weights == sorted(weights, reverse=True)
    assert [mark.number for mark in marks] == list(range(1, len(marks) + 1))
    assert len({mark.colour for mark in marks[: len(PALETTE)]}) == min(len(marks), len(PALETTE))
    assert all(mark.entry.finding is not Finding.EMPHYSEMA for mark in marks)


def test_drafts_differ_in_what_they_show(
    rich_ledger: Ledger, normal_ledger: Ledger, make_draft: MakeDraft, make_film: MakeFilm
) -> None:
    film = make_film(256, 256)
    pictures = [
        overlay_png(film, make_draft(rich_ledger, film)),
        overlay_png(film, make_draft(rich_ledger, film, Language.SPANISH)),
        overlay_png(film, make_draft(rich_ledger, film, status=DraftStatus.SIGNED)),
        overlay_png(film, make_draft(normal_ledger, film)),
    ]
    assert len(set(pictures)) == 4
    assert overlay_png(film, make_draft(rich_ledger, film)) == pictures[0]


@pytest.mark.parametrize("language", Language)
def test_font_has_every_letter_the_picture_may_need(language: Language) -> None:
    words = labels(language)
    texts = [*words.overlay.values(), *words.sides.values(), *words.measurement_names.values()]
    texts += [describe(finding).name(language) for finding in Finding]
    texts += [region_name(region, language) for region in Region]
    face = font(20)
    missing = bytes(face.getmask("\ufffe"))
    letters = set("".join(texts)) - {" "}
    assert not {letter for letter in letters if bytes(face.getmask(letter)) == missing}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 900), st.floats(0, 900), st.floats(5, 400), st.floats(5, 400)),
        min_size=1,
        max_size=8,
    )
)
def test_labels_stay_inside_and_apart(boxes: list[tuple[float, float, float, float]]) -> None:
    frame = (0.0, 46.0, 1054.0, 1100.0)
    placer = LabelPlacer(frame)
    targets = [(x, y + 46, min(x + w, 1054), min(y + h, 1054) + 46) for x, y, w, h in boxes]
    for target in targets:
        placer.avoid(target)
    placed = [placer.place(target, 180, 30) for target in targets]
    for x0, y0, x1, y1 in placed:
        assert frame[0] <= x0 <= x1 <= frame[2] and frame[1] <= y0 <= y1 <= frame[3]
    for one, other in combinations(placed, 2):
        assert overlap(one, other) == 0


def test_text_is_shortened_to_its_room() -> None:
    assert fit_text("short", 20, 500) == "short"
    fitted = fit_text("a rather long name of a finding", 20, 120)
    assert fitted.endswith("...")
    assert font(20).getlength(fitted) <= 120
