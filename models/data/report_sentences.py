"""Read the sentences of the pulled report corpora: Open-i (English) and PadChest (Spanish stems).

Only sentences that a frontal radiograph alone can carry are kept: none with de-identified words,
numbers, references to an earlier study, to another projection or examination, or to a person, and
none without a claim. The text stays on this machine (Open-i is CC BY-NC-ND 4.0): nothing read here
is ever shipped.
"""

from __future__ import annotations

import csv
import gzip
import html
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from findings.claims import Claim
from findings.errors import WeightsError
from findings.label_maps import Dataset, finding_of, padchest_place
from findings.labeler import ReportLabeler
from findings.regions import region_side
from findings.vocabulary import Certainty, Finding, Language, Side
from models.data.sentence_pool import Origin, PooledSentence

OPENI: Final = "NLMCXR_reports.tgz"
PADCHEST: Final = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"

FEWEST_WORDS: Final = 2
MOST_WORDS: Final = 28
MOST_SPANISH: Final = 20_000
"""Different stemmed sentences that are kept, in the order of the table."""

_MOST_BYTES: Final = 1 << 20
_MOST_FILES: Final = 50_000
_MOST_ROWS: Final = 1_000_000
_LONGEST_CELL: Final = 20_000
_SECTION: Final = re.compile(
    r"<AbstractText\s+Label=\"(?:FINDINGS|IMPRESSION)\"\s*>([^<]{1,20000})</AbstractText>"
)
_SENTENCE_END: Final = re.compile(r"(?<=[.?!;])\s+")
_NUMBERING: Final = re.compile(r"^\s*[0-9]{1,2}[.)]\s*")
_OPENING: Final = re.compile(
    r"^(?:(?:findings|impression|conclusion)\s*:|(?:otherwise|specifically|additionally|also)\b,?)\s*",
    re.IGNORECASE,
)
_BEYOND: Final = re.compile(
    r"X{3,}|[0-9?]|"
    r"\b(?:prior|previous\w*|compar\w*|interval|unchanged|stabl[ey]|again|since|newly?|lateral\w*|"
    r"views?|projections?|oblique|ct|mri|pet|tomograph\w*|ultraso\w*|mammogra\w*|echocardiogra\w*|"
    r"recommend\w*|suggest(?:ed|ion)?|correlat\w*|follow\w*|change[sd]?|improv\w*|wors\w*|"
    r"resol\w*|increas\w*|decreas\w*|remain\w*|persist\w*|continu\w*|develop\w*|progress\w*|"
    r"re-?demonstrat\w*|history|clinical\w*|patient\w*|doctor|dr|discuss\w*|notified|telephone|"
    r"exam\w*|study|another|considerations?|arteriographic|"
    r"suprapatellar|limited|evaluation|however|these|this|those|it|above|below described)\b",
    re.IGNORECASE,
)
_BEYOND_SPANISH: Final = re.compile(r"[0-9]|\b(?:previ|anterior|compar|lateral|clinic|tac|tc)\w*")
_DENYING: Final = re.compile(r"(?:there (?:is|are) )?(?:no|without)\b", re.IGNORECASE)
_GROUP: Final = re.compile(r"\[([^\[\]]*)\]")
_ITEM: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")


def read_openi_sentences(corpora: Path) -> list[PooledSentence]:
    """The different usable sentences of Open-i's findings and impressions, most frequent first.

    Raises:
        WeightsError: the archive is absent or damaged.
    """
    labeler = ReportLabeler(Language.ENGLISH)
    counts: dict[str, int] = {}
    for text in _sections(corpora / OPENI):
        for sentence in split(text):
            counts[sentence] = counts.get(sentence, 0) + 1
    pooled = []
    for sentence in sorted(counts, key=lambda text: (-counts[text], text)):
        if not is_usable(sentence):
            continue
        claims = read_claims(labeler, sentence)
        if claims:
            pooled.append(
                PooledSentence(
                    text=sentence,
                    language=Language.ENGLISH,
                    origin=Origin.OPENI,
                    claims=claims,
                    count=counts[sentence],
                )
            )
    return pooled


def split(text: str) -> Iterator[str]:
    """The sentences of a section as single lines, capitalised, each with its full stop."""
    for part in _SENTENCE_END.split(" ".join(html.unescape(text).split())):
        sentence = _OPENING.sub("", _NUMBERING.sub("", part)).strip(" ;,-")
        if sentence.strip(".?! "):
            end = "" if sentence.endswith("?") else "."
            yield f"{sentence[0].upper()}{sentence[1:].rstrip('.! ')}{end}"


