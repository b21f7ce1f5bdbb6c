"""The audit trail of a draft: what was decided by what, without a word about the patient."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from reporting.audit import AUDIT_FILE, append
from reporting.draft import Draft
from reporting.files import draft_json

_UNLOGGABLE = re.compile(r"[^\w.+:/@ -]", re.ASCII)


def record(draft: Draft, thread_id: str, fusion: str, out: Path) -> None:
    """Append the steps that led to the draft, and its digest, to the folder's audit log."""
    log = out / AUDIT_FILE
    append(
        log,
        "draft.begun",
        {
            "study_key": draft.study_key,
            "thread": thread_id,
            "language": draft.language.value,
            "seed": draft.seed,
        },
    )
    append(log, "gate.decided", {"decision": draft.gate.decision.value})
    for model in draft.models:
        append(
            log,
            "model.used",
            {
                "role": _plain(model.role),
                "name": _plain(model.name),
                "version": _plain(model.version),
                "sha256": model.sha256,
            },
        )
    for note in draft.experts:
        append(
            log,
            "expert.absent",
            {"role": _plain(note.role), "name": _plain(note.name), "status": note.status},
        )
    append(
        log,
        "ledger.decided",
        {
            "entries": len(draft.ledger),
            "evidence": len(draft.evidence),
            "disagreements": sum(len(entry.disagreements) for entry in draft.ledger),
            "fusion": _plain(fusion),
        },
    )
    append(log, "draft.written", {"writer": draft.writer.value, **draft.counts.flat()})
    close(draft, out)


def close(draft: Draft, out: Path) -> None:
    """Append the status that the draft has reached, with the digest of `draft.json`."""
    digest = hashlib.sha256(draft_json(draft).encode("utf-8")).hexdigest()
    append(out / AUDIT_FILE, f"draft.{draft.status.value}", {"sha256": digest})


def _plain(text: str) -> str:
    return _UNLOGGABLE.sub("-", text)[:200]
