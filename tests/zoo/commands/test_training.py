"""`zoo train` and what is around it, run as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas
import pytest

from support.programs import command


def test_a_table_from_sample_to_predictions(workplace: Path) -> None:
    assert command("sample", "iris", "iris").returncode == 0
    trained = command("train", "mlp", "iris/iris.csv", "--set", "units=16", "--json")
    assert trained.returncode == 0, trained.stderr
    found = json.loads(trained.stdout)
    assert found["artifact"] == "saved_models/iris/1" and found["metrics"]["accuracy"] > 0.8
    assert found["metrics"]["baselines"]["logistic regression"] > 0.8
    card = json.loads(Path("saved_models/iris/1/card.json").read_text())
    assert card["model"] == {"units": [16]} and card["builder"] == "mlp"
    run = Path("saved_models/iris/1/run")
    assert (run / "history.csv").is_file() and (run / "history.png").stat().st_size > 5000
    assert not list(Path(".runs").iterdir())
    predicted = command("predict", "iris", "iris/iris.csv", "--csv", "answers.csv")
    assert predicted.returncode == 0 and Path("answers.csv").read_text().count("\n") == 151
    scored = command("evaluate", "iris", "iris/iris.csv")
    assert scored.returncode == 0 and "the model was trained on them" in scored.stdout
    again = command("train", "mlp", "iris/iris.csv", "--set", "units=16", "--epochs", "3")
    assert "saved_models/iris/2" in again.stdout and "logistic regression" in again.stdout


@pytest.mark.slow
def test_an_image_folder_and_idx_files(workplace: Path, folder: Path) -> None:
    options = ("--set", "filters=8,8", "--epochs", "30", "--learning-rate", "0.01")
    inside = command("train", "cnn", str(folder), *options, "--out", str(folder / "model"))
    assert inside.returncode == 2 and "only read" in inside.stderr
    trained = command("train", "cnn", str(folder), *options, "--augment", "flip")
    assert trained.returncode == 0, trained.stderr
    assert "ask it:   zoo predict saved_models/photos PHOTO" in trained.stdout
    assert "logistic regression" in trained.stdout
    asked = command("predict", "photos", str(folder / "red"), "--json")
    assert {row["label"] for row in json.loads(asked.stdout)} == {"red"}
    from zoo.kinds.images.idx import write

    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    pixels = rng.integers(0, 80, (120, 8, 8)) + 100 * labels[:, None, None]
    Path("squares").mkdir()
    write(Path("squares"), pixels, labels)
    trained = command("train", "mlp", "squares", "--set", "units=16", "--learning-rate", "0.01", "--json")
    assert json.loads(trained.stdout)["metrics"]["accuracy"] > 0.9, trained.stderr
    scored = json.loads(command("evaluate", "squares", "squares", "--json").stdout)
    assert scored["accuracy"] > 0.9 and scored["examples"] == 24


def test_builders_are_listed_and_shown() -> None:
    listed = command("models", "--json")
    assert {"mlp", "cnn", "resnet", "rnn", "lstm", "gru", "perceptron"} <= json.loads(listed.stdout).keys()
    assert "perceptron" in command("models").stdout
    shown = command("show", "lstm", "--set", "units=8,4", "--shape", "none,3")
    assert shown.returncode == 0 and "Hochreiter" in shown.stdout and "Total params" in shown.stdout
    assert "units: Sequence[int] = (64,), " in shown.stdout


@pytest.mark.slow
def test_a_learning_rate_is_found_and_drawn(workplace: Path) -> None:
    assert command("sample", "wine", "wine").returncode == 0
    found = command("lr-find", "mlp", "wine/wine.csv", "--json")
    assert found.returncode == 0, found.stderr
    assert 1e-6 < json.loads(found.stdout)["suggestion"] < 10
    assert Path("lr.png").stat().st_size > 5000


def test_wrong_use_is_one_line_and_code_2(workplace: Path) -> None:
    frame = pandas.DataFrame({"a": np.arange(40.0), "b": [1.0, 2.0] * 20, "kind": ["x", "y"] * 20})
    frame.to_csv("t.csv", index=False)
    frame.assign(a=np.where(frame["a"] == 7, np.inf, frame["a"])).to_csv("infinite.csv", index=False)
    frame.assign(kind=["z", *frame["kind"][1:]]).to_csv("single.csv", index=False)
    frame.to_csv("short.csv", index=False)
    cases = [
        (("train", "mlp", "t.csv"), "--target"),
        (("train", "mlp", "t.csv", "--target", "price"), "price"),
        (("train", "mpl", "t.csv", "--target", "kind"), "did you mean mlp"),
        (("train", "mlp", "t.csv", "--target", "kind", "--set", "unit=3"), "did you mean units"),
        (("train", "mlp", "t.csv", "--target", "kind", "--set", "dropout=3"), "dropout"),
        (("train", "cnn", "t.csv", "--target", "kind"), "cnn"),
        (("train", "mlp", "infinite.csv", "--target", "kind"), "row 9"),
        (("train", "mlp", "single.csv", "--target", "kind"), "z"),
        (("train", "gru", "short.csv", "--target", "a", "--window", "39", "--horizon", "5"), "44"),
        (("train", "mlp", "nowhere.csv"), "nowhere.csv"),
        (("predict", "nothing", "t.csv"), "zoo train"),
        (("sample", "unknown", "x"), "iris"),
    ]
    for arguments, message in cases:
        result = command(*arguments)
        lines = [line for line in result.stderr.splitlines() if line.startswith("zoo: ")]
        assert result.returncode == 2, (arguments, result.stderr)
        assert len(lines) == 1 and message in lines[0], (arguments, result.stderr)
        assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_help_of_every_command_is_quick_to_print() -> None:
    for verb in ("train", "lr-find", "models", "show", "sample", "check"):
        result = command(verb, "--help")
        assert result.returncode == 0 and len(result.stdout) > 100
