"""Tables and file names of unknown origin: bounded, refused with a reason, never followed out."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findings.errors import UserInputError
from models.datasets import tables
from models.datasets.boxes import corner_and_size, corners
from models.datasets.notes import Notes, Problem
from models.datasets.record import FindingBox
from models.datasets.tables import (
    columns_of,
    files_by_name,
    find_table,
    inside,
    read_table,
    read_text,
)

CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20)


def table_of(folder: Path, content: bytes, name: str = "table.csv") -> Path:
    """A table with exactly these bytes."""
    path = folder / name
    path.write_bytes(content)
    return path


@settings(max_examples=60)
@given(rows=st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=6))
def test_cells_come_back_as_text(
    rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["id", "b", "c"], *rows])
    table = table_of(tmp_path_factory.mktemp("t"), text.getvalue().encode())
    read = [list(row.values()) for row in read_table(table, ("id",), Notes())]
    assert read == [[cell.strip() for cell in row] for row in rows]


def test_ids_keep_their_zeros_and_a_byte_order_mark_goes(tmp_path: Path) -> None:
    table = table_of(tmp_path, "\ufeffid , value\n007, 1e3 \n\n".encode())
    assert list(read_table(table, ("id", "value"), Notes())) == [{"id": "007", "value": "1e3"}]


def test_short_rows_are_counted_and_long_ones_cut(tmp_path: Path) -> None:
    notes = Notes()
    table = table_of(tmp_path, b"a,b,c\n1\n1,2\n1,2,3,4\n")
    rows = list(read_table(table, ("a", "b"), notes))
    assert rows == [{"a": "1", "b": "2", "c": ""}, {"a": "1", "b": "2", "c": "3"}]
    assert notes.counts == {Problem.BROKEN_ROW: 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"b\n1\n", r"lacks the column 'a'.*Its columns are: b"),
        (b"a,a\n1,2\n", "more than one column 'a'"),
        ("a\nñ\n".encode("latin-1"), "not UTF-8"),
        ("a\n1\n".encode("utf-16"), "not UTF-8"),
        (b'a\n"' + b"x" * 200_000 + b'"\n', "cannot be read"),
        (b"a\n" + b"x" * (tables.LONGEST_ROW + 10) + b"\n", "a row of more than"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    table = table_of(tmp_path, content)
    with pytest.raises(UserInputError, match=message):
        list(read_table(table, ("a",), Notes()))


def test_a_table_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_ROWS", 3)
    table = table_of(tmp_path, b"a\n" + b"1\n" * 4)
    with pytest.raises(UserInputError, match="more than 3 rows"):
        list(read_table(table, ("a",), Notes()))


def test_rows_are_read_one_by_one(tmp_path: Path) -> None:
    """A damaged end does not keep the rows before it from being read."""
    table = table_of(tmp_path, b"a\n1\n2\n" + b"3\n" * 100_000 + b"\xff\n")
    rows = read_table(table, ("a",), Notes())
    assert [next(rows)["a"], next(rows)["a"]] == ["1", "2"]
    with pytest.raises(UserInputError, match="not UTF-8"):
        list(rows)


def test_gzipped_tables_and_damaged_ones(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)
    assert columns_of(table_of(tmp_path, packed, "t.csv.gz")) == ("a", "b")
    for damaged in (packed[:-12], b"no gzip"):
        table = table_of(tmp_path, damaged, "d.csv.gz")
        with pytest.raises(UserInputError, match="cannot be read"):
            list(read_table(table, ("a",), Notes()))


def test_zipped_tables_and_damaged_ones(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", "a,b\n" + "1,2\n" * 1000)
    assert find_table(tmp_path, "t.csv") == path
    assert len(list(read_table(path, ("a",), Notes()))) == 1000
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + b"\0" * 10 + whole[50:])
    with pytest.raises(UserInputError, match="cannot be read"):
        list(read_table(path, ("a",), Notes()))
    path.write_bytes(whole[:50])
    with pytest.raises(UserInputError, match="cannot be read"):
        columns_of(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "a")
        archive.writestr("b.csv", "a")
    with pytest.raises(UserInputError, match="must hold one CSV table"):
        columns_of(path)


def test_column_names_in_messages_are_few_and_short(tmp_path: Path) -> None:
    table = table_of(tmp_path, (",".join(f"{'n' * 500}{i}" for i in range(50)) + "\n").encode())
    with pytest.raises(UserInputError) as error:
        list(read_table(table, ("a",), Notes()))
    assert len(str(error.value)) < 1200


@settings(max_examples=300)
@given(name=st.text(st.sampled_from("ab./\\:~\0 \n%"), max_size=12))
def test_no_name_leads_outside(name: str) -> None:
    folder = Path("/data/set")
    found = inside(folder, name)
    if found is not None:
        assert found.resolve().is_relative_to(folder.resolve())
        assert found != folder


def test_plain_names_are_taken() -> None:
    assert inside(Path("d"), "a/b c.png") == Path("d/a/b c.png")
    assert inside(Path("d"), "") is inside(Path("d"), "a\0") is inside(Path("d"), "../a") is None


def test_files_are_found_at_any_depth_once(tmp_path: Path) -> None:
    for name in ("a/x.png", "b/x.png", "b/c/y.PNG", "z.txt", ".hidden/v.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    notes = Notes()
    found = files_by_name(tmp_path, (".png",), notes)
    assert found["x.png"] == tmp_path / "a" / "x.png"
    assert set(found) == {"x.png", "y.PNG"}
    assert notes.counts[Problem.SAME_NAME] >= 1


def test_texts_are_bounded(tmp_path: Path) -> None:
    notes = Notes()
    path = table_of(tmp_path, b"\xef\xbb\xbfok \xff", "report.txt")
    assert read_text(path, notes) == "ok \ufffd"
    path.write_bytes(b"x" * (tables.LONGEST_TEXT + 1))
    assert read_text(path, notes) is None
    assert read_text(tmp_path / "none.txt", notes) is None
    assert notes.counts == {Problem.OVERSIZED_TEXT: 1, Problem.MISSING_REPORT: 1}


@given(st.lists(st.one_of(st.floats(), st.text(max_size=5)), min_size=4, max_size=4))
def test_boxes_out_of_cells_have_extent(cells: list[object]) -> None:
    texts = [str(cell) for cell in cells]
    for box in (corners(*texts), corner_and_size(*texts)):
        assert box is None or (box[0] < box[2] and box[1] < box[3])


def test_a_box_without_extent_cannot_be_made() -> None:
    from findings.vocabulary import Finding

    with pytest.raises(ValueError, match="x0 < x1"):
        FindingBox(Finding.NODULE, (3, 1, 3, 2), "nodule")
