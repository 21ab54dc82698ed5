"""What users of Keras have at hand is data."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_iris

import zoo
from support.places import ROOT
from zoo import InputError
from zoo.data import Data, arrays
from zoo.data import open as open_data
from zoo.kinds.class_folders import UNLABELLED

RNG = np.random.default_rng(0)
ROWS, LABELS = RNG.normal(size=(60, 3)).astype("float32"), np.arange(60) % 3
PIXELS = RNG.integers(0, 256, (60, 8, 8), dtype=np.uint8)
TEXTS = [f"a {'good' if at % 2 else 'bad'} film of number {at} that I saw" for at in range(60)]


def frame() -> pd.DataFrame:
    return pd.DataFrame({"size": ROWS[:, 0], "age": ROWS[:, 1], "town": ["x", "y", "z"] * 20, "price": ROWS[:, 2] * 9})


def reasons(data: Data) -> list[str]:
    return [note.reason for note in data.intake]


def counts(data: Data) -> dict[str, int]:
    return {name: len(part) for name, part in data.parts.items()}


def test_a_pair_of_arrays() -> None:
    assert open_data((ROWS, LABELS)).fingerprint == arrays(ROWS, LABELS).fingerprint
    assert open_data([ROWS.tolist(), LABELS.tolist()]).fingerprint == arrays(ROWS.astype(float), LABELS).fingerprint
    assert open_data((ROWS, LABELS), classes=["a", "b", "c"], seed=3).classes == ("a", "b", "c")
    named = open_data((ROWS, np.array(["a", "b", "c"])[LABELS]))
    assert named.classes == ("a", "b", "c")
    assert open_data((pd.Series(range(60)).to_numpy()[:, None] * 1.5, pd.Series(LABELS))).input["kind"] == "table"
    assert open_data(named) is named


def test_the_second_pair_is_held_out_as_keras_datasets_gives_it() -> None:
    data = open_data(((PIXELS[:45], LABELS[:45, None]), (PIXELS[45:], LABELS[45:, None])))
    assert counts(data) == {"train": 45, "test": 15} and data.input["size"] == [8, 8] and data.input["channels"] == 1
    parts = [(PIXELS[at], LABELS[at]) for at in (slice(40), slice(40, 50), slice(50, 60))]
    assert counts(open_data(parts)) == {"train": 40, "validation": 10, "test": 10}


def test_frames_of_pandas() -> None:
    data = open_data(frame(), target="price")
    assert data.task.name == "regression" and data.input["numeric"] == ["size", "age"]
    assert data.fingerprint == zoo.data.tables(frame(), target="price").fingerprint
    assert open_data((frame(), "price")).fingerprint == data.fingerprint
    assert open_data((frame(), ["age", "price"])).classes == ("age", "price")
    beside = open_data((frame().drop(columns="price"), frame()["price"]))
    assert beside.fingerprint == data.fingerprint
    assert open_data((frame().drop(columns="price"), frame()[["price"]])).fingerprint == data.fingerprint
    for load, task in ((load_iris, "classification"), (load_diabetes, "regression")):
        data = open_data(load(return_X_y=True, as_frame=True))
        assert data.task.name == task and data.input["target"] == ["target"]
    shuffled = frame().sample(frac=1, random_state=0)
    assert counts(open_data((shuffled.drop(columns="town"), shuffled["town"]))) == {"train": 48, "validation": 12}
    held_out = open_data(((frame()[:45], "town"), (frame()[45:], "town")))
    assert counts(held_out) == {"train": 45, "test": 15} and held_out.test.names[0] == "row test 45"
    assert open_data((frame()[:45], frame()[45:]), target="town").fingerprint == held_out.fingerprint


def test_one_hot_columns_of_a_frame_are_a_class() -> None:
    hot = pd.get_dummies(frame()["town"])
    data = open_data((frame().drop(columns="town"), hot))
    assert data.task.name == "classification" and data.classes == ("x", "y", "z")
    assert reasons(data)[0].startswith("targets are one-hot: taken as classes")
    assert open_data((frame().drop(columns="town"), hot.astype(float)), task="regression").task.name == "regression"


def test_tensors_are_arrays() -> None:
    import tensorflow as tf

    assert open_data((tf.constant(ROWS), tf.constant(LABELS))).fingerprint == open_data((ROWS, LABELS)).fingerprint


def test_inputs_as_targets_are_unlabelled() -> None:
    data = open_data((PIXELS, PIXELS))  # as autoencoders have them with Keras
    assert data.classes == (UNLABELLED,) and counts(data) == {"train": 48, "validation": 12}
    assert reasons(data) == ["targets are the inputs: no labels; task='regression' says otherwise"]
    held_out = open_data(((ROWS[:45], ROWS[:45].copy()), (ROWS[45:], ROWS[45:])))
    assert held_out.classes == (UNLABELLED,) and counts(held_out) == {"train": 45, "test": 15}
    assert open_data((ROWS, ROWS), task="regression").task.name == "regression"


def test_a_frame_is_read_as_its_csv_file_would_be(tmp_path: Path) -> None:
    reviews = pd.DataFrame({"review": TEXTS, "label": ["bad", "good"] * 30})
    days = pd.DataFrame({"temperature": np.sin(np.arange(80)), "rain": np.cos(np.arange(80))})
    for values, options in ((reviews, {}), (frame(), {"target": "town"}), (days, {"target": "rain", "horizon": 2})):
        values.to_csv(tmp_path / "t.csv", index=False)
        read, file = open_data(values, **options), open_data(tmp_path / "t.csv", **options)
        assert read.input["kind"] == file.input["kind"] and counts(read) == counts(file)
    data = open_data((TEXTS, [0, 1] * 30))
    assert data.input["kind"] == "text" and data.classes == ("0", "1") and counts(data)["train"] == 48
    words = np.array([f"word{at}" for at in range(60)])
    assert open_data((words, np.eye(2)[[0, 1] * 30])).input["kind"] == "text"


def test_frames_of_polars() -> None:
    polars = pytest.importorskip("polars")
    columns = {name: column.tolist() for name, column in frame().items()}
    columns["age"][3], columns["town"][4] = None, None
    data = open_data(polars.DataFrame(columns), target="price")
    assert data.fingerprint == open_data(pd.DataFrame(columns), target="price").fingerprint
    assert open_data((polars.DataFrame(columns), "price")).fingerprint == data.fingerprint
    price = polars.Series("price", columns.pop("price"))
    assert open_data((polars.DataFrame(columns), price)).fingerprint == data.fingerprint
    with pytest.raises(InputError, match=re.escape("zoo.data.open(frame.collect(), target=COLUMN)")):
        open_data(polars.DataFrame({"a": [1]}).lazy())


def dataset(*arrays: Any) -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(arrays)


def test_data_sets_of_tensorflow() -> None:
    expected = open_data((ROWS, LABELS))
    whole = dataset(ROWS, LABELS)
    seen = set()
    for given in (whole, whole.batch(7), whole.batch(60), whole.shuffle(60).batch(7).prefetch(1), whole.cache()):
        data = open_data(given)
        assert counts(data) == counts(expected) and data.input == expected.input and data.classes == expected.classes
        seen.add(data.fingerprint)
    assert len(seen) == 1  # in whatever order they come, so that a training that was killed goes on
    row = {tuple(inputs): label for inputs, label in zip(ROWS.tolist(), LABELS.tolist(), strict=True)}
    told = [row[tuple(each.tolist())] for each in data.train.inputs["numeric"]]
    np.testing.assert_array_equal(told, data.train.targets)

    square = dataset(PIXELS[..., None], np.eye(8, dtype="float32")[LABELS])  # a side for each class: not batches of 8
    assert open_data(square).input["size"] == [8, 8] and open_data(square.batch(8)).input["size"] == [8, 8]
    whole = dataset(PIXELS[..., None], LABELS % 2).batch(12, drop_remainder=True)
    assert open_data(whole).input["size"] == [8, 8] and counts(open_data(whole)) == {"train": 48, "validation": 12}
    images = dataset(PIXELS[..., None], np.eye(3, dtype="float32")[LABELS])
    data = open_data((images.take(45).batch(8), images.skip(45).batch(8)))
    assert counts(data) == {"train": 45, "validation": 15} and data.task.name == "classification"
    data = open_data(dataset(TEXTS, LABELS).batch(8))
    assert data.input["kind"] == "text" and data.classes == ("0", "1", "2")


@pytest.mark.parametrize("mode", ["int", "categorical", "binary"])
def test_directories_that_keras_reads(tmp_path: Path, mode: str) -> None:
    import keras
    from PIL import Image

    digits = load_digits()
    few = np.flatnonzero(digits.target < (2 if mode == "binary" else 3))[:60]
    for at in few:
        place = tmp_path / ["nought", "one", "two"][digits.target[at]]
        place.mkdir(exist_ok=True)
        Image.fromarray((digits.images[at] * 15).astype(np.uint8)).save(place / f"{at}.png")
    options = {"label_mode": mode, "image_size": (8, 8), "color_mode": "grayscale", "seed": 1}
    train, validation = keras.utils.image_dataset_from_directory(
        tmp_path, validation_split=0.25, subset="both", verbose=False, **options
    )
    data = open_data((train, validation))
    assert data.classes == tuple(train.class_names) and counts(data) == {"train": 45, "validation": 15}
    assert data.train.inputs.shape == (45, 8, 8, 1) and data.train.inputs.dtype == np.uint8
    for pixels, target in zip(data.train.inputs, data.train.targets, strict=True):
        same = [at for at in few if np.array_equal((digits.images[at] * 15).astype(np.uint8), pixels[..., 0])]
        assert digits.target[same[0]] == target


def generator() -> Any:
    yield ROWS[:30], LABELS[:30]
    yield ROWS[30:], LABELS[30:]


def py_dataset() -> Any:
    import keras

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, at: int) -> tuple[np.ndarray, np.ndarray]:
            return ROWS[at * 30 : at * 30 + 30], LABELS[at * 30 : at * 30 + 30]

    return Batches()


def call_in(error: InputError, **names: Any) -> Data:
    """What the call in a message gives."""
    import keras

    steps = re.search(r"(?:x, y = .*[;,] |x = .*?, )?zoo\.data\.open\(.*?\)+(?=;|$| takes)", str(error)).group()
    scope = {"zoo": zoo, "numpy": np, "pandas": pd, "keras": keras} | names
    *before, call = re.split(r"[;,] (?=zoo)", steps)
    for each in before:
        exec(each, scope)
    return eval(call, scope)


def test_refusals_show_the_call_that_works() -> None:
    from scipy.sparse import csr_matrix

    lengths = RNG.integers(3, 6, 60)
    steps = [RNG.normal(size=(length, 2)) for length in lengths]
    words = np.array([RNG.integers(0, 50, length).tolist() for length in lengths], dtype=object)
    refused: dict[str, tuple[Any, dict[str, Any]]] = {
        "a generator is read but once": (generator(), {"generator": generator()}),
        "a Batches may give other batches": (py := py_dataset(), {"batches": py}),
        "repeats without end": (endless := dataset(ROWS, LABELS).repeat(), {"dataset": endless}),
        "x is a sparse matrix": ((csr_matrix(ROWS), LABELS), {"x": csr_matrix(ROWS), "y": LABELS}),
        "x has rows of different lengths; pad": ((steps, LABELS), {"x": steps, "y": LABELS}),
        "inputs, targets and weights": ((ROWS, LABELS, LABELS), {"x": ROWS, "y": LABELS}),
        "ndarray of .* alone has no targets": (ROWS, {"x": ROWS, "y": LABELS}),
        "a Bunch holds data and target": (bunch := load_iris(), {"bunch": bunch}),
        "a dict of columns is no": (c := frame().to_dict("list"), {"columns": c, "COLUMN": "town"}),
        "gives 3 values": (weighted := dataset(ROWS, LABELS, LABELS), {"dataset": weighted}),
        "the indexes of the two frames differ": (
            (frame()[["size", "age"]], frame()["town"][::-1]),
            {"x": frame()[["size", "age"]], "y": frame()["town"][::-1]},
        ),
    }
    for expected, (source, names) in refused.items():
        with pytest.raises(InputError, match=expected) as caught:
            open_data(source)
        assert "\n" not in str(caught.value)
        assert isinstance(call_in(caught.value, **names), Data), expected
    with pytest.raises(InputError, match="make lists of word numbers texts") as caught:
        open_data((words, LABELS))
    assert open_data(([" ".join(map(str, each)) for each in words], LABELS)).input["kind"] == "text"


@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        ((ROWS, LABELS), {"target": "a"}, "arrays take no option 'target'; they take classes, task, kind"),
        (frame(), {"target": "price", "classes": ["a"]}, "read as a table, which takes no option 'classes'"),
        (frame().rename(columns={"price": "cost"}), {}, "no column is named target"),
        ((frame(), "weight"), {}, "the data frame: no column 'weight' for target; there are size, age"),
        ((frame(), frame()["price"]), {}, "'price' is among features and targets"),
        ((frame(), LABELS[:-1]), {}, "expected as many targets as rows, received 59 and 60"),
        ((ROWS, None), {}, "expected a path, .* received tuple"),
        (7, {}, r"expected a path, \(x, y\), .* received int"),
        (((frame(), "town"), (frame().drop(columns="age"), "town")), {}, "parts with the same columns"),
        (((frame(), "town"), (ROWS, LABELS)), {}, "expected parts of one form, received Table, Arrays"),
        (((ROWS, LABELS), (ROWS, LABELS[:-1])), {}, "held out: 60 inputs and 59 targets"),
    ],
)
def test_what_can_not_be_taken_is_refused(source: Any, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        open_data(source, **options)


def test_data_sets_that_can_not_be_taken_are_refused() -> None:
    import tensorflow as tf

    ragged = tf.ragged.constant([[1.0], [2.0, 3.0]] * 10)
    uneven = tf.data.Dataset.from_generator(
        lambda: ((np.ones((at % 3 + 1, 2), "f"), at % 2) for at in range(20)),
        output_signature=(tf.TensorSpec((None, 2)), tf.TensorSpec((), tf.int32)),
    )
    for given, expected in (
        (tf.data.Dataset.from_tensor_slices(ROWS), "gives inputs alone; expected pairs"),
        (dataset({"a": ROWS[:, 0]}, LABELS), "has inputs of several tensors .dict.; expected one"),
        (tf.data.Dataset.from_tensor_slices((ragged, LABELS[:20])), "has ragged inputs; pad them"),
        (uneven, "has inputs of different shapes; pad them: dataset.padded_batch"),
        (dataset(ROWS, LABELS).take(0), "is empty"),
    ):
        with pytest.raises(InputError, match=expected):
            open_data(given)


def test_what_is_in_memory_is_recognised_without_its_library() -> None:
    program = (
        "import sys, numpy as np, pandas as pd, zoo\n"
        "x, y = np.arange(1280).reshape(20, 8, 8).astype('uint8'), np.arange(20) % 2\n"
        "zoo.data.open((x, y))\n"
        "try: zoo.data.open(pd.DataFrame({'a': y, 'b': y}))\n"
        "except zoo.InputError: pass\n"
        "assert not {'tensorflow', 'polars', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
