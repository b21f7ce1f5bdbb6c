"""Store a synthetic radiograph: DICOM Digital X-Ray image, PNG, and its truth as JSON.

The DICOM object is a Digital X-Ray Image - For Presentation (PS3.3 A.26). It says in pixels and
in tags that it is synthetic (Synthetic Data (0008,001C), PS3.3 C.12.1.1.16), its patient is
Example^Patient, its dates are fixed, and its UIDs follow from the request alone (PS3.5 B.2).
"""

from __future__ import annotations

import datetime
import uuid
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imaging.synthetic.request import GENERATOR_VERSION, SyntheticRadiograph

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

_DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
_UID_SPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "synthetic-radiograph.reading-room.invalid")
_FIRST_FILM = datetime.date(2020, 1, 1)
_DAYS_BETWEEN_FILMS = 90
_NOTE = "SYNTHETIC image from a projected phantom. Shows no patient. Not for clinical use."


class Compression(StrEnum):
    """How pixels are stored; all lossless."""

    NONE = "none"
    RLE = "rle"
    JPEG_2000 = "jpeg2000"


def write_dicom(
    radiograph: SyntheticRadiograph,
    path: Path,
    *,
    compression: Compression = Compression.NONE,
    pixel_spacing: bool = False,
) -> None:
    """Write a DICOM file. ``pixel_spacing`` adds Pixel Spacing beside Imager Pixel Spacing."""
    from pydicom import uid

    dataset = _dataset(radiograph, pixel_spacing=pixel_spacing)
    if compression is Compression.RLE:
        dataset.compress(uid.RLELossless, generate_instance_uid=False)
    elif compression is Compression.JPEG_2000:
        dataset.compress(uid.JPEG2000Lossless, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)


def write_png(radiograph: SyntheticRadiograph, path: Path) -> None:
    """Write an 8-bit grey PNG, with a text chunk that says it is synthetic."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    note = PngInfo()
    note.add_text("Description", _NOTE)
    note.add_text("Software", f"Reading Room synthetic radiographs {GENERATOR_VERSION}")
    shades = (radiograph.pixels >> 4).astype(np.uint8)
    Image.fromarray(shades).save(path, format="PNG", optimize=True, pnginfo=note)


def write_truth(radiograph: SyntheticRadiograph, path: Path) -> None:
    """Write the truth as JSON."""
    path.write_text(radiograph.truth.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _dataset(radiograph: SyntheticRadiograph, *, pixel_spacing: bool) -> Dataset:
    from pydicom import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    truth = radiograph.truth
    key = radiograph.request.model_dump_json()
    taken = _FIRST_FILM + datetime.timedelta(days=_DAYS_BETWEEN_FILMS * truth.acquisition)
    day, hour = taken.strftime("%Y%m%d"), "120000"

    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = UID(_DX_FOR_PRESENTATION)
    file.file_meta.MediaStorageSOPInstanceUID = _uid("instance", key)
    file.file_meta.ImplementationClassUID = _uid("implementation", GENERATOR_VERSION)

    # SOP Common
    file.SpecificCharacterSet = "ISO_IR 192"
    file.SOPClassUID = _DX_FOR_PRESENTATION
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID
    file.SyntheticData = "YES"
    file.InstanceCreationDate, file.InstanceCreationTime = day, hour
    # Patient
    file.PatientName = "Example^Patient"
    file.PatientID = f"SYNTHETIC-{truth.seed}"
    file.PatientBirthDate = ""
    file.PatientSex = truth.sex
    # General Study
    file.StudyInstanceUID = _uid("study", key)
    file.StudyDate, file.StudyTime = day, hour
    file.StudyID = f"{truth.acquisition + 1}"
    file.AccessionNumber = ""
    file.ReferringPhysicianName = ""
    file.StudyDescription = "SYNTHETIC chest radiograph"
    # General Series, DX Series
    file.Modality = "DX"
    file.SeriesInstanceUID = _uid("series", key)
    file.SeriesNumber = 1
    file.SeriesDate, file.SeriesTime = day, hour
    file.SeriesDescription = f"SYNTHETIC chest {truth.view.value}"
    file.PresentationIntentType = "FOR PRESENTATION"
    # General Equipment
    file.Manufacturer = "Reading Room"
    file.ManufacturerModelName = "Synthetic radiograph generator"
    file.SoftwareVersions = GENERATOR_VERSION
    # General Image, DX Image
    file.InstanceNumber = 1
    file.ImageType = ["DERIVED", "PRIMARY", ""]
    file.ContentDate, file.ContentTime = day, hour
    file.AcquisitionDate, file.AcquisitionTime = day, hour
    file.ImageComments = _NOTE
    file.DerivationDescription = "SYNTHETIC: computed by ray attenuation through a phantom"
    file.LossyImageCompression = "00"
    file.BurnedInAnnotation = "YES"
    file.RecognizableVisualFeatures = "NO"
    file.PixelIntensityRelationship = "LOG"
    file.PixelIntensityRelationshipSign = -1
    file.RescaleIntercept, file.RescaleSlope, file.RescaleType = 0, 1, "US"
    file.PresentationLUTShape = "IDENTITY"
    # VOI LUT
    file.WindowCenter, file.WindowWidth = 2048, 4096
    file.VOILUTFunction = "LINEAR"
    # DX Anatomy Imaged, DX Positioning
    file.BodyPartExamined = "CHEST"
    file.ImageLaterality = "U"
    file.AnatomicRegionSequence = [_code("816094009", "SCT", "Chest")]
    file.PatientOrientation = ["L", "F"]
    file.ViewPosition = truth.view.value
    view = {"PA": ("272479007", "postero-anterior"), "AP": ("399348003", "antero-posterior")}
    code, meaning = view[truth.view.value]
    file.ViewCodeSequence = [_code(code, "SCT", meaning)]
    file.ViewCodeSequence[0].ViewModifierCodeSequence = []
    # DX Detector
    file.DetectorType = ""
    file.ImagerPixelSpacing = [truth.spacing_mm, truth.spacing_mm]
    if pixel_spacing:
        file.PixelSpacing = [truth.spacing_mm, truth.spacing_mm]
    file.PositionerType = ""
    # Acquisition Context
    file.AcquisitionContextSequence = []
    # Image Pixel
    file.SamplesPerPixel = 1
    file.PhotometricInterpretation = "MONOCHROME2"
    file.Rows, file.Columns = radiograph.pixels.shape
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.PixelRepresentation = 0
    file.PixelData = np.ascontiguousarray(radiograph.pixels).astype("<u2").tobytes()
    return file


def _code(value: str, scheme: str, meaning: str) -> Any:
    from pydicom import Dataset

    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


def _uid(kind: str, key: str) -> UID:
    """A UID of the UUID-derived form, the same for the same content."""
    from pydicom.uid import UID

    return UID(f"2.25.{uuid.uuid5(_UID_SPACE, f'{kind} {key}').int}")
