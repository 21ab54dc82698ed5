"""Manifests and files that are none: each is read right, or refused in one line that names the row."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pictures import photo
from support.places import shared
from support.programs import command
from zoo import files
from zoo.artifacts import artifact
from zoo.data import csv_files, images
from zoo.errors import InputError
from zoo.kinds.images import manifests


@pytest.fixture
def pictures(workplace: Path) -> Path:
    """Two classes of five pictures in ``p/``."""
    for colour, name in enumerate(("a", "b")):
        for index in range(5):
            photo(workplace / "p" / f"{name}{index}.png", colour, 10 * colour + index)
    return workplace


@pytest.fixture
def alarm() -> Iterator[None]:
    """Ends the tests if one hangs."""
    signal.alarm(60)
    yield
    signal.alarm(0)


GOOD = [{"path": f"p/{name}{index}.png", "label": name} for name in "ab" for index in range(5)]


def written(*lines: object, start: bytes = b"", end: str = "\n") -> Path:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + end for line in lines)
    Path("m.jsonl").write_bytes(start + text.encode("utf-8"))
    return Path("m.jsonl")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"path": ' + "[" * 100_000, "nested too deeply"),
        ('{"path": "p/a0.png", "label": ' + "9" * 5000 + "}", "digits"),
        ('{"path": "\\ud800.png", "label": "a"}', "half of a surrogate pair"),
        ('{"path": "p/a0.png", "label": "\\udcff"}', "half of a surrogate pair"),
        ('{"path": "p/a0.png", "label": "a", "label": "b"}', "given twice"),
        ('{"path": "p/a0.png", "label": NaN}', "no JSON"),
        ('{"path": 7, "label": "a"}', "path to be text"),
        ('{"path": "p/a0.png", "label": {"a": 1}}', "label to be one text"),
        ('{"path": "p/a0.png", "label": ["a", null]}', "label to be one text"),
        ('["p/a0.png", "a"]', "a list"),
        ("7", "a number"),
        ("null", "null"),
        ('{"path": "p/a0.png"}', "path and label"),
        ('{"path": " ", "label": "a"}', "path and label"),
        ('{"path": "p/a0.png", "label": "a"', "JSON Lines"),
        ('{"path": "p/a0.png\0", "label": "a"}', "null byte"),
    ],
)
def test_bad_json_lines_are_one_line_that_names_the_row(pictures: Path, line: str, reason: str) -> None:
    found = command("check", written(*GOOD, "", line))
    assert found.returncode == 2 and reason in found.stderr and found.stderr.count("\n") == 1, found
    assert "row 12" in found.stderr or "line 12" in found.stderr
    assert len(found.stderr) < 1500


def test_odd_json_lines_are_read(pictures: Path) -> None:
    for options in ({"start": b"\xef\xbb\xbf"}, {"end": "\r\n"}, {"end": "\r"}, {"end": "\n\n"}):
        data = images(written(*GOOD, **options))
        assert sum(len(part) for part in data.parts.values()) == 10
    os.rename("p/a0.png", b"p/\xff.png")
    data = images(written({"path": "p/\udcff.png", "label": "a"}, *GOOD[1:]))
    assert sum(len(part) for part in data.parts.values()) == 10


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('path,label\np/a0.png,a\n"p/a1.png,a\np/a2.png,a\n', "row 3"),
        ("path,label,path\np/a0.png,a,x\n", "two columns are named 'path'"),
        ("path,label\n\np/a0.png,a,b\n", "row 3: expected 2 fields"),
        ("path,label\np/a0.png\np/a1.png,a\n", "row 2: expected the columns path and label"),
        ("path,label\n" + "x" * 200_000 + ",a\n", "row 2: expected a manifest in CSV; field larger"),
    ],
)
def test_bad_rows_of_a_csv_manifest_are_named(pictures: Path, text: str, reason: str) -> None:
    Path("m.csv").write_text(text)
    with pytest.raises(InputError, match=reason):
        list(images("m.csv").parts)


def test_rows_begin_where_an_editor_shows_them(workplace: Path) -> None:
    Path("m.csv").write_text('\npath,label\n\n"a\nb",x\nc,y\n')
    assert [(number, row["label"]) for number, row in manifests.rows(Path("m.csv"))] == [(4, "x"), (6, "y")]


def special(folder: Path, suffix: str) -> list[Path]:
    """A pipe and a socket in `folder`, and a link to a device that has no end."""
    os.mkfifo(folder / f"pipe{suffix}")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(folder / f"socket{suffix}"))
    (folder / f"zero{suffix}").symlink_to("/dev/zero")
    return sorted(folder.glob(f"*{suffix}"))


@pytest.mark.usefixtures("alarm")
def test_a_manifest_opens_ordinary_files_alone(pictures: Path) -> None:
    Path("odd").mkdir()
    odd = [*map(str, special(Path("odd"), ".png")), "/dev/zero", "odd", "gone.png", "/proc/self/mem"]
    data = images(written(*GOOD, *({"path": name, "label": "a"} for name in odd)))
    reasons = {note.name: note.reason for note in data.intake if note.action == "left out"}
    assert set(reasons) == set(odd)
    for name, reason in (("odd/pipe.png", "a pipe"), ("odd/socket.png", "a socket"), ("/dev/zero", "a device")):
        assert reason in reasons[name]
    assert "a folder" in reasons["odd"] and "No such file" in reasons["gone.png"]


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("suffix", [".csv", ".tsv.gz", ".jsonl", ".ts"])
def test_pipes_and_devices_are_no_data_sets(workplace: Path, suffix: str) -> None:
    for path in special(workplace, suffix):
        found = command("check", path)
        assert found.returncode == 2 and found.stderr.count("\n") == 1, found


@pytest.mark.usefixtures("alarm")
def test_files_to_predict_are_ordinary_ones_or_told(pictures: Path) -> None:
    from zoo.data.parts import Files
    from zoo.kinds import Images
    from zoo.kinds.images.sources import expanded

    special(Path("p"), ".png")
    asked = [file for path in ("p", "p/pipe.png", "p/zero.png", "/dev/zero") for _, file in expanded(path)]
    (found,) = Images((8, 8)).decoded(Files(asked))
    errors = found.errors
    assert len(found.positions) == 10 and len(errors) == 6
    assert "a pipe" in errors[len(asked) - 3] and "a device" in errors[len(asked) - 1]


def test_folders_of_texts_have_names_that_can_be_written(workplace: Path) -> None:
    for name in (b"t/caf\xe9", b"t/b"):
        os.makedirs(name)
        for index in range(6):
            Path(os.fsdecode(name), f"{index}.txt").write_text(f"{index} words {name[2:3]!r}")
    found = command("check", "t")
    assert found.returncode == 2 and "printable characters, received 'caf\\udce9'" in found.stderr, found


def test_an_error_of_any_length_is_a_line_that_can_be_read(workplace: Path) -> None:
    found = command("check", written({"path": "", "label": "x" * 300_000}))
    assert found.returncode == 2 and len(found.stderr) < 2500 and "expected the columns" in found.stderr


@pytest.mark.usefixtures("alarm")
def test_folders_pass_over_what_is_no_ordinary_file(pictures: Path) -> None:
    for index in range(5):
        for name in "ab":
            Path("photos", name).mkdir(parents=True, exist_ok=True)
            os.rename(f"p/{name}{index}.png", f"photos/{name}/{index}.png")
    special(Path("photos/a"), ".jpg")
    data = images("photos")
    assert sum(len(part) for part in data.parts.values()) == 10
    assert sum(note.action == "left out" for note in data.intake) == 3


def test_ordinary_content_is_read_whole_and_nothing_else(workplace: Path) -> None:
    Path("file").write_bytes(b"\0" * 100_000)
    assert files.read_bytes("file") == b"\0" * 100_000
    for path in ("/dev/zero", ".", "gone"):
        with pytest.raises(OSError):
            files.read_bytes(path)


def test_a_table_may_have_ten_thousand_columns_and_odd_characters_in_its_names(workplace: Path) -> None:
    Path("wide.csv").write_text(",".join(f"a long name {at}" for at in range(10_000)) + "\n" + "1," * 9_999 + "1\n")
    assert len(csv_files.head_of(Path("wide.csv")).names) == 10_000
    Path("odd.csv").write_text("a\u2028b,c\x1cd\n1,2\n", encoding="utf-8")
    assert csv_files.head_of(Path("odd.csv")).names == ["a\u2028b", "c\x1cd"]


def test_the_cases_that_were_reported() -> None:
    folder = shared("../cases/manifest-paths")
    for path in sorted(folder.glob("*.jsonl")):
        found = command("check", path)
        assert found.returncode == 2 and found.stderr.count("\n") == 1 and "row " in found.stderr, found


def test_version_folders_are_numbers_as_tensorflow_serving_reads_them(workplace: Path) -> None:
    odd = ("007", "5", "٣٠", "²", "1" * 30, "-8", "9.partial", "0" * 5000)
    for name in odd[:-1]:
        place = Path("made", name)
        place.mkdir(parents=True)
        (place / "card.json").write_text("{}")
    assert artifact.versions(Path("made")) == {5: Path("made/5"), 7: Path("made/007")}
    assert artifact.find("made") == Path("made/007") == artifact.find("made/007")
    assert [artifact.version_number(name) for name in odd] == [7, 5, None, None, None, None, None, 0]
    Path("made", ".partial-x").mkdir()
    assert artifact._rename_to_next(Path("made/.partial-x"), Path("made")) == Path("made/8")
