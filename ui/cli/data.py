"""`readingroom data`: what is in a data set's folder, and how to split it by patient."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from findings.vocabulary import Finding
    from models.datasets.check import DatasetReport

_FOLDER = click.argument("folder", type=click.Path(path_type=Path))
_KIND = click.option("--kind", help="Name of a data set; 'readingroom data kinds' lists them.")
_SPLITS = click.option(
    "--splits", type=click.Path(path_type=Path), help="Table of a split, in place of the published."
)


@click.group()
def data() -> None:
    """Check and split folders of public or own chest radiographs."""


@data.command()
def kinds() -> None:
    """List the data sets that are known, where they come from and under which terms."""
    from models.datasets.registry import readers

    for reader in readers().values():
        card = reader.card
        click.echo(f"{card.name:18} {card.title}\n{'':18} {card.home}\n{'':18} {card.terms}")


@data.command()
@_FOLDER
@_KIND
@_SPLITS
@click.option(
    "--images", is_flag=True, help="Read every image, to find one picture in several parts."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(folder: Path, kind: str | None, splits: Path | None, images: bool, as_json: bool) -> None:
    """Say what FOLDER was recognised as, what it holds, what is missing, and what leaks.

    The exit code is 0 also where something is missing or leaks.
    """
    from models.datasets.check import check_dataset
    from models.datasets.registry import open_dataset

    report = check_dataset(open_dataset(folder, kind, splits), compare_images=images)
    if as_json:
        click.echo(report.model_dump_json(indent=2))
        return
    for line in _lines(report):
        click.echo(line)


@data.command()
@_FOLDER
@_KIND
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Table to write.")
@click.option("--train", default=0.8, show_default=True, help="Share of the images.")
@click.option("--val", default=0.2, show_default=True, help="Share of the images; 0: no such part.")
@click.option(
    "--test", default=0.0, show_default=True, help="Share of the images; 0: no such part."
)
@click.option("--keep-test", is_flag=True, help="Leave the published test part as it is.")
@click.option(
    "--quota",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Patients with each finding that every part is to have.",
)
@click.option("--seed", default=7, show_default=True)
def split(
    folder: Path,
    kind: str | None,
    out: Path,
    train: float,
    val: float,
    test: float,
    keep_test: bool,
    quota: int,
    seed: int,
) -> None:
    """Split FOLDER by patient with every finding spread evenly, and write the table to --out.

    The shares must add up to 1. With --keep-test they divide the rest.
    """
    from models.data.records import Split
    from models.datasets.registry import open_dataset
    from models.datasets.split_table import write_splits
    from models.datasets.splitting import SplitPlan, split_records

    shares = {Split.TRAIN: train, Split.VAL: val, Split.TEST: test}
    plan = SplitPlan({part: share for part, share in shares.items() if share != 0}, quota, seed)
    records = list(open_dataset(folder, kind).records())
    keep = frozenset({Split.TEST}) if keep_test else frozenset[Split]()
    result = split_records(records, plan, keep)
    count = write_splits(out, records, result.parts)
    for part in Split:
        patients = sum(own is part for own in result.parts.values())
        if patients:
            images = sum(result.parts[record.patient_key] is part for record in records)
            click.echo(f"{part.value:6} {images:8} images {patients:8} patients")
    for (part, finding), patients in result.short.items():
        click.echo(f"under the quota: {part.value} has {patients} patients with {finding}")
    click.echo(f"{count} images written to {out}")


def _lines(report: DatasetReport) -> Iterator[str]:
    card = report.card
    yield f"{card.title} ({card.name})"
    yield f"terms: {card.terms}"
    yield ""
    yield f"{report.images} images"
    for part in report.splits:
        yield f"  {part.split.value:6} {part.images:8} images {part.patients:8} patients"
    if not report.patients_told_apart:
        yield "  patients are not told apart: each image counts as one"
    for name, counts in (("views", report.views), ("masks", report.outlines)):
        if counts:
            yield f"{name}: " + ", ".join(f"{key} {count}" for key, count in counts.items())
    if report.reports:
        yield f"reports: {report.reports}"
    if report.regions:
        yield f"boxed regions: {report.regions}"
    yield from _finding_lines(report)
    yield ""
    yield from _problem_lines(report)
    yield from _leak_lines(report)


def _finding_lines(report: DatasetReport) -> Iterator[str]:
    if not report.findings:
        return
    yield ""
    yield f"{'finding':30} {'part':6} {'present':>8} {'absent':>8} {'uncertain':>9} {'boxes':>7}"
    last: Finding | None = None
    for row in report.findings:
        name = "" if row.finding is last else row.finding.value
        last = row.finding
        yield (
            f"{name:30} {row.split.value:6} {row.present:8} {row.absent:8} {row.uncertain:9} "
            f"{row.boxes:7}"
        )


def _problem_lines(report: DatasetReport) -> Iterator[str]:
    for problem, count in report.problems.items():
        yield f"passed over: {count} × {problem}"
    if report.unmapped:
        listed = ", ".join(f"{label or '(blank)'} {n}" for label, n in report.unmapped.items())
        yield f"labels without a finding: {listed}"
    yield f"headers of {report.sampled_images} images read, {report.unreadable_images} unreadable"
    if report.other_frame:
        yield (
            f"{report.other_frame} of them have another size than the image that the boxes were "
            "drawn on; scale these with RadiographRecord.boxes_on"
        )
    if report.boxes_outside:
        yield f"{report.boxes_outside} of their boxes reach out of the image"


def _leak_lines(report: DatasetReport) -> Iterator[str]:
    leaks = report.leaks
    yield f"patients in more than one part: {leaks.patients_in_several_parts}"
    if not leaks.images_compared:
        return
    yield (
        f"pictures in more than one part: {leaks.identical_pairs} identical, "
        f"{leaks.near_identical_pairs} nearly so, of {leaks.images_compared} images compared "
        f"({leaks.unreadable_images} unreadable)"
    )
    for leak in leaks.examples:
        yield f"  {leak.first} = {leak.second}"
