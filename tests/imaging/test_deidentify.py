"""De-identification: what is planted does not come out, what is needed stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import UID

from imaging.deidentify import deidentified, prompt_facts, replaced_uid, scrubbed
from imaging.dicom import read_dicom
from imaging.limits import LoadLimits
from imaging.study import Study, StudyImage
from tests.imaging.conftest import as_bytes, made_dataset, untimed

SALT = b"sixteen bytes or more"
NAME = "Zwetschgenbaum"


def marked_dataset() -> Dataset:
    dataset = made_dataset(
        np.arange(4096, dtype=np.uint16).reshape(64, 64),
        WindowCenter=2000,
        WindowWidth=4000,
        ViewPosition="PA",
        PatientAge="095Y",
        PatientSex="F",
    )
    for keyword in (
        "PatientName",
        "PatientID",
        "InstitutionName",
        "StudyDescription",
        "PatientComments",
        "OperatorsName",
        "StationName",
        "WindowCenterWidthExplanation",
    ):
        setattr(dataset, keyword, NAME)
    inner = Dataset()
    inner.PatientName = NAME
    dataset.ReferencedPatientSequence = [inner]
    dataset.RequestAttributesSequence = [inner]
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4, 0, 8])
    table.add_new("LUTData", "US", [0, 50, 100, 255])
    table.LUTExplanation = NAME
    dataset.VOILUTSequence = [table]
    dataset.add_new(0x00091001, "LO", NAME)
    dataset.StudyDate = "20200115"
    return dataset


def test_nothing_planted_comes_out_and_the_picture_stays() -> None:
    dataset = marked_dataset()
    clean = deidentified(dataset, salt=SALT)
    clean.file_meta = dataset.file_meta
    clean.preamble = dataset.preamble
    assert NAME not in str(clean)
    assert "20200115" not in str(clean)
    assert clean.PatientAge == "090Y"
    assert clean.PatientIdentityRemoved == "YES"
    assert not clean.group_dataset(0x0009)
    before = read_dicom(as_bytes(dataset), LoadLimits()).image
    dataset.update(clean)
    again = made_dataset(np.arange(4096, dtype=np.uint16).reshape(64, 64))
    again.clear()
    again.update(clean)
    after = read_dicom(as_bytes(again), LoadLimits()).image
    assert np.array_equal(before.display, after.display)
    assert after.view is before.view


def test_uids_are_replaced_consistently() -> None:
    new = replaced_uid("1.2.3.4", SALT)
    assert UID(new).is_valid
    assert new == replaced_uid("1.2.3.4", SALT)
    assert new != replaced_uid("1.2.3.4", SALT + b"x")
    assert new != replaced_uid("1.2.3.5", SALT)
    with pytest.raises(ValueError, match="16 bytes"):
        deidentified(Dataset(), salt=b"short")


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Mr. John Smith has a cough.", "Smith"),
        ("Discussed with Dr. García López at once.", "López"),
        ("Sra. María de la Fuente", "Fuente"),
        ("Patient name: DOE, JANE", "JANE"),
        ("Doe^Jane^M", "Jane"),
        ("MRN: 00123-A shows", "00123"),
        ("accession number 77123456", "77123456"),
        ("NHC 445566", "445566"),
        ("Compared with 12/03/2019.", "2019"),
        ("Compared with 2019-03-12 10:22", "10:22"),
        ("Film of March 3, 2019", "2019"),
        ("3 de marzo de 2019", "marzo"),
        ("since January 2018", "2018"),
        ("call 555-123-4567 now", "4567"),
        ("call +34 612 345 678", "345"),
        ("mail a.b@example.org", "example"),
        ("read by: Jones, Peter", "Jones"),
        ("Peter Jones, MD", "Jones"),
        ("id 123456789", "123456789"),
    ],
)
def test_obvious_identifiers_are_scrubbed(text: str, gone: str) -> None:
    assert gone not in scrubbed(text)
    assert "[" in scrubbed(text)


@pytest.mark.parametrize(
    "text",
    [
        "The heart is normal in size. No pleural effusion.",
        "A 5 mm nodule in the right upper lobe, 3.5 x 2.1 cm opacity.",
        "Cardiothoracic ratio 0.52; ribs 3-5 fractured on the left.",
        "May represent atelectasis. T12 compression. L1 to L2.",
        "Cough for 10 days, fever 38.5. 65-year-old man.",
        "El corazón es de tamaño normal. Sin derrame pleural.",
        "Marked improvement since the prior study 3 weeks ago.",
    ],
)
def test_findings_are_left_alone(text: str) -> None:
    assert scrubbed(text) == text


@untimed
@given(st.text(max_size=300))
def test_scrubbing_ends_and_is_stable(text: str) -> None:
    once = scrubbed(text)
    assert scrubbed(once) == once


def test_prompt_facts_hold_nothing_that_identifies() -> None:
    image = StudyImage(display=np.zeros((4, 4), dtype=np.float32))
    study = Study(
        images=(image,),
        study_key="abc",
        patient_age_years=93,
        patient_sex="M",
        indication="Mr. Adam Zwetschgenbaum, fever since 2020-01-01",
    )
    facts = prompt_facts(study)
    assert facts.age == "90 or over"
    assert NAME not in facts.model_dump_json()
    assert "2020" not in facts.model_dump_json()
    assert "fever" in (facts.indication or "")
