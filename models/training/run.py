"""Train a role by preset: data in, a folder with checkpoint, metrics and weights out.

Under the launcher of `accelerate` (or torchrun) every process calls :func:`train`; the main one
alone writes to ``out``, and the others work in folders that vanish with them.
"""

from __future__ import annotations

import importlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from findings.errors import SettingsError
from models.training.catalogue import preset_path, read_table
from models.training.machine import Machine
from models.training.record import RunRecord, claim_folder, now, write_record
from models.training.rehearsal import Rehearsal
from models.training.rehearsal import rehearse as rehearse_run
from models.training.request import CACHE, TrainingRequest
from models.training.roles import RUNS, Role

_LOG = logging.getLogger(__name__)


def train(
    role: Role | str,
    preset: str,
    data: Path,
    out: Path,
    resume: bool = False,
    cache: Path | None = None,
    source: str | None = None,
    row: str = "",
) -> Path:
    """Train the network of ``role`` and write its deployable folder; gives that folder.

    See :class:`models.training.request.TrainingRequest`; pulled weights go to ``out`` where no
    ``cache`` is named. The file ``run.json`` in ``out`` records preset, data, code and sessions.

    Raises:
        SettingsError: role or preset unknown, ``data`` missing, or ``out`` holds another run, or
            this one and ``resume`` was not asked for.
        StudyError: ``data`` holds no training image for this role.
        WeightsError: the ImageNet weights are missing, or ``resume`` meets a foreign checkpoint.
        TrainingInterruptedError: SIGINT or SIGTERM ended the run early; it is saved.
    """
    request = _request(role, preset, data, out, resume, cache, source, row)
    role = Role(role)
    settings = read_table(preset_path(role, preset)) | ({"row": row} if row else {})
    machine = Machine()
    if machine.main:
        before = claim_folder(out, role, preset, settings, resume)
        out.mkdir(parents=True, exist_ok=True)
        session = now(request.command, machine.processes, data, out)
        if before and before[-1].data_sha256 != session.data_sha256:
            _LOG.warning(
                "the data folder has changed since the run was begun, so it will not end as one "
                "that was never interrupted"
            )
        if before and before[-1].processes != session.processes:
            _LOG.warning(
                "the run goes on with %d processes instead of %d, so each step takes %s images",
                session.processes,
                before[-1].processes,
                "more" if session.processes > before[-1].processes else "fewer",
            )
        record = RunRecord(role=role, preset=preset, settings=settings, sessions=(*before, session))
        write_record(record, out)
    machine.wait()
    with _folder(machine, out) as own:
        weights = _run_of(role)(replace(request, out=own))
    machine.leave()
    return weights if machine.main else out / weights.name


def rehearse(
    role: Role | str,
    preset: str,
    data: Path,
    out: Path,
    cache: Path | None = None,
    source: str | None = None,
    row: str = "",
) -> Rehearsal:
    """Build the network of ``role``, make three steps, and say what the run would take.

    Decoded images are kept in ``out`` for the run itself; nothing else is written.

    Raises:
        SettingsError, StudyError, WeightsError: as `train` would.
    """
    request = _request(role, preset, data, out, False, cache, source, row)
    return rehearse_run(lambda: _run_of(Role(role))(request))


def _request(
    role: Role | str,
    preset: str,
    data: Path,
    out: Path,
    resume: bool,
    cache: Path | None,
    source: str | None,
    row: str,
) -> TrainingRequest:
    try:
        role = Role(role)
    except ValueError as error:
        known = ", ".join(Role)
        raise SettingsError(f"there is no role {role!r} to train: use one of {known}") from error
    preset_path(role, preset)
    if not data.is_dir():
        raise SettingsError(
            "the folder of --data does not exist: give the folder that holds the training data"
        )
    if out.exists() and not out.is_dir():
        raise SettingsError("--out names a file: give a folder for the run")
    return TrainingRequest(
        preset=preset,
        data=data,
        out=out,
        resume=resume,
        cache=cache or out / "pulled",
        source=source,
        command=f"readingroom train {role} --preset {preset}{f' --row {row}' if row else ''}",
        row=row,
    )


def _run_of(role: Role) -> Callable[[TrainingRequest], Path]:
    module, _, function = RUNS[role].partition(":")
    run: Callable[[TrainingRequest], Path] = getattr(importlib.import_module(module), function)
    return run


@contextmanager
def _folder(machine: Machine, out: Path) -> Iterator[Path]:
    """Where this process writes: the main one into ``out``, another into a passing folder.

    The decoded images are shared by all processes of a machine.
    """
    if machine.main:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="readingroom-train-") as passing:
        shared = (out / CACHE).absolute()
        shared.mkdir(parents=True, exist_ok=True)
        (Path(passing) / CACHE).symlink_to(shared, target_is_directory=True)
        yield Path(passing)
