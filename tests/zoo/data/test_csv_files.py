"""CSV files as programs and people write them: what is no part of a value, a name or a table."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import InputError
from zoo.data import tables, text
from zoo.data.dataset import Data
from zoo.data.frames import read

ROWS = [(f"{number * 7 % 13}.5", f"{number * 5 % 11}.25", "yes" if number % 3 else "no") for number in range(40)]


def body(separator: str = ",", end: str = "") -> str:
    """The rows, without header."""
    return "".join(separator.join(row) + end + "\n" for row in ROWS)


def read_of(tmp_path: Path, content: str, encoding: str = "utf-8", **options: object) -> Data:
    """A file of that content, read as a table."""
    (tmp_path / "t.csv").write_bytes(content.encode(encoding))
    return tables(tmp_path / "t.csv", **options)


def reasons(data: Data) -> set[str]:
    """What is told of a table."""
    return {f"{note.name}: {note.reason}" for note in data.intake}


@pytest.mark.parametrize(
    ("content", "encoding", "told"),
    [
        ("sep=;\na;b;y\n" + body(";"), "utf-8", set()),
        ('"sep=|"\r\na|b|y\n' + body("|"), "utf-8", set()),
        ("a,b,y\n" + body(",", ","), "utf-8", {"1 column: no name and no value"}),
        ("a;b;y\n" + body(";", ";"), "utf-8", {"1 column: no name and no value"}),
        ("a,b,y,,,\n" + body(",", ",,,"), "utf-8", {"3 columns: no name and no value"}),
        ("# by a program\n# of two, perhaps, or, of four\na,b,y\n" + body(), "utf-8", {"comments before the table"}),
        (
            "# 2\n\na,b,y\n# half\n" + body(),
            "utf-8",
            {"the first 2 lines: comments before the table", "row 4: a comment"},
        ),
        ("a,b,y\n" + body(), "utf-16", set()),
        ("\ufeffa;b;y\n" + body(";"), "utf-16-be", set()),
        ("a, b, y\n" + body(", "), "utf-8", {"columns y: blanks before and after values are no part of them"}),
        ("a,b,y\n" + body(" ,"), "utf-8", set()),
    ],
)
def test_the_same_table(tmp_path: Path, content: str, encoding: str, told: set[str]) -> None:
    plain = read_of(tmp_path, "a,b,y\n" + body())
    data = read_of(tmp_path, content, encoding)
    assert data.input["numeric"] == ["a", "b"] and data.classes == ("no", "yes")
    assert sorted(data.train.digests + data.validation.digests) == sorted(
        plain.train.digests + plain.validation.digests
    )
    assert all(any(each in reason for reason in reasons(data)) for each in told) and len(reasons(data)) >= len(told)
    assert data.kind.labelled(tmp_path / "t.csv", data.task)[0].digests
    assert not data.kind.raw(tmp_path / "t.csv").errors


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        ("a,y\n1,ý\x81\n", "latin-1", "received the byte 0xfd in line 2; save it as UTF-8"),
        ("a,y\n1,x\n", "utf-16-le", "UTF-16 without byte-order mark: save it as UTF-8"),
        ("a,a,y\n1,2,x\n", "utf-8", "two columns are named 'a'; expected each name once: rename or remove one"),
    ],
)
def test_what_is_refused_names_the_remedy(tmp_path: Path, content: str, encoding: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        read_of(tmp_path, content, encoding)


@pytest.mark.parametrize(("value", "encoding"), [("Größe", "latin-1"), ("“ja” 5 €", "cp1252"), ("é", "cp1252")])
def test_what_spreadsheets_of_western_europe_save_is_read_and_said(tmp_path: Path, value: str, encoding: str) -> None:
    rows = "".join(f"{at % 3};{value if at % 2 else 'x'}\n" for at in range(20))
    (tmp_path / "t.csv").write_bytes(f"a;y\n{rows}".encode(encoding))
    data = tables(tmp_path / "t.csv")
    assert set(data.classes) == {value, "x"}
    assert any("read as Windows-1252" in reason and value.split()[0] in reason for reason in reasons(data))
    assert not data.kind.raw(tmp_path / "t.csv").errors
    assert set(data.task.counts(data.kind.labelled(tmp_path / "t.csv", data.task)[0].targets)) == {value, "x"}


def test_blanks_after_commas_are_stripped_in_training_and_prediction_alike(tmp_path: Path) -> None:
    jobs = ["Private", "Never", "State-gov"]
    rows = [f"{20 + number % 30}, {jobs[number % 3]}, {'<=50K' if number % 3 else '>50K'}" for number in range(60)]
    data = read_of(tmp_path, "\n".join(["age, job, income", *rows]), target="income")
    assert data.classes == ("<=50K", ">50K")
    new = ["age,job", *(f"40,{job}" for job in jobs)]
    for content in (new, [line.replace(",", ", ") for line in new], [line.replace(",", " ,\t") for line in new]):
        (tmp_path / "new.csv").write_text("\n".join(content))
        assert data.kind.raw(tmp_path / "new.csv").inputs["categorical"][:, 0].tolist() == jobs
    kept = type(data.kind).from_card({name: value for name, value in data.input.items() if name != "stripped"})
    assert kept.raw(tmp_path / "t.csv").inputs["categorical"][0, 0] == " Private"  # as 0.1.0 learnt it
    assert "stripped" not in kept.to_card()


def test_quotation_marks_after_blanks(tmp_path: Path) -> None:
    rows = [f'{number % 7}.5, "{"pq"[number % 2]}, z", {number % 2}' for number in range(30)]
    data = read_of(tmp_path, "\n".join(["a, b, y", *rows]))
    assert set(data.train.inputs["categorical"][:, 0]) == {"p, z", "q, z"}


@pytest.mark.parametrize("header", [",a,b,y\n", '"",a,b,y\n', ",0,1,2\n"])
def test_an_index_saved_with_a_table_is_left_out(tmp_path: Path, header: str) -> None:
    content = header + "".join(f"{number},{','.join(row)}\n" for number, row in enumerate(ROWS))
    data = read_of(tmp_path, content, target=header.strip()[-1])
    assert len(data.input["numeric"]) == 2 and "column 1: no name, counts the rows" in reasons(data)
    assert data.input["columns"] == header.strip().split(",")[1:]
    assert data.kind.raw(tmp_path / "t.csv").inputs["numeric"].shape == (40, 2)


def test_an_index_saved_with_texts_is_left_out(tmp_path: Path) -> None:
    texts = [
        f"{number},{'come to dinner' if number % 2 else 'win cash'} now {number},{number % 2}" for number in range(20)
    ]
    (tmp_path / "t.csv").write_text("\n".join([",text,label", *texts]))
    data = text(tmp_path / "t.csv")
    assert data.input["column"] == "text" and "column 1: no name, counts the rows" in reasons(data)


def test_columns_without_names_that_hold_something_stay(tmp_path: Path) -> None:
    data = read_of(tmp_path, ",b,y\n" + body())
    assert data.input["numeric"] == ["", "b"]
    data = read_of(tmp_path, ",,y\n" + body(), header=True)
    assert data.input["numeric"] == ["column 1", "column 2"]


def test_a_first_line_that_is_a_row_or_begins_with_a_hash(tmp_path: Path) -> None:
    assert read_of(tmp_path, "#a,b,y\n" + body()).input["numeric"] == ["#a", "b"]
    tags = [f"#tag{number % 3},{number % 7}.5,{number % 2}\n" for number in range(30)]
    data = read_of(tmp_path, "".join(tags), target="2")
    assert data.input["categorical"] == ["0"] and not data.input["header"] and len(read(tmp_path / "t.csv").names) == 30
    data = read_of(tmp_path, ",2.5,no\n" + body(), target="2")  # the first row lacks a number
    assert not data.input["header"]


def test_decimal_commas_without_header(tmp_path: Path) -> None:
    data = read_of(tmp_path, body(";").replace(".", ","), target="2")
    assert data.input["separator"] == ";" and not data.input["header"] and data.classes == ("no", "yes")
    both = np.concatenate([part.inputs["numeric"] for part in data.parts.values()])
    assert sorted(map(tuple, both)) == sorted((float(a), float(b)) for a, b, _ in ROWS)


@pytest.mark.parametrize("blank", [" ", "   "])
def test_blanks_may_separate_numbers(tmp_path: Path, blank: str) -> None:
    rows = [(f"{at % 7}.5", f"{at}", "xy"[at % 2]) for at in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(blank + blank.join(row) for row in [("a", "b", "label"), *rows]))
    data = tables(tmp_path / "t.csv")
    assert data.kind.raw(tmp_path / "t.csv").inputs["numeric"][:, 0].tolist() == [float(row[0]) for row in rows]
    assert any("blanks, one or several" in reason for reason in reasons(data))


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=6)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(-99, 99) | st.none(), st.floats(-1e6, 1e6), CELLS), min_size=2, max_size=12),
    st.sampled_from(",;\t|"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_pandas_writes_is_read_as_pandas_reads_it(
    rows: list[tuple[int | None, float, str]], separator: str, quoting: int, end: str
) -> None:
    rows = [(number, size, text.strip() or "x") for number, size, text in rows]
    frame = pd.DataFrame([(f"n{at}", *row) for at, row in enumerate(rows)], columns=["name", "number", "size", "text"])
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "t.csv")
        frame.to_csv(path, sep=separator, quoting=quoting, lineterminator=end, index=False, encoding="utf-8")
        expected = pd.read_csv(path, sep=separator, keep_default_na=False, na_values=[""], dtype={"text": str})
        found = read(path, text=["text"])
    pd.testing.assert_frame_equal(found.values, expected, check_dtype=False)
    assert found.columns == list(frame.columns) and found.separator == separator
