from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo import InputError
from zoo.files import atomic_file, atomic_folder, cache_folder, remove_leftovers
from zoo.progress import Stopwatch


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["file.txt"]
    with atomic_file(target) as partial:
        partial.write_text("new")
    assert target.read_text() == "new" and [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from zoo.files import atomic_file, atomic_folder\n"
        "place = Path(sys.argv[1])\n"
        "with atomic_folder(place) as folder, atomic_file(place / 'f') as file:\n"
        "    (folder / 'x').touch(); file.touch(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    left = [p.name for p in tmp_path.iterdir()]
    assert len(left) == 2 and all(name.startswith(".partial-") for name in left)
    theirs = tmp_path / ".partial-20230101-photos"
    theirs.mkdir()
    with atomic_folder(tmp_path) as mine:
        remove_leftovers(tmp_path)
        assert {p.name for p in tmp_path.iterdir()} == {mine.name, theirs.name}
    assert list(tmp_path.iterdir()) == [theirs]


def test_links_are_written_through_and_pipes_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "target.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "target.csv")
    with atomic_file(tmp_path / "link.csv") as partial:
        partial.write_text("new")
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "target.csv").read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    with atomic_file(tmp_path / "pipe") as partial:
        assert partial == tmp_path / "pipe"
    assert (tmp_path / "pipe").is_fifo()
    with pytest.raises(InputError, match="folder does not exist"), atomic_file(tmp_path / "no" / "x.csv"):
        pass


def test_the_cache_is_where_it_is_asked_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "a b"))
    assert cache_folder("x") == tmp_path / "a b" / "x" and os.path.isdir(tmp_path / "a b" / "x")


def test_nested_stages_are_counted_once() -> None:
    watch = Stopwatch()
    with watch.stage("outer"):
        time.sleep(0.02)
        with watch.stage("inner"):
            time.sleep(0.2)
    assert watch.seconds["inner"] >= 0.2 > watch.seconds["outer"]
