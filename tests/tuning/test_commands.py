"""`zoo tune` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.programs import command


@pytest.mark.slow
def test_from_a_table_to_predictions(workplace: Path) -> None:
    assert command("sample", "wine", "wine").returncode == 0
    wine = Path("wine/wine.csv")
    wine.write_text(wine.read_text().replace("alcohol", "class", 1))
    told = command("tune", "wine/wine.csv", "--trials", 3, "--epochs", 4, "--tensorboard", "logs")
    assert told.returncode == 0, told.stderr
    for words in (
        "best",
        "default configuration",
        "no label differs",
        "saved_models/wine/1",
        "report.html",
        "column class is the input column_class",
    ):
        assert words in told.stdout
    assert "Traceback" not in told.stderr
    assert len(list(Path("logs").iterdir())) == 4
    asked = command("predict", "wine", "wine/wine.csv", "--json")
    assert asked.returncode == 0, asked.stderr
    again = command("tune", "wine/wine.csv", "--method", "bayesian", "--trials", 2, "--epochs", 2, "--json")
    found = json.loads(again.stdout)
    assert found["artifact"].endswith("wine/2") and len(found["trials"]) == 3


def test_help_teaches_without_tensorflow() -> None:
    code = "import sys; from zoo.cli import main\nsys.argv = ['zoo', 'tune', '--help']\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "assert not {'tensorflow', 'keras', 'keras_tuner', 'sklearn'} & set(sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stderr
    assert "--budget" in told.stdout and "zoo tune photos/" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["wine/wine.csv", "--objective", "r2", "--trials", 1], "r2 does not fit classification"),
        (["wine/wine.csv", "--space", "mine.py:space"], "mine.py"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(workplace: Path, arguments: list[object], message: str) -> None:
    command("sample", "wine", "wine")
    told = command("tune", *arguments)
    assert told.returncode == 2
    last = [line for line in told.stderr.strip().splitlines() if "cudart" not in line and "absl" not in line]
    assert len(last) == 1 and message in last[0]
