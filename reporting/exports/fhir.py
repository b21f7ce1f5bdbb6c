"""The report as a FHIR R4 DiagnosticReport with its observations and devices contained.

It names no patient: whoever files it sets `subject` and `imagingStudy`. It is preliminary until
signed, then final. Codes of findings come from the catalogue; one without a code is named in text.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from findings.catalogue import CodingScheme, describe, region_name
from findings.evidence import MeasurementEvidence
from findings.vocabulary import Finding, Language
from reporting.draft import Draft, DraftStatus, SectionName
from reporting.exports.content import algorithms, content_of, report_lines
from reporting.ledger import Decision, LedgerEntry

_SYSTEMS: Final = {
    CodingScheme.SNOMED_CT: "http://snomed.info/sct",
    CodingScheme.DICOM: "http://dicom.nema.org/resources/ontology/DCM",
    CodingScheme.UMLS: "http://www.nlm.nih.gov/research/umls",
}
_UCUM: Final = "http://unitsofmeasure.org"
_STATED: Final = {
    Decision.PRESENT: ("POS", "Positive"),
    Decision.UNCERTAIN: ("IND", "Indeterminate"),
    Decision.ABSENT: ("NEG", "Negative"),
}
_NOTE: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note"
"""R4 has no `DiagnosticReport.note`: R5's stands in as the extension that FHIR names for it."""
_INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"


def diagnostic_report(draft: Draft) -> bytes:
    """The resource as JSON (FHIR R4, application/fhir+json)."""
    content = content_of(draft)
    signed = draft.status is DraftStatus.SIGNED
    status = "final" if signed else "preliminary"
    devices = [_device(number, draft) for number in range(len(draft.models))]
    observations = [
        *(_finding(entry, draft, status) for entry in draft.ledger if entry.decision in _STATED),
        *(
            _measurement(item, draft, status)
            for item in draft.evidence
            if isinstance(item, MeasurementEvidence)
        ),
    ]
    impression = draft.section(SectionName.IMPRESSION)
    conclusion = " ".join(sentence.text for sentence in impression.sentences)
    coded = [
        code
        for entry in draft.ledger
        if entry.decision is Decision.PRESENT and (code := _coded(entry.finding))["coding"]
    ]
    foot = "\n".join(line for line in (content.signed, "; ".join(algorithms(draft))) if line)
    text = f"{content.notice}\n\n{report_lines(draft)}\n{foot}\n"
    resource: dict[str, Any] = {
        "resourceType": "DiagnosticReport",
        "language": draft.language.value,
        "contained": [*devices, *observations],
        "status": status,
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/v2-0074",
                        "code": "RAD",
                        "display": "Radiology",
                    }
                ]
            }
        ],
        "code": {
            "coding": [
                {
                    "system": "http://loinc.org",
                    "code": "18748-4",
                    "display": "Diagnostic imaging study",
                }
            ],
            "text": content.title,
        },
        "identifier": [{"system": "urn:readingroom:study-key", "value": draft.study_key}],
        "result": [{"reference": f"#{item['id']}"} for item in observations],
        "presentedForm": [
            {
                "contentType": "text/plain; charset=utf-8",
                "language": draft.language.value,
                "data": base64.b64encode(text.encode("utf-8")).decode("ascii"),
                "title": content.notice,
            }
        ],
    }
    if content.limits.texts:
        note = f"{content.limits.heading}: {' '.join(content.limits.texts)}"
        resource["extension"] = [{"url": _NOTE, "valueAnnotation": {"text": note}}]
    if conclusion:
        resource["conclusion"] = conclusion
    if coded:
        resource["conclusionCode"] = coded
    if draft.signature is not None:
        resource["issued"] = _instant(draft.signature.time)
        resource["resultsInterpreter"] = [{"display": draft.signature.signer}]
    kept = {key: value for key, value in resource.items() if value not in ([], "")}
    return (json.dumps(kept, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def _device(number: int, draft: Draft) -> dict[str, Any]:
    model = draft.models[number]
    return {
        "resourceType": "Device",
        "id": f"model-{number + 1}",
        "status": "active",
        "deviceName": [{"name": model.name, "type": "model-name"}],
        "version": [{"value": model.version or "unversioned"}],
        "note": [{"text": f"AI algorithm; role: {model.role}; licence: {model.licence}"}],
    }


def _device_of(expert: str, draft: Draft) -> dict[str, Any]:
    for number, model in enumerate(draft.models, start=1):
        if model.name == expert:
            return {"device": {"reference": f"#model-{number}"}}
    return {}


def _finding(entry: LedgerEntry, draft: Draft, status: str) -> dict[str, Any]:
    code, display = _STATED[entry.decision]
    found: dict[str, Any] = {
        "resourceType": "Observation",
        "id": f"finding-{entry.id.replace('_', '-').replace('/', '-')[:50]}",
        "status": status,
        "code": _coded(entry.finding, draft.language),
        "valueString": display,
        "interpretation": [
            {"coding": [{"system": _INTERPRETATION, "code": code, "display": display}]}
        ],
        "note": [{"text": f"{entry.reason} ({', '.join(entry.evidence)})"}],
        "component": [
            {
                "code": {"text": "calibrated probability"},
                "valueQuantity": {"value": round(entry.probability, 4), "unit": "1"},
            }
        ],
    }
    if entry.region is not None:
        found["bodySite"] = {"text": region_name(entry.region, draft.language)}
    elif entry.side is not None:
        found["bodySite"] = {"text": entry.side.value}
    return found


def _measurement(item: MeasurementEvidence, draft: Draft, status: str) -> dict[str, Any]:
    measured = item.measurement
    return {
        "resourceType": "Observation",
        "id": f"measurement-{item.id}",
        "status": status,
        "code": {"text": measured.name.replace("_", " ")},
        "valueQuantity": {
            "value": round(measured.value, 4),
            "unit": measured.unit,
            "system": _UCUM,
            "code": measured.unit,
        },
        "method": {"text": f"{measured.method or item.expert}; spacing: {measured.provenance}"},
        **_device_of(item.expert, draft),
    }


def _coded(finding: Finding, language: Language = Language.ENGLISH) -> dict[str, Any]:
    entry = describe(finding)
    codings = [
        {"system": system, "code": code.value, "display": code.meaning}
        for scheme, system in _SYSTEMS.items()
        if (code := entry.code(scheme)) is not None
    ]
    return {"coding": codings, "text": entry.name(language)}


def _instant(time: str) -> str:
    return time if time.endswith("Z") or "+" in time else f"{time}Z"
