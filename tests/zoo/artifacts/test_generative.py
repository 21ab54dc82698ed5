"""Artifacts of autoencoders and adversarial networks, asked in Python and by TensorFlow alone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

import zoo
from support import forks
from zoo.artifacts import codes, latents
from zoo.data import sequences, tables
from zoo.errors import InputError

ALONE = """
import json, sys, numpy as np
for package in ("zoo", "applications", "tuning"):
    sys.modules[package] = None
import tensorflow as tf
model, found = tf.saved_model.load(sys.argv[1]), {}
asked = dict(np.load(sys.argv[2]))
for step in json.loads(sys.argv[3]):
    feeds = {key: tf.constant(asked[name]) for key, name in step["feeds"].items()}
    answer = model.signatures[step["signature"]](**feeds)
    for key, value in answer.items():
        asked[step["signature"] + "." + key] = value.numpy()
np.savez(sys.argv[2] + ".out.npz", **{key: np.asarray(value, "S") if value.dtype == object else value
                                     for key, value in asked.items() if key not in ("image", "image_bytes")})
"""


def alone(folder: Path, scratch: Path, steps: list[dict], **arrays: np.ndarray) -> dict[str, np.ndarray]:
    """What the signatures of a SavedModel say one after the other, asked by TensorFlow alone."""
    np.savez(scratch / "asked.npz", **arrays)
    forks.run(ALONE, str(folder), str(scratch / "asked.npz"), json.dumps(steps))
    return dict(np.load(scratch / "asked.npz.out.npz"))


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sequence autoencoder of the windows of a series."""
    frame = series(400)
    trained = zoo.train(
        "sequence_autoencoder",
        sequences(frame, target="height", time="time", window=12),
        model={"latent_dim": 4, "units": 8},
        epochs=3,
        false_alarms=0.1,
    )
    return trained.export(tmp_path_factory.mktemp("made") / "waves")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = {"latent_dim": 2, "units": (8,)}
    trained = zoo.train("dense_autoencoder", tables(table(200)), model=model, epochs=3, false_alarms=0.1)
    return trained.export(tmp_path_factory.mktemp("made") / "rows")


def series(count: int) -> pandas.DataFrame:
    time = np.arange(count)
    rng = np.random.default_rng(0)
    height = 50 + 10 * np.sin(time / 5) + rng.normal(0, 0.5, count)
    return pandas.DataFrame({"time": time, "height": height, "wind": rng.normal(5, 1, count)})


def table(count: int) -> pandas.DataFrame:
    rng = np.random.default_rng(0)
    width = rng.normal(20, 5, count)
    frame = pandas.DataFrame({"width": width, "length": 2 * width, "colour": rng.choice(["red", "blue"], count)})
    return frame.assign(target=np.where(width > 20, "large", "small"))


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_each_artifact_is_loaded_as_what_it_is(variational: Path, conditional: Path) -> None:
    found = zoo.load(variational.parent), zoo.load(conditional)
    assert [type(each) for each in found] == [zoo.Reconstructor, zoo.Generator]
    assert found[0].verbs == ("anomalies", "reconstruct", "latent", "generate") and found[1].verbs == ("generate",)
    assert "variational_autoencoder of images" in repr(found[0]) and "nought" in repr(found[1])
    assert found[1].classes == ("nought", "one", "two")
    with pytest.raises(InputError, match="is a variational_autoencoder, .* zoo predict; ask it with: zoo anomalies, "):
        zoo.artifacts.artifact.load(variational, "predict")
    with pytest.raises(InputError, match="is a conditional_gan, which does not answer zoo anomalies.*zoo generate"):
        zoo.artifacts.artifact.load(conditional, "anomalies")


def test_answers_are_those_of_the_model(variational: Path, pixels: np.ndarray) -> None:
    asked = zoo.load(variational)
    inputs = pixels[:7, ..., None]
    np.testing.assert_array_equal(asked.read(list(pixels[:7]))[1], inputs)
    for source in (inputs, list(pixels[:7])):
        np.testing.assert_array_equal(asked.encode(source), asked.model.encode(inputs))
    made = asked.reconstruct(inputs)
    assert made.shape == (7, 8, 8, 1) and made.dtype == np.float32 and 0 <= made.min() <= made.max() <= 255
    np.testing.assert_array_equal(made, asked.model.reconstruct(inputs))
    np.testing.assert_allclose(asked.decode(asked.encode(inputs)), made, atol=1e-3)
    found = asked.anomalies(inputs)
    np.testing.assert_array_equal([each.score for each in found], asked.model.score(inputs))
    assert [each.is_anomaly for each in found] == asked.model.is_anomaly(inputs).tolist()


