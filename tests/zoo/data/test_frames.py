"""Tables in files: every way to write the same, and what is no table."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import InputError
from zoo.data import tables
from zoo.data.frames import read


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"a,target\n", "no rows"),
        (b"a,a\n1,2\n", "two columns are named 'a'"),
        (b"a,b\n1,2,3\n", "expected 2 fields in each row, received 3"),
        (b"a,b\n" + b"1,2\n" * 100 + b"1,2,3\n", "Expected 2 fields in line 102, saw 3"),
        (b"a,b\n1,\xe9\x81\n", "0xe9 in line 2; save it as UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", "UTF-8"),
        (b"PK\x03\x04\0\0", "null byte"),
        (b"\x1f\x8b broken", "gzip"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=expected) as caught:
        tables(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="does not exist"):
        tables(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="is a folder"):
        tables(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "a,b,target\n{}"),
        ("t.csv", "\ufeffa,b,target\r\n{}"),
        ("t.tsv", "a\tb\ttarget\n{}"),
        ("t.csv", "a;b;target\n{}"),
        ("t.csv", "a|b|target\n{}"),
        ("t.csv", "\n\na,b,target\n{}\n\n"),
        ("t.csv", '"a","b","target"\n{}'),
        ("t.csv", "{}"),
    ],
)
def test_ways_to_write_the_same(tmp_path: Path, name: str, text: str) -> None:
    separator = next((each for each in "\t;|" if each in text), ",")
    rows = [[str(index), f"{index / 8}", "yes" if index % 3 else "no"] for index in range(1, 31)]
    path = tmp_path / name
    content = text.format("\n".join(separator.join(row) for row in rows)).encode("utf-8")
    path.write_bytes(content)
    target = "target" if "target" in text else "2"
    data = tables(path, target=target)
    assert data.classes == ("no", "yes") and data.input["separator"] == separator
    assert data.input["header"] == ("target" in text)
    both = np.concatenate([data.train.inputs["numeric"], data.validation.inputs["numeric"]])
    assert sorted(both[:, -1]) == [index / 8 for index in range(1, 31)]
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    assert tables(tmp_path / f"{name}.gz", target=target).train.digests == data.train.digests
    names, inputs, errors = data.kind.raw(path)
    assert len(names) == 30 and not errors and inputs["numeric"].shape == (30, both.shape[1])


def test_a_comma_for_the_point(tmp_path: Path) -> None:
    rows = "\n".join(f"{index},5;{'yes' if index % 2 else 'no'}" for index in range(20))
    (tmp_path / "t.csv").write_text(f"a;target\n{rows}\n")
    assert 3.5 in tables(tmp_path / "t.csv").train.inputs["numeric"]


def test_a_table_without_header_is_predicted_with_and_without_its_target(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("".join(f"{index % 7}.5,{index % 2},{index}.25\n" for index in range(40)))
    data = tables(path, target="1")
    assert data.input["numeric"] == ["0", "2"]
    (tmp_path / "new.csv").write_text("1.5,7.25\n2.5,8.25\n")
    np.testing.assert_array_equal(data.kind.raw(tmp_path / "new.csv")[1]["numeric"], [[1.5, 7.25], [2.5, 8.25]])
    (tmp_path / "new.csv").write_text("1.5\n2.5\n")
    with pytest.raises(InputError, match="expected 3 columns"):
        data.kind.raw(tmp_path / "new.csv")


def test_names_are_the_lines_of_an_editor(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,note,target\n1,"two\nlines",x\n\n2,,y\n,,\n3,"more\n\nlines",x\n4,z,y\n')
    frame = read(path)
    assert frame.names == ["row 2", "row 5", "row 7", "row 10"]
    assert [note.name for note in frame.notes] == ["row 4", "row 6"]


def test_categories_are_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    flags, codes = ["true", "false"], ["01", "1", "A", ""]
    rows = [f"{flags[index % 2]},{codes[index % 4]},{index % 5 % 2}" for index in range(40)]
    path.write_text("\n".join(["flag,code,y", *rows]))
    data = tables(path)
    both = np.concatenate([part.inputs["categorical"] for part in data.parts.values()])
    assert set(both[:, 0]) == set(flags) and set(both[:, 1]) == set(codes)
    path.write_text("flag,code\ntrue,01\ntrue,1\n")  # pandas alone would make True and 1 of these
    assert data.kind.raw(path)[1]["categorical"].tolist() == [["true", "01"], ["true", "1"]]


@settings(max_examples=30, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_is_a_table_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "any.csv"
    path.write_text(text, encoding="utf-8", errors="ignore")
    try:
        tables(path, target="y")
    except InputError as error:
        assert str(path) in str(error)
