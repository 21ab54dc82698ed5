from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.files import cache_folder, sweep, whole_file, whole_folder


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), whole_file(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["file.txt"]
    with whole_file(target) as partial:
        partial.write_text("new")
    assert target.read_text() == "new" and [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from zoo.files import whole_file, whole_folder\n"
        "place = Path(sys.argv[1])\n"
        "with whole_folder(place) as folder, whole_file(place / 'f') as file:\n"
        "    (folder / 'x').touch(); file.touch(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    left = [p.name for p in tmp_path.iterdir()]
    assert len(left) == 2 and all(name.startswith(".partial-") for name in left)
    with whole_folder(tmp_path) as mine:  # sweeps first
        assert [p.name for p in tmp_path.iterdir()] == [mine.name]
        sweep(tmp_path)
        assert mine.is_dir()
    assert not list(tmp_path.iterdir())


def test_the_cache_is_where_it_is_asked_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "a b"))
    assert cache_folder("x") == tmp_path / "a b" / "x" and os.path.isdir(tmp_path / "a b" / "x")
