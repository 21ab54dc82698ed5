"""The training of the last blocks: what it starts from, what it holds, and that it goes on after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from applications import linear_heads, views
from applications.backbones import split
from applications.features import Extractor
from applications.unfreezing import SHARES, Recipe, Unfrozen
from support.pictures import photo
from support.places import ROOT
from zoo.evaluation import calibration

RECIPE = Recipe(blocks=2, epochs=2, learning_rate=1e-3, augment=("flip", "crop", "mixup"), seed=3)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two dozen pictures of red, and a dozen of green."""
    return [photo(tmp_path / "pictures" / f"{index:02d}.png", index % 3 == 2, index) for index in range(36)]


@pytest.fixture
def classes() -> np.ndarray:
    return (np.arange(36) % 3 == 2).astype(np.int64)


def begun(files: list[Path], classes: np.ndarray, recipe: Recipe = RECIPE) -> tuple[Unfrozen, linear_heads.Head]:
    """The last blocks of a tiny backbone, and a head in which the rare class has more weight."""
    extractor = Extractor("tiny", None, 32, 1.0)
    pixels = views.Pixels(files, extractor)[np.arange(len(files))]
    head = linear_heads.fit(extractor.keras_model.predict(pixels, verbose=0), classes, 0, 2)
    assert head.weighted
    return Unfrozen(extractor, head, files, np.eye(2)[classes], recipe), head


def test_the_training_begins_with_the_head_on_the_frozen_backbone(
    tiny: str, files: list[Path], classes: np.ndarray
) -> None:
    unfrozen, head = begun(files, classes)
    pixels = unfrozen.pixels[np.arange(36)]
    wanted = head.outputs(_embeddings(unfrozen, pixels))
    model = unfrozen.train(head, 0.0)
    np.testing.assert_allclose(model.predict(pixels, verbose=0), wanted, atol=1e-5)
    moved = unfrozen.train(head, 1.0).predict(pixels, verbose=0)
    assert np.abs(moved - wanted).max() > 1e-3


def _embeddings(unfrozen: Unfrozen, pixels: np.ndarray) -> np.ndarray:
    import keras

    model = unfrozen.classifier
    return keras.Model(model.input, model.layers[-1].input).predict(pixels, verbose=0)


def test_the_inner_split_says_how_far_to_go(tiny: str, files: list[Path], classes: np.ndarray) -> None:
    unfrozen, head = begun(files, classes)
    sides = np.arange(27), np.arange(27, 36)
    choice = unfrozen.choose(head, *sides)
    assert len(choice.history.epochs) == RECIPE.epochs and choice.outputs.shape == (9, 2)
    losses = {}
    unfrozen._train(head, sides[0], None)
    start, end = unfrozen._start(head), unfrozen.upper.get_weights()
    for share in SHARES:
        unfrozen._go(head, start, end, share)
        outputs = unfrozen.classifier.predict(unfrozen.pixels[sides[1]], verbose=0)
        losses[share] = -np.log(outputs[np.arange(9), classes[27:]]).mean()
        if share == choice.share:
            np.testing.assert_allclose(outputs, choice.outputs, atol=1e-5)
    assert choice.share == min(losses, key=losses.get) and choice.temperature == 1.0  # of nine images


def test_what_is_too_sure_of_itself_is_calibrated(
    tiny: str, files: list[Path], classes: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "FEWEST", 10)
    unfrozen, head = begun(files, classes, replace(RECIPE, learning_rate=1e-5))
    head = replace(head, kernel=np.random.default_rng(5).normal(0, 300, head.kernel.shape).astype(np.float32))
    choice = unfrozen.choose(head, np.arange(18), np.arange(18, 36))
    assert choice.temperature > 1.05
    calm = unfrozen.train(head, choice.share, choice.temperature).predict(unfrozen.pixels[np.arange(36)], verbose=0)
    sure = unfrozen.train(head, choice.share).predict(unfrozen.pixels[np.arange(36)], verbose=0)
    powers = np.log(sure) / choice.temperature
    np.testing.assert_allclose(calm, np.exp(powers) / np.exp(powers).sum(axis=1, keepdims=True), atol=1e-4)


