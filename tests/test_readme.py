"""Every `zoo` command and every Python example of the README is run, in order, in one folder."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def examples() -> list[tuple[str, str]]:
    found = []
    for kind, body in re.findall(r"```(console|python)\n(.*?)```", README, re.DOTALL):
        if kind == "python":
            found.append((kind, body))
        else:
            found += [(kind, line[2:]) for line in body.splitlines() if line.startswith("$ zoo ")]
    return found


@pytest.mark.slow
def test_every_example_runs(workplace: Path) -> None:
    assert len(examples()) >= 7
    for kind, text in examples():
        code = ["-c", text] if kind == "python" else ["-c", "from zoo.cli import main; main()", *shlex.split(text)[1:]]
        result = subprocess.run([sys.executable, *code], capture_output=True, text=True, timeout=600)
        assert result.returncode == 0, f"{text}\n{result.stderr}"


def test_figures_name_the_command_that_gives_them() -> None:
    section = README.split("## How fast, how good")[1].split("\n## ")[0]
    scripts = set(re.findall(r"benchmarks/\w+\.py", section))
    assert scripts
    for script in scripts:
        assert (Path(__file__).resolve().parents[1] / script).is_file()
    assert "@@" not in README