def test_anomalies_of_files_are_those_of_the_served_model(
    variational: Path, pixels: np.ndarray, tmp_path: Path
) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    images = [*pixels[:5], 255 - pixels[0], 255 - pixels[1]]
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    (folder / "4b.png").write_bytes(b"no image")
    asked = zoo.load(variational)
    found = asked.anomalies(folder)
    assert [Path(each.name).name for each in found] == [*(f"{at}.png" for at in range(5)), "4b.png", "5.png", "6.png"]
    bad = found.pop(5)
    assert "not an image" in bad.error and bad.score is None and bad.is_anomaly is None
    served = alone(
        variational,
        tmp_path,
        [
            {"signature": "serving_default", "feeds": {"image_bytes": "image_bytes"}},
            {"signature": "encode", "feeds": {"image_bytes": "image_bytes"}},
            {"signature": "decode", "feeds": {"code": "encode.code"}},
        ],
        image_bytes=np.array([png(image) for image in images]),
    )
    np.testing.assert_allclose([each.score for each in found], served["serving_default.score"], rtol=1e-4)
    assert [each.is_anomaly for each in found] == served["serving_default.is_anomaly"].tolist()
    assert [each.is_anomaly for each in found[-2:]] == [True, True]
    np.testing.assert_allclose(served["decode.reconstruction"], served["serving_default.reconstruction"], atol=1e-3)
    codes_of_all = asked.encode(folder)
    assert np.isnan(codes_of_all[5]).all() and np.isfinite(np.delete(codes_of_all, 5, axis=0)).all()
    np.testing.assert_allclose(np.delete(codes_of_all, 5, axis=0), served["encode.code"], atol=1e-4)
    names, inputs, errors = asked.read([str(folder / "0.png"), "nowhere.png", Image.fromarray(images[1])])
    assert names == [str(folder / "0.png"), "nowhere.png", "input 2"] and inputs.shape == (2, 8, 8, 1)
    assert errors == {1: "does not exist"}
    assert [each.error is None for each in asked.anomalies([folder / "0.png", folder / "4b.png"])] == [True, False]
    with pytest.raises(InputError, match="nothing could be read; .*4b.png: not an image"):
        asked.reconstruct(folder / "4b.png")
    with pytest.raises(InputError, match="does not exist"):
        asked.anomalies(tmp_path / "nowhere")


def test_batches_hold_no_more_than_256_images(variational: Path, pixels: np.ndarray) -> None:
    many = list(np.concatenate([pixels, pixels])[:600])
    many[300] = "gone.png"
    found = list(zoo.load(variational).batches(many))
    assert [len(batch.names) for batch in found] == [256, 256, 88]
    assert [len(batch.inputs) for batch in found] == [256, 255, 88] and found[1].errors == {44: "does not exist"}
    assert found[1].read.tolist() == [at for at in range(256) if at != 44]


def test_a_variational_autoencoder_draws_and_interpolates(variational: Path, pixels: np.ndarray) -> None:
    asked = zoo.load(variational)
    images = asked.generate(6, seed=3)
    np.testing.assert_array_equal(images, asked.model.generate(6, seed=3))
    np.testing.assert_allclose(images[:2], asked.generate(2, seed=3), atol=1e-3)
    assert np.abs(images - asked.generate(6, seed=4)).max() > 1
    assert asked.strips(2, 5).shape == (2, 5, 8, 8, 1)
    way = asked.interpolate(pixels[0], pixels[1], steps=5)
    ends = asked.reconstruct(list(pixels[:2]))
    assert way.shape == (5, 8, 8, 1)
    np.testing.assert_allclose(way[[0, -1]], ends, atol=1e-3)
    middle = asked.decode(asked.encode(list(pixels[:2])).mean(axis=0, keepdims=True))
    np.testing.assert_allclose(way[2], middle[0], atol=1e-3)
    for wrong, message in [
        (lambda: asked.interpolate(pixels[0], list(pixels[:2])), "one input at each end, received 2"),
        (lambda: asked.interpolate(pixels[0], pixels[1], steps=1), "two steps"),
        (lambda: asked.interpolate([pixels[0]], ["gone.png"]), "gone.png: does not exist"),
        (lambda: asked.decode(np.zeros((2, 5))), r"\(codes, 4\), received \(2, 5\)"),
        (lambda: asked.generate(0), "count to be a whole number from 1 on"),
        (lambda: asked.strips(2, 0), "steps to be"),
    ]:
        with pytest.raises(InputError, match=message):
            wrong()


