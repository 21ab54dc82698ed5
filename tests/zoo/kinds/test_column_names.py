"""Tables whose columns have any name at all: exported, asked and served as others are."""

from __future__ import annotations

import csv
import keyword
import re
from pathlib import Path

import numpy as np
import pandas
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

import zoo
from support.programs import alone, command
from support.servers import served_by_grpc
from zoo.errors import InputError
from zoo.formats.exporting import export
from zoo.kinds import Tables
from zoo.serving.model_manager import ModelManager

grpc = pytest.importorskip("grpc")
predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")
NUMBERS = ["self", "a", "None", "args", "kwargs", "name", "1", "a b", "é", "inputs", "x" * 300, "a:b", "probability"]
NUMBERS += ["file", "allow_pickle"]
WORDS = ["class", "A", "a_b", "A_2", "!", "ö", "label", "async", "SELF", "training", "image_bytes", "new\nline"]
ODD = ["class", "self", "A", "a", "_", "1", "a b", "a_b", "True", "é"]
NAMES = st.text(max_size=5) | st.sampled_from(keyword.kwlist + ODD)


@given(st.lists(NAMES, unique=True, max_size=12), st.data())
def test_every_column_has_a_tensor_of_its_own_that_tensorflow_takes(names: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(names)))
    kind = Tables(tuple(names[:cut]), tuple(names[cut:]))
    found = kind.columns_of_tensors()
    assert [kind.groups[group].columns[position] for group, position in found.values()] == names
    assert len({name.lower() for name in found}) == len(names)
    for name in found:
        assert re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) and not keyword.iskeyword(name) and name != "self"
    other = {column for column, name in zip(names, found, strict=True) if column != name}
    assert kind.columns_of_tensors() == found and set(kind.renamed()) == other


def test_names_that_tensorflow_takes_stay_as_they_were() -> None:
    kind = Tables(("age (years)", "1", "a b", "a_b", "Self", "name"), ("_",))
    assert list(kind.columns_of_tensors()) == ["age__years_", "column_1", "a_b", "a_b_2", "Self", "name", "column__"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("odd") / "odd.csv"
    rng = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*NUMBERS, *WORDS, "verdict"])
        for _ in range(80):
            words = rng.choice(["red", "green"], len(WORDS)).tolist()
            writer.writerow([*rng.normal(size=len(NUMBERS)).round(3), *words, "yes" if words[0] == "red" else "no"])
    return path


@pytest.fixture(scope="module")
def artifact(table: Path) -> Path:
    made = command(
        "train", "mlp", table, "--target", "verdict", "--set", "units=8", "--epochs", 2, "--out", table.parent / "odd"
    )
    assert made.returncode == 0, made.stderr
    assert re.search(
        r"served, column .* is the input .* and \d+ more, all in card.json", made.stdout.replace("\n", " ")
    )
    return table.parent / "odd" / "1"


def test_the_artifact_answers_the_file_that_it_was_trained_on(artifact: Path, table: Path) -> None:
    found = zoo.load(artifact)
    assert found.card["input"]["numeric"] == NUMBERS and found.card["input"]["categorical"] == WORDS
    assert found.card["tensors"]["self"] == "column_self" and "args" not in found.card["tensors"]
    asked = command("predict", artifact, table, "--json")
    assert asked.returncode == 0 and '"error"' not in asked.stdout
    assert command("verify", artifact).returncode == 0


def test_it_is_served_under_the_names_of_its_tensors(artifact: Path, table: Path) -> None:
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:3]
    wanted = [answer.label for answer in zoo.load(artifact).predict(str(table))[:3]]
    tensors = zoo.load(artifact).card["tensors"]
    fields = {tensors.get(column, column): [float(row[column]) for row in rows] for column in NUMBERS}
    fields |= {tensors.get(column, column): [row[column] for row in rows] for column in WORDS}
    assert alone(artifact, **fields)["label"] == wanted
    with served_by_grpc(ModelManager({"odd": artifact}, runtime="saved_model")) as by_grpc:
        server = by_grpc.client
        assert server("/v1/models")[1]["models"][0]["tensors"] == tensors
        status, found = server("/v1/models/odd:predict", {"inputs": fields})
        assert status == 200 and found["outputs"]["label"] == wanted
        kinds = {name: "FP32" if isinstance(values[0], float) else "BYTES" for name, values in fields.items()}
        given = [{"name": n, "shape": [3], "datatype": kinds[n], "data": values} for n, values in fields.items()]
        status, found = server("/v2/models/odd/infer", {"inputs": given})
        assert status == 200 and found["outputs"][0]["data"] == wanted
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "odd"
        for name, values in fields.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
        assert [label.decode() for label in by_grpc(request).outputs["label"].string_val] == wanted
        request.inputs["class"].CopyFrom(request.inputs.pop("column_class"))
        with pytest.raises(grpc.RpcError, match="column_class"):
            by_grpc(request)


@pytest.mark.slow
def test_autoencoders_over_such_a_table(table: Path, workplace: Path) -> None:
    data = zoo.data.open(table, target="verdict")
    model = {"latent_dim": 2, "units": (8,)}
    trained = zoo.train("dense_autoencoder", data, model=model, epochs=2, false_alarms=0.2)
    found = zoo.load(trained.export("saved_models/odd"))
    assert found.card["tensors"]["class"] == "column_class" and len(found.anomalies(str(table))) == 80


@pytest.mark.slow
def test_further_formats_of_such_a_table(artifact: Path) -> None:
    assert [made.new for made in export(artifact, "litert,onnx,openvino")] == [True] * 3


@pytest.mark.parametrize(
    ("column", "value", "label"), [("\udce9", "u", "p"), ("a", "\udce9", "p"), ("a", "u", "\udce9")]
)
def test_what_no_file_can_hold_is_refused_before_training(column: str, value: str, label: str) -> None:
    with pytest.raises(InputError, match="is no text"):
        zoo.data.tables(pandas.DataFrame({column: [value, "v"] * 10, "target": [label, "q"] * 10}))


def test_values_that_are_padded_are_the_same_without(workplace: Path) -> None:
    columns = {"a": ["u", "u\0", "v"] * 10, "b": range(30), "target": ["p\0\0", "p", "q"] * 10}
    data = zoo.data.tables(pandas.DataFrame(columns))
    assert data.classes == ("p", "q")
    folder = zoo.train("mlp", data, model={"units": (4,)}, epochs=1).export("saved_models/padded")
    one, other = zoo.load(folder).predict([{"a": "u", "b": 1}, {"a": "u\0", "b": 1}])
    assert one.probabilities == other.probabilities
