"""Every `zoo` command and every Python example of the README is run, in order, in one folder."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from support.places import ROOT
from support.programs import foreign

README = (ROOT / "README.md").read_text(encoding="utf-8")


DIGITS = 300  # images that are kept of 1,797
GENERATIVE = ("conv_autoencoder", "variational_autoencoder", "conditional_gan")
# Commands that the page tells of in a sentence, so that every one there is runs here.
FURTHER = ("zoo check digits", "zoo backbones")


def examples() -> list[tuple[str, str]]:
    found = []
    for kind, body in re.findall(r"```(console|python)\n(.*?)```", README, re.DOTALL):
        if kind == "python":
            found.append((kind, body))
        else:
            lines = re.sub(r"\\\n\s*", " ", body).splitlines()
            found += [(kind, line[2:]) for line in lines if line.startswith(("$ zoo ", "$ curl "))]
    return [*found, *(("console", line) for line in FURTHER)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_example_runs(workplace: Path) -> None:
    commands = {text.split()[1] for _, text in examples() if text.startswith("zoo ")}
    assert commands == {entry.name for entry in entry_points(group="zoo.commands")}
    servers = []
    try:
        for kind, text in examples():
            # Samples that please the eye take two minutes; that they are asked for is what is tested.
            words = shlex.split(text.replace("--epochs 100", "")) if kind == "console" else []
            if words[:2] == ["zoo", "train"] and words[2] in GENERATIVE:
                words += ["--epochs", "5"]
            if words[:1] == ["curl"]:
                command = [shutil.which("curl") or pytest.skip("needs curl"), "--fail", *words[1:]]
            elif words:
                command = [sys.executable, "-c", "from zoo.cli import main; main()", *words[1:]]
            else:
                command = [sys.executable, "-c", text]
            if words[:2] == ["zoo", "serve"]:  # it answers what comes after it
                with Path("serve.log").open("wb") as log:
                    servers.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True))
                assert "answers" in servers[-1].stdout.readline(), text
                continue
            started = time.monotonic()
            result = subprocess.run(command, capture_output=True, text=True, timeout=600)
            if words[:3] == ["zoo", "sample", "digits"]:  # `make demo` learns all of them; a few show as much here
                for file in Path("digits").rglob("*.png"):
                    if int(file.stem) >= DIGITS:
                        file.unlink()
            print(f"{time.monotonic() - started:6.1f} s  {text.splitlines()[0] if words else text}", flush=True)
            assert result.returncode == 0, f"{text}\n{result.stderr}"
            # A script that asks an export by TensorFlow alone imports nothing of ours that would keep it quiet.
            ours = words[:1] != ["curl"] and (words or re.search(r"(import|from) (zoo|applications|tuning)\b", text))
            assert not ours or foreign(result.stderr) == [], text
    finally:
        for server in servers:
            server.terminate()
            assert server.wait(60) == 0
    assert servers and all(json.loads(line) for line in Path("serve.log").read_text().splitlines())


def test_figures_name_the_command_that_gives_them() -> None:
    section = README.split("## How fast, how good")[1].split("\n## ")[0]
    scripts = set(re.findall(r"benchmarks/\w+\.py", section))
    assert scripts
    for script in scripts:
        assert (ROOT / script).is_file()
    assert "@@" not in README
