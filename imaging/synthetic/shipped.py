"""The samples that the repository ships, as requests; rebuilds their files.

python -m imaging.synthetic.shipped docs/samples
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import MappingProxyType

from findings.vocabulary import Side
from imaging.study import View
from imaging.synthetic.files import Compression, write_dicom, write_png, write_truth
from imaging.synthetic.generator import generate
from imaging.synthetic.request import (
    Device,
    DeviceKind,
    Extent,
    Nodule,
    Opacity,
    PleuralEffusion,
    SampleRequest,
    Zone,
)

_EFFUSION = SampleRequest(
    seed=20,
    sex="M",
    cardiothoracic_ratio=0.60,
    acquisition=1,
    findings=(PleuralEffusion(side=Side.RIGHT, extent=Extent.MODERATE),),
)

_ENLARGING_HEART = SampleRequest(seed=31, sex="F", cardiothoracic_ratio=0.58, acquisition=1)

SHIPPED = MappingProxyType(
    {
        "normal": SampleRequest(seed=8, cardiothoracic_ratio=0.44),
        "cardiomegaly": SampleRequest(seed=31, sex="F", cardiothoracic_ratio=0.58),
        "enlarging_heart": _ENLARGING_HEART,
        "enlarging_heart_prior": _ENLARGING_HEART.model_copy(
            update={"acquisition": 0, "cardiothoracic_ratio": 0.49}
        ),
        "effusion": _EFFUSION,
        "effusion_prior": _EFFUSION.model_copy(
            update={
                "acquisition": 0,
                "findings": (PleuralEffusion(side=Side.RIGHT, extent=Extent.SMALL),),
            }
        ),
        "nodule": SampleRequest(
            seed=23,
            cardiothoracic_ratio=0.46,
            findings=(Nodule(side=Side.LEFT, zone=Zone.MID, diameter_mm=20.0),),
        ),
        "opacity_and_line": SampleRequest(
            seed=14,
            view=View.AP,
            cardiothoracic_ratio=0.50,
            findings=(
                Opacity(side=Side.RIGHT, zone=Zone.UPPER, extent=Extent.LARGE),
                Device(kind=DeviceKind.CENTRAL_VENOUS_CATHETER, side=Side.RIGHT),
            ),
        ),
    }
)
"""Request by file name. ``NAME_prior`` shows the patient of ``NAME`` 90 days earlier."""


def write_shipped(folder: Path) -> None:
    """Write NAME.dcm, NAME.png and NAME.truth.json of every shipped sample into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, request in SHIPPED.items():
        radiograph = generate(request)
        write_dicom(radiograph, folder / f"{name}.dcm", compression=Compression.JPEG_2000)
        write_png(radiograph, folder / f"{name}.png")
        write_truth(radiograph, folder / f"{name}.truth.json")


def main() -> None:
    """Command line: the folder to write into."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    write_shipped(parser.parse_args().folder)


if __name__ == "__main__":
    main()
