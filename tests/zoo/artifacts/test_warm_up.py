"""Warm-up requests: real messages of TensorFlow Serving, whose made-up inputs every exported model answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest

import zoo
from support import forks
from zoo.artifacts.card import requested_kind
from zoo.data import sequences, tables, text
from zoo.data.parts import Inputs
from zoo.kinds.images.decoding import probe


def in_a_session(folder: Path, requests: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """What the SavedModel says when it is loaded into a session, as TensorFlow Serving does."""
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        signature = tf.compat.v1.saved_model.load(session, ["serve"], str(folder)).signature_def["serving_default"]
        outputs = {key: tensor.name for key, tensor in signature.outputs.items()}
        return [
            session.run(outputs, {signature.inputs[key].name: value for key, value in request.items()})
            for request in requests
        ]


def replayed(folder: Path, name: str) -> list[dict[str, np.ndarray]]:
    """What the SavedModel says of the requests beside it, which are read as TensorFlow Serving reads them."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    answers, requests = [], []
    for record in tf.data.TFRecordDataset(str(folder / "assets.extra" / "tf_serving_warmup_requests")):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert (request.model_spec.name, request.model_spec.signature_name) == (name, "serving_default")
        asked = {key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()}
        assert set(asked) == set(serve.structured_input_signature[1])
        requests.append({key: value.numpy() for key, value in asked.items()})
        answers.append({key: value.numpy() for key, value in serve(**asked).items()})
        assert all(len(value) == len(next(iter(asked.values()))) for value in answers[-1].values())
    assert [{len(value) for value in request.values()} for request in requests] == [{1}, {32}]
    for said, wanted in zip(in_a_session(folder, requests), answers, strict=True):
        for key, values in wanted.items():
            if values.dtype == object or values.dtype == bool:
                assert said[key].tolist() == values.tolist()
            else:
                np.testing.assert_allclose(said[key], values, rtol=1e-4, atol=1e-4)
    assert json.loads((folder / "card.json").read_text())["warm_up"] == 2
    return answers


def made_up(card: dict, model: object, count: int, seed: int) -> Inputs:
    return requested_kind(card, model).made_up(model, count, np.random.default_rng(seed))


def test_images_are_jpeg_and_png(classifier: Path) -> None:
    answers = replayed(classifier, "Small Digits")
    assert {label.decode() for label in answers[1]["label"]} <= {"nought", "one", "two"}
    np.testing.assert_allclose(answers[1]["probabilities"].sum(axis=1), 1, atol=1e-5)
    card = json.loads((classifier / "card.json").read_text())
    made = made_up(card, zoo.load(classifier).model, 6, seed=1)
    found = [probe(file) for file in made]
    assert [each.format for each in found] == ["JPEG", "PNG"] * 3
    assert all(8 <= side <= 12 for each in found for side in each[1:])
    again = made_up(card, None, 6, seed=1)
    assert made == again != made_up(card, None, 6, seed=2)


def test_images_of_an_autoencoder_and_codes_of_a_generator(variational: Path, conditional: Path) -> None:
    assert set(replayed(variational, "vae")[1]) == {"reconstruction", "score", "is_anomaly"}
    answers = replayed(conditional, "gan")
    assert answers[1]["pixels"].shape == (32, 8, 8, 1) and answers[1]["image_bytes"][0].startswith(b"\x89PNG")


@pytest.mark.slow
def test_rows_of_a_table_vary_as_those_of_training(workplace: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"age (years)": rng.normal(40, 5, 200), "fare": rng.normal(1000, 1, 200)})
    frame["deck"] = rng.choice(["A", "", "Ü"], 200)
    frame["target"] = np.where(frame["age (years)"] > 40, "old", "young")
    frame.loc[::7, "age (years)"] = np.nan
    folder = zoo.train("mlp", tables(frame), model={"units": (4,)}, epochs=2).export("saved_models/rows")
    assert {label.decode() for label in replayed(folder, "rows")[1]["label"]} <= {"old", "young"}
    asked = zoo.load("rows")
    made = made_up(asked.card, asked.model, 500, seed=0)
    np.testing.assert_allclose(np.nanmean(made["numeric"], axis=0), [40, 1000], atol=1)
    np.testing.assert_allclose(np.nanstd(made["numeric"], axis=0), [5, 1], rtol=0.2)
    assert 0.05 < np.isnan(made["numeric"][:, 0]).mean() < 0.25 and not np.isnan(made["numeric"][:, 1]).any()
    assert set(made["categorical"][:, 0]) == {"A", "", "Ü"}
    # Not the user's: no value of the table is among them.
    assert not np.isin(made["numeric"][:, 0], frame["age (years)"].dropna().to_numpy(np.float32)).any()
    assert set(asked.kind.feeds(made)) == {"age__years_", "fare", "deck"}