def test_arcs_keep_the_length_of_their_ends() -> None:
    first, second = np.float32([3, 0, 0]), np.float32([0, 3, 0])
    arc = codes.spherical(first, second, 5)
    np.testing.assert_allclose(np.linalg.norm(arc, axis=1), 3, rtol=1e-6)
    np.testing.assert_allclose(arc[[0, -1]], [first, second], atol=1e-6)
    np.testing.assert_allclose(arc[2], np.float32([1, 1, 0]) * 3 / np.sqrt(2), rtol=1e-6)
    np.testing.assert_array_equal(codes.spherical(first, 2 * first, 3)[:, 0], [3, 4.5, 6])  # no angle: a line


def test_a_generator_makes_what_is_asked_for(conditional: Path) -> None:
    asked = zoo.load(conditional)
    images = asked.generate(5, seed=1)
    assert images.shape == (5, 8, 8, 1) and images.dtype == np.float32 and 0 <= images.min() <= images.max() <= 255
    np.testing.assert_array_equal(images, asked.generate(5, seed=1))
    assert np.abs(images - asked.generate(5, seed=2)).max() > 1
    np.testing.assert_allclose(images[:2], asked.generate(2, seed=1), atol=1e-3)
    turns = ["nought", "one", "two", "nought", "one"]
    np.testing.assert_array_equal(images, asked.generate(5, seed=1, label=turns))
    assert np.abs(asked.generate(3, label="one") - asked.generate(3, label="two")).max() > 1e-3
    strips = asked.interpolate(2, 4, seed=1, label="two")
    assert strips.shape == (2, 4, 8, 8, 1)
    ends = codes.drawn(4, (8,), 1)
    expected = asked.model([ends, np.full(4, 2, np.int32)]).numpy().reshape(2, 2, 8, 8, 1)
    np.testing.assert_allclose(strips[:, [0, -1]], expected, atol=1e-3)
    per_strip = asked.interpolate(2, 4, seed=1, label=["nought", "one"])
    np.testing.assert_array_equal(asked.interpolate(2, 4, seed=1), per_strip)
    for wrong, message in [
        (lambda: asked.generate(2, label="three"), "out of nought, one, two; received 'three'"),
        (lambda: asked.generate(2, label=["one"]), "or 2 of them, received 1"),
        (lambda: asked.generate(-1), "count"),
        (lambda: asked.interpolate(0), "strips"),
    ]:
        with pytest.raises(InputError, match=message):
            wrong()


def test_a_served_generator_gives_png_files_and_knows_its_labels(conditional: Path) -> None:
    import tensorflow as tf

    serve = tf.saved_model.load(str(conditional)).signatures["serving_default"]
    drawn = tf.constant(codes.drawn(3, (8,), 0))
    answer = serve(code=drawn, label=tf.constant(["one", "two", "one"]))
    asked = zoo.load(conditional).generate(3, label=["one", "two", "one"])
    np.testing.assert_allclose(answer["pixels"], asked, atol=1e-2)
    for pixels, encoded in zip(answer["pixels"].numpy(), answer["image_bytes"].numpy(), strict=True):
        decoded = np.asarray(Image.open(io.BytesIO(encoded)))
        np.testing.assert_array_equal(decoded[..., None], np.round(pixels).astype(np.uint8))
    with pytest.raises(tf.errors.InvalidArgumentError, match="no such label"):
        serve(code=drawn, label=tf.constant(["one", "two", "three"]))


