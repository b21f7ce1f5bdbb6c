"""Training of CLALA-Net: it learns, its switches switch, it resumes; partners and films."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from clala_small import (
    CLAIMS,
    EVERY,
    LOOP,
    PRESENT,
    build,
    random_views,
    task,
    writer,
)

from findings.labeler import label_report
from findings.regions import CLALA_REGIONS, Region
from findings.vocabulary import Finding, Language
from models.clala.aggregation import aggregate
from models.clala.config import ClalaConfig
from models.clala.lesions import LESIONS, lesion_labels
from models.clala.network import ClalaNetwork
from models.clala.preset import ROWS
from models.clala.task import Films, LesionPartners
from models.clala.training import chosen_films
from models.reports.checkpoint import load_trained, save_report_model
from models.training.loop import TrainingLoop


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> ClalaNetwork:
    """Trained on eight films until it knows them."""
    loop = TrainingLoop(task(), LOOP, tmp_path_factory.mktemp("clala"))
    outcome = loop.run()
    network = build()
    network.load_state_dict(outcome.best_weights)
    return network.eval()


def test_it_overfits_eight_films_and_reports_them(trained: ClalaNetwork) -> None:
    views = [random_views(np.array([film])) for film in EVERY]
    labels = [lesion_labels(claims) for claims in CLAIMS]
    described = writer(trained).describe_views(views, labels)
    right = 0
    for film, own in enumerate(described):
        report = " ".join(aggregate(own.sentences))
        found = {
            (claim.finding, claim.side)
            for claim in label_report(report, Language.ENGLISH)
            if claim.present
        }
        right += found == {(claim.finding, claim.side) for claim in PRESENT[film]}
    assert right >= 7


def test_the_trained_network_listens_to_labels(trained: ClalaNetwork) -> None:
    """The weighted lesion names reach the words: a wrong label moves the loss of the right text."""
    views = random_views(EVERY)
    labels = torch.from_numpy(np.stack([lesion_labels(claims) for claims in CLAIMS]))
    with torch.no_grad():
        raw = trained.look(views)
        assert not torch.equal(trained.refine(raw, labels), trained.refine(raw, ~labels))


def test_saved_and_loaded_it_writes_the_same(trained: ClalaNetwork, tmp_path: Path) -> None:
    own = writer(trained)
    saved = save_report_model(tmp_path, trained.state_dict(), own.config)
    other = build()
    load_trained(other, tmp_path, saved)
    views, labels = [random_views(np.array([3]))], [lesion_labels(CLAIMS[3])]
    written = own.describe_views(views, labels)[0].sentences
    assert writer(other).describe_views(views, labels)[0].sentences == written
    assert ClalaConfig.model_validate_json((tmp_path / "config.json").read_bytes()) == saved


@pytest.mark.parametrize("row", list(ROWS))
def test_switches_change_the_loss_they_name(row: str) -> None:
    switches = ROWS[row]
    own, network = task(switches), build(switches)
    network.eval()
    random = np.random.default_rng(0)
    with torch.no_grad():
        total = float(own.loss(network, random))
        words = float(
            task(switches.model_copy(update={"llcl": False, "itcl": False})).loss(
                network, np.random.default_rng(0)
            )
        )
    assert (total > words) == (switches.llcl or switches.itcl)
    assert (network.attention is not None) == switches.lca


def test_a_resumed_run_ends_the_same(tmp_path: Path) -> None:
    short = LOOP.model_copy(update={"steps": 6, "validate_every": 6})
    whole = TrainingLoop(task(), short, tmp_path / "whole").run().best_weights
    begun = TrainingLoop(task(), short, tmp_path / "parts")
    for _ in range(3):
        begun.advance()
    begun.save()
    resumed = TrainingLoop(task(), short, tmp_path / "parts")
    assert resumed.resume()
    for name, value in resumed.run().best_weights.items():
        assert torch.equal(value, whole[name]), name


# Partners


def test_partners_share_lesion_and_region() -> None:
    partners = LesionPartners(Films(CLAIMS, EVERY, EVERY), by_place=True)
    random = np.random.default_rng(0)
    seen = set()
    for _ in range(20):
        for place, region, lesion, other in partners.draw(EVERY, 64, random):
            assert other != EVERY[place]
            seen.add((region, lesion))
            if lesion >= 0:
                assert partners.labels[place, region, lesion] == 1
                assert partners.labels[other, region, lesion] == 1
            else:
                assert (partners.labels[[place, other], region] == 0).all()
    heart = CLALA_REGIONS.index(Region.CARDIAC_SILHOUETTE), LESIONS.index(Finding.CARDIOMEGALY)
    assert heart in seen
    # Its only nodule has no partner in another film.
    assert not any(lesion == LESIONS.index(Finding.NODULE) for _, lesion in seen)


def test_lesions_are_drawn_before_normal_regions() -> None:
    partners = LesionPartners(Films(CLAIMS, EVERY, EVERY), by_place=True)
    drawn = partners.draw(EVERY, 8, np.random.default_rng(1))
    assert sum(lesion >= 0 for _, _, lesion, _ in drawn) >= 6


# Films


def test_films_with_placed_lesions_are_chosen_first() -> None:
    placed = [film for film, own in enumerate(PRESENT) if any(c.side for c in own)]
    assert set(placed) <= set(chosen_films(CLAIMS, EVERY, 6).tolist())
    assert len(chosen_films(CLAIMS, EVERY, 6)) == 6
    assert chosen_films(CLAIMS, EVERY, 0) is EVERY
