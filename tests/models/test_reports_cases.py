"""Cases of the report models: written and weak reports, samples, guards, loading of parts."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from findings.claims import Claim
from findings.errors import SettingsError, StudyError, UserInputError, WeightsError
from findings.labeler import label_report
from findings.regions import Region
from findings.vocabulary import Finding, Language, Side
from models.data.augmentation import AugmentationSettings
from models.data.records import Split
from models.data.weak_pair_sources import FOURTEEN, with_absences
from models.datasets.record import LabelState, RadiographRecord, ReportText
from models.fetching import file_sha256
from models.language.architectures import architectures, meta_language_model
from models.language.loading import folder_sha256, language_model_sha256, load_language_model
from models.radixpert_fusion.roco import roco_cases
from models.reports.cases import CaseSet, ReportCase, written_cases
from models.reports.guards import has_figure, learnable, refuse_mirroring, without_figures
from models.reports.preset import CaseSettings
from models.reports.sentences import split_report, tidy
from models.reports.stratified import one_frontal_each, sampled, with_splits
from models.reports.wording import SpanishWording

WRITTEN = CaseSettings(kind="written")


def film(path: Path) -> None:
    """A grey picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((32, 32), 90, dtype=np.uint8)).save(path)


# Written reports


def openi(folder: Path, number: int, findings: str, impression: str) -> None:
    """One report of Open-i's kind with one image."""
    (folder / f"{number}.xml").write_text(
        f'<eCitation><uId id="CXR{number}"/>'
        f'<AbstractText Label="INDICATION">XXXX-year-old with cough.</AbstractText>'
        f'<AbstractText Label="FINDINGS">{findings}</AbstractText>'
        f'<AbstractText Label="IMPRESSION">{impression}</AbstractText>'
        f'<MeSH><major>normal</major></MeSH><parentImage id="CXR{number}_IM-1"/></eCitation>',
        encoding="utf-8",
    )
    film(folder / f"CXR{number}_IM-1.png")


def test_written_reports_are_learnt_without_figures_and_hidden_words(tmp_path: Path) -> None:
    for number in range(1, 61):
        openi(
            tmp_path,
            number,
            "The heart is large. The cardiothoracic ratio is 0.6. Compared to XXXX, no change.",
            "Cardiomegaly.",
        )
    cases = written_cases(tmp_path, WRITTEN)
    assert {case.text for case in cases} == {"The heart is large. Cardiomegaly."}
    assert {case.split for case in cases} == {Split.TRAIN, Split.VAL, Split.TEST}
    held = CaseSet(cases, None)
    assert len(held.training) == 48 and len(held) == 60
    assert held.report(0, np.random.default_rng(0)) == "The heart is large. Cardiomegaly."
    assert held.reword((), np.random.default_rng(0)) == ""
    assert written_cases(tmp_path, WRITTEN.model_copy(update={"language": Language.SPANISH})) == []


def test_a_set_without_a_validation_part_is_refused() -> None:
    case = ReportCase("nih", "a", "p", Path("a.jpg"), Split.TRAIN, ())
    with pytest.raises(StudyError, match="to train and to validate"):
        CaseSet([case], None)