@pytest.mark.slow
def test_a_generator_without_classes_takes_no_label(
    workplace: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.training.judges.has_judge", lambda data: False)  # it takes longer than all else
    data = zoo.data.arrays(pixels[..., None], np.arange(len(pixels)) % 2)
    trained = zoo.train("gan", data, model={"latent_dim": 8, "units": (16,)}, epochs=2)
    asked = zoo.load(trained.export("saved_models/plain"))
    assert asked.classes == () and asked.generate(3).shape == (3, 8, 8, 1)
    assert asked.interpolate(3, 2).shape == (3, 2, 8, 8, 1)
    with pytest.raises(InputError, match="trained without classes"):
        asked.generate(3, label="1")


@pytest.mark.slow
def test_every_window_of_a_series_is_scored(waves: Path, tmp_path: Path) -> None:
    frame = series(60)
    frame.loc[40:44, "height"] += 60
    path = tmp_path / "new.csv"
    frame.to_csv(path, index=False)
    asked = zoo.load(waves)
    assert asked.verbs == ("anomalies", "reconstruct", "latent")
    found = asked.anomalies(str(path))
    assert [each.name for each in found] == [str(at) for at in range(11, 60)]  # by the time of their last rows
    values = frame[["height", "wind"]].to_numpy(np.float32)
    assert asked.card["input"]["features"] == ["height", "wind"]
    np.testing.assert_allclose([each.score for each in found], [e.score for e in asked.anomalies(values)], rtol=1e-4)
    peak = max(found, key=lambda each: each.score)
    assert 40 <= int(peak.name) <= 55 and peak.is_anomaly
    made = asked.reconstruct(values)
    assert made.shape == (49, 12, 2)
    # The error of prepared values is that of raw ones, each over the deviation of its feature.
    deviations = np.array(asked.model.preprocess.get_layer("scale").deviations)
    windows = np.lib.stride_tricks.sliding_window_view(values, 12, axis=0).transpose(0, 2, 1)
    errors = (((made - windows) / deviations) ** 2).mean(axis=(1, 2))
    np.testing.assert_allclose(errors, [each.score for each in found], rtol=1e-3)
    np.testing.assert_allclose(asked.decode(asked.encode(values)), made, atol=1e-3)
    way = asked.interpolate(values[:12], values[20:32], steps=3)
    np.testing.assert_allclose(way[[0, 2]], made[[0, 20]], atol=1e-3)

    frame["wind"] = frame["wind"].astype(object)
    frame.loc[20, "wind"] = "calm"
    frame.to_csv(tmp_path / "gap.csv", index=False)
    gap = asked.anomalies([path, tmp_path / "gap.csv", tmp_path / "nowhere.csv"])
    assert len(gap) == 49 + 49 + 1
    wrong = [each for each in gap[49:98] if each.error]
    assert len(wrong) == 12 and all("row 22, column 'wind': expected a number" in each.error for each in wrong)
    assert gap[49 + 8].error is None and gap[49 + 9].error and gap[49 + 20].error and gap[49 + 21].error is None
    np.testing.assert_allclose([each.score for each in gap[:49]], [each.score for each in found], rtol=1e-5)
    assert gap[0].name == f"{path}, 11" and "nowhere.csv" in gap[-1].error
    # Rows of another order are those of the same times.
    backwards = asked.anomalies(series(60).iloc[::-1])
    np.testing.assert_array_equal(
        [each.score for each in backwards], [each.score for each in asked.anomalies(series(60))]
    )
    for method in (asked.generate, asked.strips):
        with pytest.raises(InputError, match="sequence_autoencoder of examples"):
            method(2)


@pytest.mark.slow
def test_sequences_of_different_lengths(workplace: Path) -> None:
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.normal(size=(60, 9, 2)), axis=1).astype(np.float32)
    values[::3, 6:] = np.nan
    data = zoo.data.arrays(values, np.arange(60) % 2)
    model = {"latent_dim": 3, "units": 8}
    trained = zoo.train("sequence_autoencoder", data, model=model, epochs=3, false_alarms=0.2)
    asked = zoo.load(trained.export("saved_models/walks"))
    short = asked.reconstruct(values[:1, :6])  # shorter than the longest one in training
    assert short.shape == (1, 9, 2) and np.isnan(short[0, 6:]).all() and np.isfinite(short[0, :6]).all()
    np.testing.assert_allclose(short, asked.reconstruct(values[:4])[:1], atol=1e-4)
    long = asked.anomalies([np.zeros((4, 2)), np.zeros((12, 2)), np.full((3, 2), np.inf)])
    assert [each.error is None for each in long] == [True, False, False]
    assert "9 steps at most" in long[1].error and "finite" in long[2].error


