"""`zoo export` and `zoo formats`, run as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.programs import command


def zoo(*arguments: object, before: str = "", timeout: int = 300) -> subprocess.CompletedProcess[str]:
    if not before:
        return command(*arguments)
    code = [sys.executable, "-c", f"{before}\nfrom zoo.cli import main; main()", *map(str, arguments)]
    return subprocess.run(code, capture_output=True, text=True, timeout=timeout)


def last(done: subprocess.CompletedProcess[str]) -> str:
    """The line that `zoo` ends with on standard error."""
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("zoo: "))
    assert "Traceback" not in done.stderr
    return line


def test_formats_lists_what_goes_where_without_tensorflow(workplace: Path) -> None:
    done = zoo("formats", before="import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None")
    assert done.returncode == 0, done.stderr
    for word in ("saved_model", "litert-int8", "onnx", "openvino", "generators", "ready, ai-edge-litert"):
        assert word in done.stdout
    assert "tokens int32 (batch, length), with vocabulary.txt" in done.stdout
    told = json.loads(zoo("formats", "--json").stdout)
    assert told["onnx"]["package"] == "onnxruntime" and told["litert"]["extra"] == "litert"


@pytest.mark.slow
def test_a_published_artifact_gains_formats_and_changes_in_nothing_else(variational: Path, workplace: Path) -> None:
    card = (variational / "card.json").read_bytes()
    done = zoo("export", variational, "--format", "saved_model,litert", "--format", "openvino", "--again")
    assert done.returncode == 0, done.stderr
    assert (variational / "card.json").read_bytes() == card
    rows = [line.split("│")[1].strip() for line in done.stdout.splitlines() if line.startswith("│")]
    assert rows == ["saved_model", "litert", "openvino"]
    assert all(float(line.split("│")[3]) > 0 for line in done.stdout.splitlines() if line.startswith("│"))
    assert "held to the Keras model on 64 inputs: made up" in done.stdout
    assert f"litert (new): {variational}/formats/litert" in done.stdout
    found = json.loads(zoo("export", variational.parent, "--format", "litert", "--json").stdout)
    assert [(row["format"], row["new"]) for row in found] == [("litert", False)]
    assert found[0]["gate"]["passed"] and found[0]["latency_ms"]["1"] > 0 and found[0]["score"] is None
    verified = zoo("verify", variational)
    assert verified.returncode == 0 and "formats/openvino: as it was exported" in verified.stdout, verified.stdout
    weights = variational / "formats" / "openvino" / "model.bin"
    whole = weights.read_bytes()
    weights.write_bytes(bytes(len(whole)))
    verified = zoo("verify", variational)
    assert verified.returncode == 1 and "changed: model.bin" in verified.stdout
    weights.write_bytes(whole)
    listed = zoo("formats", variational)
    assert "litert (was there)" in listed.stdout and "onnx" not in listed.stdout
    from zoo.formats.runtime import open_format

    encode = open_format(variational / "formats" / "litert", part="encoder")
    assert set(encode({"pixels": np.zeros((2, 8, 8, 1))})) == {"mean", "log_variance"}
    code = (
        "import sys, numpy as np; from pathlib import Path; from zoo.formats.runtime import open_format\n"
        "print(*open_format(Path(sys.argv[1]), part='encoder')({'pixels': np.zeros((2, 8, 8, 1))}))"
    )
    own = [sys.executable, "-c", code, str(variational / "formats" / "litert")]
    done = subprocess.run(own, capture_output=True, text=True, timeout=60)
    assert sorted(done.stdout.split()) == ["log_variance", "mean"] and done.stderr == ""


def test_files_for_docker_and_kubernetes_are_written(variational: Path, workplace: Path) -> None:
    done = zoo("export", variational, "--kubernetes", "--docker")
    assert done.returncode == 0, done.stderr
    files = {Path(line).name for line in done.stdout.splitlines()}
    assert {"kubernetes.yaml", "Dockerfile", "compose.yaml"} <= files
    assert all(Path(line).is_file() for line in done.stdout.splitlines())
    done = zoo("export", variational)
    assert done.returncode == 2 and "expected --format, --kubernetes or --docker" in done.stderr


def test_wrong_use_is_one_line_and_two(variational: Path, workplace: Path) -> None:
    done = zoo("export", variational, "--format", "coreml")
    assert done.returncode == 2 and "expected formats out of saved_model" in last(done) and "'coreml'" in last(done)
    done = zoo("export", variational, "--format", "litert-int8")
    assert done.returncode == 2 and "this is a variational_autoencoder of images: try litert" in last(done)
    done = zoo("export", "nowhere", "--format", "onnx")
    assert done.returncode == 2 and "no artifact of that name or path" in last(done)
    done = zoo("export", variational)
    assert done.returncode == 2 and "--format" in done.stderr
    hidden = "import zoo.formats.registry; zoo.formats.registry.find_spec = lambda name: None"
    done = zoo("export", variational, "--format", "onnx", "--again", before=hidden)
    assert done.returncode == 2 and last(done) == "zoo: needs onnx: pip install 'keras-model-zoo[onnx]'"
    done = zoo("export", variational, "--format", "onnx", "--validate", "nowhere")
    assert done.returncode == 2 and "nowhere does not exist" in last(done)


@pytest.mark.slow
def test_a_failed_gate_is_one_line_and_one(conditional: Path, workplace: Path) -> None:
    lower = "import zoo.formats.parity; zoo.formats.parity.TOLERANCE = -1.0"
    done = zoo("export", conditional, "--format", "litert", "--again", before=lower)
    assert done.returncode == 1 and "litert answers otherwise than the model" in last(done)
    assert not (conditional / "formats").exists()
    done = zoo("export", conditional, "--format", "litert")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((conditional / "formats" / "litert" / "manifest.json").read_text())
    assert manifest["inputs"]["label"] == {"dtype": "int32", "shape": [None], "meaning": "position in labels.txt"}
    assert (conditional / "formats" / "litert" / "labels.txt").read_text() == "nought\none\ntwo\n"