@pytest.mark.slow
def test_texts_have_words_of_the_vocabulary(workplace: Path) -> None:
    rows = [{"text": f"a {word} film number {at}", "label": word} for at in range(30) for word in ("good", "bäd")]
    folder = zoo.train("gru", text(pandas.DataFrame(rows)), model={"units": (4,), "embedding": 4}, epochs=1).export("t")
    assert {label.decode() for label in replayed(folder, "t")[1]["label"]} <= {"good", "bäd"}
    asked = zoo.load(folder)
    made = made_up(asked.card, asked.model, 50, seed=0)
    known = set(asked.model.get_layer("preprocess").get_layer("words").get_vocabulary())
    assert all(1 <= len(each.split()) <= asked.card["input"]["length"] for each in made)
    assert {"film", "good"} <= {word for each in made for word in each.split()} <= known


@pytest.mark.slow
def test_sequences_have_the_length_that_the_model_takes(workplace: Path) -> None:
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.normal(size=(60, 9, 2)), axis=1).astype(np.float32)
    values[::3, 6:] = np.nan
    uneven = zoo.data.arrays(values, np.arange(60) % 2)
    folder = zoo.train("lstm", uneven, model={"units": (4,)}, epochs=1).export("uneven")
    assert np.isfinite(replayed(folder, "uneven")[1]["probabilities"]).all()
    model = {"latent_dim": 3, "units": 4}
    folder = zoo.train("sequence_autoencoder", uneven, model=model, epochs=1, false_alarms=0.2).export("walks")
    assert np.isfinite(replayed(folder, "walks")[1]["score"]).all()
    time = np.arange(300)
    waves = pandas.DataFrame({"hour": time, "value": 20 + 5 * np.sin(time / 4)})
    data = sequences(waves, target="value", time="hour", window=24, horizon=6)
    folder = zoo.train("gru", data, model={"units": (4,)}, epochs=1).export("waves")
    assert replayed(folder, "waves")[1]["prediction"].shape == (32, 6)
    asked = zoo.load(folder)
    made = made_up(asked.card, asked.model, 100, seed=0)
    assert made.shape == (100, 24, 1) and made.dtype == np.float32
    np.testing.assert_allclose([made.mean(), made.std()], [20, 5 / 2**0.5 * 0.75], rtol=0.25)


def test_without_the_package_there_are_none(classifier: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['tensorflow_serving'] = None\n"
        "import json; from pathlib import Path; from zoo.artifacts import warm_up\n"
        "card = json.loads(Path(sys.argv[1], 'card.json').read_text())\n"
        "print(warm_up.write(Path(sys.argv[2]), card, None, 'x'), 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(classifier), str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["0", "False"]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_line_of_tensorflow_answers(classifier: Path, tmp_path: Path) -> None:
    def saved_model_cli(*arguments: str) -> str:
        module = "tensorflow.python.tools.saved_model_cli"
        command = [sys.executable, "-m", module, *arguments, "--dir", str(classifier), "--tag_set", "serve"]
        done = subprocess.run([*command, "--signature_def", "serving_default"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    shown = saved_model_cli("show")
    assert "inputs['image_bytes']" in shown and "outputs['probabilities']" in shown
    card = json.loads((classifier / "card.json").read_text())
    made = made_up(card, None, 4, seed=0)
    np.savez(tmp_path / "asked.npz", image_bytes=np.array(made))
    said = saved_model_cli(
        "run", "--inputs", f"image_bytes={tmp_path / 'asked.npz'}[image_bytes]", "--outdir", tmp_path
    )
    assert "Result for output key label" in said
    answers = zoo.load(classifier).predict(list(map(_image, made)))
    said = np.load(tmp_path / "probability.npy")
    np.testing.assert_allclose(said, [answer.probability for answer in answers], atol=1e-5)


def _image(encoded: bytes) -> object:
    import io

    from PIL import Image

    return Image.open(io.BytesIO(encoded))


ALONE = """
import sys, numpy as np
for package in ("zoo", "applications", "tuning", "keras", "tf_keras", "keras_tuner"):
    sys.modules[package] = None
import tensorflow as tf
with np.load(sys.argv[2]) as asked:
    signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
    answer = signature(**{name: tf.constant(asked[name]) for name in asked.files})
np.savez(sys.argv[3], **{name: value.numpy() for name, value in answer.items() if value.dtype != tf.string})
assert not any(name.split(".")[0] in ("zoo", "keras") and module for name, module in sys.modules.items())
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classifier", "variational", "conditional"])
def test_a_moved_artifact_opens_with_tensorflow_alone(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    import shutil

    folder: Path = request.getfixturevalue(kind)
    moved = shutil.copytree(folder, tmp_path / "else where" / "7")
    asked = zoo.load(folder)
    inputs = requested_kind(asked.card, asked.model).feeds(made_up(asked.card, asked.model, 8, seed=3))
    given = {k: np.array(v, "S") if isinstance(v, list) or v.dtype == object else v for k, v in inputs.items()}
    np.savez(tmp_path / "asked.npz", **given)
    forks.run(ALONE, str(moved), str(tmp_path / "asked.npz"), str(tmp_path / "said.npz"))
    import tensorflow as tf

    here = tf.saved_model.load(str(folder)).signatures["serving_default"]
    expected = here(**{name: tf.constant(value) for name, value in given.items()})
    with np.load(tmp_path / "said.npz") as said:
        assert said.files
        for name in said.files:
            np.testing.assert_array_equal(said[name], expected[name].numpy())
