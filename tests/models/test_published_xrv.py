"""torchxrayvision's networks: ours give what the package's own classes give on the same image."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from findings.errors import WeightsError
from findings.regions import Region
from findings.vocabulary import Finding
from models import weights
from models.published.outlines import Outlines, firmness, sides_by_position
from models.published.xrv import centre_square, xrv_classifiers, xrv_input
from models.published.xrv_classifier import XrvClassifier
from models.weights import Manifest

FilmMaker = Callable[[int, int], np.ndarray]

xrv = pytest.importorskip("torchxrayvision")


def unpinned(name: str) -> Manifest:
    """The manifest with that artefact's checksum left open, as for a file made here."""
    entry = Manifest.load().entry(name).model_copy(update={"sha256": "", "size": 0})
    return Manifest(entries=(entry,))


def near_the_operating_points(layer: torch.nn.Linear, operating: tuple[float, ...]) -> None:
    """Random weights whose outputs fall on either side of the published thresholds."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        layer.weight.normal_(0, 0.02, generator=generator)
        points = torch.tensor([0.5 if math.isnan(t) else t for t in operating])
        layer.bias.copy_(torch.logit(points) + torch.randn(len(points), generator=generator))


@pytest.fixture(scope="module")
def legacy_densenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole DenseNet as the releases hold it: pickled, in torch's old format."""
    torch.manual_seed(0)
    network = xrv.models.DenseNet()
    near_the_operating_points(
        network.classifier, xrv_classifiers()["xrv-densenet121-all"].operating
    )
    file = tmp_path_factory.mktemp("release") / "densenet.pt"
    torch.save(network, file, _use_new_zipfile_serialization=False)
    return file


def released_as(name: str, file: Path, folder: Path) -> Path:
    """The file under the name that its release gives it."""
    published = folder / Manifest.load().entry(name).file_name
    published.write_bytes(file.read_bytes())
    return published


@pytest.mark.parametrize("name", ["xrv-densenet121-all", "xrv-densenet121-mimic_ch"])
def test_a_pulled_densenet_says_what_torchxrayvision_says(
    name: str, legacy_densenet: Path, tmp_path: Path, chest_film: FilmMaker
) -> None:
    published = released_as(name, legacy_densenet, tmp_path)
    file = weights.pull(
        name, tmp_path / "cache", source=published.as_uri(), manifest=unpinned(name)
    )
    card = xrv_classifiers()[name]
    ours = XrvClassifier.load(card, file).judge(chest_film(300, 260))

    theirs = xrv.models.DenseNet(weights=card.weights, cache_dir=str(tmp_path))
    pixels = xrv.utils.normalize((chest_film(300, 260) * 255).astype(np.float32), 255)[None]
    square = xrv.datasets.XRayCenterCrop()(pixels)
    with torch.no_grad():
        scaled = theirs(torch.from_numpy(square))[0].tolist()

    judged = card.judged()
    assert list(ours) == list(judged.values())
    assert [ours[finding].scaled for finding in judged.values()] == pytest.approx(
        [scaled[index] for index in judged], abs=2e-5
    )
    assert {ours[f].scaled >= 0.5 for f in ours} == {True, False}, "both sides must be tried"
    for finding, judgement in ours.items():
        assert (judgement.probability >= judgement.threshold) == (judgement.scaled >= 0.5), finding


def test_a_pulled_resnet_says_what_torchxrayvision_says(
    tmp_path: Path, chest_film: FilmMaker
) -> None:
    import torchvision

    name = "xrv-resnet50-all"
    card = xrv_classifiers()[name]
    torch.manual_seed(1)
    network = torchvision.models.resnet50(num_classes=18, weights=None)
    network.conv1 = torch.nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    near_the_operating_points(network.fc, card.operating)
    published = tmp_path / Manifest.load().entry(name).file_name
    torch.save(network.state_dict(), published)

    file = weights.pull(name, tmp_path / "cache", source=str(tmp_path), manifest=unpinned(name))
    ours = XrvClassifier.load(card, file).judge(chest_film(512, 600))
    theirs = xrv.models.ResNet(weights=card.weights, cache_dir=str(tmp_path))
    pixels = ((2 * chest_film(512, 600) - 1) * 1024)[None]
    with torch.no_grad():
        scaled = theirs(torch.from_numpy(xrv.datasets.XRayCenterCrop()(pixels))[None])[0].tolist()
    assert {finding: judged.scaled for finding, judged in ours.items()} == pytest.approx(
        {finding: scaled[index] for index, finding in card.judged().items()}, abs=2e-5
    )
    assert Finding.LUNG_LESION not in ours, "an output without operating point was never measured"


def test_the_table_is_torchxrayvisions_own() -> None:
    for name, card in xrv_classifiers().items():
        published = xrv.models.model_urls[card.weights]
        assert card.labels == tuple(published["labels"])
        np.testing.assert_array_equal(card.operating, published["op_threshs"])
        if card.precise:
            np.testing.assert_array_equal(card.precise, published["ppv80_thres"])
        assert card.size == published["input_resolution"]
        assert Manifest.load().entry(name).source == published["weights_url"]
    every = {key for key in xrv.models.model_urls if key.startswith(("densenet", "resnet"))}
    assert {card.weights for card in xrv_classifiers().values()} == every


