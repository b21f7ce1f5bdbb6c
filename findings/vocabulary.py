"""The closed vocabulary: findings and the attributes a statement about one may carry.

Identifiers are snake_case standard terms and never change once released; display names, synonyms,
hierarchy and codes of each finding are data (`findings/data/findings.toml`).
"""

from __future__ import annotations

from enum import StrEnum


class Finding(StrEnum):
    """A radiographic finding, diagnosis or device that a chest radiograph report may state."""

    NO_FINDING = "no_finding"
    # heart and mediastinum
    CARDIOMEGALY = "cardiomegaly"
    ENLARGED_CARDIOMEDIASTINUM = "enlarged_cardiomediastinum"
    MEDIASTINAL_MASS = "mediastinal_mass"
    MEDIASTINAL_SHIFT = "mediastinal_shift"
    PNEUMOMEDIASTINUM = "pneumomediastinum"
    HILAR_ENLARGEMENT = "hilar_enlargement"
    LYMPHADENOPATHY = "lymphadenopathy"
    AORTIC_ENLARGEMENT = "aortic_enlargement"
    AORTIC_TORTUOSITY = "aortic_tortuosity"
    AORTIC_CALCIFICATION = "aortic_calcification"
    PULMONARY_ARTERY_ENLARGEMENT = "pulmonary_artery_enlargement"
    PERICARDIAL_EFFUSION = "pericardial_effusion"
    HEART_FAILURE = "heart_failure"
    TRACHEAL_DEVIATION = "tracheal_deviation"
    # lung parenchyma
    LUNG_OPACITY = "lung_opacity"
    AIRSPACE_OPACITY = "airspace_opacity"
    CONSOLIDATION = "consolidation"
    INFILTRATION = "infiltration"
    PNEUMONIA = "pneumonia"
    ATELECTASIS = "atelectasis"
    LOBAR_COLLAPSE = "lobar_collapse"
    VOLUME_LOSS = "volume_loss"
    EDEMA = "edema"
    VASCULAR_CONGESTION = "vascular_congestion"
    INTERSTITIAL_PATTERN = "interstitial_pattern"
    INCREASED_LUNG_MARKINGS = "increased_lung_markings"
    CHRONIC_LUNG_CHANGE = "chronic_lung_change"
    INTERSTITIAL_LUNG_DISEASE = "interstitial_lung_disease"
    GROUND_GLASS_OPACITY = "ground_glass_opacity"
    NODULE = "nodule"
    PSEUDONODULE = "pseudonodule"
    MASS = "mass"
    LUNG_LESION = "lung_lesion"
    CAVITATION = "cavitation"
    GRANULOMA = "granuloma"
    CALCIFICATION = "calcification"
    LUNG_CYST = "lung_cyst"
    BULLA = "bulla"
    EMPHYSEMA = "emphysema"
    COPD = "copd"
    HYPERINFLATION = "hyperinflation"
    LOW_LUNG_VOLUME = "low_lung_volume"
    FIBROSIS = "fibrosis"
    SCARRING = "scarring"
    BRONCHIECTASIS = "bronchiectasis"
    BRONCHIAL_WALL_THICKENING = "bronchial_wall_thickening"
    TUBERCULOSIS = "tuberculosis"
    METASTASIS = "metastasis"
    LUNG_TUMOR = "lung_tumor"
    AZYGOS_LOBE = "azygos_lobe"
    # pleura and diaphragm
    PLEURAL_EFFUSION = "pleural_effusion"
    PLEURAL_THICKENING = "pleural_thickening"
    PLEURAL_CALCIFICATION = "pleural_calcification"
    PLEURAL_OTHER = "pleural_other"
    PNEUMOTHORAX = "pneumothorax"
    HYDROPNEUMOTHORAX = "hydropneumothorax"
    COSTOPHRENIC_ANGLE_BLUNTING = "costophrenic_angle_blunting"
    FISSURE_THICKENING = "fissure_thickening"
    DIAPHRAGM_ELEVATION = "diaphragm_elevation"
    DIAPHRAGM_FLATTENING = "diaphragm_flattening"
    HERNIA = "hernia"
    FREE_SUBDIAPHRAGMATIC_AIR = "free_subdiaphragmatic_air"
    # chest wall and skeleton
    FRACTURE = "fracture"
    RIB_FRACTURE = "rib_fracture"
    CLAVICLE_FRACTURE = "clavicle_fracture"
    VERTEBRAL_FRACTURE = "vertebral_fracture"
    SCOLIOSIS = "scoliosis"
    KYPHOSIS = "kyphosis"
    DEGENERATIVE_SPINE_CHANGE = "degenerative_spine_change"
    BONE_LESION = "bone_lesion"
    OSTEOPENIA = "osteopenia"
    SUBCUTANEOUS_EMPHYSEMA = "subcutaneous_emphysema"
    CHEST_WALL_DEFORMITY = "chest_wall_deformity"
    NIPPLE_SHADOW = "nipple_shadow"
    GOITER = "goiter"
    # devices and after surgery
    SUPPORT_DEVICE = "support_device"
    ENDOTRACHEAL_TUBE = "endotracheal_tube"
    TRACHEOSTOMY_TUBE = "tracheostomy_tube"
    NASOGASTRIC_TUBE = "nasogastric_tube"
    CHEST_TUBE = "chest_tube"
    CENTRAL_VENOUS_CATHETER = "central_venous_catheter"
    PACEMAKER = "pacemaker"
    STERNOTOMY_WIRES = "sternotomy_wires"
    PROSTHETIC_VALVE = "prosthetic_valve"
    SURGICAL_MATERIAL = "surgical_material"
    BREAST_IMPLANT = "breast_implant"
    POSTSURGICAL_CHANGE = "postsurgical_change"
    MASTECTOMY = "mastectomy"
    OTHER_FINDING = "other_finding"


class Side(StrEnum):
    """Laterality; always the patient's own, never the viewer's. `None` elsewhere: not stated."""

    LEFT = "left"
    RIGHT = "right"
    BILATERAL = "bilateral"
    MIDLINE = "midline"


class Polarity(StrEnum):
    """Whether a statement affirms or denies the finding."""

    PRESENT = "present"
    ABSENT = "absent"


class Plausible(StrEnum):
    """The answers that a conformal set holds: those that cannot be ruled out."""

    PRESENT = "present"
    ABSENT = "absent"
    EITHER = "either"
    NEITHER = "neither"
    """The case is unlike the calibration cases of both classes."""


class Certainty(StrEnum):
    """How sure the statement is of its polarity."""

    DEFINITE = "definite"
    PROBABLE = "probable"
    POSSIBLE = "possible"


class Severity(StrEnum):
    """Extent or severity as reports word it, from least to most."""

    MINIMAL = "minimal"
    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


class Change(StrEnum):
    """Change since the prior study; only stated where there is a prior."""

    NEW = "new"
    WORSE = "worse"
    UNCHANGED = "unchanged"
    BETTER = "better"
    RESOLVED = "resolved"


class Language(StrEnum):
    """Languages in which reports are read and written."""

    ENGLISH = "en"
    SPANISH = "es"
