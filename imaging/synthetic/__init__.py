"""Synthetic chest radiographs with known truth: a projected phantom with learnt shapes.

``generate(SampleRequest(seed=1))`` draws one; ``write_dicom``, ``write_png`` and ``write_truth``
store it. No film is copied: shapes come from statistics (see ``learn_anatomy``), the rest from
geometry and X-ray physics.
"""

from __future__ import annotations

from imaging.synthetic.files import Compression, write_dicom, write_png, write_truth
from imaging.synthetic.generator import generate
from imaging.synthetic.request import (
    GENERATOR_VERSION,
    Device,
    DeviceKind,
    Extent,
    FindingTruth,
    Nodule,
    Opacity,
    PleuralEffusion,
    Pneumothorax,
    SampleRequest,
    SampleTruth,
    SyntheticFinding,
    SyntheticRadiograph,
    Zone,
)

__all__ = [
    "GENERATOR_VERSION",
    "Compression",
    "Device",
    "DeviceKind",
    "Extent",
    "FindingTruth",
    "Nodule",
    "Opacity",
    "PleuralEffusion",
    "Pneumothorax",
    "SampleRequest",
    "SampleTruth",
    "SyntheticFinding",
    "SyntheticRadiograph",
    "Zone",
    "generate",
    "write_dicom",
    "write_png",
    "write_truth",
]
