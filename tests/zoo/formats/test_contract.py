"""Every model in every format, run by that format's own runtime, answers as the Keras model does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zoo
from support.models import FLOAT, MODELS, PICTURES, content, pictures, supervised, trends, written
from zoo.arrays import apply
from zoo.artifacts import checksums
from zoo.artifacts.card import requested_kind
from zoo.builders.registry import BUILDERS
from zoo.files import digest
from zoo.formats import gate_inputs
from zoo.formats.runtime import open_format

QUICK = ("mlp-table",)


def test_every_builder_is_held_to_this() -> None:
    assert {name.split("-")[0] for name in MODELS} == set(BUILDERS)


@pytest.mark.numerical
@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in MODELS])
def test_it_answers_as_the_model_in_batches_of_any_size(name: str, workplace: Path) -> None:
    folder = written(workplace, *MODELS[name]())
    before = content(folder)
    made = zoo.export(folder, FLOAT)
    assert [each.name for each in made] == list(FLOAT) and all(each.new for each in made)
    assert content(folder) == before
    artifact = zoo.load(folder)
    inputs = requested_kind(artifact.card, artifact.model).numbers(
        artifact.model, gate_inputs.made_up(artifact.model, artifact.card)
    )
    for each in made:
        manifest = each.manifest
        assert manifest["gate"]["passed"] and manifest["gate"]["inputs"] == "made up"
        assert manifest["gate"]["largest_difference"] <= 1e-4
        assert set(manifest["latency_ms"]) == {"1", "32"}
        for file, told in manifest["files"].items():
            assert told == {"sha256": digest(each.folder / file), "bytes": (each.folder / file).stat().st_size}
        assert {p.name for p in each.folder.iterdir()} == {*manifest["files"], "manifest.json", checksums.NAME}
        assert all(spec["shape"][0] is None and spec["meaning"] for spec in manifest["inputs"].values())
        answer = open_format(each.folder)
        whole = answer(inputs)
        assert set(whole) == set(manifest["outputs"])
        for start, end in ((0, 1), (1, 4), (4, 36)):
            part = answer({key: values[start:end] for key, values in inputs.items()})
            for key, values in part.items():
                assert values.dtype == manifest["outputs"][key]["dtype"] and len(values) == end - start
                np.testing.assert_allclose(values, whole[key][start:end], rtol=1e-4, atol=1e-4)
        if artifact.card["task"] == "reconstruction":
            encoded = open_format(each.folder, part="encoder")(inputs)
            code = next(iter(encoded.values())) if "code" in encoded else encoded["mean"]
            decoded = open_format(each.folder, part="decoder")({"code": code})["reconstruction"]
            np.testing.assert_allclose(decoded, whole["reconstruction"], rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_no_answer_depends_on_the_batch_before_it(workplace: Path) -> None:
    folder = written(workplace, *MODELS["rnn-sequence"]())
    (made,) = zoo.export(folder, "litert")
    artifact = zoo.load(folder)
    values = gate_inputs.made_up(artifact.model, artifact.card)
    whole = open_format(made.folder, threads=1)({"sequence": values})["probabilities"]
    rng = np.random.default_rng(0)
    for _ in range(150):
        answer = open_format(made.folder, threads=1)
        for size in rng.choice([1, 1, 2, 3, 4, 8], 6):
            kept = [np.ones(length) for length in rng.integers(1, 3000, 20)]  # memory is never given out the same
            start = int(rng.integers(len(values) - size))
            part = answer({"sequence": values[start : start + size]})["probabilities"]
            np.testing.assert_allclose(part, whole[start : start + size], atol=1e-5)
            del kept


@pytest.mark.slow
def test_shorter_sequences_need_no_padding_and_padded_ones_answer_the_same(workplace: Path) -> None:
    folder = written(workplace, *supervised("gru", trends, units=(4,), bidirectional=True)())
    (made,) = zoo.export(folder, "litert")
    assert made.manifest["inputs"]["sequence"]["shape"] == [None, None, 2]
    model = zoo.load(folder).model
    rng = np.random.default_rng(3)
    values = rng.normal(size=(5, 4, 2)).astype(np.float32)
    padded = np.concatenate([values, np.full((5, 20, 2), np.nan, np.float32)], axis=1)
    answer = open_format(made.folder)
    for asked in (values, padded, values[:, :1]):
        found = answer({"sequence": asked})["probabilities"]
        np.testing.assert_allclose(found, apply(model, asked), atol=1e-5)


@pytest.mark.slow
def test_swish_and_grouped_convolutions_as_pretrained_networks_have_them(workplace: Path) -> None:
    import keras

    entry = keras.Input((16, 16, 1), name="pixels")
    wide = keras.layers.Conv2D(4, 3, activation="swish")(keras.layers.Rescaling(1 / 255)(entry))
    grouped = keras.layers.Conv2D(8, 3, groups=2, activation="gelu")(wide)
    answer = keras.layers.Dense(2, activation="softmax")(keras.layers.GlobalAveragePooling2D()(grouped))
    card = {"builder": "own", "task": "classification", "classes": ["a", "b"], "input": PICTURES}
    made = zoo.export(written(workplace, keras.Model(entry, answer), card), FLOAT)
    assert all(each.manifest["gate"]["passed"] for each in made)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_model_of_half_precision_goes_in_as_float32(policy: str, workplace: Path) -> None:
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model, card = pictures("cnn", filters=(4,), units=4)()
    finally:
        keras.config.set_dtype_policy(before)
    for each in zoo.export(written(workplace, model, card), FLOAT):
        assert each.manifest["gate"]["largest_difference"] <= 1e-4