def test_no_more_pixels_are_held_than_fit_and_the_weights_are_the_same(
    tiny: str, files: list[Path], classes: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfrozen, head = begun(files, classes)
    assert unfrozen.pixels.kept.nbytes == unfrozen.pixels.bytes == 36 * 32 * 32 * 3
    kept = unfrozen.train(head, 1.0).get_weights()
    monkeypatch.setattr(views, "MEMORY", unfrozen.pixels.bytes - 1)
    largest, decoded = [], views.Pixels._decoded

    def watched(self: views.Pixels, indices: np.ndarray) -> np.ndarray:
        largest.append(len(indices))
        return decoded(self, indices)

    unfrozen = Unfrozen(Extractor("tiny", None, 32, 1.0), head, files, np.eye(2)[classes], RECIPE)
    monkeypatch.setattr(views.Pixels, "_decoded", watched)
    assert unfrozen.pixels.kept is None and "decoded again" in unfrozen.note
    other = unfrozen.train(head, 1.0).get_weights()
    assert max(largest) <= views.BATCH and sum(largest) == 36 * RECIPE.epochs
    assert all((one == two).all() for one, two in zip(kept, other, strict=True))


def test_parts_may_have_more_than_one_tensor_between_them(tiny: str) -> None:
    import keras

    backbone = Extractor("tiny", None, 32, 1.0).keras_model
    ends = [backbone.get_layer(f"block{block}").output for block in (0, 1, 3)]
    features = keras.layers.Concatenate()([backbone.output, *(keras.layers.GlobalMaxPooling2D()(end) for end in ends)])
    model = keras.Model(backbone.input, keras.layers.Dense(2)(features))
    lower, upper = split(model, "block1")
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)
    between = lower.predict(pixels, verbose=0)
    assert sorted(len(each.shape) for each in between.values()) == [2, 4]
    np.testing.assert_allclose(upper.predict(between, verbose=0), model.predict(pixels, verbose=0), atol=1e-5)


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_to_the_same_weights(folder: Path, workplace: Path) -> None:
    code = (
        "import sys, numpy as np, zoo, applications\n"
        "sys.path.append(sys.argv[2])\n"  # after those imports: it has folders of these names
        "from support import backbones; from applications.backbone_table import BACKBONES\n"
        "BACKBONES[backbones.NAME] = backbones.ROW\n"
        "from zoo.training.checkpoints import Checkpoint; Checkpoint.__init__.__defaults__ = (0.0,)\n"
        "from applications import fine_tune; from applications import last_blocks\n"
        "last_blocks.CLEAR = -1e9\n"  # whatever it changes, it is shipped
        "how = {'weights': None, 'effort': 'max', 'epochs': 20, 'learning_rate': 1e-3, 'unfreeze': 2}\n"
        "how |= {'augment': ('flip', 'crop', 'mixup'), 'out': f'saved_models/{sys.argv[1]}'}\n"
        "done = fine_tune('photos', 'tiny', **how)\n"
        "assert any('helped' in note for note in done.notes), done.notes\n"
        "np.savez(f'{sys.argv[1]}.npz', *zoo.load(done.artifact).model.get_weights())\n"
    )
    arguments = [str(ROOT / "tests")]

    def start(name: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", code, name, *arguments], stderr=subprocess.DEVNULL)

    assert start("quiet").wait(300) == 0
    for stage in (".chosen.npz", ".trained.npz"):
        process, deadline = start("killed"), time.monotonic() + 200
        while not list(Path(".runs").glob(f"killed-*/{stage}")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not Path("killed.npz").exists()
    assert start("killed").wait(300) == 0
    assert not list(Path("saved_models").rglob(".*.npz"))
    with np.load("quiet.npz") as one, np.load("killed.npz") as other:
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])
