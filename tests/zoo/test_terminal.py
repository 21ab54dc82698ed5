"""Names on a terminal: shown as they are, and doing nothing."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from support.pictures import photo
from support.places import shared
from support.programs import command
from zoo import progress, terminal
from zoo.artifacts.predictor import Prediction
from zoo.commands import tables
from zoo.data import Note
from zoo.pictures import sheets
from zoo.progress import CONSOLE, Screen, literal
from zoo.tasks.classification import Classification
from zoo.tasks.regression import Regression

NASTY = {
    "\x1b[31mred\x1b]0;title\x07": r"\x1b[31mred\x1b]0;title\x07",
    "a\nzoo: all is well": r"a\nzoo: all is well",
    "a\rb\x08\x9b2J\x7f": r"a\rb\x08\x9b2J\x7f",
    "photo\u202egnp.exe": r"photo\u202egnp.exe",
    "zero\u200bwidth\ufeff": r"zero\u200bwidth\ufeff",
    "byte\udcff.png": r"byte\udcff.png",
    "line\u2028": r"line\u2028",
    "[red]x[/red] [/] :smile: \\[b]": "[red]x[/red] [/] :smile: \\[b]",
    "ends with \\": "ends with \\",
    "grün 日本\u3000語 🙂": "grün 日本\u3000語 🙂",
}


@given(st.text(st.characters()))
def test_any_text_becomes_one_safe_line(text: str) -> None:
    found = terminal.safe(text)
    assert all(char.isprintable() or unicodedata.category(char) == "Zs" for char in found)
    assert terminal.safe(found) == found
    found.encode("utf-8")


def test_classes_of_an_answer_stand_below_each_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CONSOLE, "_width", 100)
    answer = {"label": "ant", "probability": 0.9, "probabilities": {"ant": 0.9, "bee\nants": 0.1}}
    tables.show_predictions([Prediction("a", answer)], Classification(("ant", "bee\nants")), 3)
    tables.show_predictions([Prediction("a", {"prediction": {"x": 1.0, "y": 2.0}})], Regression(("x", "y")), 3)
    lines = capsys.readouterr().out.splitlines()
    for part in ("0.9000 ant ", "0.1000 bee\\nants ", "x: 1 ", "y: 2 "):
        assert sum(part in line for line in lines) == 1
    assert not any(r"1\n" in line or "ant\\n" in line for line in lines)


@pytest.mark.parametrize("name", NASTY)
def test_names_are_literal_in_tables_notes_and_lines(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CONSOLE, "_width", 300)
    row = Prediction(name, {"label": name, "probability": 1.0, "probabilities": {name: 1.0}})
    tables.show_predictions([row, Prediction(name, error=name)], Classification((name,)), 3)
    assert capsys.readouterr().out.count(NASTY[name]) == 5
    tables.show_predictions([Prediction("a", {"prediction": {name: 1.0}})], Regression((name,)), 3)
    tables.show_notes([Note(name, "left out", name)])
    assert capsys.readouterr().out.count(NASTY[name]) == 3


def test_no_text_on_the_screen_is_a_command_even_where_nobody_escaped_it() -> None:
    out = io.StringIO()
    Screen(file=out, force_terminal=True, width=80).print("\x1b]0;title [red]red[/] \u202e", ":smile:")
    assert out.getvalue() == "\\x1b]0;title \x1b[31mred\x1b[0m \\u202e :smile:\n"
    assert literal("[b]") == "\\[b]" and CONSOLE.soft_wrap


def test_an_output_of_few_characters_gets_escapes_and_plain_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", out)
    terminal.escape_unencodable()
    answer = {"label": "ü", "probability": 0.5, "probabilities": {"ü": 0.5}}
    tables.show_predictions([Prediction("grün\udcff", answer)], Classification(("ü",)), 1)
    terminal.say("é 🙂")
    terminal.say_json({"ü": "\udcff🙂"})
    out.flush()
    text = raw.getvalue().decode("ascii")
    assert "gr\\xfcn\\udcff" in text and "#####" in text and "\\xe9 \\U0001f642\n" in text
    assert json.loads(text.splitlines()[-1]) == {"ü": "\udcff🙂"}


@pytest.mark.parametrize("name", NASTY)
def test_json_is_exact_and_utf8(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say_json({"name": name})
    line = capsys.readouterr().out
    line.encode("utf-8")
    assert json.loads(line) == {"name": name} and line.count("\n") == 1
    assert ("grün" in line) == ("grün" in name)  # what everybody can show is left readable


@pytest.fixture
def bytes_folder(tmp_path: Path) -> Path:
    """Two classes of pictures, one file having a name that is no UTF-8."""
    for colour, name in enumerate(("a", "b")):
        for index in range(5):
            photo(tmp_path / "photos" / name / f"{index}.png", colour, 10 * colour + index)
    strange = os.fsencode(tmp_path / "photos" / "a") + b"/caf\xe9.png"
    os.rename(tmp_path / "photos" / "a" / "0.png", strange)
    (tmp_path / "photos" / "b" / "\x1b[31m.txt").write_text("no image")
    return tmp_path / "photos"


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict", "latin-1:strict"])
def test_file_names_of_any_bytes_are_listed_on_strict_terminals(bytes_folder: Path, encoding: str) -> None:
    (bytes_folder / "b" / "1.png").write_bytes((bytes_folder / "a" / os.fsdecode(b"caf\xe9.png")).read_bytes())
    environment = os.environ | {"PYTHONIOENCODING": encoding, "LC_ALL": "C", "PYTHONPATH": os.pathsep.join(sys.path)}
    code = "from zoo.cli import main; main()"
    for extra in ([], ["--json"]):
        given = [sys.executable, "-c", code, "check", str(bytes_folder), *extra]
        found = subprocess.run(given, capture_output=True, env=environment)
        assert found.returncode == 0 and not found.stderr, found
        text = found.stdout.decode("ascii" if encoding.startswith("ascii") else encoding.split(":")[0])
        assert "\x1b" not in text
        if extra:
            assert "a/caf\udce9.png" in [note["name"] for note in json.loads(text)["intake"]]
        else:
            assert "a/caf\\udce9.png" in text and "b/\\x1b[31m.txt" in text


def test_errors_and_wrong_use_repeat_nothing_raw(workplace: Path) -> None:
    found = command("check", "\x1b[31m\udcff/\u202e")
    assert found.returncode == 2 and found.stderr.startswith("zoo: \\x1b[31m\\udcff/\\u202e does not exist")
    for arguments in (["\x1b[31m\udcff"], ["check", "--\x1b[31m\udcff"]):
        found = command(*arguments)
        assert found.returncode == 2 and "\\x1b[31m\\udcff" in found.stderr and "\x1b" not in found.stderr
    found = command("check", "\x1b[31m", "--debug")
    assert found.returncode == 2 and "Traceback" in found.stderr and "\x1b" not in found.stderr


def test_class_names_of_a_table_do_nothing(workplace: Path) -> None:
    rows = [f'{at % 7},{at * 13 % 5},"{("evil" + chr(27) + "[31m", "[/] :smile:")[at % 2]}"' for at in range(40)]
    Path("table.csv").write_text("a,b,label\n" + "\n".join(rows) + "\n")
    found = command("check", "table.csv")
    assert found.returncode == 0 and "evil\\x1b[31m" in found.stdout and "[/] :smile:" in found.stdout
    assert json.loads(command("check", "table.csv", "--json").stdout)["classes"] == ["[/] :smile:", "evil\x1b[31m"]


def test_the_case_that_was_reported() -> None:
    path = shared("../cases/terminal-names") / "ctrl_class.csv"
    found = command("check", path)
    assert found.returncode == 0 and "\\x1b" in found.stdout and "\x1b" not in found.stdout


def test_bars_and_pictures_take_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    from zoo.pictures.plots import latent_space

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.bar("[/] [red]\x1b]0;", 1) as advance:
        advance(1)
    shown = capsys.readouterr().err
    assert "[/] [red]\\x1b]0;" in shown
    names = list(NASTY) + ["$\\frac{", "$x$", "$", "a\\$b$"]
    sheets.sheet(np.zeros((len(names), 8, 8, 1), np.uint8), tmp_path / "sheet.png", titles=names)
    Image.open(tmp_path / "sheet.png").load()
    for suffix in ("png", "svg", "pdf"):
        path = tmp_path / f"latent.{suffix}"
        latent_space(np.random.default_rng(0).normal(size=(len(names), 2)), np.arange(len(names)), names, path)
        assert path.stat().st_size
