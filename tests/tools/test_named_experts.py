"""Experts with networks of others, by name: what they state, and say where they lack it."""

from __future__ import annotations

import builtins
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from findings.errors import ExpertError, SettingsError, UserInputError
from findings.evidence import Classification, RegionMask
from findings.regions import Region
from findings.vocabulary import Finding
from imaging.study import Study, StudyImage
from models import weights
from models.published.outlines import Outlines
from models.published.xrv import xrv_classifiers
from models.published.xrv_classifier import build_network
from models.weights import Manifest
from tools.contract import ExpertCard, ExpertContext, ExpertOptions, Role
from tools.outline_evidence import outline_evidence
from tools.registry import build, names, patterns

FolderMaker = Callable[..., Path]
NIH = "xrv-densenet121-nih"
ALL = "xrv-densenet121-all"


@pytest.fixture
def study(chest_film: Callable[[int, int], np.ndarray]) -> Study:
    """A film with structure."""
    return Study(images=(StudyImage(display=chest_film(120, 100)),), study_key="film")


@pytest.fixture
def pulled(tmp_path: Path) -> Path:
    """A cache into which a network of random weights was pulled under a published name."""
    torch.manual_seed(0)
    card = xrv_classifiers()[NIH]
    network = build_network(card)
    torch.nn.init.zeros_(network.classifier.weight)
    points = torch.tensor([0.5 if math.isnan(t) else t for t in card.operating])
    shift = torch.tensor([-1.0, 1.0] * 9)
    network.classifier.bias.data = torch.logit(points) + shift
    release = tmp_path / Manifest.load().entry(NIH).file_name
    torch.save(network.state_dict(), release)
    weights.pull(NIH, tmp_path / "cache", source=str(release))
    return tmp_path / "cache"


def test_the_published_names_are_listed() -> None:
    assert {
        ALL, NIH, "xrv-densenet121-pc", "xrv-densenet121-chex", "xrv-densenet121-rsna",
        "xrv-densenet121-mimic_nb", "xrv-densenet121-mimic_ch", "xrv-resnet50-all",
    } <= set(names(Role.CLASSIFIER))  # fmt: skip
    assert "xrv-pspnet" in names(Role.SEGMENTER)
    assert "vlm" in names(Role.CRUDE_REPORT) and "vlm" in names(Role.VISION_LANGUAGE)
    assert patterns(Role.CLASSIFIER) == ("hf:ORG/NAME or hf:/FOLDER", "trained:/FOLDER")
    assert patterns(Role.SEGMENTER) == ("hf:ORG/NAME or hf:/FOLDER", "regions:/FOLDER")
    assert patterns(Role.DETECTOR) == ("trained:/FOLDER",)


@pytest.mark.parametrize("name", ["xrv-densenet", "hf:x", "vlmx"])
def test_a_name_that_only_begins_like_one_is_refused(name: str, tmp_path: Path) -> None:
    role = Role.VISION_LANGUAGE if name == "vlmx" else Role.CLASSIFIER
    labels = tmp_path / "map.toml"
    labels.write_text('[labels]\nA = "mass"\n')
    with pytest.raises(UserInputError):
        build(role, name, tmp_path, ExpertOptions(labels=labels))


def test_a_published_classifier_that_was_not_pulled_says_how_to_get_it(
    tmp_path: Path, study: Study
) -> None:
    expert = build(Role.CLASSIFIER, ALL, tmp_path)
    assert not expert.installed() and expert.card.version == "none"
    assert expert.card.licence == "Apache-2.0"
    with pytest.raises(ExpertError, match=f"readingroom models pull {ALL}"):
        expert.run(study, ExpertContext())


def test_a_published_classifier_states_its_own_probability_and_operating_point(
    pulled: Path, study: Study
) -> None:
    expert = build(Role.CLASSIFIER, NIH, pulled)
    assert expert.installed() and len(expert.card.sha256 or "") == 64
    stated = expert.run(study, ExpertContext())
    card = xrv_classifiers()[NIH]
    assert len(stated) == 14
    for index, item in enumerate(stated):
        assert isinstance(item, Classification)
        assert item.finding is card.judged()[index] and item.expert == NIH
        assert item.threshold == card.operating[index]
        assert (item.probability >= item.threshold) == bool(index % 2)
        assert item.sensitive_threshold == 0.0, "no point is published below which it is absent"
        assert item.confident_threshold == 1.0


def test_a_threshold_of_80_percent_precision_makes_it_confident(pulled: Path, study: Study) -> None:
    entry = Manifest.load().entry(ALL)
    manifest = Manifest(entries=(entry.model_copy(update={"sha256": "", "size": 0}),))
    release = pulled.parent / Manifest.load().entry(NIH).file_name
    file = weights.pull(ALL, pulled, source=str(release), manifest=manifest)
    from tools.xrv_classifier import XrvClassifierExpert

    expert = XrvClassifierExpert(Role.CLASSIFIER, ALL, pulled, ExpertOptions())
    model = expert.load(file)
    judged = model.judge(study.frontal.display)
    assert {f: j.precise for f, j in judged.items()} == dict(
        zip(judged, xrv_classifiers()[ALL].precise, strict=True)
    )


