"""Tab completion, by the protocol that the shells' scripts speak."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from applications.backbone_table import BACKBONES
from support.places import ROOT
from zoo.builders.registry import BUILDERS
from zoo.formats.registry import FORMATS

COMPLETE = """
import sys
from zoo.cli import main
try:
    main()
finally:
    print(sorted({"tensorflow", "keras", "sklearn", "pandas", "keras_tuner"} & sys.modules.keys()), file=sys.stderr)
"""


def completed(line: str, shell: str = "bash") -> list[str]:
    """What is offered for the last word of a line, each with its kind before it."""
    words = line.split(" ")
    environment = os.environ | {"_ZOO_COMPLETE": f"{shell}_complete", "PYTHONPATH": str(ROOT)}
    environment |= {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run([sys.executable, "-c", COMPLETE], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr.strip().endswith("[]"), done.stderr  # nothing heavy was loaded
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("zoo lr", ["lr-find"]),
        ("zoo train ", list(BUILDERS)),
        ("zoo show conv", ["conv_autoencoder"]),
        ("zoo sample i", ["iris"]),
        (
            "zoo finetune photos --backbone efficientnet_lite",
            [n for n in BACKBONES if n.startswith("efficientnet_lite")],
        ),
        ("zoo train mlp x.csv --task m", ["multi_label"]),
        ("zoo train mlp x.csv --optimizer s", ["sgd"]),
        ("zoo train mlp x.csv --schedule c", ["constant", "cosine"]),
        ("zoo train mlp x.csv --precision f", ["float32"]),
        ("zoo train cnn photos --augment flip,cr", ["flip,crop"]),
        ("zoo tune x.csv --model fi", ["fine_tune"]),
        ("zoo tune x.csv --objective acc", ["accuracy"]),
        ("zoo tune x.csv --method b", ["bayesian"]),
        ("zoo finetune photos --augment mix", ["mixup"]),
        ("zoo export flowers --format ", list(FORMATS)),
        ("zoo export flowers --format onnx,lit", ["onnx,litert", "onnx,litert-int8"]),
        ("zoo predict fl", ["flowers"]),
        ("zoo export eff", ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]),
        ("zoo serve flowers efficientnet_lite0 h", ["houses"]),
        ("zoo formats h", ["houses"]),
    ],
)
def test_names_are_offered(workplace: Path, line: str, offered: list[str]) -> None:
    for name in ("flowers/1", "flowers/2", "houses/1", "half"):
        Path("saved_models", name).mkdir(parents=True)
        if name != "half":
            Path("saved_models", name, "card.json").write_text("{}")
    assert sorted(completed(line)) == sorted(f"plain,{name}" for name in offered)


def test_paths_are_left_to_the_shell(workplace: Path) -> None:
    assert completed("zoo train mlp ho") == ["file,ho"]
    assert completed("zoo predict flowers ho") == ["file,ho"]
    assert completed("zoo evaluate other/fl") == ["dir,other/fl"]
    assert completed("zoo finetune photos --weights mine") == ["file,mine"]


def test_shells_that_can_show_what_a_sample_is() -> None:
    lines = completed("zoo sample wi", "zsh")
    assert lines[:2] == ["plain", "wine"] and lines[2].startswith("178 wines")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_help_says_how_to_switch_it_on(shell: str) -> None:
    code = "from zoo.cli import main; main()"
    page = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, cwd=ROOT).stdout
    assert f"_ZOO_COMPLETE={shell}_source zoo" in page
    environment = os.environ | {"_ZOO_COMPLETE": f"{shell}_source"}
    script = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert script.returncode == 0 and f"_ZOO_COMPLETE={shell}_complete" in script.stdout
