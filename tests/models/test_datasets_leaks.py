"""One picture under two names is found; two pictures are not taken for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from models.data.records import Split
from models.datasets.leaks import LeakReport, find_leaks, near_pairs
from models.datasets.record import RadiographRecord
from models.datasets.thumbnails import Fingerprint, fingerprint, perceptual_hash


def film(seed: int) -> Image.Image:
    """A smooth random picture with fine grain."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (9, 9)).astype(np.uint8))
    smooth = np.asarray(coarse.resize((256, 256), Image.Resampling.BICUBIC), dtype=np.float64)
    noisy = smooth + rng.normal(0, 4, smooth.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def record(path: Path, split: Split, patient: str = "") -> RadiographRecord:
    """A radiograph of a part."""
    return RadiographRecord("set", path.name, path, patient, split=split)


def test_the_same_picture_is_found_under_other_names_sizes_and_codings(tmp_path: Path) -> None:
    original = film(0)
    original.save(tmp_path / "a.png")
    (tmp_path / "copy.png").write_bytes((tmp_path / "a.png").read_bytes())
    original.resize((400, 400), Image.Resampling.BICUBIC).save(tmp_path / "b.jpg", quality=80)
    ImageEnhance.Brightness(original).enhance(0.9).save(tmp_path / "c.png")
    for seed in range(1, 6):
        film(seed).save(tmp_path / f"other{seed}.png")
    records = [record(tmp_path / "a.png", Split.TRAIN)]
    records += [record(tmp_path / name, Split.VAL) for name in ("copy.png", "b.jpg")]
    records += [record(tmp_path / "c.png", Split.TEST)]
    records += [record(tmp_path / f"other{i}.png", Split.VAL) for i in range(1, 6)]
    report = find_leaks(records)
    pairs = {frozenset((leak.first, leak.second)) for leak in report.examples}
    # copy.png and b.jpg lie in one part: that is no leak.
    assert pairs == {
        frozenset(("set/a.png", "set/copy.png")),
        frozenset(("set/a.png", "set/b.jpg")),
        frozenset(("set/a.png", "set/c.png")),
        frozenset(("set/copy.png", "set/c.png")),
        frozenset(("set/b.jpg", "set/c.png")),
    }
    assert (report.identical_pairs, report.near_identical_pairs) == (1, 4)
    assert (report.images_compared, report.clean) == (9, False)


def test_patients_in_several_parts_are_counted_without_reading_images() -> None:
    records = [
        record(Path("a.png"), Split.TRAIN, "1"),
        record(Path("b.png"), Split.VAL, "1"),
        record(Path("c.png"), Split.TRAIN, "2"),
        record(Path("d.png"), Split.OTHER, "2"),
        record(Path("e.png"), Split.VAL),
    ]
    report = find_leaks(records, compare_images=False)
    assert report == LeakReport(patients_in_several_parts=1)


def test_unreadable_images_are_counted(tmp_path: Path) -> None:
    film(0).save(tmp_path / "a.png")
    for name in ("b.png", "c.jpg"):
        (tmp_path / name).write_bytes(b"\xff\xd8\xff no picture")
    names = ("a.png", "b.png", "c.jpg", "absent.png")
    report = find_leaks(record(tmp_path / name, Split.TRAIN) for name in names)
    assert (report.images_compared, report.unreadable_images, report.clean) == (1, 3, True)


def test_banding_finds_every_near_pair() -> None:
    """Against comparing all pairs: looks that differ in up to five bits anywhere."""
    rng = np.random.default_rng(5)
    picture = np.asarray(film(0).resize((32, 32)))
    looks = []
    for _ in range(40):
        look = int(rng.integers(0, 1 << 62))
        looks += [look, look]
        for bit in rng.choice(63, size=int(rng.integers(0, 8)), replace=False):
            looks[-1] ^= 1 << int(bit)
    prints = [Fingerprint(str(i), look, picture) for i, look in enumerate(looks)]
    near = {
        (i, j)
        for i in range(len(looks))
        for j in range(i + 1, len(looks))
        if (looks[i] ^ looks[j]).bit_count() <= 5
    }
    assert set(near_pairs(prints)) == near
    assert 10 < len(near) < 40
    assert list(near_pairs([])) == []


def test_the_look_ignores_brightness_but_not_sides(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    film(3).save(path)
    own = fingerprint(path)
    brighter = (own.thumbnail * 0.8 + 20).astype(np.uint8)
    assert (perceptual_hash(brighter) ^ own.look).bit_count() <= 5
    assert (perceptual_hash(own.thumbnail[:, ::-1]) ^ own.look).bit_count() > 15
    assert own.look < 1 << 64


def test_real_films_are_told_apart(shared_data: Path, tmp_path: Path) -> None:
    """Fifty films of JSRT (one camera, one pose) are fifty pictures; a re-coded one is found."""
    films = sorted((shared_data / "jsrt" / "images").glob("*.jpg"))[:50]
    with Image.open(films[7]) as opened:
        opened.resize((300, 300)).save(tmp_path / "again.png")
    prints = [fingerprint(path) for path in [*films, tmp_path / "again.png"]]
    assert list(near_pairs(prints)) == [(7, 50)]


def test_the_shared_data_has_no_leak_by_patient(shared_data: Path) -> None:
    from models.datasets.registry import open_dataset

    records = open_dataset(shared_data).records()
    assert find_leaks(records, compare_images=False).patients_in_several_parts == 0


@pytest.mark.parametrize("value", [0, 255])
def test_empty_pictures_do_no_harm(value: int, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((64, 64), value, np.uint8)).save(tmp_path / name)
    records = [record(tmp_path / "a.png", Split.TRAIN), record(tmp_path / "b.png", Split.VAL)]
    assert find_leaks(records).identical_pairs == 1
