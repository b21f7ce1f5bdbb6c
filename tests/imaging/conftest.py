"""Small made DICOM files for the tests of loading, and settings of the property tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

DicomMaker = Callable[..., bytes]

untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For property tests: on a busy machine the seconds an example takes say nothing."""


def made_dataset(pixels: np.ndarray[Any, Any], **tags: object) -> FileDataset:
    """A CR data set around gray pixels H×W (uint8, uint16 or int16), further tags as given."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = "1.2.3.4"
    dataset.PatientName = "Example^Patient"
    dataset.PatientID = "SECRET-4711"
    dataset.Modality = "CR"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = pixels.dtype.itemsize * 8
    dataset.BitsStored = tags.pop("BitsStored", dataset.BitsAllocated)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = pixels.tobytes()
    return dataset


def as_bytes(dataset: FileDataset) -> bytes:
    """The data set as a DICOM Part 10 file."""
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.fixture(scope="session")
def made_dicom() -> DicomMaker:
    """`made_dicom(pixels, **tags)`: the bytes of a CR file."""

    def make(pixels: np.ndarray[Any, Any], **tags: object) -> bytes:
        return as_bytes(made_dataset(pixels, **tags))

    return make
