"""`readingroom sample`: a synthetic chest radiograph with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pydantic import ValidationError


@click.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses the patient.")
@click.option("--acquisition", type=int, default=0, help="Chooses the occasion (for a prior).")
@click.option("--size", type=int, default=1024, show_default=True, help="Pixels along a side.")
@click.option("--view", type=click.Choice(["PA", "AP"]), default="PA", show_default=True)
@click.option("--spacing", type=float, help="Millimetres per detector pixel.")
@click.option("--ctr", type=float, help="Cardiothoracic ratio, 0.36 to 0.70.")
@click.option("--sex", type=click.Choice(["F", "M"]))
@click.option("--effusion", multiple=True, metavar="SIDE[:EXTENT]", help="left:small, right:large")
@click.option("--opacity", multiple=True, metavar="SIDE[:ZONE[:EXTENT]]", help="right:upper:large")
@click.option("--pneumothorax", multiple=True, metavar="SIDE[:EXTENT]", help="left:moderate")
@click.option("--nodule", multiple=True, metavar="SIDE[:ZONE[:MM]]", help="left:mid:18")
@click.option("--device", multiple=True, metavar="KIND[:SIDE]", help="picc:right, pacemaker:left")
@click.option("--name", default="sample", show_default=True, help="Stem of the files.")
def sample(
    out: Path,
    seed: int,
    acquisition: int,
    size: int,
    view: str,
    spacing: float | None,
    ctr: float | None,
    sex: str | None,
    effusion: tuple[str, ...],
    opacity: tuple[str, ...],
    pneumothorax: tuple[str, ...],
    nodule: tuple[str, ...],
    device: tuple[str, ...],
    name: str,
) -> None:
    """Make a synthetic chest radiograph: NAME.dcm, NAME.png and its truth NAME.json in OUT.

    The same options give the same pixels. Files that are there already are not overwritten.
    """
    from pydantic import ValidationError

    from findings.errors import UserInputError
    from imaging.synthetic import SampleRequest, generate, write_dicom, write_png, write_truth

    wanted = [
        *(_parts(text, "pleural_effusion", "side", "extent") for text in effusion),
        *(_parts(text, "consolidation", "side", "zone", "extent") for text in opacity),
        *(_parts(text, "pneumothorax", "side", "extent") for text in pneumothorax),
        *(_parts(text, "nodule", "side", "zone", "diameter_mm") for text in nodule),
        *(_parts(text, "support_device", "kind", "side") for text in device),
    ]
    try:
        request = SampleRequest.model_validate(
            {
                "seed": seed,
                "acquisition": acquisition,
                "size": size,
                "view": view,
                "spacing_mm": spacing,
                "cardiothoracic_ratio": ctr,
                "sex": sex,
                "findings": wanted,
            }
        )
    except ValidationError as error:
        raise UserInputError(_refusal(error)) from None
    dicom, png, truth = (out / f"{name}.{suffix}" for suffix in ("dcm", "png", "json"))
    if any(path.exists() for path in (dicom, png, truth)):
        raise UserInputError(
            "The output folder holds a sample of that name already. Choose another --name."
        )
    out.mkdir(parents=True, exist_ok=True)
    radiograph = generate(request)
    write_dicom(radiograph, dicom)
    write_png(radiograph, png)
    write_truth(radiograph, truth)
    for path in (dicom, png, truth):
        click.echo(path)


def _parts(text: str, finding: str, *fields: str) -> dict[str, Any]:
    """`right:large` and the like as fields; what is left out keeps its default."""
    given = text.split(":")
    if len(given) > len(fields):
        raise click.UsageError(f"'{text}' has too many parts; expected {':'.join(fields)}.")
    return {"finding": finding, **dict(zip(fields, given, strict=False))}


def _refusal(error: ValidationError) -> str:
    """The first fault of a request in one sentence."""
    fault = error.errors()[0]
    place = " ".join(str(part) for part in fault["loc"] if not isinstance(part, int))
    return f"This sample cannot be made: {place} {fault['msg']}.".replace("  ", " ")
