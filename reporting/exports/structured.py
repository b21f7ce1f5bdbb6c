"""The report as a DICOM structured report: TID 1500 with measurements and evaluations (PS3.16).

Stated findings are measurement groups: the finding's code, its place, the calibrated probability as
Certainty of Finding (DCM 111012), and the box on the stored image where an expert drew one.
Lengths, areas and ratios are measurement groups with the lines that were measured. The report's
sentences follow as Findings and Impressions, and what it leaves out as a Comment, which the
extensible template allows. The document is preliminary and unverified until signed; the algorithms
are named with their versions. It carries the patient and study of the images it is about, so that
it can be filed with them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from findings.catalogue import Code, CodingScheme, describe
from findings.evidence import Detection, MeasurementEvidence
from findings.regions import Region
from findings.vocabulary import Language, Side
from imaging.geometry import Point
from imaging.study import StudyImage
from reporting.draft import Draft, DraftStatus, SectionName
from reporting.exports.content import algorithms, content_of
from reporting.exports.filed_image import filed_image
from reporting.ledger import Decision, LedgerEntry

if TYPE_CHECKING:
    from highdicom.sr import CodedConcept
    from pydicom import Dataset

_LANGUAGES: Final = {Language.ENGLISH: ("en", "English"), Language.SPANISH: ("es", "Spanish")}
_SCHEMES: Final = (CodingScheme.SNOMED_CT, CodingScheme.DICOM, CodingScheme.UMLS)
_LATERAL: Final = {Side.LEFT: "Left", Side.RIGHT: "Right", Side.BILATERAL: "RightAndLeft"}
_LENGTH: Final = ("SCT", "410668003", "Length")
_MEASURED: Final = {
    "mm": (_LENGTH, "millimeter"),
    "cm": (_LENGTH, "centimeter"),
    "cm2": (("SCT", "42798000", "Area"), "square centimeter"),
    "1": (("SCT", "118586006", "Ratio"), "no units"),
}
"""The code of a quantity and the name of its unit, by the unit in UCUM."""
_UID_ROOT: Final = "2.25."


def structured_report(draft: Draft, source: Path | None, image: StudyImage | None) -> bytes:
    """The document as a DICOM file.

    Args:
        source: the study's DICOM file, or the folder of its files.
        image: the frontal film as it was loaded: maps boxes to stored pixels, where given.

    Raises:
        UserInputError: there is no source, or it holds no DICOM image.
    """
    import highdicom as hd

    film = filed_image(source, image)
    sentences = content_of(draft)
    groups = [
        *_finding_groups(draft, film, image),
        *_measurement_groups(draft, film, image),
    ]
    report = hd.sr.MeasurementReport(
        observation_context=_context(draft),
        procedure_reported=_code("SCT", "399208008", "Plain chest X-ray"),
        imaging_measurements=groups or None,
        title=_code("DCM", "126000", "Imaging Measurement Report"),
        language_of_content_item_and_descendants=_language(draft.language),
    )
    root = report[0]
    for section in sentences.sections:
        if section.name in (SectionName.FINDINGS, SectionName.IMPRESSION):
            texts = [paragraph.text for paragraph in section.paragraphs]
            root.ContentSequence.append(_narrative(section.name, texts))
    left_out = sentences.limits
    if left_out.texts:
        root.ContentSequence.append(_note(f"{left_out.heading}: {' '.join(left_out.texts)}"))
    root.ContentSequence.append(_note(sentences.notice))
    root.ContentSequence.append(_note(f"Algorithms: {'; '.join(algorithms(draft))}"))
    signature = draft.signature
    signed = draft.status is DraftStatus.SIGNED and signature is not None
    document = hd.sr.ComprehensiveSR(
        evidence=[film],
        content=root,
        series_instance_uid=hd.UID(),
        series_number=9001,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="Reading Room",
        is_complete=signed,
        is_final=signed,
        is_verified=signed,
        verifying_observer_name=_person(signature.signer) if signed and signature else None,
        verifying_organization="Reading Room" if signed else None,
        manufacturer_model_name="Reading Room",
        series_description="AI-generated report" + ("" if signed else ", unverified"),
    )
    stream = io.BytesIO()
    document.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _code(scheme: str, value: str, meaning: str) -> CodedConcept:
    from highdicom.sr import CodedConcept

    return CodedConcept(value=value, scheme_designator=scheme, meaning=meaning[:64])


def _concept(entry: LedgerEntry) -> CodedConcept:
    """The finding's own code; the general one of a finding where the catalogue has none."""
    described = describe(entry.finding)
    code: Code | None = next((c for s in _SCHEMES if (c := described.code(s)) is not None), None)
    if code is None:
        return _code("DCM", "121071", "Finding")
    return _code(code.scheme.value, code.value, code.meaning)


