"""Published figures of boxes and nodules, to stand beside the detector's."""

from __future__ import annotations

from typing import Final

from findings.vocabulary import Finding

LOCALISATION_OVERLAPS: Final = (0.1, 0.3, 0.5)
"""The overlaps, T(IoU), that localisation accuracy is published at."""

PUBLISHED: Final[dict[str, dict[Finding, tuple[float, float, float]]]] = {
    "Wang 2017": {
        Finding.ATELECTASIS: (0.69, 0.24, 0.05),
        Finding.CARDIOMEGALY: (0.94, 0.46, 0.18),
        Finding.PLEURAL_EFFUSION: (0.66, 0.30, 0.11),
        Finding.INFILTRATION: (0.71, 0.28, 0.07),
        Finding.MASS: (0.40, 0.15, 0.01),
        Finding.NODULE: (0.14, 0.04, 0.01),
        Finding.PNEUMONIA: (0.63, 0.17, 0.03),
        Finding.PNEUMOTHORAX: (0.38, 0.13, 0.03),
    },
    "Li 2018": {
        Finding.ATELECTASIS: (0.71, 0.36, 0.14),
        Finding.CARDIOMEGALY: (0.98, 0.94, 0.84),
        Finding.PLEURAL_EFFUSION: (0.87, 0.56, 0.22),
        Finding.INFILTRATION: (0.92, 0.66, 0.30),
        Finding.MASS: (0.71, 0.45, 0.22),
        Finding.NODULE: (0.40, 0.17, 0.07),
        Finding.PNEUMONIA: (0.60, 0.39, 0.17),
        Finding.PNEUMOTHORAX: (0.63, 0.44, 0.19),
    },
}
"""Localisation accuracy at `LOCALISATION_OVERLAPS`. Wang et al., ChestX-ray8, CVPR 2017, table 7
(labels alone; 984 boxes). Li et al., Thoracic Disease Identification and Localization with Limited
Supervision, CVPR 2018, table 3 (all labels and 80 % of the boxes; five-fold). Both were trained on
the labels of 112,120 images, and count a hit of any of several regions."""

PUBLISHED_NODULES: Final = {"Chen 2011": {2.0: 0.714, 5.0: 0.786}, "Chen 2013": {5.0: 0.850}}
"""Share of JSRT's nodules at so many false boxes a film, 140 nodules, leave-one-out: Chen, Suzuki
and MacMahon, Medical Physics 38 (2011); Chen and Suzuki, IEEE Trans Biomed Eng 60 (2013). Their
rules of what counts as a hit differ from ours."""