def test_roco_is_a_broad_set(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        film(tmp_path / part / f"ROCO_{part}_1.jpg")
        (tmp_path / f"{part}_captions.csv").write_text(
            f"ID,Caption\nROCO_{part}_1,CT of the chest. A nodule of 12 mm\nROCO_{part}_2,Lost\n"
            "../../secret,No\n"
        )
    held = roco_cases(tmp_path)
    assert [case.text for case in held.cases] == ["CT of the chest."] * 2
    with pytest.raises(UserInputError, match="captions"):
        roco_cases(tmp_path / "train")


# Samples


def record(number: int, findings: set[Finding], split: Split = Split.OTHER) -> RadiographRecord:
    """A study of a patient of its own."""
    labels = {f: LabelState.PRESENT if f in findings else LabelState.ABSENT for f in FOURTEEN}
    return RadiographRecord(
        source="padchest",
        image_id=str(number),
        image=Path(f"{number}.png"),
        patient=str(number),
        study=str(number // 2) if number % 2 == 0 else f"{number}b",
        split=split,
        labels=labels,
        report=ReportText("Sin hallazgos.", Language.SPANISH),
    )


def test_a_sample_keeps_common_and_rare_findings() -> None:
    records = [
        record(
            number,
            {Finding.HERNIA}
            if number < 12
            else ({Finding.PLEURAL_EFFUSION} if number % 4 else set()),
        )
        for number in range(400)
    ]
    chosen = sampled(records, 100)
    rare = [own for own in chosen if own.labels[Finding.HERNIA] is LabelState.PRESENT]
    common = [own for own in chosen if own.labels[Finding.PLEURAL_EFFUSION] is LabelState.PRESENT]
    assert 95 <= len(chosen) <= 106 and len(rare) >= 5 and 68 <= len(common) <= 80
    parts = with_splits(chosen)
    counts = {part: sum(own.split is part for own in parts) for part in Split}
    assert abs(counts[Split.TRAIN] - 80) <= 4 and abs(counts[Split.VAL] - 10) <= 4
    assert sampled(records, 0) == records
    published = [record(0, set(), Split.TRAIN), record(1, set(), Split.VAL)]
    assert with_splits(published) == published
    assert len(one_frontal_each([record(2, set()), record(2, set())])) == 1


# Words


def test_spanish_reports_state_their_claims() -> None:
    wording, random = SpanishWording(60), np.random.default_rng(0)
    for finding in FOURTEEN:
        claims = with_absences([Claim(finding=finding, side=Side.LEFT)], FOURTEEN)
        text = wording.report(claims, random)
        read = label_report(text, Language.SPANISH)
        assert {claim.finding for claim in read if claim.present} == {finding}, text
    placed = Claim(finding=Finding.NODULE, side=Side.RIGHT, region=Region.RIGHT_UPPER_ZONE)
    [found] = label_report(wording.report([placed], random), Language.SPANISH)
    assert (found.finding, found.side) == (Finding.NODULE, Side.RIGHT)
    assert len(SpanishWording(8).report(with_absences((), FOURTEEN), random).split()) <= 8


@given(st.text(max_size=80))
def test_any_text_becomes_whole_sentences_without_figures(text: str) -> None:
    for sentence in without_figures(split_report(text)):
        assert sentence[-1] in ".!?" and not has_figure(sentence) and "\n" not in sentence
    assert learnable(learnable(text)) == learnable(text)


def test_text_is_tidied_and_cut() -> None:
    assert tidy("the heart  is large . lungs\nclear .") == "The heart is large. Lungs clear."
    assert split_report("No nodule. No nodule. There is a") == ("No nodule.",)
    assert has_figure("Índice cardiotorácico aumentado.") and has_figure("About 5 cm.")
    assert not has_figure("The heart is large.")


def test_mirrored_images_are_refused() -> None:
    refuse_mirroring(AugmentationSettings())
    with pytest.raises(SettingsError, match="reports name sides"):
        refuse_mirroring(AugmentationSettings(flip=0.5))


# Language models by name


def test_an_archive_is_unpacked_once_and_checked(
    tiny_language_folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    packed = tmp_path / "model.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        for file in tiny_language_folder.iterdir():
            tar.add(file, f"any/folder/{file.name}")
        tar.add(__file__, "any/evil.py")
    zipped = tmp_path / "model.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for file in tiny_language_folder.iterdir():
            archive.write(file, f"../../{file.name}")
    plain, _ = load_language_model(str(tiny_language_folder), cache)
    for address in (packed, zipped):
        source, digest = address.as_uri(), file_sha256(address)
        model, tokenizer = load_language_model(source, cache, sha256=digest, dtype="bfloat16")
        assert not any(p.requires_grad for p in model.parameters()) and not model.training
        assert next(model.parameters()).dtype is torch.bfloat16 and tokenizer.pad_token_id == 0
        first, other = model.state_dict(), plain.state_dict()
        assert all(torch.equal(value, other[name].bfloat16()) for name, value in first.items())
        assert not list((cache / "unpacked" / digest).glob("*.py"))
        assert language_model_sha256(source, cache, digest) == folder_sha256(tiny_language_folder)
        with pytest.raises(WeightsError, match="does not have the checksum"):
            load_language_model(source, cache, sha256="0" * 64)
        with pytest.raises(UserInputError, match="needs the archive's SHA-256"):
            load_language_model(source, cache)
    assert not (tmp_path / "config.json").exists()
    with pytest.raises(WeightsError, match="not the one whose checksum"):
        load_language_model(str(tiny_language_folder), cache, sha256="0" * 64)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("hf:org/name", WeightsError),
        ("/nowhere/at/all", WeightsError),
        ("gpt", UserInputError),
        ("embedded", WeightsError),
    ],
)
def test_what_is_not_here_is_said(source: str, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error):
        load_language_model(source, tmp_path)


def test_architectures_have_their_published_sizes() -> None:
    sizes = {"smollm2-135m": 134_515_008, "opt-1.3b": 1_315_758_080, "mistral-7b": 7_241_732_096}
    assert set(sizes) < set(architectures())
    for name, size in sizes.items():
        network = meta_language_model(name)
        assert sum(parameter.numel() for parameter in network.parameters()) == size
    assert {p.device.type for p in network.parameters()} == {"meta"}
    with pytest.raises(SettingsError, match="no language model"):
        meta_language_model("gpt")


def test_a_large_training_part_is_sampled_the_same_each_time() -> None:
    cases = [
        ReportCase("nih", str(n), str(n), Path("a"), Split.VAL if n % 5 == 0 else Split.TRAIN, ())
        for n in range(50)
    ]
    first, second = (CaseSet(cases, None, most_validation=4, most_training=10) for _ in range(2))
    assert len(first.training) == 10 and len(first.validation) == 4
    trained: NDArray[np.int64] = first.training
    assert np.array_equal(trained, second.training) and first.sha256() == second.sha256()
