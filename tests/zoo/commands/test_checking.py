"""`zoo check` reads and tells, and loads nothing that trains."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.places import ROOT
from support.programs import command

CHECK = """
import sys
from zoo.cli import main
try:
    main()
finally:
    assert not {"tensorflow", "keras", "sklearn"} & sys.modules.keys(), sorted(sys.modules)
"""


@pytest.mark.parametrize(
    ("sample", "path", "options", "shown"),
    [
        ("iris", "iris.csv", (), "virginica"),
        ("diabetes", "diabetes.csv", (), "regression"),
        ("seattle_weather", "seattle_weather.csv", ("--target", "temp_max", "--horizon", "3"), "forecasting"),
        ("japanese_vowels", "", (), "examples"),
        ("digits", "", (), "images"),
    ],
)
def test_checking_loads_neither_tensorflow_nor_keras(
    workplace: Path, sample: str, path: str, options: tuple[str, ...], shown: str
) -> None:
    made = command("sample", sample, "data")
    if "is not installed" in made.stderr:
        pytest.skip(made.stderr)
    given = [sys.executable, "-c", CHECK, "check", str(Path("data") / path), *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(given, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0 and shown in done.stdout, (done.stdout, done.stderr)
