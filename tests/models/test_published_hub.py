"""Hugging Face models from a folder: their labels, their numbers, and what is never loaded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from findings.errors import SettingsError, UserInputError, WeightsError
from findings.regions import Region
from findings.vocabulary import Finding
from models.published import hub
from models.published.hub_classifier import HubClassifier
from models.published.hub_segmenter import HubSegmenter
from models.published.label_map import FindingLabels, RegionLabels, read_label_map

ROOT = Path(__file__).resolve().parents[2]
FilmMaker = Callable[[int, int], np.ndarray]
FolderMaker = Callable[..., Path]


@pytest.fixture
def film(chest_film: FilmMaker) -> np.ndarray:
    """A picture, H×W in [0, 1]."""
    return chest_film(90, 70)


def finding_labels(**more: object) -> FindingLabels:
    """Three labels for two findings."""
    table = {"Effusion": "pleural_effusion", "Cardiomegaly": "cardiomegaly"} | {
        "Fluid": {"finding": "pleural_effusion", "threshold": 0.3}
    }
    return FindingLabels.model_validate({"labels": table} | more)


def test_a_classifier_says_what_transformers_says(
    tmp_path: Path, hub_classifier_folder: FolderMaker, film: np.ndarray
) -> None:
    import PIL.Image
    from transformers import ViTForImageClassification, ViTImageProcessor

    folder = hub_classifier_folder(tmp_path / "model")
    judged = HubClassifier(folder, finding_labels()).judge(film)
    picture = PIL.Image.fromarray(np.rint(film * 255).astype(np.uint8)).convert("RGB")
    pixels = ViTImageProcessor.from_pretrained(folder)(images=picture, return_tensors="pt")
    network = ViTForImageClassification.from_pretrained(folder)
    with torch.no_grad():
        scores = network(**pixels).logits[0].softmax(0).tolist()
    theirs = {network.config.id2label[index]: score for index, score in enumerate(scores)}
    assert judged[Finding.CARDIOMEGALY][0] == pytest.approx(theirs["Cardiomegaly"], abs=1e-5)
    assert judged[Finding.PLEURAL_EFFUSION][0] == pytest.approx(
        theirs["Effusion"] + theirs["Fluid"], abs=1e-5
    )
    assert judged[Finding.PLEURAL_EFFUSION][1].threshold == 0.5, "the first label's points hold"


def test_the_models_own_kind_of_labels_chooses_the_activation(
    tmp_path: Path, hub_classifier_folder: FolderMaker, film: np.ndarray
) -> None:
    folder = hub_classifier_folder(tmp_path / "model", several=True)
    own = HubClassifier(folder, finding_labels()).judge(film)
    sigmoid = HubClassifier(folder, finding_labels(activation="sigmoid")).judge(film)
    softmax = HubClassifier(folder, finding_labels(activation="softmax")).judge(film)
    assert own == sigmoid != softmax


def test_a_segmenter_outlines_what_transformers_outlines(
    tmp_path: Path, hub_segmenter_folder: FolderMaker, film: np.ndarray
) -> None:
    from transformers import SegformerForSemanticSegmentation, SegformerImageProcessor

    folder = hub_segmenter_folder(tmp_path / "model")
    labels = RegionLabels.model_validate(
        {"labels": {"lung_L": "left_lung", "lung_R": "right_lung", "heart": "cardiac_silhouette"}}
    )
    outlines = HubSegmenter(folder, labels).outline(film)
    import PIL.Image

    picture = PIL.Image.fromarray(np.rint(film * 255).astype(np.uint8)).convert("RGB")
    processor = SegformerImageProcessor.from_pretrained(folder)
    with torch.no_grad():
        output = SegformerForSemanticSegmentation.from_pretrained(folder)(
            **processor(images=picture, return_tensors="pt")
        )
    (theirs,) = processor.post_process_semantic_segmentation(output, target_sizes=[film.shape])
    for index, region in enumerate(labels.labels.values(), start=1):
        same = outlines.masks[region.region] == (theirs.numpy() == index)
        assert same.mean() > 0.999
        assert 0.0 <= outlines.quality[region.region] <= 1.0
    assert len(np.unique(theirs.numpy())) > 1, "more than one label must be seen"

    both = RegionLabels.model_validate({"labels": {"lung_L": "lungs", "lung_R": "lungs"}})
    union = HubSegmenter(folder, both).outline(film).masks[Region.LUNGS]
    assert (union == (outlines.masks[Region.LEFT_LUNG] | outlines.masks[Region.RIGHT_LUNG])).all()


def test_a_segmenter_that_crops_is_refused(
    tmp_path: Path, hub_segmenter_folder: FolderMaker
) -> None:
    folder = hub_segmenter_folder(tmp_path / "model")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"do_center_crop": True}))
    labels = RegionLabels.model_validate({"labels": {"heart": "cardiac_silhouette"}})
    with pytest.raises(WeightsError, match="crops or pads"):
        HubSegmenter(folder, labels)


def test_a_label_that_the_model_lacks_is_named(
    tmp_path: Path, hub_classifier_folder: FolderMaker
) -> None:
    labels = FindingLabels.model_validate({"labels": {"Efusion": "pleural_effusion"}})
    with pytest.raises(SettingsError, match=r"'Efusion'.*Effusion, Cardiomegaly"):
        HubClassifier(hub_classifier_folder(tmp_path / "model"), labels)


def test_a_model_with_code_of_its_own_is_refused(
    tmp_path: Path, hub_classifier_folder: FolderMaker
) -> None:
    folder = hub_classifier_folder(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "strange", "auto_map": {"AutoConfig": "evil.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\n")
    with pytest.raises(WeightsError, match="never run"):
        HubClassifier(folder, finding_labels())
    assert not (tmp_path / "ran").exists()


def test_pickled_weights_are_no_model(tmp_path: Path, hub_classifier_folder: FolderMaker) -> None:
    folder = hub_classifier_folder(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    model = hub.HubModel.named(f"hf:{folder}", tmp_path)
    assert "safetensors" in model.lack()
    with pytest.raises(WeightsError, match="safetensors"):
        model.located()


def test_names_are_ids_or_folders(tmp_path: Path) -> None:
    model = hub.HubModel.named("hf:org/chest-model", tmp_path)
    assert not model.local and model.folder.is_relative_to(tmp_path)
    assert "models pull hf:org/chest-model" in model.lack()
    mine = hub.HubModel.named(f"hf:{tmp_path}/somewhere", tmp_path)
    assert mine.local and mine.shown == "hf:somewhere", "where it lies stays out of drafts"
    for name in ("hf:", "hf:one", "hf:a/b/c", "hf:a/..", "hf:https://x/y"):
        with pytest.raises(UserInputError, match="hf:ORG/NAME"):
            hub.HubModel.named(name, tmp_path)


def test_a_folder_given_for_a_hub_name_is_recorded_and_then_required(
    tmp_path: Path, hub_classifier_folder: FolderMaker, film: np.ndarray
) -> None:
    source = hub_classifier_folder(tmp_path / "downloaded")
    (source / "evil.py").write_text("raise SystemExit")
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    model = hub.HubModel.named("hf:org/chest-model", tmp_path / "cache")
    receipt = hub.take(model, source)
    assert model.located() == model.folder and model.lack() == ""
    assert {file.path for file in receipt.files} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }
    assert HubClassifier(model.located(), finding_labels()).judge(film)

    config = source / "config.json"
    config.write_text(config.read_text() + " ")
    shutil.rmtree(model.folder)
    with pytest.raises(WeightsError, match="first pulled"):
        hub.take(model, source)
    assert model.lack().startswith("Not pulled")


def test_an_incomplete_pull_is_not_there(
    tmp_path: Path, hub_classifier_folder: FolderMaker
) -> None:
    model = hub.HubModel.named("hf:org/chest-model", tmp_path / "cache")
    hub.take(model, hub_classifier_folder(tmp_path / "downloaded"))
    (model.folder / "model.safetensors").write_bytes(b"cut")
    assert "models pull" in model.lack()


def test_offline_nothing_is_asked_and_the_way_on_is_told(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from models.published import hub\n"
        "from findings.errors import WeightsError\n"
        "try: hub.ask(hub.HubModel.named('hf:org/chest-model', Path(sys.argv[1])))\n"
        "except WeightsError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "HF_HUB_OFFLINE" in done.stdout and "--from" in done.stdout


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("map.toml", '[labels]\nEffusion = "pleural_efusion"\n'),
        ("map.toml", "labels = 3\n"),
        ("map.toml", "[labels]\n"),
        ("map.toml", '[labels]\nA = {finding = "mass", threshold = 0.2, sensitive = 0.5}\n'),
        ("map.toml", '[labels]\nA = {finding = "mass", threshold = nan}\n'),
        ("map.toml", '[labels]\nA = "mass"\n[other]\n'),
        ("map.toml", "[labels\n"),
        ("map.json", "[" * 100_000),
        ("map.json", '{"labels": {"A": "mass"}, "activation": "tanh"}'),
    ],
)
def test_a_wrong_label_map_is_one_clear_error(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_label_map(file, FindingLabels)
    assert str(tmp_path) not in str(caught.value)


def test_both_spellings_of_a_label_map_say_the_same(tmp_path: Path) -> None:
    toml, as_json = tmp_path / "map.toml", tmp_path / "map.json"
    toml.write_text('[labels]\n"A b" = "mass"\nC = {finding = "nodule", confident = 0.9}\n')
    as_json.write_text(
        '{"labels": {"A b": {"finding": "mass"}, "C": {"finding": "nodule", "confident": 0.9}}}'
    )
    read = read_label_map(toml, FindingLabels)
    assert read == read_label_map(as_json, FindingLabels)
    assert read.labels["A b"].sensitive == 0.0 and read.labels["A b"].confident == 1.0