def test_ones_own_operating_points_take_the_place_of_the_published(
    pulled: Path, study: Study, tmp_path: Path
) -> None:
    labels = tmp_path / "map.toml"
    labels.write_text(
        '[labels]\nEffusion = {finding = "pleural_effusion", threshold = 0.2, sensitive = 0.05, '
        "confident = 0.9}\n"
    )
    expert = build(Role.CLASSIFIER, NIH, pulled, ExpertOptions(labels=labels))
    stated = {item.finding: item for item in expert.run(study, ExpertContext())}
    effusion = stated[Finding.PLEURAL_EFFUSION]
    assert isinstance(effusion, Classification)
    points = (effusion.sensitive_threshold, effusion.threshold, effusion.confident_threshold)
    assert points == (0.05, 0.2, 0.9)

    labels.write_text('[labels]\nEffusion = "pneumothorax"\n')
    with pytest.raises(SettingsError, match="Effusion"):
        build(Role.CLASSIFIER, NIH, pulled / "x", ExpertOptions(labels=labels))


def test_without_torchxrayvision_one_sentence_tells_the_extra(
    tmp_path: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    load = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        return None if name == "torchxrayvision" else find(name, *rest)

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("torchxrayvision"):
            raise ImportError(name)
        return load(name, *rest, **more)

    monkeypatch.setattr(importlib.util, "find_spec", missing)
    monkeypatch.setattr(builtins, "__import__", refuse)
    expert = build(Role.SEGMENTER, "xrv-pspnet", tmp_path)
    assert not expert.installed()
    with pytest.raises(ExpertError, match=r"pip install 'readingroom\[torchxrayvision\]'"):
        expert.run(study, ExpertContext())
    from findings.errors import WeightsError
    from models.published.xrv_anatomy import build_network as pspnet

    with pytest.raises(WeightsError, match=r"pip install 'readingroom\[torchxrayvision\]'"):
        pspnet()


def test_an_outline_of_the_network_itself_takes_the_place_of_a_derived_region(
    segmenter_model: Any, make_study: Callable[..., Study]
) -> None:
    drawn = segmenter_model.segment(make_study().frontal.display).masks
    masks = {
        Region.CARDIAC_SILHOUETTE if part.value == "heart" else Region(part.value): mask
        for part, mask in drawn.items()
    }
    hilum = np.zeros((200, 200), dtype=bool)
    hilum[90:110, 110:125] = True
    masks[Region.LEFT_HILUM] = hilum
    masks[Region.AORTA] = np.zeros_like(hilum)
    masks[Region.SPINE] = hilum
    quality = dict.fromkeys(masks, 0.9) | {Region.SPINE: 0.1}
    card = ExpertCard(role=Role.SEGMENTER, name="n", version="1", licence="l")
    stated = {item.region: item for item in outline_evidence(Outlines(masks, quality), card)}
    assert stated[Region.LEFT_HILUM].box == (110.0, 90.0, 125.0, 110.0)
    assert stated[Region.LEFT_HILUM].mask is not None
    assert stated[Region.RIGHT_HILUM].mask is None, "derived from the lungs"
    assert Region.AORTA not in stated, "nothing was found"
    assert Region.SPINE not in stated, "not to be trusted"
    assert [item.id for item in stated.values()] == [f"E{n + 1}" for n in range(len(stated))]


def test_a_hugging_face_classifier_reads_a_study(
    tmp_path: Path, study: Study, hub_classifier_folder: FolderMaker
) -> None:
    folder = hub_classifier_folder(tmp_path / "mymodel")
    labels = tmp_path / "map.toml"
    labels.write_text(
        '[labels]\nClear = "no_finding"\n'
        'Effusion = {finding = "pleural_effusion", threshold = 0.3}\n'
    )
    expert = build(Role.CLASSIFIER, f"hf:{folder}", tmp_path, ExpertOptions(labels=labels))
    assert expert.installed()
    assert expert.card.name == "hf:mymodel" and expert.card.version == "local"
    assert str(tmp_path) not in expert.card.model_dump_json()
    clear, effusion = expert.run(study, ExpertContext())
    assert isinstance(effusion, Classification) and effusion.threshold == 0.3
    assert clear.finding is Finding.NO_FINDING
    assert effusion.sensitive_threshold == 0.0 and effusion.confident_threshold == 1.0


def test_a_hugging_face_segmenter_reads_a_study(
    tmp_path: Path, study: Study, hub_segmenter_folder: FolderMaker
) -> None:
    folder = hub_segmenter_folder(tmp_path / "mymodel")
    labels = tmp_path / "map.json"
    labels.write_text(
        '{"labels": {"background": "soft_tissue", "lung_L": "left_lung", "lung_R": "right_lung",'
        ' "heart": "cardiac_silhouette"}}'
    )
    expert = build(Role.SEGMENTER, f"hf:{folder}", tmp_path, ExpertOptions(labels=labels))
    stated = expert.run(study, ExpertContext())
    assert stated and all(isinstance(item, RegionMask) for item in stated)
    own = {Region.SOFT_TISSUE, Region.LEFT_LUNG, Region.RIGHT_LUNG, Region.CARDIAC_SILHOUETTE}
    assert own & {item.region for item in stated if item.mask is not None}


def test_a_hugging_face_expert_needs_a_label_map_and_a_model(tmp_path: Path, study: Study) -> None:
    with pytest.raises(SettingsError, match=r"experts\.classifier_labels"):
        build(Role.CLASSIFIER, "hf:org/model", tmp_path)
    labels = tmp_path / "map.toml"
    labels.write_text('[labels]\nA = "mass"\n')
    expert = build(Role.CLASSIFIER, "hf:org/model", tmp_path, ExpertOptions(labels=labels))
    with pytest.raises(ExpertError, match="models pull hf:org/model"):
        expert.run(study, ExpertContext())
