"""The figures that the papers report, to stand beside ours where the data are theirs."""

from __future__ import annotations

from typing import Final

from findings.claims import Frozen


class PublishedRow(Frozen):
    """A row of a paper's table of results; None: not reported there."""

    paper: str
    dataset: str
    """The name of the data set's reader; blank where no reader fits."""
    where: str
    bleu_4: float | None = None
    rouge_l: float | None = None
    meteor: float | None = None
    cider: float | None = None
    bert_score: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    other: str = ""


PUBLISHED: Final = (
    PublishedRow(
        paper="Radixpert, HCF and S-CMT",
        dataset="padchest",
        where="PadChest, 16,000 studies",
        bleu_4=0.194,
        rouge_l=0.389,
        meteor=0.195,
        cider=0.478,
        other="RadCliQ-v1 0.823",
    ),
    PublishedRow(
        paper="Radixpert, anatomy-guided",
        dataset="padchest",
        where="PadChest, 16,000 studies",
        bleu_4=0.176,
        rouge_l=0.389,
        meteor=0.196,
        other="RadCliQ 0.804",
    ),
    PublishedRow(
        paper="CliniQure",
        dataset="",
        where="VinDr-CXR, against texts of a language model",
        bert_score=0.984,
    ),
    PublishedRow(
        paper="CLALA-Net",
        dataset="mimic-cxr-jpg",
        where="MIMIC-CXR; precision, recall and F1 of 14 lesions",
        rouge_l=0.218,
        meteor=0.165,
        precision=0.41,
        recall=0.40,
        f1=0.40,
        other="GREEN 0.441, F1-RadGraph 0.262, consistency 14.32 of 20",
    ),
    PublishedRow(
        paper="TRRG",
        dataset="mimic-cxr-jpg",
        where="MIMIC-CXR; precision, recall and F1 by CheXbert",
        bleu_4=0.157,
        rouge_l=0.336,
        meteor=0.167,
        cider=0.219,
        precision=0.403,
        recall=0.399,
        f1=0.393,
    ),
    PublishedRow(
        paper="TRRG",
        dataset="openi",
        where="IU X-ray",
        bleu_4=0.151,
        rouge_l=0.377,
        meteor=0.209,
        cider=0.405,
    ),
)


def published_table(dataset: str) -> list[str]:
    """The papers' own rows on that data set as lines of Markdown; nothing where there are none."""
    rows = [row for row in PUBLISHED if row.dataset == dataset]
    if not rows:
        return []
    lines = [
        "As the papers report; their METEOR is METEOR 1.5.",
        "",
        "| paper | where | BLEU-4 | ROUGE-L | METEOR | CIDEr | precision | recall | F1 | other |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        figures = (
            row.bleu_4,
            row.rouge_l,
            row.meteor,
            row.cider,
            row.precision,
            row.recall,
            row.f1,
        )
        shown = " | ".join("" if value is None else f"{value:.3f}" for value in figures)
        lines.append(f"| {row.paper} | {row.where} | {shown} | {row.other} |")
    return lines