def test_the_input_is_what_torchxrayvision_makes_of_it(chest_film: FilmMaker) -> None:
    display = chest_film(411, 290)
    theirs = xrv.datasets.XRayCenterCrop()(((2 * display - 1) * 1024)[None])
    resized = xrv.utils.fix_resolution(torch.from_numpy(theirs), 224, object())
    assert torch.allclose(xrv_input(display, 224), resized, atol=1e-3)
    assert centre_square(*display.shape) == (411 // 2 - 145, 0, 290)


@pytest.mark.slow
def test_pspnet_outlines_what_torchxrayvision_outlines(
    tmp_path: Path, chest_film: FilmMaker
) -> None:
    from models.published.xrv_anatomy import STRUCTURES, XrvAnatomy, build_network, outlines_of

    name = "xrv-pspnet"
    torch.manual_seed(2)
    network = build_network()
    published = tmp_path / Manifest.load().entry(name).file_name
    torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, published)
    file = weights.pull(name, tmp_path / "cache", source=str(published), manifest=unpinned(name))
    ours = XrvAnatomy.load(file)
    theirs = xrv.baseline_models.chestx_det.PSPNet(cache_dir=str(tmp_path))
    assert tuple(theirs.targets) == STRUCTURES
    display = chest_film(140, 120)
    square = xrv.datasets.XRayCenterCrop()(((2 * display - 1) * 1024)[None])
    with torch.no_grad():
        expected = torch.sigmoid(theirs(torch.from_numpy(square)[None])[0]).numpy()
    maps = ours.probabilities(display)
    np.testing.assert_allclose(maps, expected, atol=1e-4)

    outlines = outlines_of(maps, *display.shape)
    assert all(mask.shape == display.shape for mask in outlines.masks.values())
    assert not any(mask[:10].any() or mask[-10:].any() for mask in outlines.masks.values())


def test_another_networks_tensors_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    file = tmp_path / "model.safetensors"
    save_file({"features.conv0.weight": torch.zeros(3)}, file)
    with pytest.raises(WeightsError, match="Pull them again"):
        XrvClassifier.load(xrv_classifiers()["xrv-densenet121-nih"], file)


def test_weights_that_give_no_numbers_are_an_error(
    legacy_densenet: Path, chest_film: FilmMaker
) -> None:
    from models.published.pickled_module import read_tensors
    from models.published.xrv_classifier import build_network

    card = xrv_classifiers()["xrv-densenet121-nih"]
    network = build_network(card)
    network.load_state_dict(read_tensors(legacy_densenet))
    torch.nn.init.constant_(network.classifier.bias, math.nan)
    with pytest.raises(WeightsError, match="no numbers"):
        XrvClassifier(card, network).judge(chest_film(224, 224))


def _blob(x0: int, x1: int) -> np.ndarray:
    mask = np.zeros((40, 100), dtype=bool)
    mask[10:30, x0:x1] = True
    return mask


def test_sides_follow_the_display_whatever_the_network_calls_them() -> None:
    theirs = {
        Region.LEFT_LUNG: _blob(10, 40),  # named as the viewer sees it
        Region.RIGHT_LUNG: _blob(60, 90),
        Region.LEFT_CLAVICLE: _blob(15, 35),
        Region.RIGHT_CLAVICLE: np.zeros((40, 100), dtype=bool),
        Region.CARDIAC_SILHOUETTE: _blob(45, 65),
    }
    quality = {region: index / 10 for index, region in enumerate(theirs)}
    ours = sides_by_position(Outlines(theirs, quality))
    assert ours.masks[Region.LEFT_LUNG][20, 75] and ours.quality[Region.LEFT_LUNG] == 0.1
    assert ours.masks[Region.RIGHT_LUNG][20, 25]
    assert ours.masks[Region.RIGHT_CLAVICLE][20, 25], "half a pair follows the whole one"
    assert not ours.masks[Region.LEFT_CLAVICLE].any()
    assert ours.masks[Region.CARDIAC_SILHOUETTE] is theirs[Region.CARDIAC_SILHOUETTE]
    assert sides_by_position(ours) == ours

    alone = sides_by_position(Outlines({Region.LEFT_LUNG: _blob(60, 90)}, {Region.LEFT_LUNG: 0.9}))
    assert not alone.masks, "nothing tells whose left a single lung is"


def test_firmness_is_the_soft_dice() -> None:
    mask = _blob(20, 40)
    sure = mask.astype(np.float32)
    assert firmness(sure, mask) == pytest.approx(1.0)
    assert firmness(sure * np.float32(0.6), mask) == pytest.approx(2 * 0.6 / 1.6)
    assert firmness(np.zeros_like(sure), np.zeros_like(mask)) == 0.0