def _context(draft: Draft) -> Any:
    import highdicom as hd

    names = "; ".join(f"{model.name} {model.version}" for model in draft.models)
    device = hd.sr.ObserverContext(
        observer_type=_code("DCM", "121007", "Device"),
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=_UID_ROOT + str(int(draft.study_key[:16] or "0", 16) or 1),
            name="Reading Room",
            manufacturer_name="Reading Room",
            model_name=names[:64] or "Reading Room",
        ),
    )
    return hd.sr.ObservationContext(observer_device_context=device)


def _language(language: Language) -> Any:
    import highdicom as hd

    tag, name = _LANGUAGES[language]
    return hd.sr.LanguageOfContentItemAndDescendants(_code("RFC5646", tag, name))


def _algorithm(expert: str, version: str) -> Any:
    import highdicom as hd

    return hd.sr.AlgorithmIdentification(name=expert[:64], version=version[:64] or "unversioned")


def _finding_groups(draft: Draft, film: Dataset, image: StudyImage | None) -> list[Any]:
    import highdicom as hd

    evidence = {item.id: item for item in draft.evidence}
    groups: list[Any] = []
    for entry in draft.ledger:
        if entry.decision not in (Decision.PRESENT, Decision.UNCERTAIN):
            continue
        certainty = hd.sr.Measurement(
            name=_code("DCM", "111012", "Certainty of Finding"),
            value=round(100 * entry.probability, 1),
            unit=_code("UCUM", "%", "Percent"),
        )
        common: dict[str, Any] = {
            "finding_type": _concept(entry),
            "measurements": [certainty],
            "finding_sites": _sites(entry),
        }
        boxes = [
            item
            for key in entry.evidence
            if isinstance(item := evidence.get(key), Detection) and item.image == 0
        ]
        if not boxes or image is None:
            groups.append(
                hd.sr.MeasurementsAndQualitativeEvaluations(
                    tracking_identifier=_tracking(entry.id),
                    source_images=[_source_image(film)],
                    algorithm_id=_algorithm("Reading Room reconciliation", "1"),
                    **common,
                )
            )
        groups += [
            hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=_tracking(f"{entry.id} {box.id}"),
                referenced_region=_region(box, film, image),
                algorithm_id=_algorithm(box.expert, box.version),
                **common,
            )
            for box in boxes
            if image is not None
        ]
    return groups


def _measurement_groups(draft: Draft, film: Dataset, image: StudyImage | None) -> list[Any]:
    """Each measurement by the general code of its kind; what is measured names its tracking.

    No coding scheme of PS3.16 has the cardiothoracic ratio of a radiograph (the LOINC codes of CID
    12279 are of fetal echocardiography), so it is a Ratio whose finding site is the heart.
    """
    import highdicom as hd

    groups: list[Any] = []
    for item in draft.evidence:
        if not isinstance(item, MeasurementEvidence) or item.measurement.unit not in _MEASURED:
            continue
        taken = item.measurement
        quantity, unit = _MEASURED[taken.unit]
        name = taken.name.replace("_", " ")
        groups.append(
            hd.sr.MeasurementsAndQualitativeEvaluations(
                tracking_identifier=_tracking(f"{name} {item.id}"),
                source_images=[_source_image(film)],
                algorithm_id=_algorithm(item.expert, item.version),
                finding_sites=_measured_at(taken.name, item.side),
                measurements=[
                    hd.sr.Measurement(
                        name=_code(*quantity),
                        value=round(taken.value, 3 if taken.unit == "1" else 2),
                        unit=_code("UCUM", taken.unit, unit),
                        referenced_coordinates=_lines(item, film, image),
                    )
                ],
            )
        )
    return groups


def _measured_at(name: str, side: Side | None) -> list[Any] | None:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    if name.startswith("cardi"):
        return [hd.sr.FindingSite(anatomic_location=codes.SCT.Heart)]
    if name == "thoracic_width":
        return [hd.sr.FindingSite(anatomic_location=codes.SCT.Thorax)]
    return _lung(side) if "lung" in name else None