@pytest.mark.slow
def test_rows_of_a_table_are_scored(rows: Path, tmp_path: Path) -> None:
    asked = zoo.load(rows)
    assert asked.verbs == ("anomalies", "latent")
    some = [
        {"width": 20.0, "length": 40.0, "colour": "red"},
        {"width": 20.0, "length": 400.0, "colour": "red"},
        {"width": 20.0, "length": "long", "colour": "red"},
        {"width": None, "length": 40.0, "colour": "green"},
    ]
    found = asked.anomalies(some)
    assert [each.is_anomaly for each in found[:2]] == [False, True] and found[0].score < found[1].score
    assert "column 'length': expected a number" in found[2].error and found[3].error is None
    pandas.DataFrame(some).to_csv(tmp_path / "rows.csv", index=False)
    again = asked.anomalies(tmp_path / "rows.csv")
    np.testing.assert_allclose([e.score for e in again if not e.error], [e.score for e in found if not e.error])
    assert asked.encode(table(5)).shape == (5, 2)
    for wrong in (lambda: asked.reconstruct(some), lambda: asked.decode(np.zeros((1, 2)))):
        with pytest.raises(InputError, match="ask for anomalies"):
            wrong()
    with pytest.raises(InputError, match="width"):
        asked.anomalies(pandas.DataFrame({"height": [1.0]}))
    with pytest.raises(InputError, match="variational"):
        asked.generate(1)


def test_codes_of_a_path_and_its_classes(variational: Path, waves: Path, tmp_path: Path) -> None:
    asked = zoo.load(variational)
    for label in ("a", "b"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(4):
            image = np.full((8, 8), 20 * number + 90 * (label == "b"), np.uint8)
            Image.fromarray(image).save(tmp_path / "set" / label / f"{number}.png")
    (tmp_path / "set" / "a" / "bad.png").write_bytes(b"")
    found = latents.of_path(asked, tmp_path / "set")
    assert found.codes.shape == (8, 4) and found.classes == ("a", "b") and found.targets.tolist() == [0] * 4 + [1] * 4
    assert [note.name for note in found.notes] == ["a/bad.png"]
    some = latents.of_path(asked, tmp_path / "set", most=5, seed=1)
    assert len(some.codes) == 5 and some.total == 8
    again = latents.of_path(asked, tmp_path / "set", most=5, seed=1)
    np.testing.assert_array_equal(some.codes, again.codes)
    flat = latents.of_path(asked, tmp_path / "set" / "b")
    assert flat.targets is None and flat.classes == () and len(flat.codes) == 4
    series(30).to_csv(tmp_path / "series.csv", index=False)
    assert latents.of_path(zoo.load(waves), tmp_path / "series.csv").codes.shape == (19, 4)
    from zoo.kinds.images.idx import write

    (tmp_path / "squares").mkdir()
    write(tmp_path / "squares", np.arange(20 * 64).reshape(20, 8, 8) % 251, np.arange(20) % 2)
    assert latents.of_path(asked, tmp_path / "squares").classes == ("0", "1")
    with pytest.raises(InputError, match="expected a folder of images"):
        latents.of_path(asked, tmp_path / "set" / "b" / "0.png")


@pytest.mark.slow
def test_codes_of_a_table_and_its_classes(rows: Path, tmp_path: Path) -> None:
    table(20).to_csv(tmp_path / "rows.csv", index=False)
    of_rows = latents.of_path(zoo.load(rows), tmp_path / "rows.csv")
    assert of_rows.classes == ("large", "small") and of_rows.codes.shape == (20, 2)
    table(20).drop(columns="target").to_csv(tmp_path / "plain.csv", index=False)
    plain = latents.of_path(zoo.load(rows), tmp_path / "plain.csv")
    assert plain.targets is None and "without classes" in plain.notes[0].reason
