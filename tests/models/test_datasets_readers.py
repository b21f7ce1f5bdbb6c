"""Each reader on a tiny folder of the published shape, and on folders that lack something."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from findings.errors import UserInputError
from findings.regions import Region
from findings.vocabulary import Finding, Language, Side
from imaging.study import View
from models.data.records import MaskKind, Split
from models.datasets.notes import Notes, Problem
from models.datasets.record import LabelOrigin, LabelState, RadiographRecord
from models.datasets.registry import detect, open_dataset, readers
from models.datasets.tables import find_table

PRESENT, ABSENT = LabelState.PRESENT, LabelState.ABSENT
UNCERTAIN, UNKNOWN = LabelState.UNCERTAIN, LabelState.UNKNOWN
PADCHEST = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
CHEXPERT_LABELS = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,"
    "Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,"
    "Support Devices"
)
VINDR_LABELS = (
    "Aortic enlargement,Atelectasis,Calcification,Cardiomegaly,Clavicle fracture,Consolidation,"
    "Edema,Emphysema,Enlarged PA,ILD,Infiltration,Lung Opacity,Lung cavity,Lung cyst,"
    "Mediastinal shift,Nodule/Mass,Pleural effusion,Pleural thickening,Pneumothorax,"
    "Pulmonary fibrosis,Rib fracture,Other lesion,COPD,Lung tumor,Pneumonia,Tuberculosis"
)


def write(folder: Path, name: str, *lines: str) -> None:
    """Write a text file of the data set."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def picture(folder: Path, *names: str) -> None:
    """Put small grey pictures where the tables say that radiographs lie."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        format_of = {".jpg": "JPEG", ".gif": "GIF"}.get(path.suffix, "PNG")
        Image.fromarray(np.full((16, 12), 200, np.uint8)).save(path, format=format_of)


def make_nih(folder: Path) -> None:
    write(
        folder,
        "Data_Entry_2017.csv",
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
        "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],",
        "00000001_000.png,Cardiomegaly|Effusion,0,1,58,M,PA,2682,2749,0.143,0.143,",
        "00000001_001.png,No Finding,1,1,58,M,AP,2682,2749,0.143,0.143,",
        "00000002_000.png,Hernia,0,2,81,M,PA,2500,2048,0.171,0.171,",
    )
    write(
        folder,
        "BBox_List_2017.csv",
        "Image Index,Finding Label,Bbox [x,y,w,h],,,",
        "00000001_000.png,Infiltrate,100.5,200,50,25,,,",
        "00000001_000.png,Cardiomegaly,1,2,0,25,,,",
    )
    write(folder, "train_val_list.txt", "00000001_000.png", "00000001_001.png")
    write(folder, "test_list.txt", "00000002_000.png")
    picture(folder, "images_001/images/00000001_000.png", "images_001/images/00000001_001.png")
    picture(folder, "images_012/images/00000002_000.png")


def make_vindr(folder: Path) -> None:
    header = "image_id,rad_id,class_name,x_min,y_min,x_max,y_max"
    write(
        folder,
        "annotations/annotations_train.csv",
        header,
        "0a,R1,Cardiomegaly,10,20,30,40",
        "0a,R2,Cardiomegaly,11,21,31,41",
        "0a,R2,Nodule/Mass,1,2,3,4",
        "0a,R3,No finding,,,,",
        "0b,R1,No finding,,,,",
    )
    labels = (*VINDR_LABELS.split(","), "Other diseases", "No finding")
    marked = {"R1": {"Cardiomegaly", "COPD"}, "R2": {"Cardiomegaly", "Nodule/Mass"}}
    write(
        folder,
        "annotations/image_labels_train.csv",
        "image_id,rad_id," + ",".join(labels),
        *(
            f"0a,{reader}," + ",".join("1" if label in own else "0" for label in labels)
            for reader, own in {**marked, "R3": {"No finding"}}.items()
        ),
    )
    write(
        folder,
        "annotations/annotations_test.csv",
        header.replace("rad_id,", ""),
        "0c,ILD,5,6,7,8",
    )
    labels = (*VINDR_LABELS.split(","), "Other disease", "No finding")
    write(
        folder,
        "annotations/image_labels_test.csv",
        "image_id," + ",".join(labels),
        "0c," + ",".join("1" if label in ("ILD", "Other disease") else "0" for label in labels),
    )
    picture(folder, "train/0a.dicom", "train/0b.dicom", "test/0c.dicom")


def make_vindr_challenge(folder: Path) -> None:
    write(
        folder,
        "train.csv",
        "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max",
        "0a,No finding,14,R10,,,,",
        "0a,No finding,14,R11,,,,",
        "0a,Pneumothorax,12,R12,1,2,3,4.5",
    )
    picture(folder, "train/0a.png")


def make_chexpert(folder: Path) -> None:
    header = f"Path,Sex,Age,Frontal/Lateral,AP/PA,{CHEXPERT_LABELS}"
    edition = "CheXpert-v1.0-small"
    write(
        folder,
        "train.csv",
        header,
        f"{edition}/train/patient00007/study1/view1_frontal.jpg,F,68,Frontal,AP,"
        ",,1.0,-1.0,,0.0,,,,,,,,1.0",
        f"{edition}/train/patient00007/study2/view2_lateral.jpg,F,68,Lateral,,1.0" + "," * 13,
    )
    write(
        folder,
        "valid.csv",
        header,
        f"{edition}/valid/patient64541/study1/view1_frontal.jpg,M,73,Frontal,PA,"
        "0.0,1.0,1.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0",
    )
    picture(
        folder,
        "train/patient00007/study1/view1_frontal.jpg",
        "train/patient00007/study2/view2_lateral.jpg",
        "valid/patient64541/study1/view1_frontal.jpg",
    )


def make_padchest(folder: Path) -> None:
    columns = (
        ",ImageID,ImageDir,StudyID,PatientID,Projection,ReportID,Report,MethodLabel,Labels,"
        "Localizations,LabelsLocalizationsBySentence,labelCUIS,LocalizationsCUIS"
    )
    rows: Sequence[Sequence[str]] = (
        columns.split(","),
        (
            *(
                "0",
                "1_a.png",
                "0",
                "1",
                "007",
                "PA",
                "44",
                "derram pleural izquierd .",
                "Physician",
            ),
            "['pleural effusion', 'rib fracture', 'obesity']",
            "['loc left', 'loc rib']",
            "[['pleural effusion', 'loc left'], ['rib fracture', 'loc rib'], ['normal']]",
            "['C0032227' 'C0035522']",
            "['C0443246']",
        ),
        (
            *("1", "1_b.png", "0", "1", "007", "L", "44", "sin hallazg .", "RNN_model"),
            *("['normal']", "[]", "['normal']", "[]", "[]"),
        ),
        (
            *("2", "2_a.png", "3", "2", "008", "AP_horizontal", "45", ".", "Physician"),
            *("['suboptimal study']", "[]", "[['suboptimal study']]", "[]", "[]"),
        ),
    )
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write(folder, PADCHEST, text.getvalue().rstrip("\n"))
    picture(folder, "0/1_a.png", "0/1_b.png", "3/2_a.png")


SCENE_GRAPH = {
    "image_id": "d1",
    "viewpoint": "PA",
    "objects": [
        {
            "bbox_name": "left lower lung zone",
            "object_id": "d1_left lower lung zone",
            "x1": 100,
            "original_x1": 1500,
            "original_y1": 1200,
            "original_x2": 2100,
            "original_y2": 1800,
            "original_width": 600,
        },
        {
            "bbox_name": "left cardiac silhouette",
            "original_x1": 1,
            "original_y1": 2,
            "original_x2": 3,
            "original_y2": 4,
        },
        {
            "bbox_name": "spine",
            "original_x1": 9,
            "original_y1": 2,
            "original_x2": 3,
            "original_y2": 4,
        },
    ],
    "attributes": [
        {
            "bbox_name": "left lower lung zone",
            "left lower lung zone": True,
            "attributes": [
                ["anatomicalfinding|no|pneumothorax", "nlp|yes|abnormal"],
                ["anatomicalfinding|yes|lung opacity", "disease|no|pneumonia"],
                ["disease|yes|pneumonia", "technicalassessment|yes|rotated"],
            ],
            "phrases": ["a", "b", "c"],
        }
    ],
    "relationships": [],
}


def make_mimic(folder: Path) -> None:
    write(
        folder,
        "mimic-cxr-2.0.0-metadata.csv",
        "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns",
        "d1,10000032,50414267,CHEST (PA AND LAT),PA,3056,2544",
        "d2,10000032,50414267,CHEST (PA AND LAT),LATERAL,3056,2544",
        "d3,10000764,57375967,CHEST (PORTABLE AP),AP,2544,3056",
    )
    write(
        folder,
        "mimic-cxr-2.0.0-split.csv",
        "dicom_id,study_id,subject_id,split",
        "d1,50414267,10000032,train",
        "d2,50414267,10000032,train",
        "d3,57375967,10000764,validate",
    )
    write(
        folder,
        "mimic-cxr-2.0.0-chexpert.csv",
        "subject_id,study_id," + ",".join(sorted(CHEXPERT_LABELS.split(","))),
        "10000032,50414267,1.0,,-1.0,,,,,,0.0,,,,,",
    )
    report = "FINAL REPORT\n FINDINGS: Clear.\n"
    write(folder, "files/p10/p10000032/s50414267.txt", report)
    write(folder, "silver_dataset/scene_graph/d1_SceneGraph.json", json.dumps(SCENE_GRAPH))
    write(folder, "silver_dataset/scene_graph/d3_SceneGraph.json", '{"objects": 7}')
    for name in ("p10000032/s50414267/d1", "p10000032/s50414267/d2", "p10000764/s57375967/d3"):
        picture(folder, f"files/p10/{name}.jpg")


def openi_report(number: int, tags: Sequence[str], images: Sequence[str]) -> str:
    """A report file as the collection has them."""
    majors = "".join(f"<major>{tag}</major>" for tag in tags)
    parents = "".join(
        f'<parentImage id="{image}"><figureId>F1</figureId></parentImage>' for image in images
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><eCitation><uId id="CXR{number}"/>'
        '<Abstract><AbstractText Label="INDICATION">Cough.</AbstractText>'
        '<AbstractText Label="FINDINGS">Opacity at the left base.</AbstractText></Abstract>'
        f"<MeSH>{majors}</MeSH>{parents}</eCitation>"
    )


def make_openi(folder: Path) -> None:
    tags = ("Opacity/lung/base/left", "No Indexing")
    images = ("CXR7_IM-1-1001", "CXR7_IM-1-2001")
    write(folder, "ecgen-radiology/7.xml", openi_report(7, tags, images))
    write(folder, "ecgen-radiology/8.xml", openi_report(8, ("normal",), ()))
    write(folder, "ecgen-radiology/9.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    write(folder, "nlmcxr_dicom_metadata.csv", "imageid,View Position", "CXR7_IM-1-2001,LL")
    picture(folder, *(f"NLMCXR_png/{image}.png" for image in images))


def make_rsna(folder: Path) -> None:
    write(
        folder,
        "stage_2_train_labels.csv",
        "patientId,x,y,width,height,Target",
        "0000a,,,,,0",
        "0000b,264.0,152.0,213.0,379.0,1",
        "0000b,562.0,152.0,256.0,453.0,1",
        "0000c,,,,,0",
    )
    write(
        folder,
        "stage_2_detailed_class_info.csv",
        "patientId,class",
        "0000a,Normal",
        "0000b,Lung Opacity",
        "0000b,Lung Opacity",
        "0000c,No Lung Opacity / Not Normal",
    )
    picture(folder, *(f"stage_2_train_images/0000{letter}.dcm" for letter in "abc"))


def make_siim(folder: Path) -> None:
    write(
        folder,
        "train-rle.csv",
        "ImageId, EncodedPixels",
        "1.2.3, -1",
        "1.2.4, 1025 2 1022 1",
        "1.2.4, 0 1",
    )
    picture(folder, "dicom-images-train/1/2/1.2.3.dcm", "dicom-images-train/3/4/1.2.4.dcm")


def make_jsrt(folder: Path) -> None:
    write(
        folder,
        "Clinical_Information/CLNDAT_EN.txt",
        "JPCLN001.IMG\t5\t14\t53\tmale\t1634\t692\tmalignant\tl.upper lobe\tlung cancer",
        "JPCLN002.IMG\t5\tx\t78\tfemale\t1614\t1090\tbenign",
    )
    picture(folder, "All247images/JPCLN001.IMG", "All247images/JPCLN002.IMG")
    picture(folder, "All247images/JPCNN001.IMG", "fold1/masks/heart/JPCLN001.gif")
    picture(folder, "fold2/masks/left lung/JPCNN001.gif", "fold2/masks/right lung/JPCNN001.gif")


def make_tuberculosis(folder: Path) -> None:
    picture(folder, "MontgomerySet/CXR_png/MCUCXR_0001_0.png")
    for side in ("leftMask", "rightMask"):
        picture(folder, f"MontgomerySet/ManualMask/{side}/MCUCXR_0001_0.png")
    picture(folder, "ChinaSet_AllFiles/CXR_png/CHNCXR_0327_1.png")
    picture(folder, "mask/CHNCXR_0327_1_mask.png")
    reading = ("male 37yrs", "bilateral secondary PTB")
    write(folder, "ChinaSet_AllFiles/ClinicalReadings/CHNCXR_0327_1.txt", *reading)
    reading = ("Patient's Sex: F", "Patient's Age: 027Y", "normal")
    write(folder, "MontgomerySet/ClinicalReadings/MCUCXR_0001_0.txt", *reading)


def make_covid(folder: Path) -> None:
    write(
        folder,
        "metadata.csv",
        "patientid,offset,sex,age,finding,view,modality,folder,filename,license,clinical_notes",
        "2,0,M,65,Pneumonia/Viral/COVID-19,PA,X-ray,images,a.jpg,CC,fever",
        "2,3,M,65,No Finding,AP Supine,X-ray,images,b.jpg,CC,",
        "4,,F,52,todo,L,X-ray,images,c.jpg,,",
        "5,,F,52,Pneumonia/Viral/COVID-19,Axial,CT,volumes,d.nii.gz,,",
    )
    picture(folder, "images/a.jpg", "images/b.jpg", "images/c.jpg")


def make_folder(folder: Path) -> None:
    write(
        folder,
        "labels.csv",
        "image,patient,view,split,report,language,Effusion,lung_opacity,Lung Lesion,shoe size",
        "007,01,PA,train,derrame,es,1,0,-1,43",
        "sub/b.png,02,LATERAL,test,,,0,,present,44",
    )
    write(
        folder,
        "boxes.csv",
        "image,finding,x_min,y_min,x_max,y_max,reader",
        "007,Effusion,1,2,3,4,anna",
        "007,Effusion,3,2,1,4,anna",
    )
    picture(folder, "images/007.png", "masks/007.png", "sub/b.png")


def make_shared(folder: Path) -> None:
    findings = (
        "Atelectasis,Cardiomegaly,Effusion,Infiltration,Mass,Nodule,Pneumonia,Pneumothorax,"
        "Consolidation,Edema,Emphysema,Fibrosis,Pleural_Thickening,Hernia"
    )
    write(
        folder,
        "nih/labels.csv",
        f"image,patient,split,view,{findings},note",
        "00000001_000,00000001,train,PA,0,1" + ",0" * 12 + ",",
    )
    write(
        folder,
        "nih/boxes.csv",
        "image,finding,x_min,y_min,x_max,y_max,split",
        "00000001_000,Cardiomegaly,10,11,12,13,train",
    )
    write(
        folder,
        "covid/metadata.csv",
        "image,patient,split,finding,view,lung_mask,clinical_notes",
        "gbseg/images/g.jpg,40,val,Pneumonia,PA,,notes",
        "covid/images/c.jpg,40,val,Pneumonia,AP,covid/masks/c.png,",
    )
    write(
        folder, "gbseg/split.csv", "image,split,patient,finding,view", "g.jpg,val,40,Pneumonia,PA"
    )
    write(folder, "gbseg/index.csv", "image,structure,mask")
    picture(folder, "nih/images/00000001_000.jpg", "covid/images/c.jpg", "gbseg/images/g.jpg")
    picture(folder, "covid/masks/c.png")


MAKERS: dict[str, Callable[[Path], None]] = {
    "nih-chestxray14": make_nih,
    "vindr-cxr": make_vindr,
    "chexpert": make_chexpert,
    "padchest": make_padchest,
    "mimic-cxr-jpg": make_mimic,
    "openi": make_openi,
    "rsna-pneumonia": make_rsna,
    "siim-pneumothorax": make_siim,
    "jsrt-scr": make_jsrt,
    "nlm-tuberculosis": make_tuberculosis,
    "covid-chestxray": make_covid,
    "shared": make_shared,
    "folder-csv": make_folder,
}


def read(folder: Path, notes: Notes | None = None) -> dict[str, RadiographRecord]:
    """Every record of a folder by image id."""
    records = list(open_dataset(folder).records(notes))
    assert len({(record.source, record.image_id) for record in records}) == len(records)
    return {record.image_id: record for record in records}


@pytest.mark.parametrize("name", MAKERS)
def test_every_layout_is_recognised_and_taken_for_no_other(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path)
    assert detect(tmp_path) == (name,)
    assert read(tmp_path)


def test_there_is_a_test_for_every_reader() -> None:
    assert set(MAKERS) == set(readers())


@pytest.mark.parametrize("name", MAKERS)
def test_an_empty_folder_is_refused_with_what_is_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match=r"there is n.*docs/datasets.md"):
        open_dataset(tmp_path, name)
    with pytest.raises(UserInputError, match="no such folder"):
        open_dataset(tmp_path / "nowhere", name)


@pytest.mark.parametrize(
    ("name", "table", "column"),
    [
        ("nih-chestxray14", "Data_Entry_2017.csv", "Finding Labels"),
        ("vindr-cxr", "annotations/annotations_train.csv", "class_name"),
        ("chexpert", "train.csv", "Path"),
        ("padchest", PADCHEST, "LabelsLocalizationsBySentence"),
        ("mimic-cxr-jpg", "mimic-cxr-2.0.0-metadata.csv", "dicom_id"),
        ("mimic-cxr-jpg", "mimic-cxr-2.0.0-chexpert.csv", "Fracture"),
        ("rsna-pneumonia", "stage_2_train_labels.csv", "Target"),
        ("siim-pneumothorax", "train-rle.csv", "EncodedPixels"),
        ("covid-chestxray", "metadata.csv", "finding"),
        ("folder-csv", "labels.csv", "image"),
        ("folder-csv", "boxes.csv", "x_max"),
    ],
)
def test_a_missing_column_is_named(name: str, table: str, column: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path)
    path = tmp_path / table
    path.write_text(path.read_text("utf-8").replace(column, "renamed", 1), encoding="utf-8")
    with pytest.raises(UserInputError, match=rf"{path.name} lacks the column '{column}'"):
        list(open_dataset(tmp_path, name).records())


@pytest.mark.parametrize("name", MAKERS)
def test_missing_images_are_counted_and_passed_over(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path)
    whole = read(tmp_path)
    gone = next(iter(whole.values()))
    if name in ("jsrt-scr", "nlm-tuberculosis"):
        pytest.skip("its films are found by name: a film that is not there is not in the list")
    gone.image.unlink()
    notes = Notes()
    left = read(tmp_path, notes)
    assert set(left) == set(whole) - {gone.image_id}
    # The readers of the shared layout pass over such a row by themselves.
    assert notes.counts[Problem.MISSING_IMAGE] == (0 if name == "shared" else 1)


def test_an_unknown_kind_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="Choose one of: nih-chestxray14, vindr-cxr"):
        open_dataset(tmp_path, "imagenet")


def test_a_folder_of_two_data_sets_needs_a_kind(tmp_path: Path) -> None:
    make_nih(tmp_path)
    make_rsna(tmp_path)
    with pytest.raises(UserInputError, match=r"nih-chestxray14, rsna-pneumonia.*--kind"):
        open_dataset(tmp_path)
    assert len(list(open_dataset(tmp_path, "rsna-pneumonia").records())) == 3


def test_the_nearest_layout_is_named_where_none_fits(tmp_path: Path) -> None:
    write(tmp_path, "metadata.csv", "patientid,finding", "1,x")
    with pytest.raises(UserInputError, match=r"covid-chestxray: metadata\.csv lacks the columns"):
        open_dataset(tmp_path)


def test_tables_may_be_gzipped(tmp_path: Path) -> None:
    import gzip

    make_chexpert(tmp_path)
    table = tmp_path / "train.csv"
    (tmp_path / "train.csv.gz").write_bytes(gzip.compress(table.read_bytes()))
    table.unlink()
    assert find_table(tmp_path, "train.csv") == tmp_path / "train.csv.gz"
    assert len(read(tmp_path)) == 3


def test_nih_labels_boxes_and_lists(tmp_path: Path) -> None:
    make_nih(tmp_path)
    notes = Notes()
    records = read(tmp_path, notes)
    first = records["00000001_000.png"]
    assert (first.patient, first.view, first.split) == ("00000001", View.PA, Split.TRAIN)
    assert first.label(Finding.CARDIOMEGALY) is PRESENT
    assert first.label(Finding.PLEURAL_EFFUSION) is PRESENT
    assert first.label(Finding.HERNIA) is first.label(Finding.NO_FINDING) is ABSENT
    assert first.label(Finding.FRACTURE) is UNKNOWN
    assert first.origin is LabelOrigin.PROGRAM
    (box,) = first.boxes
    assert (box.finding, box.box) == (Finding.INFILTRATION, (100.5, 200.0, 150.5, 225.0))
    assert (first.frame, first.boxed) == ((1024, 1024), frozenset())
    assert first.boxes_on(512, 256)[0].box == (50.25, 50.0, 75.25, 56.25)
    assert first.boxes_on(1024, 1024) == first.boxes
    assert notes.counts == {Problem.BROKEN_BOX: 1}
    assert records["00000001_001.png"].patient_key == first.patient_key
    assert records["00000002_000.png"].split is Split.TEST


def test_vindr_radiologists_vote(tmp_path: Path) -> None:
    make_vindr(tmp_path)
    records = read(tmp_path)
    first = records["0a"]
    assert first.label(Finding.CARDIOMEGALY) is PRESENT
    assert first.label(Finding.LUNG_LESION) is first.label(Finding.COPD) is UNCERTAIN
    assert first.label(Finding.PNEUMOTHORAX) is ABSENT
    assert {reading.reader: reading.present for reading in first.readings} == {
        "R1": {Finding.CARDIOMEGALY, Finding.COPD},
        "R2": {Finding.CARDIOMEGALY, Finding.LUNG_LESION},
        "R3": {Finding.NO_FINDING},
    }
    assert [(box.reader, box.box) for box in first.boxes] == [
        ("R1", (10, 20, 30, 40)),
        ("R2", (11, 21, 31, 41)),
        ("R2", (1, 2, 3, 4)),
    ]
    assert Finding.RIB_FRACTURE in first.boxed
    assert Finding.COPD not in first.boxed
    assert records["0b"].label(Finding.NO_FINDING) is PRESENT
    consensus = records["0c"]
    assert (consensus.split, consensus.readings) == (Split.TEST, ())
    assert consensus.label(Finding.OTHER_FINDING) is PRESENT
    assert consensus.label(Finding.INTERSTITIAL_LUNG_DISEASE) is PRESENT


def test_vindr_challenge_asks_for_fourteen_findings(tmp_path: Path) -> None:
    make_vindr_challenge(tmp_path)
    record = read(tmp_path)["0a"]
    assert len(record.boxed) == 14
    assert record.label(Finding.PNEUMOTHORAX) is UNCERTAIN
    assert record.label(Finding.RIB_FRACTURE) is UNKNOWN
    assert record.label(Finding.NO_FINDING) is PRESENT
    assert record.patient_key == "vindr-cxr/image:0a"


def test_chexpert_states(tmp_path: Path) -> None:
    make_chexpert(tmp_path)
    first, lateral, valid = read(tmp_path).values()
    assert dict(first.labels) == {
        Finding.CARDIOMEGALY: PRESENT,
        Finding.LUNG_OPACITY: UNCERTAIN,
        Finding.EDEMA: ABSENT,
        Finding.SUPPORT_DEVICE: PRESENT,
    }
    assert (first.patient, first.study, first.view) == (
        "patient00007",
        "patient00007/study1",
        View.AP,
    )
    assert (lateral.view, lateral.patient_key) == (View.LATERAL, first.patient_key)
    assert (valid.split, valid.origin, len(valid.labels)) == (
        Split.VAL,
        LabelOrigin.RADIOLOGISTS,
        14,
    )


def test_padchest_labels_places_and_concepts(tmp_path: Path) -> None:
    make_padchest(tmp_path)
    notes = Notes()
    first, lateral, unread = read(tmp_path, notes).values()
    assert first.label(Finding.PLEURAL_EFFUSION) is PRESENT
    assert first.label(Finding.FRACTURE) is PRESENT, "a rib fracture is a fracture"
    assert first.label(Finding.PNEUMONIA) is first.label(Finding.NO_FINDING) is ABSENT
    assert [(c.finding, c.side, c.region) for c in first.claims][:2] == [
        (Finding.PLEURAL_EFFUSION, Side.LEFT, None),
        (Finding.RIB_FRACTURE, None, Region.RIBS),
    ]
    assert first.codes == ("C0032227", "C0035522")
    assert first.report is not None
    assert (first.report.language, first.report.stemmed) == (Language.SPANISH, True)
    assert (first.origin, lateral.origin) == (LabelOrigin.REPORT_READERS, LabelOrigin.PROGRAM)
    assert (first.patient, lateral.view) == ("007", View.LATERAL)
    assert lateral.label(Finding.NO_FINDING) is PRESENT
    assert (dict(unread.labels), unread.view) == ({}, View.AP)
    assert notes.unmapped == {"obesity": 1, "suboptimal study": 1}


def test_mimic_with_reports_and_scene_graphs(tmp_path: Path) -> None:
    make_mimic(tmp_path)
    notes = Notes()
    first, lateral, other = read(tmp_path, notes).values()
    # The labels' columns are in alphabetical order there.
    assert dict(first.labels) == {
        Finding.ATELECTASIS: PRESENT,
        Finding.CONSOLIDATION: UNCERTAIN,
        Finding.NO_FINDING: ABSENT,
    }
    assert first.report is not None
    assert first.report.text.startswith("FINAL REPORT")
    assert (first.split, other.split, first.frame) == (Split.TRAIN, Split.VAL, (2544, 3056))
    zone, silhouette = first.regions
    assert (zone.region, zone.box) == (Region.LEFT_LOWER_ZONE, (1500, 1200, 2100, 1800))
    assert dict(zone.labels) == {
        Finding.PNEUMOTHORAX: ABSENT,
        Finding.LUNG_OPACITY: PRESENT,
        Finding.PNEUMONIA: PRESENT,
    }
    assert (silhouette.name, silhouette.region) == ("left cardiac silhouette", None)
    assert lateral.regions == other.regions == ()
    assert (lateral.view, lateral.study, other.report) == (View.LATERAL, first.study, None)
    assert notes.counts == {
        Problem.CONFLICT: 1,
        Problem.BROKEN_BOX: 1,
        Problem.BROKEN_FILE: 1,
        Problem.MISSING_REPORT: 1,
        Problem.UNMAPPED_LABEL: 1,
    }


def test_openi_reports_and_tags(tmp_path: Path) -> None:
    make_openi(tmp_path)
    notes = Notes()
    frontal, lateral = read(tmp_path, notes).values()
    assert frontal.patient == lateral.patient == "CXR7"
    assert frontal.label(Finding.LUNG_OPACITY) is PRESENT
    assert frontal.label(Finding.PNEUMOTHORAX) is frontal.label(Finding.NO_FINDING) is ABSENT
    assert frontal.claims[0].side is Side.LEFT
    assert frontal.report is not None
    assert frontal.report.text == "Indication: Cough.\nFindings: Opacity at the left base."
    assert (frontal.view, lateral.view) == (View.UNKNOWN, View.LATERAL)
    assert notes.counts == {Problem.BROKEN_FILE: 1, Problem.UNMAPPED_LABEL: 1}


def test_openi_archive_reads_as_its_files_do(tmp_path: Path) -> None:
    make_openi(tmp_path)
    unpacked = read(tmp_path)
    with tarfile.open(tmp_path / "NLMCXR_reports.tgz", "w:gz") as archive:
        archive.add(tmp_path / "ecgen-radiology", "ecgen-radiology")
    shutil.rmtree(tmp_path / "ecgen-radiology")
    assert read(tmp_path) == unpacked
    archive_bytes = (tmp_path / "NLMCXR_reports.tgz").read_bytes()
    (tmp_path / "NLMCXR_reports.tgz").write_bytes(archive_bytes[: len(archive_bytes) // 2])
    with pytest.raises(UserInputError, match="damaged or cut off"):
        read(tmp_path)


def test_rsna_boxes_and_classes(tmp_path: Path) -> None:
    make_rsna(tmp_path)
    records = read(tmp_path)
    normal, opaque, other = (records[f"0000{letter}"] for letter in "abc")
    assert normal.label(Finding.NO_FINDING) is PRESENT
    assert other.label(Finding.NO_FINDING) is other.label(Finding.LUNG_OPACITY) is ABSENT
    assert opaque.label(Finding.PNEUMONIA) is PRESENT
    assert [box.box for box in opaque.boxes] == [(264, 152, 477, 531), (562, 152, 818, 605)]
    assert normal.boxed == {Finding.LUNG_OPACITY}


def test_siim_masks_are_joined(tmp_path: Path) -> None:
    make_siim(tmp_path)
    records = read(tmp_path)
    assert records["1.2.3"].label(Finding.PNEUMOTHORAX) is ABSENT
    (outline,) = records["1.2.4"].outlines
    mask = outline.read()
    # Down the columns: pixels 1025 and 1026 are rows 1 and 2 of column 1, then 2049: row 1 of 2.
    assert sorted(map(tuple, np.argwhere(mask).tolist())) == [(0, 0), (1, 1), (1, 2), (2, 1)]
    assert (outline.structure, mask.shape) == (Finding.PNEUMOTHORAX, (1024, 1024))


def test_jsrt_nodules_and_outlines(tmp_path: Path) -> None:
    make_jsrt(tmp_path)
    notes = Notes()
    records = read(tmp_path, notes)
    nodule, free = records["JPCLN001"], records["JPCNN001"]
    assert nodule.label(Finding.NODULE) is PRESENT
    assert nodule.boxes[0].box == pytest.approx((1594, 652, 1674, 732))
    assert records["JPCLN002"].boxes == ()
    assert notes.counts == {Problem.BROKEN_ROW: 1}
    assert (free.label(Finding.NODULE), free.frame) == (ABSENT, (2048, 2048))
    assert [own.structure for own in nodule.outlines] == [MaskKind.HEART]
    assert {own.structure for own in free.outlines} == {MaskKind.LEFT_LUNG, MaskKind.RIGHT_LUNG}
    assert free.outlines[0].read().all()


def test_tuberculosis_films_masks_and_readings(tmp_path: Path) -> None:
    make_tuberculosis(tmp_path)
    records = read(tmp_path)
    normal, sick = records["MCUCXR_0001_0"], records["CHNCXR_0327_1"]
    assert (normal.source, sick.source) == ("montgomery", "shenzhen")
    assert normal.label(Finding.TUBERCULOSIS) is ABSENT
    assert sick.label(Finding.TUBERCULOSIS) is PRESENT
    assert [own.structure for own in normal.outlines] == [MaskKind.LEFT_LUNG, MaskKind.RIGHT_LUNG]
    assert [own.structure for own in sick.outlines] == [MaskKind.BOTH_LUNGS]
    assert normal.report is not None
    assert sick.report is not None
    # Who the patient is stays out.
    assert (normal.report.text, sick.report.text) == ("normal", "bilateral secondary PTB")


def test_covid_diagnoses(tmp_path: Path) -> None:
    make_covid(tmp_path)
    records = read(tmp_path)
    assert set(records) == {"a.jpg", "b.jpg", "c.jpg"}
    assert records["a.jpg"].label(Finding.PNEUMONIA) is PRESENT
    assert records["b.jpg"].label(Finding.NO_FINDING) is PRESENT
    assert dict(records["c.jpg"].labels) == {}
    assert [record.view for record in records.values()] == [View.PA, View.AP, View.LATERAL]
    assert records["a.jpg"].patient_key == records["b.jpg"].patient_key


def test_a_folder_with_a_table(tmp_path: Path) -> None:
    make_folder(tmp_path)
    notes = Notes()
    records = read(tmp_path, notes)
    first, second = records["007"], records["sub/b.png"]
    assert first.image == tmp_path / "images" / "007.png", "a mask is not an image"
    assert dict(first.labels) == {
        Finding.PLEURAL_EFFUSION: PRESENT,
        Finding.LUNG_OPACITY: ABSENT,
        Finding.LUNG_LESION: UNCERTAIN,
    }
    assert (first.patient, first.split, second.split) == ("01", Split.TRAIN, Split.TEST)
    assert dict(second.labels) == {Finding.PLEURAL_EFFUSION: ABSENT, Finding.LUNG_LESION: PRESENT}
    assert first.report is not None
    assert first.report.language is Language.SPANISH
    assert [(box.reader, box.box) for box in first.boxes] == [("anna", (1, 2, 3, 4))]
    assert notes.unmapped == {"shoe size": 1}
    assert notes.counts[Problem.BROKEN_BOX] == 1


def test_shared_layout_joins_its_tables(tmp_path: Path) -> None:
    make_shared(tmp_path)
    records = read(tmp_path)
    labelled, covid, gbseg = (records[name] for name in ("00000001_000", "c.jpg", "g.jpg"))
    assert labelled.label(Finding.CARDIOMEGALY) is PRESENT
    assert labelled.label(Finding.NO_FINDING) is ABSENT
    assert labelled.boxes[0].box == (10, 11, 12, 13)
    assert covid.patient_key == gbseg.patient_key, "the two folders share their patients"
    assert [own.structure for own in covid.outlines] == [MaskKind.BOTH_LUNGS]
    assert (len(records), gbseg.source, gbseg.split) == (3, "gbseg", Split.VAL)


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "a\\..\\b.png", "C:x.png"])
def test_names_that_lead_outside_are_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write(folder, "labels.csv", "image,Effusion", f"{name},1")
    picture(tmp_path, "secret.png")
    notes = Notes()
    assert list(open_dataset(folder).records(notes)) == []
    assert notes.counts == {Problem.REFUSED_NAME: 1}


def test_mimic_ids_cannot_lead_outside(tmp_path: Path) -> None:
    make_mimic(tmp_path)
    table = tmp_path / "mimic-cxr-2.0.0-metadata.csv"
    text = table.read_text("utf-8").replace("d2,10000032", "../../d1,../../..")
    table.write_text(text, encoding="utf-8")
    notes = Notes()
    assert len(read(tmp_path, notes)) == 2
    assert notes.counts[Problem.REFUSED_NAME] == 1


def test_deeply_nested_scene_graphs_are_noted(tmp_path: Path) -> None:
    make_mimic(tmp_path)
    graph = tmp_path / "silver_dataset" / "scene_graph" / "d1_SceneGraph.json"
    graph.write_text("[" * 100_000, encoding="utf-8")
    notes = Notes()
    assert read(tmp_path, notes)["d1"].regions == ()
    assert notes.counts[Problem.BROKEN_FILE] == 2


def test_the_documentation_states_every_card() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "datasets.md").read_text("utf-8")
    for name, reader in readers().items():
        assert f"| `{name}` |" in text
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        assert reader.card.terms.split(",")[0].split(";")[0] in row
        assert all(
            f"<{home.split()[0]}>" in row for home in reader.card.home.split("; ") if "//" in home
        )
