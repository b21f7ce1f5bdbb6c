"""Fit borders and qualities of a trained segmenter anew, its weights untouched.

::

    python -m models.training.segmenter_refit --data DIR --weights FOLDER

rewrites FOLDER's ``config.json``. Training does this by itself; other data, or a change of what is
fitted, need it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from models.data.anatomy_cache import load_anatomy
from models.data.anatomy_sources import read_anatomy
from models.data.records import Split
from models.segmenter.config import SegmenterConfig
from models.segmenter.fitting import fit_after_training, fitting_records
from models.segmenter.network import SegmenterNetwork
from models.segmenter.preset import DEFAULT_FOLDERS
from models.shipping import CONFIG, load_weights, read_config


def refit(data: Path, folder: Path, reference: str = "jsrt") -> SegmenterConfig:
    """Fit on the training films of ``data`` and rewrite the configuration in ``folder``.

    Raises:
        WeightsError: the folder holds no segmenter, or a damaged one.
    """
    config = read_config(folder, SegmenterConfig)
    network = SegmenterNetwork(config.decoder_widths, config.structures)
    load_weights(network, folder, config.weights_sha256)
    records = read_anatomy(data, DEFAULT_FOLDERS)
    training = [record for record in records if record.split is Split.TRAIN]
    arrays = load_anatomy(fitting_records(training), config.size, None)
    fitted = fit_after_training(network.eval(), arrays, config, reference)
    unfinished = folder / f"{CONFIG}.unfinished"
    unfinished.write_text(fitted.model_dump_json(indent=1) + "\n", encoding="utf-8")
    unfinished.replace(folder / CONFIG)
    return fitted


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, rewrite, print what was fitted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    fitted = refit(chosen.data, chosen.weights)
    print("offsets:", {part.value: offset for part, offset in fitted.offsets.items()})
    for part, model in fitted.quality.items():
        weights = ", ".join(f"{weight:.2f}" for weight in model.weights)
        print(f"quality of {part.value}: {model.intercept:+.2f}; {weights}")


if __name__ == "__main__":
    main()
