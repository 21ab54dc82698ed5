"""Values that training never had are said by predictions, evaluations and the server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import zoo
from support.places import ROOT
from support.servers import served
from zoo.commands.predictions import predict
from zoo.serving.model_manager import ModelManager

NEW = {"weekday": ["Sunday", "Monday", "Saturday", "Sunday"], "heat": [20, 1000, 10, 30]}
DAY = "column 'weekday': 3 of 4 rows have a value never seen in training, as 'Sunday'"
HEAT = "column 'heat': 1 of 4 rows have a number far outside the training range (0 to 39), as 1000"


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a table of weekdays and temperatures."""
    rows = pd.DataFrame({"weekday": ["Monday", "Tuesday"] * 80, "heat": [at % 40 for at in range(160)]})
    data = zoo.data.open(rows.assign(label=np.where(rows["heat"] > 19, "busy", "quiet")))
    trained = zoo.train("mlp", data, model={"units": (4,)}, epochs=1)
    return trained.export(tmp_path_factory.mktemp("made") / "visits")


def test_predictions_and_scores_say_it(visits: Path, tmp_path: Path) -> None:
    predictor = zoo.load(visits)
    answers = predictor.predict(pd.DataFrame(NEW))
    assert [each.notes for each in answers] == [
        ["column 'weekday': a value never seen in training, 'Sunday'"],
        ["column 'heat': a number far outside the training range (0 to 39), 1000"],
        ["column 'weekday': a value never seen in training, 'Saturday'"],
        ["column 'weekday': a value never seen in training, 'Sunday'"],
    ]
    assert not predictor.predict({"weekday": "Monday", "heat": None})[0].notes
    assert not predictor.predict({"weekday": "Sunday", "heat": "warm"})[0].notes  # it has no answer
    pd.DataFrame(NEW).assign(label="busy").to_csv(tmp_path / "new.csv", index=False)
    said = [f"{note.name}: {note.reason}" for note in predictor.evaluate(tmp_path / "new.csv").intake]
    assert said == [DAY, HEAT]


def test_the_command_says_it(visits: Path, tmp_path: Path) -> None:
    pd.DataFrame(NEW).to_csv(tmp_path / "new.csv", index=False)
    arguments = [str(visits), str(tmp_path / "new.csv")]
    lines = CliRunner().invoke(predict, arguments).output.splitlines()
    assert " ".join(" ".join(lines).split()).endswith(f"{DAY} {HEAT}")
    rows = json.loads(CliRunner().invoke(predict, [*arguments, "--json"]).output)
    assert rows[1]["notes"] == ["column 'heat': a number far outside the training range (0 to 39), 1000"]
    CliRunner().invoke(predict, [*arguments, "--csv", str(tmp_path / "answers.csv")])
    assert list(pd.read_csv(tmp_path / "answers.csv")) == ["name", "label", "probability", "error"]


def test_the_server_says_it(visits: Path) -> None:
    with served(ModelManager({"visits": visits}, runtime="saved_model")) as client:
        status, reply = client("/v1/models/visits:predict", {"inputs": NEW})
        assert status == 200 and reply["notes"] == [DAY, HEAT] and len(reply["outputs"]["label"]) == 4
        row = {"weekday": "Sunday", "heat": None}
        status, reply = client("/v1/models/visits:predict", {"instances": [row]})
        assert status == 200 and reply["notes"] == ["column 'weekday': a value never seen in training, 'Sunday'"]
        status, reply = client("/v1/models/visits:predict", {"instances": [row | {"weekday": "Monday"}]})
        assert status == 200 and set(reply) == {"predictions"}
        types = {"weekday": "BYTES", "heat": "FP32"}
        inputs = [{"name": name, "datatype": types[name], "shape": [4], "data": NEW[name]} for name in NEW]
        status, reply = client("/v2/models/visits/infer", {"inputs": inputs})
        assert status == 200 and reply["parameters"] == {"notes": f"{DAY}\n{HEAT}"}


def test_windows_of_a_series_and_texts_too(tmp_path: Path) -> None:
    data = zoo.data.open(pd.DataFrame({"load": np.sin(np.arange(120.0))}), window=4, horizon=1, target="load")
    folder = zoo.train("lstm", data, model={"units": (4,)}, epochs=1).export(tmp_path / "load")
    near, far = np.zeros((4, 1), np.float32), np.full((4, 1), 50, np.float32)
    notes = [each.notes for each in zoo.load(folder).predict([near, far])]
    assert not notes[0] and notes[1][0].startswith("column 'load': a number far outside the training range (-")
    for name in ("classification", "regression"):  # of 0.1.0
        shutil.unpack_archive(ROOT / "tests" / "artifacts_0_1_0" / f"{name}.zip", tmp_path / name)
    films = zoo.load(tmp_path / "classification")
    known, unknown = films.predict(["a good film", "zyx quux"])
    assert not known.notes and unknown.notes == ["words: none that the model knows, 'zyx quux'"]
    assert not any(
        each.notes for each in zoo.load(tmp_path / "regression").predict(np.full((1, 4, 1), 1e6, np.float32))
    )