def _lines(item: MeasurementEvidence, film: Dataset, image: StudyImage | None) -> list[Any] | None:
    """The lines that were measured, from end to end, on the stored image."""
    import highdicom as hd

    ends = list(zip(item.landmarks[::2], item.landmarks[1::2], strict=False))
    if image is None or not ends:
        return None
    return [
        hd.sr.CoordinatesForMeasurement(
            graphic_type=hd.sr.GraphicTypeValues.POLYLINE,
            graphic_data=_stored(line, film, image),
            source_image=_source_region(film),
        )
        for line in ends
    ]


def _tracking(name: str) -> Any:
    import highdicom as hd

    return hd.sr.TrackingIdentifier(uid=hd.UID(), identifier=name[:64])


def _source_image(film: Dataset) -> Any:
    import highdicom as hd

    return hd.sr.SourceImageForMeasurementGroup(
        referenced_sop_class_uid=film.SOPClassUID, referenced_sop_instance_uid=film.SOPInstanceUID
    )


def _region(box: Detection, film: Dataset, image: StudyImage) -> Any:
    """The box as a closed line on the stored image."""
    import highdicom as hd

    x0, y0, x1, y1 = box.box
    return hd.sr.ImageRegion(
        graphic_type=hd.sr.GraphicTypeValues.POLYLINE,
        graphic_data=_stored([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], film, image),
        source_image=_source_region(film),
    )


def _stored(points: Sequence[Point], film: Dataset, image: StudyImage) -> Any:
    """Display points on the stored image (PS3.3, C.18.6: columns, then rows)."""
    import numpy as np

    m = image.to_stored
    stored = [(m.a * x + m.b * y + m.c, m.d * x + m.e * y + m.f) for x, y in points]
    high = np.array([int(film.Columns), int(film.Rows)])
    return np.clip(np.array(stored, dtype=float), 0, high)


def _source_region(film: Dataset) -> Any:
    import highdicom as hd

    return hd.sr.SourceImageForRegion(
        referenced_sop_class_uid=film.SOPClassUID, referenced_sop_instance_uid=film.SOPInstanceUID
    )


def _sites(entry: LedgerEntry) -> list[Any] | None:
    """Where the finding lies, where the place has a standard code."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    places = {
        Region.CARDIAC_SILHOUETTE: codes.SCT.Heart,
        Region.MEDIASTINUM: codes.SCT.Mediastinum,
    }
    if entry.side in _LATERAL:
        return _lung(entry.side)
    if entry.region in places:
        return [hd.sr.FindingSite(anatomic_location=places[entry.region])]
    return None


def _lung(side: Side | None) -> list[Any]:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    laterality = getattr(codes.SCT, _LATERAL[side]) if side in _LATERAL else None
    return [hd.sr.FindingSite(anatomic_location=codes.SCT.Lung, laterality=laterality)]


def _narrative(name: SectionName, texts: Sequence[str]) -> Any:
    """A section of the report's sentences (TID 2002)."""
    import highdicom as hd

    heads = {
        SectionName.FINDINGS: (("121070", "Findings"), ("121071", "Finding")),
        SectionName.IMPRESSION: (("121072", "Impressions"), ("121073", "Impression")),
    }
    (head, head_meaning), (item, item_meaning) = heads[name]
    section = hd.sr.ContainerContentItem(
        name=_code("DCM", head, head_meaning),
        relationship_type=hd.sr.RelationshipTypeValues.CONTAINS,
    )
    section.ContentSequence = hd.sr.ContentSequence(
        [
            hd.sr.TextContentItem(
                name=_code("DCM", item, item_meaning),
                value=text,
                relationship_type=hd.sr.RelationshipTypeValues.CONTAINS,
            )
            for text in texts
        ]
    )
    return section


def _note(text: str) -> Any:
    import highdicom as hd

    return hd.sr.TextContentItem(
        name=_code("DCM", "121106", "Comment"),
        value=text,
        relationship_type=hd.sr.RelationshipTypeValues.CONTAINS,
    )


def _person(name: str) -> str:
    """A name as DICOM keeps one: no delimiters of its own, at most 64 characters."""
    return name.replace("\\", " ").replace("^", " ").replace("=", " ")[:63] + "^"
