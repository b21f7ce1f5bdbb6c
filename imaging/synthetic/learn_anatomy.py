"""Learn the generator's shape and intensity statistics from films with hand-drawn masks.

The statistics are numbers only: the mean and the leading principal components of 264 landmarks
(the point distribution model of Cootes et al., "Active Shape Models", CVIU 1995), and the mean
brightness of anatomical regions. Averages over a hundred and more films and a dozen components
hold no single film's picture or outline.

Shapes and film brightness are those of the JSRT films (Shiraishi et al., AJR 2000) with the SCR
masks (van Ginneken et al., Med Image Anal 2006); brightness of digital films is that of normal PA
images of NIH ChestX-ray14 (Wang et al., CVPR 2017); training splits only::

    python -m imaging.synthetic.learn_anatomy JSRT NIH imaging/synthetic/data/anatomy.npz
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imaging.synthetic.shapes import (
    CLAVICLE_POINTS,
    HEART_POINTS,
    LUNG_ARCS,
    STRUCTURES,
)

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

MODES = 14
QUANTILES = np.linspace(0.0, 1.0, 33)


def trace_boundary(mask: Mask) -> Points:
    """Boundary (x, y) of the largest part of ``mask``, clockwise on screen, by Moore tracing."""
    from scipy import ndimage

    parts, count = ndimage.label(mask)
    if count == 0:
        raise ValueError("The mask is empty.")
    sizes = np.bincount(parts.ravel())[1:]
    mask = np.pad(ndimage.binary_fill_holes(parts == 1 + int(np.argmax(sizes))), 1)
    ring = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
    row, column = (int(v[0]) for v in np.nonzero(mask))
    start, heading = (row, column), 2
    points = [(column, row)]
    for _ in range(8 * mask.size):
        for turn in range(8):
            direction = (heading + 6 + turn) % 8
            step = ring[direction]
            if mask[row + step[0], column + step[1]]:
                row, column, heading = row + step[0], column + step[1], direction
                break
        if (row, column) == start:
            break
        points.append((column, row))
    return np.asarray(points, dtype=np.float64) - 0.5


def resample(points: Points, count: int, *, closed: bool = False) -> Points:
    """``count`` points at even arc length along a polyline, its last point left out if closed."""
    if closed:
        points = np.vstack([points, points[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0.0, along[-1], count + 1)[:-1] if closed else np.linspace(0, along[-1], count)
    return np.column_stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)])


def lung_landmarks(mask: Mask, heart: Mask, lateral: int) -> Points:
    """Apex, outer wall, costophrenic angle, diaphragm, heart, inner border, in that order.

    ``lateral`` is -1 where the outer wall lies on the screen's left (the patient's right lung).
    """
    from scipy import ndimage

    outline = smooth(trace_boundary(mask))
    x, y = outline.T * np.array([[lateral], [1.0]])
    apex, costophrenic = int(np.argmin(y)), int(np.argmax(y + 0.45 * x))
    step = 1 if lateral > 0 else -1
    to_heart = ndimage.distance_transform_edt(~heart)
    onward = (costophrenic + step * np.arange(len(outline))) % len(outline)
    columns, rows = np.clip(outline[onward].astype(int), 0, mask.shape[0] - 1).T
    touching = np.nonzero(to_heart[rows, columns] <= 6.0)[0]
    inner = onward[touching[0]] if len(touching) else int(np.argmax(y - 1.6 * x))
    corners = [apex, costophrenic, int(inner)]
    arcs = []
    for begin, end, count in zip(corners, corners[1:] + corners[:1], LUNG_ARCS, strict=True):
        length = (step * (end - begin)) % len(outline)
        walk = outline[(begin + step * np.arange(length + 1)) % len(outline)]
        arcs.append(resample(walk, count + 1)[:-1])
    return np.vstack(arcs)


def heart_landmarks(mask: Mask) -> Points:
    """Where rays at even angles from the centroid leave the heart, from 12 o'clock on."""
    outline = smooth(trace_boundary(mask))
    rows, columns = np.nonzero(mask)
    centre = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
    offset = outline - centre
    angle = np.mod(np.arctan2(offset[:, 0], -offset[:, 1]), 2 * np.pi)
    order = np.argsort(angle)
    wanted = np.linspace(0.0, 2 * np.pi, HEART_POINTS, endpoint=False)
    radius = np.interp(wanted, angle[order], np.hypot(*offset[order].T), period=2 * np.pi)
    rays = np.column_stack([np.sin(wanted), -np.cos(wanted)])
    return np.asarray(centre + radius[:, None] * rays)


