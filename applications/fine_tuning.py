"""Fine-tuning: from images with classes or numbers to an artifact that tells these of new ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib import import_module
from os import PathLike
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from applications import linear_heads
from applications.backbones import find
from applications.features import Extractor, embed
from applications.pixels import encoded
from zoo.artifacts import artifact
from zoo.artifacts.gate import Gate, check_readable
from zoo.artifacts.predictor import Predictor
from zoo.artifacts.predictor import outputs as outputs_of
from zoo.artifacts.provenance import UNKNOWN
from zoo.data.dataset import Data
from zoo.data.parts import Part
from zoo.data.splits import stratified
from zoo.errors import InputError
from zoo.evaluation.findings import Finding
from zoo.files import locked, remove_run, run_folder
from zoo.kinds.class_folders import Example
from zoo.kinds.images import decoding, masks
from zoo.kinds.images.kind import Images
from zoo.kinds.images.reading import images
from zoo.kinds.images.reading import masks as read_masks
from zoo.kinds.recognising import open as open_data
from zoo.progress import Stopwatch
from zoo.settings import integer, suggestion
from zoo.tasks.task import Task
from zoo.tasks.terms import Exam

if TYPE_CHECKING:
    import keras

    from applications.unfreezing import Recipe

EFFORTS = ("quick", "balanced", "max")
EPOCHS = {"quick": 8, "balanced": 8, "max": 24}  # for the last blocks
LEARNING_RATE = 5e-4


@dataclass(frozen=True)
class FineTuned:
    """The result of a fine-tune.

    Attributes:
        artifact: the version folder; `zoo.load` opens it.
        evaluation: scores of the exported model on the held-out part, as its task has them.
        data: the splits, and the notes on files that were left out.
        notes: decisions of the run, in words.
        seconds: duration of each stage.
        findings: problems that the scores show.
    """

    artifact: Path
    evaluation: Any
    data: Data
    notes: tuple[str, ...]
    seconds: dict[str, float]
    findings: tuple[Finding, ...] = ()


def fine_tune(
    data: Any,
    backbone: str = "efficientnet_lite0",
    *,
    effort: Literal["quick", "balanced", "max"] = "quick",
    weights: str | Path | None = "imagenet",
    input_size: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    start: str | Path | None = None,
    epochs: int | None = None,
    unfreeze: int | None = None,
    learning_rate: float | None = None,
    augment: Sequence[str] = ("flip", "crop"),
    report: Callable[[Any, Data, Sequence[str]], None] | None = None,
) -> FineTuned:
    """Fine-tune a pretrained image model on a folder and export it.

    Every image goes through the frozen backbone once, and a logistic regression, of numbers a ridge regression, is
    fitted on the embeddings (``quick``). ``balanced`` trains the last blocks too, and exports them if the log loss, of
    numbers the squared error, of an inner split of the training part falls by more than one standard error and its
    accuracy or R² does not fall. ``max`` trains them three times as long, and exports them if it falls at all. The
    notes say whether it helped. A killed run goes on to the same weights.

    Of images beside masks, a U-Net learns the class of each pixel from the feature maps of the frozen backbone; see
    `applications.segmentation.pretrained_unet`.

    Args:
        data: a folder or manifest as `zoo.data.images` takes it, a folder as `zoo.data.masks` takes it, or the result
            of one of both; or images in memory as `zoo.data.open` takes them, as ``(x, y)`` and
            ``((x_train, y_train), (x_test, y_test))``.
        backbone: a name in `applications.BACKBONES`.
        effort: how much to train.
        weights: ``"imagenet"``, None for random ones, or the path of a weights file.
        input_size: side of the model's input in pixels; that of the backbone by default, beside masks that of the
            images, at most 192.
        seed: of the split, the folds and the training.
        out: folder of the artifact; ``saved_models/`` and the name of the data by default.
        start: an artifact to start from with its backbone, instead of `backbone` and `weights`.
        epochs: for the last blocks; 8 by default, 24 for ``max``. Beside masks, at most as many, by default those that
            make 3,000 steps of four images, from 10 to 60.
        unfreeze: number of the last blocks to train; the backbone's table has the default.
        learning_rate: for the last blocks, at its peak; 5e-4 by default, beside masks 3e-3.
        augment: for the last blocks: any of flip, vflip, crop, zoom, color, hue, randaugment, mixup.
        report: called with the scores before the export, and again if the scores of the exported model differ.

    Raises:
        InputError: wrong data or arguments. JobError: no weights, or the export failed its gate.
    """
    if effort not in EFFORTS:
        raise InputError(f"expected effort to be one of {', '.join(EFFORTS)}, received {effort!r}")
    watch = Stopwatch()
    seed = integer("seed", seed)
    job = Job(watch, seed, [])
    if isinstance(data, str | PathLike):
        data = source = Path(data)
    else:
        data = encoded(data if isinstance(data, Data) else open_data(data, seed=seed))
        source = data.source
    out = artifact.folder_for(source, out)
    with watch.stage("read"):
        if not isinstance(data, Data) and masks.holds(source):
            data = read_masks(source, seed=seed)
    if isinstance(data, Data) and data.task.pixelwise:
        given = {"effort": effort != "quick", "start": start is not None, "unfreeze": unfreeze is not None}
        if used := [name for name, is_given in given.items() if is_given]:
            raise InputError(f"{source}: beside masks the backbone stays frozen; leave out {', '.join(used)}")
        from applications import segmentation

        how = {"weights": weights, "input_size": input_size, "seed": seed, "out": out, "watch": watch}
        how |= {"epochs": epochs, "learning_rate": learning_rate, "augment": augment, "report": report}
        made, evaluation, findings = segmentation.fine_tune(data, backbone, **how)
        return FineTuned(made, evaluation, data, (), watch.seconds, findings)
    epochs = EPOCHS[effort] if epochs is None else epochs
    learning_rate = LEARNING_RATE if learning_rate is None else learning_rate
    with watch.stage("read"):
        parent = None if start is None else artifact.load(start, "predict")
        extractor = extractor_of(backbone, weights, input_size, parent, seed)
        recipe = _recipe(extractor.backbone, unfreeze, epochs, learning_rate, tuple(augment), seed)
    # The import of scikit-learn takes over a second, while the embeddings are computed.
    threading.Thread(target=import_module, args=("sklearn.linear_model",), daemon=True).start()
    data, extractor, vectors = embed_data(data, extractor, job)
    check_readable(data, seed)
    if parent is not None:
        data = _without_trained_on(data, parent, job)
    with watch.stage("head"):
        rows = embeddings_of(data.train, vectors)
        targets, scale = data.task.learnt(data.source, data.train.targets, rows, np.arange(len(rows)))
        head = linear_heads.head_of(data.task, rows, targets, seed, units=data.train.together)
    if not head.folds:
        job.notes.append(
            "too few images, or too few of a class, for cross-validation: the head's strength is the default one"
        )
    if head.weighted:
        counts = np.bincount(data.train.targets)
        job.notes.append(
            f"classes are weighted: the largest has {counts.max()} training images, the smallest {counts.min()}; "
            "probabilities are those of classes as frequent as there"
        )
    with locked(_run_folder(out, data, extractor, effort, recipe)) as run:
        data.save(run)
        if parent is not None:
            before = [*sorted(parent.trained_on()), *([UNKNOWN] if parent.doubt else [])]
            (run / "trained_before.txt").write_text("\n".join(before))

        model = None
        if effort != "quick":
            model = _unfreeze(data, extractor, head, rows, targets, recipe, effort, job, run)
            model = model and in_unit(data.task, model, scale)
        with watch.stage("score"):
            held_out = embeddings_of(data.held_out, vectors)
            baselines = linear_heads.baselines(data.task, rows, data.train.targets, held_out)
            outputs = head.outputs(held_out)
            outputs = outputs if scale is None else scale.restored(outputs, held_out)
            if model is not None:
                baselines["a linear head on the frozen backbone"] = outputs
                outputs = _scores(model, data.held_out, extractor)
            evaluation, findings = evaluate(data, outputs, baselines, head.weighted, seed)
        if report:
            report(evaluation, data, (*map(str, findings), *job.notes))
        # The gate comes first, so that its process imports TensorFlow at the same time as this one.
        with watch.stage("export"), Gate() as gate:
            from applications.unfreezing import classifier

            shipped = in_unit(data.task, classifier(extractor, head), scale) if model is None else model
            card = _card(data, extractor, head, recipe, effort, model is not None)
            card |= {"start": None if parent is None else str(parent.folder), "notes": job.notes}
            card["findings"] = [str(finding) for finding in findings]
            task = data.fitted_task
            what = (shipped, data, task, card, task.named(outputs), evaluation)
            path, final = artifact.publish(*what, out=out, run=run, gate=gate, seed=seed)
        if final != evaluation and report:
            report(final, data, ("scored again with the exported model, whose answers differ from the first ones",))
        remove_run(run)
        return FineTuned(path, final, data, tuple(job.notes), watch.seconds, findings)


@dataclass(frozen=True)
class Job:
    """A run, which its steps add to.

    Attributes:
        watch: seconds of each stage.
        seed: of everything random.
        notes: decisions of the run, in words.
    """

    watch: Stopwatch
    seed: int
    notes: list[str]


def evaluate(
    data: Data, outputs: np.ndarray, baselines: dict[str, np.ndarray], weighted: bool, seed: int
) -> tuple[Any, tuple[Finding, ...]]:
    """Scores on the held-out part beside those of simple models, and the problems that they show.

    Args:
        data: has the targets.
        outputs: what the model says, float32 (examples, classes).
        baselines: what simple models say, by name.
        weighted: whether rare classes were given more weight.
        seed: of the bootstrap.
    """
    task, part = data.fitted_task, "test" if data.test is not None else "validation"
    named = {name: task.named(each) for name, each in baselines.items()}
    what = {"weighted": weighted or None, "seed": seed}
    exam = Exam(part, data.held_out.targets, task.named(outputs), data.held_out.digests, named, **what)
    evaluation = task.evaluate(exam)
    return evaluation, task.findings(exam, evaluation)


def extractor_of(
    backbone: str, weights: str | Path | None, input_size: int | None, parent: Predictor | None, seed: int
) -> Extractor:
    """The extractor for these arguments of `fine_tune`; `parent` is the artifact to start from.

    Raises:
        InputError: the backbone is unknown, or does not take the size.
    """
    if parent is not None:
        card = parent.card
        if "backbone" not in card:
            raise InputError(f"{parent.folder}: expected an artifact of a fine-tune, which names its backbone")
        size = card["input"]["size"][0]
        if input_size not in (None, size):
            raise InputError(f"{parent.folder} takes {size} pixels; input size {input_size} can't be set for it")
        return Extractor(card["backbone"], parent.folder / "model.keras", size, card["input"]["crop"], seed)
    row = find(backbone)
    size = input_size or row.input_size
    if size < row.least_input_size:
        raise InputError(f"{backbone}: expected an input size of at least {row.least_input_size}, received {size}")
    if weights not in ("imagenet", None) and not Path(weights).is_file():
        hint = suggestion(weights, ("imagenet", "random"))
        raise InputError(
            f"expected weights to be imagenet, random (None in Python) or a file, received {str(weights)!r}{hint}"
        )
    return Extractor(backbone, weights, size, row.crop, seed)


def _recipe(backbone: str, blocks: int | None, epochs: int, rate: float, augment: tuple[str, ...], seed: int) -> Recipe:
    from applications.unfreezing import Recipe
    from applications.views import AUGMENTATIONS

    unknown = sorted(set(augment) - set(AUGMENTATIONS))
    if unknown:
        hint = suggestion(unknown[0], AUGMENTATIONS)
        raise InputError(f"expected augmentations out of {', '.join(AUGMENTATIONS)}, received {unknown[0]!r}{hint}")
    blocks = find(backbone).unfreeze if blocks is None else blocks
    if blocks < 1 or epochs < 1 or not rate > 0:
        raise InputError(
            "expected at least one block and one epoch and a positive learning rate, "
            f"received {blocks}, {epochs} and {rate:g}"
        )
    return Recipe(blocks, epochs, rate, augment, seed)


def embed_data(
    data: Data | str | Path, extractor: Extractor, job: Job
) -> tuple[Data, Extractor, dict[str, np.ndarray]]:
    """The data without images that can't be decoded, the extractor with its crop, and the embeddings by digest."""
    vectors: dict[str, np.ndarray] = {}
    chosen: list[Extractor | None] = [None]

    def embed_all(examples: Sequence[Example]) -> dict[str, str]:
        train_labels = {label for each in examples if each.split in (None, "train") for label in each.labels}
        all_labels = {label for each in examples for label in each.labels}
        if all_labels - train_labels:
            raise InputError(
                f"{data}: no training image has the label {min(all_labels - train_labels)!r}, which is held out"
            )
        chosen[0] = chosen[0] or _with_crop(extractor, [each for each in examples if each.split in (None, "train")])
        with job.watch.stage("embed"):
            embeddings, failures = embed(examples, chosen[0])
        vectors.update(embeddings)
        return failures

    def embed_again(data: Data) -> None:
        if failures := embed_all(_examples(data)):
            name, reason = next(iter(failures.items()))
            raise InputError(f"{data.source}: {name} can no longer be decoded: {reason}; read the folder again")

    if isinstance(data, Data):
        data = encoded(data)
        if data.task.pixelwise:
            raise InputError(
                f"{data.source}: a head learns classes or numbers of whole images; for masks search {data.task.builder}"
            )
        extractor = replace(extractor, bits=data.kind.bits)
        embed_again(data)
    else:
        with job.watch.stage("read"):
            data = images(data, seed=job.seed, verify=embed_all)
        # The split is known now, and held-out images must not influence the crop.
        crop = _with_crop(extractor, [each for each in _examples(data) if each.split == "train"])
        if crop != chosen[0]:
            chosen[0] = crop
            embed_again(data)
    data.check_classes()
    left_out = sum(note.action == "left out" for note in data.intake)
    if left_out:
        job.notes.append(f"{left_out} left out of the folder: see intake.csv")
    return data, chosen[0], vectors


