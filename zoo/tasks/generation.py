"""What trained adversarial networks are asked: how good their images are, and whether they collapsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifacts import artifact, further_signatures
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.evaluation import judging
from zoo.evaluation.baselines import few, flat
from zoo.evaluation.judging import GenerationEvaluation
from zoo.pictures.sheets import sheet
from zoo.training.composition import prepared
from zoo.training.optimizers import optimizer as optimizer_of

if TYPE_CHECKING:
    import keras

    from zoo.artifacts.gate import Gate, Parity
    from zoo.builders.adversarial_model import Adversarial

BATCH = 64
STEPS = 6000  # of the generator, where no number of epochs is asked for
SHEETS = 10  # pictures of samples in a training run
SHEET = 64  # images in one
SAMPLES = 10_000  # that are judged, at most
KEPT = 16  # images that go with an evaluation
COMPONENTS = 64  # of the Gaussian that is the baseline, and of the embedding where there are no classes


def check_fit(network: Adversarial, data: Data, inputs: np.ndarray) -> None:
    """Whether `network` can learn `data`, before the first step.

    Raises:
        InputError: no images, or of another shape; or not TensorFlow beneath Keras.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"training {network.name} needs TensorFlow beneath Keras, which runs on {keras.backend.backend()}"
        )
    wanted = tuple(network.generator.output_shape[1:])
    if data.input["kind"] != "images" or wanted != inputs.shape[1:]:
        raise InputError(f"{network.name} makes images of shape {wanted}, and {data.source} gives {inputs.shape[1:]}")


def lengths(network: Adversarial, data: Data, batch_size: int | None, epochs: int | None) -> tuple[int, int, int]:
    """Images a step of generator or critic, images that both take together, and epochs, with defaults for None.

    Raises:
        InputError: there are fewer images than that.
    """
    batch_size, count = batch_size or BATCH, len(data.train)
    together = batch_size * network.critic_steps
    if not batch_size >= 2 or together > count:
        raise InputError(
            f"{network.name} takes batches of at least 2 images, {network.critic_steps} of them a step; {data.source} "
            f"has {count} to learn from, and batch_size is {batch_size}"
        )
    return batch_size, together, epochs or int(np.clip(STEPS * together // count, 5, 400))


def optimizers(
    network: Adversarial, name: str, steps: int, rule: Mapping[str, Any]
) -> tuple[keras.optimizers.Optimizer, keras.optimizers.Optimizer]:
    """Of generator and critic.

    Args:
        network: says how their rates and Adam's betas should be.
        name: as `zoo.training.optimizers.optimizer` takes it.
        steps: of the generator.
        rule: the other arguments of that; a learning rate of None is the network's own.
    """
    rate = network.RATE if rule["learning_rate"] is None else rule["learning_rate"]
    critic = dict(rule) | {"learning_rate": rate * network.critic_rate, "betas": network.betas}
    generator = critic | {"learning_rate": rate}
    return (
        optimizer_of(name, steps=steps, **generator),
        optimizer_of(name, steps=steps * network.critic_steps, **critic),
    )


def sheets(folder: Path, epochs: int) -> keras.callbacks.Callback:
    """A callback that writes a picture of samples, of the same codes each time, ten times in a training run.

    Args:
        folder: for ``epoch_0010.png`` and so on; made if absent.
        epochs: of the whole run.
    """
    import keras

    every = max(1, epochs // SHEETS)

    class Sheets(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            if (epoch + 1) % every == 0 or epoch + 1 == epochs:
                folder.mkdir(parents=True, exist_ok=True)
                sheet(self.model.generate(SHEET), folder / f"epoch_{epoch + 1:04d}.png")

    return Sheets()


def finish(
    network: Adversarial, data: Data, inputs: np.ndarray, seed: int
) -> tuple[keras.Model, np.ndarray, GenerationEvaluation]:
    """The generator of trained networks, some of its images, float32 (images, ...), and its scores."""
    asked = prepared(data, data.held_out)
    count = int(np.clip(len(asked), 1000, SAMPLES))
    images = network.generate(count, seed=seed + 1)
    labels = np.arange(count) % network.num_classes if network.num_classes else None
    return network.average, images[:KEPT], judged_samples(images, data, inputs, asked, seed, labels)


def judged_samples(
    images: np.ndarray,
    data: Data,
    inputs: np.ndarray,
    asked: np.ndarray,
    seed: int,
    labels: np.ndarray | None = None,
) -> GenerationEvaluation:
    """Score generated images against held-out ones, beside a Gaussian in the space of principal components.

    Args:
        images: float32 (images, height, width, channels), pixels 0-255.
        data: where it has classes, a classifier trained on it is the judge; else principal components are.
        inputs: real images, uint8, of the training part.
        asked: of the held-out part.
        seed: of what is drawn.
        labels: int (images,), what each was to be; None if nothing was asked for.
    """
    part = "test" if data.test is not None else "validation"
    if has_judge(data):
        eye = judging.judge(data)
    else:
        eye, data = _components(inputs), _unlabelled(data)
    return judging.judged(
        np.clip(np.round(images), 0, 255).astype(np.uint8),
        data,
        asked,
        eye,
        asked=labels,
        components=COMPONENTS,
        train_pixels=inputs,
        seed=seed,
        part=part,
    )


def publish(
    model: keras.Model,
    data: Data,
    card: dict[str, Any],
    evaluation: GenerationEvaluation,
    *,
    out: Path,
    run: Path,
    gate: Gate,
    seed: int,
) -> Path:
    """Export a generator, prove the export equal to it, and make it the next version of `out`."""
    classes = data.classes if len(model.inputs) > 1 else ()
    known = {"classes": list(classes), "task": "generation", "data_fingerprint": data.fingerprint}
    known["metrics"] = asdict(evaluation)

    if has_judge(data):
        judging.judge(data).model.save(run / "judge.keras")

    def export(folder: Path) -> None:
        further_signatures.generator(model, folder, tuple(classes))

    def prove(folder: Path) -> tuple[Parity, dict[str, Any]]:
        return further_signatures.compare_generator(folder, tuple(classes), gate, seed), known

    return artifact.staged(model, card, out=out, run=run, export=export, prove=prove)


def has_judge(data: Data) -> bool:
    """Whether a classifier can be trained to judge images like those of `data`."""
    return data.task == "classification" and len(data.classes) > 1


def _components(inputs: np.ndarray) -> judging.Judge:
    """Principal components of images as an embedding, where there are no classes to learn one by."""
    import keras
    from sklearn.decomposition import PCA

    rows = flat(inputs)
    rows = rows[few(rows)]
    found = PCA(min(COMPONENTS, *rows.shape), random_state=0).fit(rows)
    images = keras.Input(inputs.shape[1:])
    layer = keras.layers.Dense(len(found.components_), name="components")
    embedding = layer(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images)))
    layer.set_weights([found.components_.T, -found.components_ @ found.mean_])
    single = keras.layers.Dense(1, "sigmoid")(embedding)  # the one class that there is
    return judging.Judge(keras.Model(images, [embedding, single]), None, 0, ("image",))


def _unlabelled(data: Data) -> Data:
    parts = {name: replace(part, targets=np.zeros(len(part), np.int64)) for name, part in data.parts.items()}
    return replace(data, task="classification", classes=("image",), **parts)
