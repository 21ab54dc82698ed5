"""Making new examples like those of training: what adversarial networks learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from zoo.errors import InputError
from zoo.evaluation import samples
from zoo.evaluation.baselines import Examples
from zoo.evaluation.findings import Finding
from zoo.evaluation.samples import GenerationEvaluation
from zoo.tasks.task import Task
from zoo.tasks.terms import Answer, Exam, Measure, Outputs, Plan, Value, Written

BATCH = 64
STEPS = 6000  # of the generator, where no number of epochs is given
SAMPLES = 10_000  # that are judged, at most


@dataclass(frozen=True)
class Generation(Task):
    """Making images like those of training. Targets are classes where there are such.

    `names` are the classes that can be requested; none of a network that was trained without.
    """

    name: ClassVar[str] = "generation"
    outputs: ClassVar[tuple[str, ...]] = ("pixels",)
    from_columns: ClassVar[bool] = False
    drawn: ClassVar[bool] = True
    family: ClassVar[str] = "adversarial"
    supervised: ClassVar[bool] = False
    measures: ClassVar[tuple[Measure, ...]] = (Measure("frechet", "min", lambda _, t, o: o["frechet"], paired=False),)

    @classmethod
    def of(cls, raw: Written) -> Generation:
        """Targets say nothing."""
        return cls()

    def encode(self, raw: Written) -> np.ndarray:
        """Zeros."""
        return np.zeros(len(raw.names), np.int64)

    def brought(self, network: Any, of: Task, kind: Any) -> Generation:
        """See `Task.brought`."""
        return type(self)(of.names if network.num_classes else ())

    def check_network(self, network: Any, inputs: np.ndarray, source: Any) -> None:
        """See `Task.check_network`."""
        import keras

        if keras.backend.backend() != "tensorflow":
            raise InputError(
                f"training {network.name} needs TensorFlow beneath Keras, which runs on {keras.backend.backend()}"
            )
        wanted = tuple(network.generator.output_shape[1:])
        if wanted != inputs.shape[1:]:
            raise InputError(f"{network.name} makes images of shape {wanted}, and {source} gives {inputs.shape[1:]}")

    def lengths(
        self, network: Any, source: Any, count: int, batch_size: int | None, epochs: int | None
    ) -> tuple[int, int]:
        """See `Task.lengths`.

        Raises:
            InputError: there are fewer images than that.
        """
        batch_size = batch_size or BATCH
        together = batch_size * network.critic_steps
        if not batch_size >= 2 or together > count:
            raise InputError(
                f"{network.name} takes batches of at least 2 images, {network.critic_steps} of them a step; {source} "
                f"has {count} to learn from, and batch_size is {batch_size}"
            )
        return batch_size, epochs or int(np.clip(STEPS * together // count, 5, 400))

    def plan(self, network: Any) -> Plan:
        """Two optimizers, on whole batches; no loss tells which epoch is best."""
        return Plan(
            None, outside=False, multiple=network.critic_steps, optimizers=lambda *how: optimizers(network, *how)
        )

    def training_result(self, best_epoch: int, epochs: Sequence[Mapping[str, float]]) -> str:
        """See `Task.training_result`: both losses, and how well the critic tells images apart."""
        last, count = epochs[-1], len(epochs)
        if "distance" in last:
            how = f"the critic's distance {last['distance']:.4g}"
        else:
            right = f"{last['real_right']:.0%} of real and {last['fake_right']:.0%} of generated images"
            how = f"the critic is right about {right}"
        losses = f"the critic's loss {last['loss']:.4g}, the generator's {last['generator_loss']:.4g}"
        return f"epoch {count} of {count}: {losses}; {how}"

    def inference_model(self, network: Any, preprocess: Any, scale: Any) -> Any:
        """See `Task.inference_model`: the generator, with the mean of its weights."""
        return network.average

    def values(self) -> dict[str, Value]:
        """Pixels, and the same as a PNG file."""
        return {"pixels": Value("array", "an image, 0-255"), "image_bytes": Value("image", "the image as PNG")}

    def answer(self, outputs: Outputs, request: Mapping[str, Any], xp: Any) -> Answer:
        """The images as they are."""
        pixels = outputs["pixels"]
        between = xp.abs(pixels - xp.floor(pixels) - 0.5) / 255.0  # from where a pixel is rounded to another one
        return Answer({"pixels": pixels, "image_bytes": pixels}, {"image_bytes": between})

    def network_outputs(self, network: Any) -> Any:
        """See `Task.network_outputs`."""
        return lambda inputs: self.named(network(inputs, training=False))

    def outputs_of(self, model: Any, inputs: Any) -> dict[str, np.ndarray]:
        """See `Task.outputs_of`; `inputs` are codes, and labels where there are classes."""
        from zoo.builders.adversarial_model import generated

        place = {name: at for at, name in enumerate(self.names)}
        labels = np.array([place[str(each)] for each in inputs["label"]], np.int64) if self.names else None
        return {"pixels": generated(model, inputs["code"], labels, len(self.names))}

    def simple(self, examples: Examples) -> dict[str, np.ndarray]:
        """None here: `evaluate` compares with simple generators."""
        return {}

    def exam_outputs(self, exam: Exam) -> dict[str, np.ndarray]:
        """See `Task.exam_outputs`: as many images as are held out, and at least 1,000."""
        return {"pixels": exam.network.generate(int(np.clip(len(exam.held_out), 1000, SAMPLES)), seed=exam.seed + 1)}

    def search_outputs(self, exam: Exam, measure: Measure) -> dict[str, np.ndarray]:
        """See `Task.search_outputs`: the distance of 1,000 images."""
        images = exam.network.generate(1000, seed=exam.seed + 1)
        return {"frechet": np.array([exam.judge(images, self._requested_classes(len(images))).frechet])}

    def _requested_classes(self, count: int) -> np.ndarray | None:
        return np.arange(count) % len(self.names) if self.names else None

    def evaluate(self, exam: Exam) -> GenerationEvaluation:
        """See `Task.evaluate`."""
        images = exam.outputs["pixels"]
        return exam.judge(images, self._requested_classes(len(images)))

    def findings(self, exam: Exam, evaluation: Any) -> tuple[Finding, ...]:
        """Collapse, a critic that is too good or too bad, poor samples."""
        return samples.findings(evaluation, exam.epochs)

    @classmethod
    def card_problem(cls, card: Mapping[str, Any]) -> None:
        """There may be no classes."""
        return None

    def shapes(self, card: Mapping[str, Any], model: Any) -> Iterator[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
        """Images, and classes."""
        said = card["input"]
        known = [layer.input_dim for layer in model.layers if hasattr(layer, "input_dim")]  # labels are embedded
        yield "images", (*said["size"], said.get("channels", 3)), tuple(model.output_shape[1:])
        yield "classes", (len(self.names),), (known[0] if known else 0,)


def optimizers(network: Any, make: Any, rate: float | None) -> tuple[Any, Any]:
    """Of generator and critic.

    Args:
        network: says how their rates and Adam's betas should be.
        make: of steps a step of the generator, learning rate and betas, makes an optimizer.
        rate: learning rate; the network's own where None.
    """
    rate = network.RATE if rate is None else rate
    return make(1, rate, network.betas), make(network.critic_steps, rate * network.critic_rate, network.betas)