def _examples(data: Data) -> list[Example]:
    """All images of `data`, each with its part."""
    return [
        Example(path, name, (), split, digest=digest)
        for split, part in data.parts.items()
        for path, name, digest in zip(part.inputs, part.names, part.digests, strict=True)
    ]


def _without_trained_on(data: Data, parent: Predictor, job: Job) -> Data:
    """The data without held-out images that `parent` was trained on."""
    trained_on, start = parent.trained_on(), parent.folder
    if parent.doubt:
        job.notes.append(f"held-out images that {start} was trained on can't be left out: {parent.doubt}")
    part = data.held_out
    unseen = np.array([digest not in trained_on for digest in part.digests])
    if unseen.all():
        return data
    if not unseen.any():
        raise InputError(f"{data.source}: {start} was trained on every held-out image; hold out others, or start anew")
    job.notes.append(f"{int((~unseen).sum())} held-out images left out: {start} was trained on them")
    held_out = part.chosen(np.flatnonzero(unseen))
    return replace(data, test=held_out) if data.test is not None else replace(data, validation=held_out)


def _with_crop(extractor: Extractor, examples: Sequence[Example]) -> Extractor:
    """The extractor, without a crop if the images are small: a crop would lose pixels, and enlarging adds none."""
    if isinstance(extractor.weights, Path) and extractor.weights.suffix == ".keras":
        return extractor  # with the crop of the artifact
    spread = examples[:: max(1, len(examples) // 64)]
    sides = [min(probe.width, probe.height) for probe in (decoding.probe(example.path) for example in spread)]
    return replace(extractor, crop=1.0) if sides and median(sides) < extractor.input_size else extractor


def embeddings_of(part: Part, vectors: dict[str, np.ndarray]) -> np.ndarray:
    """Embeddings of the examples in `part`, float32 (examples, width), from `vectors` by digest."""
    return np.stack([vectors[digest] for digest in part.digests])


def _run_folder(out: Path, data: Data, extractor: Extractor, effort: str, recipe: Recipe) -> Path:
    """The folder of this run. The same work has the same folder, so that a crashed run continues there."""
    identity = sha256(repr([data.fingerprint, extractor.key, effort, recipe]).encode()).hexdigest()[:10]
    return run_folder(out, identity)


def _scores(model: keras.Model, part: Part, extractor: Extractor) -> np.ndarray:
    return outputs_of(model, part.inputs, input_kind(extractor))


def in_unit(task: Task, network: keras.Model, scale: Any) -> keras.Model:
    """The model that answers in the unit of the targets.

    Args:
        task: of the targets.
        network: from pixels to what is learnt.
        scale: as `task.learnt` returns it.
    """
    return network if scale is None else task.inference_model(network, None, scale)


def input_kind(extractor: Extractor, data: Data | None = None) -> Images:
    """The kind of input that `extractor` takes; with how the numbers of `data` are written."""
    spellings = () if data is None else data.kind.spellings
    size = (extractor.input_size, extractor.input_size)
    return Images(size, extractor.crop, spellings=spellings, bits=extractor.bits)


def _unfreeze(
    data: Data,
    extractor: Extractor,
    head: linear_heads.Head,
    rows: np.ndarray,
    targets: np.ndarray,
    recipe: Recipe,
    effort: str,
    job: Job,
    run: Path,
) -> keras.Model | None:
    """The network with its last blocks trained; None if the frozen backbone is better.

    Args:
        data: has the task.
        extractor: has the backbone.
        head: fitted on the training part.
        rows: embeddings of the training part.
        targets: of the training part, as the head learns them.
        recipe: of the training.
        effort: as `fine_tune` takes it.
        job: gets notes.
        run: folder that gets checkpoints.
    """
    from applications.unfreezing import LOSSES, Unfrozen, gains
    from zoo.training.checkpoints import Checkpoint

    task = data.task
    strata = task.inner_strata(data.train.targets)
    outer = stratified(strata, data.train.together, 0.25, job.seed)
    if not outer.any() or (strata[~outer].sum(axis=0) == 0).any():
        job.notes.append(
            "the last blocks are not fine-tuned: there are too few training images to tell whether it helps"
        )
        return None
    with job.watch.stage("decode"):
        unfrozen = Unfrozen(extractor, head, data.train.inputs, linear_heads.dense(task, targets), recipe)
    job.notes.append(unfrozen.note)
    with job.watch.stage("unfreeze"):
        units = data.train.together
        inner_head = linear_heads.head_of(task, rows[~outer], targets[~outer], job.seed, units=units[~outer])
        before = inner_head.outputs(rows[outer])
        # Hidden files of a run are not copied into the artifact.
        sides = np.flatnonzero(~outer), np.flatnonzero(outer)
        choice = unfrozen.choose(inner_head, *sides, Checkpoint(run / ".chosen.npz"))
        answers = [task.named(each) for each in (before, choice.outputs)]
        losses = [task.losses(targets[outer], each) for each in answers]
        gain, error = gains(*losses)
        scores = [task.quality.score(task, targets[outer], each) for each in answers]
        keep = gain > (error if effort == "balanced" else 0.0) and scores[1] >= scores[0]
        job.notes.append(
            f"fine-tuning the last {recipe.blocks} blocks {'helped' if keep else 'did not help'}: on "
            f"{int(outer.sum())} training images set aside for this choice, {LOSSES[head.activation].called} goes from "
            f"{losses[0].mean():.3f} to {losses[1].mean():.3f} (a change of {-gain:+.3f} ± {error:.3f}) and "
            f"{task.quality.name} from {scores[0]:.3f} to {scores[1]:.3f}; "
            + ("trained on all training images, they are shipped" if keep else "the frozen backbone is shipped")
        )
        return unfrozen.train(head, choice.share, Checkpoint(run / ".trained.npz")) if keep else None


def _card(
    data: Data, extractor: Extractor, head: linear_heads.Head, recipe: Recipe, effort: str, unfrozen: bool
) -> dict[str, Any]:
    weights = extractor.weights if extractor.weights in ("imagenet", None) else Path(extractor.weights).name
    return {
        "backbone": extractor.backbone,
        "weights": weights,
        "input": input_kind(extractor, data).to_card(),
        "seed": extractor.seed,
        "effort": effort,
        "head": {"strength": head.strength, "folds": head.folds, "weighted": head.weighted},
        "unfrozen": asdict(recipe) if unfrozen else None,
    }