def is_usable(sentence: str) -> bool:
    """Whether a frontal radiograph alone could carry the sentence; see the module."""
    words = sentence.split()
    printable = sentence.isprintable() and sentence.isascii()
    return printable and FEWEST_WORDS <= len(words) <= MOST_WORDS and not _BEYOND.search(sentence)


def read_claims(labeler: ReportLabeler, sentence: str) -> tuple[Claim, ...]:
    """What the sentence states; empty where any of it is only possible, or a change over time."""
    claims = [claim for part in labeler.label(sentence) for claim in part.claims]
    if any(c.change or c.measurement or c.certainty is Certainty.POSSIBLE for c in claims):
        return ()
    if _DENYING.match(sentence) and any(c.present for c in claims):
        return ()  # a denial that goes on to affirm is more often misread than meant
    plain = (Claim.model_validate(claim.model_dump(exclude={"span"})) for claim in claims)
    return tuple(dict.fromkeys(plain))


def _sections(archive: Path) -> Iterator[str]:
    try:
        with tarfile.open(archive, "r|gz") as reports:
            for count, member in enumerate(reports):
                if count >= _MOST_FILES:
                    return
                if not member.isfile() or member.size > _MOST_BYTES:
                    continue
                stream = reports.extractfile(member)
                if stream is not None:
                    yield from _SECTION.findall(stream.read().decode("utf-8", "replace"))
    except (OSError, tarfile.TarError, EOFError) as error:
        raise WeightsError(
            "The Open-i reports cannot be read; the file is absent or damaged. "
            "Run 'readingroom models pull report-corpora'."
        ) from error


def read_padchest_sentences(corpora: Path, most: int = MOST_SPANISH) -> list[PooledSentence]:
    """Different sentences of PadChest that physicians labelled, with those labels as claims.

    The words are stems ("derram pleural izquierd"), as published. Only reports of one sentence are
    read: which of several sentences a group of labels belongs to cannot be told for certain.

    Raises:
        WeightsError: the table is absent or damaged.
    """
    found: dict[str, tuple[Claim, ...]] = {}
    for report, cell in _padchest_rows(corpora / PADCHEST):
        texts = [part.strip() for part in report.split(" . ") if part.strip(" .")]
        groups = _GROUP.findall(cell)
        if len(texts) != 1 or len(groups) != 1:
            continue
        sentence = f"{texts[0].strip(' .')}."
        if sentence in found or not FEWEST_WORDS <= len(sentence.split()) <= MOST_WORDS:
            continue
        claims = padchest_claims(first or second for first, second in _ITEM.findall(groups[0]))
        if claims and not _BEYOND_SPANISH.search(sentence):
            found[sentence] = claims
        if len(found) >= most:
            break
    return [
        PooledSentence(text=text, language=Language.SPANISH, origin=Origin.PADCHEST, claims=claims)
        for text, claims in found.items()
    ]


def padchest_claims(items: Iterable[str]) -> tuple[Claim, ...]:
    """The claims of one sentence's labels and places ("loc basal"); empty if a label is unknown."""
    findings: list[Finding] = []
    side, region = None, None
    for item in (item.strip() for item in items):
        if item.startswith("loc "):
            place = padchest_place(item)
            side = side or (place.side if place else None)
            region = region or (place.region if place else None)
            continue
        finding = finding_of(Dataset.PADCHEST, item)
        if finding is None:
            return ()
        findings.append(finding)
    if region is not None and side is None and region_side(region) in (Side.LEFT, Side.RIGHT):
        side = region_side(region)
    if len(findings) > 1 and (side is not None or region is not None):
        return ()  # whose place it is cannot be told
    return tuple(Claim(finding=f, side=side, region=region) for f in dict.fromkeys(findings))


def _padchest_rows(table: Path) -> Iterator[tuple[str, str]]:
    try:
        with gzip.open(table, "rt", encoding="utf-8", errors="replace", newline="") as stream:
            for count, row in enumerate(csv.DictReader(stream)):
                if count >= _MOST_ROWS:
                    return
                cell = row["LabelsLocalizationsBySentence"]
                if row["MethodLabel"] == "Physician" and len(cell) <= _LONGEST_CELL:
                    yield row["Report"], cell
    except (OSError, EOFError, KeyError, ValueError, csv.Error) as error:
        raise WeightsError(
            "The PadChest table cannot be read; the file is absent, damaged or lacks a column. "
            "Run 'readingroom models pull report-corpora'."
        ) from error
