"""The region detector: its full size, and a few steps on files shaped like Chest ImaGenome's."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from findings.errors import SettingsError, StudyError
from findings.regions import CLALA_REGIONS, Region
from imaging.loading import load_study
from models.data.records import Split
from models.datasets.registry import open_dataset
from models.detector.network import DetectorNetwork
from models.region_detector.films import region_films
from models.region_detector.inference import RegionDetector
from models.region_detector.preset import RegionPreset
from models.training.presets import PRESETS, read_preset
from models.training.roles import Role
from models.training.run import train
from tools.contract import ExpertContext
from tools.contract import Role as ExpertRole
from tools.registry import build
from tools.trust import USABLE_QUALITY

SIDE = 64
OBJECTS = {
    "left lung": (36, 10, 58, 50),
    "right lung": (6, 10, 28, 50),
    "cardiac silhouette": (24, 30, 46, 52),
}


def film(width: int, height: int) -> Image.Image:
    """A drawn chest whose lungs and heart fill their boxes."""
    pixels = np.full((SIDE, SIDE), 150, np.uint8)
    for name, shade in (("left lung", 30), ("right lung", 60), ("cardiac silhouette", 240)):
        x0, y0, x1, y1 = OBJECTS[name]
        pixels[y0:y1, x0:x1] = shade
    return Image.fromarray(pixels).resize((width, height))


@pytest.fixture
def imagenome(tmp_path: Path) -> Path:
    """Four films of 128 x 96 in the layout of MIMIC-CXR-JPG and Chest ImaGenome."""
    folder = tmp_path / "mimic"
    graphs = folder / "silver_dataset" / "scene_graph"
    graphs.mkdir(parents=True)
    metadata = ["dicom_id,subject_id,study_id,ViewPosition,Rows,Columns"]
    splits = ["dicom_id,study_id,subject_id,split"]
    for number, split in enumerate(("train", "train", "validate", "train")):
        patient, study, name = f"1000000{number}", f"5000000{number}", f"film{number}"
        place = folder / "files" / "p10" / f"p{patient}" / f"s{study}"
        place.mkdir(parents=True)
        film(128, 96).save(place / f"{name}.jpg")
        metadata.append(f"{name},{patient},{study},PA,96,128")
        splits.append(f"{name},{study},{patient},{split}")
        objects = [
            {
                "bbox_name": own,
                "original_x1": x0 * 2,
                "original_y1": y0 * 1.5,
                "original_x2": x1 * 2,
                "original_y2": y1 * 1.5,
            }
            for own, (x0, y0, x1, y1) in OBJECTS.items()
        ]
        content = {"objects": objects, "attributes": []}
        (graphs / f"{name}_SceneGraph.json").write_text(json.dumps(content))
    (folder / "mimic-cxr-2.0.0-metadata.csv").write_text("\n".join(metadata) + "\n")
    (folder / "mimic-cxr-2.0.0-split.csv").write_text("\n".join(splits) + "\n")
    return folder


def small_preset(folder: Path) -> Path:
    """The shipped preset with a small network, few steps and the three regions that are drawn."""
    preset = tomllib.loads((PRESETS / "region_detector-imagenome.toml").read_text())
    lines = ['role = "region_detector"', "[loop]"]
    loop = preset["loop"] | {
        "steps": 24,
        "batch_size": 4,
        "learning_rate": 3e-3,
        "trunk_learning_rate": 1e-3,
        "warmup_steps": 2,
        "ema_decay": 0.0,
        "validate_every": 24,
        "threads": 1,
        "autocast": "off",
    }
    lines += [f"{key} = {json.dumps(value)}" for key, value in loop.items()]
    lines += ["[augmentation]", "rotation = 0.0", "scale = 0.02", "shift = 0.01"]
    lines += ["[region_detector]", 'initial = "random"']
    lines += ['regions = ["left_lung", "right_lung", "cardiac_silhouette"]']
    lines += ["[region_detector.network]", 'trunk = "efficientnet_lite0"', f"size = {SIDE}"]
    lines += ["anchor_sizes = [[16], [24], [32], [48]]", "pyramid_channels = 32", "hidden = 64"]
    lines += ["exhaustive = true", "proposals = 50", "training_proposals = 64"]
    lines += ["score_floor = 0.0"]
    path = folder / "tiny.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_full_size_has_a_resnet_50_and_all_regions() -> None:
    preset = read_preset(RegionPreset, Role.REGION_DETECTOR, "imagenome").region_detector
    assert set(CLALA_REGIONS) < set(preset.regions) and len(preset.regions) == 27
    with torch.device("meta"):
        network = DetectorNetwork(preset.network, len(preset.regions))
    trunk = sum(parameter.numel() for parameter in network.trunk.parameters())
    # torchvision's ResNet-50 has 25,557,032 parameters: less its classifier (2,048 x 1,000 + 1,000)
    # and the weight and bias of its 26,560 normalised channels, which are frozen.
    assert trunk == 25_557_032 - 2_049_000 - 53_120
    outputs = len(preset.regions) + 1
    assert network.roi_heads.box_predictor.cls_score.weight.shape == (outputs, 1024)
    assert sum(p.numel() for p in network.parameters()) > 120_000_000


def test_regions_are_read_as_shares_of_the_film(imagenome: Path) -> None:
    regions = (Region.CARDIAC_SILHOUETTE, Region.LEFT_LUNG, Region.SPINE)
    films = region_films(open_dataset(imagenome).records(), regions)
    assert [own.split for own in films] == [Split.TRAIN, Split.TRAIN, Split.VAL, Split.TRAIN]
    drawn = dict(zip(films[0].regions.tolist(), films[0].boxes, strict=True))
    assert set(drawn) == {0, 1}
    assert drawn[1] == pytest.approx(np.array(OBJECTS["left lung"]) / SIDE)


def test_a_few_steps_find_the_regions(imagenome: Path, tmp_path: Path) -> None:
    folder = train("region_detector", str(small_preset(tmp_path)), imagenome, tmp_path / "out")
    detector = RegionDetector.load(folder)
    found = detector.find(np.asarray(film(128, 96), dtype=np.float32) / 255)
    assert set(found) == set(detector.config.regions)
    assert all(0 <= own.score <= 1 for own in found.values())
    assert detector.config.validation["mean_overlap"] > 0.2
    expert = build(ExpertRole.SEGMENTER, f"regions:{folder}", tmp_path)
    film(128, 96).save(tmp_path / "film.png")
    stated = expert.run(load_study(tmp_path / "film.png"), ExpertContext())
    usable = {region for region, own in found.items() if own.score >= USABLE_QUALITY}
    assert {item.region for item in stated} == usable
    assert all(item.mask is None and item.box is not None for item in stated)


def test_without_regions_there_is_nothing_to_train_on(imagenome: Path, tmp_path: Path) -> None:
    for graph in imagenome.rglob("*_SceneGraph.json"):
        graph.unlink()
    with pytest.raises(StudyError, match="ImaGenome"):
        train("region_detector", str(small_preset(tmp_path)), imagenome, tmp_path / "out")


def test_wrong_folders_and_mirrored_presets_are_refused(tmp_path: Path) -> None:
    path = small_preset(tmp_path)
    path.write_text(path.read_text().replace("[augmentation]", "[augmentation]\nflip = 0.5"))
    with pytest.raises(SettingsError, match="full path"):
        build(ExpertRole.SEGMENTER, "regions:weights", tmp_path)
    missing = build(ExpertRole.SEGMENTER, f"regions:{tmp_path / 'weights'}", tmp_path)
    assert not missing.installed()
    with pytest.raises(SettingsError, match="flip"):
        read_preset(RegionPreset, Role.REGION_DETECTOR, str(path))