def clavicle_landmarks(mask: Mask, lateral: int) -> Points:
    """Upper edge from the inner to the outer end, then the lower edge back."""
    outline = smooth(trace_boundary(mask), reach=2)
    centred = outline - outline.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    axis = axis * np.sign(axis[0]) * lateral
    along = centred @ axis
    inner, outer = int(np.argmin(along)), int(np.argmax(along))
    halves = []
    for begin, end in ((inner, outer), (outer, inner)):
        walk = outline[(begin + np.arange((end - begin) % len(outline) + 1)) % len(outline)]
        halves.append(resample(walk, CLAVICLE_POINTS // 2 + 1)[:-1])
    if halves[0][:, 1].mean() > halves[1][:, 1].mean():
        halves = [
            np.vstack([halves[1], halves[0][:1]])[::-1][:-1],
            np.vstack([halves[0], halves[1][:1]])[::-1][:-1],
        ]
    return np.vstack(halves)


def smooth(points: Points, reach: int = 3) -> Points:
    """A closed outline without the staircase of its pixels."""
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter1d(points, reach, axis=0, mode="wrap"))


def film_landmarks(folder: Path, stem: str) -> tuple[Points, dict[str, Mask]]:
    """All landmarks of one film in fractions of the frame, and its masks."""
    from PIL import Image

    masks = {}
    for name in STRUCTURES:
        with Image.open(folder / "masks" / f"{stem}_{name}.png") as picture:
            masks[name] = np.asarray(picture.convert("L")) > 127
    shape = [
        lung_landmarks(masks["left_lung"], masks["heart"], 1),
        lung_landmarks(masks["right_lung"], masks["heart"], -1),
        heart_landmarks(masks["heart"]),
        clavicle_landmarks(masks["left_clavicle"], 1),
        clavicle_landmarks(masks["right_clavicle"], -1),
    ]
    return np.vstack(shape) / masks["heart"].shape[0], masks


def principal_components(
    shapes: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean, ``count`` unit modes (rows) and the standard deviation along each."""
    mean = shapes.mean(axis=0)
    _, singular, modes = np.linalg.svd(shapes - mean, full_matrices=False)
    return mean, modes[:count], singular[:count] / np.sqrt(len(shapes) - 1)


def film_quantiles(path: Path) -> NDArray[np.float64]:
    """Brightness quantiles (0 to 1) of a film inside the frame, without its hidden labels."""
    from PIL import Image

    with Image.open(path) as picture:
        film = np.asarray(picture.convert("L").resize((256, 256)), dtype=np.float64)[8:-12, 8:-8]
    return np.asarray(np.quantile(film[(film > 4) & (film < 254)], QUANTILES) / 255.0)


def normal_digital_films(folder: Path) -> list[Path]:
    """Training images of NIH ChestX-ray14 taken upright (PA) and labelled free of findings."""
    with (folder / "labels.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    return [
        folder / "images" / f"{row['image']}.jpg"
        for row in rows
        if row["split"] == "train" and row["view"] == "PA" and row["No_Finding"] == "1"
    ]


def learn(folder: Path, digital: Path, target: Path) -> int:
    """Write the statistics of the training films in the folders; return how many had outlines."""
    with (folder / "split.csv").open(newline="") as handle:
        stems = [row["image"] for row in csv.DictReader(handle) if row["split"] == "train"]
    shapes, quantiles = [], []
    for stem in stems:
        landmarks, _ = film_landmarks(folder, stem)
        shapes.append(landmarks.ravel())
        quantiles.append(film_quantiles(folder / "images" / f"{stem}.jpg"))
    mean, modes, deviations = principal_components(np.asarray(shapes), MODES)
    np.savez_compressed(
        target,
        mean=mean.astype(np.float32),
        modes=modes.astype(np.float32),
        deviations=deviations.astype(np.float32),
        film_quantiles=np.mean(quantiles, axis=0).astype(np.float32),
        digital_quantiles=np.mean(
            [film_quantiles(path) for path in normal_digital_films(digital)], axis=0
        ).astype(np.float32),
    )
    return len(stems)


def main() -> None:
    """Command line: the JSRT folder and the file to write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("jsrt", type=Path)
    parser.add_argument("nih", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    print(f"{learn(arguments.jsrt, arguments.nih, arguments.target)} films")


if __name__ == "__main__":
    main()
