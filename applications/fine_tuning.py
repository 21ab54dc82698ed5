"""Fine-tuning: from images with classes or numbers to an artifact that tells these of new ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from applications import candidates, known, last_blocks, linear_heads
from applications.backbones import is_own
from applications.cross_validation import check_folds, cross_validated
from applications.depths import GROUPS, LAST
from applications.features import Extractor
from applications.learning_curve import LearningCurve, learning_curve
from applications.pixels import encoded
from applications.reading import Job, embed_data, embeddings_of, extractor_of, input_kind, without_trained_on
from zoo.artifacts import artifact
from zoo.artifacts.gate import Gate, check_readable
from zoo.artifacts.nearest import NAMES
from zoo.artifacts.predictor import model_outputs
from zoo.artifacts.provenance import UNKNOWN
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.evaluation.findings import Finding
from zoo.files import locked, remove_run, run_folder
from zoo.kinds.images import masks
from zoo.kinds.images.reading import masks as read_masks
from zoo.kinds.recognising import open as open_data
from zoo.progress import Stopwatch
from zoo.settings import integer
from zoo.tasks import thresholds
from zoo.tasks.known import FAMILIARITY
from zoo.tasks.task import Task
from zoo.tasks.terms import Exam

if TYPE_CHECKING:
    import keras

    from applications.unfreezing import Recipe

EFFORTS = ("quick", "balanced", "max")


@dataclass(frozen=True)
class FineTuned:
    """The result of a fine-tune.

    Attributes:
        artifact: the version folder; `zoo.load` opens it. None for a draft.
        evaluation: scores of the exported model on the held-out part, as its task has them.
        data: the splits, and the notes on files that were left out.
        notes: decisions of the run, in words.
        seconds: duration of each stage.
        findings: problems that the scores show.
        learning_curve: scores against the number of training images, if requested.
        cross_validation: scores of all images in folds, if requested.
    """

    artifact: Path | None
    evaluation: Any
    data: Data
    notes: tuple[str, ...]
    seconds: dict[str, float]
    findings: tuple[Finding, ...] = ()
    learning_curve: LearningCurve | None = None
    cross_validation: Any = None


def fine_tune(
    data: Any,
    backbone: str | Path | keras.Model = "efficientnet_lite0",
    *,
    effort: Literal["quick", "balanced", "max"] = "quick",
    weights: str | Path | None = "imagenet",
    preprocessing: str | None = None,
    input_size: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    start: str | Path | None = None,
    epochs: int | None = None,
    unfreeze: int | None = None,
    learning_rate: float | None = None,
    augment: Sequence[str] = ("flip", "crop"),
    class_weights: bool = False,
    unknown: float = known.SHARE,
    folds: int | None = None,
    curve: bool = False,
    draft: bool = False,
    report: Callable[[Any, Data, Sequence[str]], None] | None = None,
) -> FineTuned:
    """Fine-tune a pretrained image model on a folder and export it.

    Every image goes through the frozen backbone once, and a logistic regression, of numbers a ridge regression, is
    fitted on the features of its last layer, or of all depths where these are better in cross-validation (``quick``).
    The model also says whether it knows what an image is of: whether it resembles training images.

    ``balanced`` trains the last blocks too, and exports them if the log loss, of numbers the squared error, of an inner
    split of the training part falls by more than two standard errors and its accuracy or R² does not fall. ``max``
    trains them three times as long. The notes say whether it helped. A killed run goes on to the same weights.

    Of images beside masks, a U-Net learns the class of each pixel from the feature maps of the frozen backbone; see
    `applications.segmentation.pretrained_unet`.

    Args:
        data: a folder or manifest as `zoo.data.images` takes it, a folder as `zoo.data.masks` takes it, or the result
            of one of both; or images in memory as `zoo.data.open` takes them, as ``(x, y)`` and
            ``((x_train, y_train), (x_test, y_test))``.
        backbone: a name in `applications.BACKBONES`, or ``"auto"``: of those that are installed the one with the least
            error in cross-validation on up to 600 training images. Or a Keras model of yours, in memory or as the path
            of a ``.keras`` file: see `applications.own_backbones`. Its last blocks stay frozen.
        effort: how much to train.
        weights: ``"imagenet"``, None for random ones, or the path of a weights file.
        preprocessing: what a Keras model of yours that does not preprocess by itself expects of pixels: ``"none"`` (0
            to 255), ``"unit"`` (0 to 1), ``"tf"`` (-1 to 1), ``"torch"``, ``"caffe"`` or ``"lite"``.
        input_size: side of the model's input in pixels; that of the backbone by default, for small pictures 64, 96 or
            128, whichever is best in cross-validation; beside masks that of the images, at most 192.
        seed: of the split, the folds and the training.
        out: folder of the artifact; ``saved_models/`` and the name of the data by default.
        start: an artifact to start from with its backbone, instead of `backbone` and `weights`.
        epochs: for the last blocks; 8 by default, 24 for ``max``. Beside masks, at most as many, by default those that
            make 3,000 steps of four images, from 10 to 60.
        unfreeze: number of the last blocks to train; the backbone's table has the default.
        learning_rate: for the last blocks, at its peak; 5e-4 by default, beside masks 3e-3.
        augment: for the last blocks: any of flip, vflip, crop, zoom, color, hue, randaugment, mixup.
        class_weights: whether rare classes are found as often as frequent ones, at the cost of these.
        unknown: share of images like those of training that may be called unknown, in (0, 1).
        folds: of a cross-validation over all images, whose scores come beside those of the held-out part; none if None.
        curve: whether heads are also scored that learn from fewer images, to see whether more would help.
        draft: whether to stop at the scores, without an export. A later run without it is quick, as the embeddings are
            cached.
        report: called with the scores before the export, and again if the scores of the exported model differ.

    Raises:
        InputError: wrong data or arguments. JobError: no weights, or the export failed its gate.
    """
    if effort not in EFFORTS:
        raise InputError(f"expected effort to be one of {', '.join(EFFORTS)}, received {effort!r}")
    thresholds.check_rate(unknown, "unknown")
    check_folds(folds)
    own = start is None and is_own(backbone)
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
        given |= {"class_weights": class_weights, "folds": folds is not None, "curve": curve, "draft": draft}
        if used := [name for name, is_given in given.items() if is_given]:
            raise InputError(f"{source}: beside masks the backbone stays frozen; leave out {', '.join(used)}")
        from applications import segmentation

        if own:
            raise InputError(f"{source}: beside masks a backbone of the table is needed; zoo backbones lists them")
        how = {"weights": weights, "input_size": input_size, "seed": seed, "out": out, "watch": watch}
        how |= {"epochs": epochs, "learning_rate": learning_rate, "augment": augment, "report": report}
        made, evaluation, findings = segmentation.fine_tune(data, backbone, **how)
        return FineTuned(made, evaluation, data, (), watch.seconds, findings)
    free = {"free_size": input_size is None and start is None and not own}
    free["free_backbone"] = not own and backbone == candidates.AUTO
    if free["free_backbone"]:
        if weights != "imagenet" or start is not None or unfreeze is not None:
            raise InputError("backbone auto chooses among ImageNet weights; leave out weights, start and unfreeze")
        backbone = candidates.installed()[0]
    with watch.stage("read"):
        parent = None if start is None else artifact.load(start, "predict")
        how = {"preprocessing": preprocessing, "notes": job.notes}
        extractor = replace(extractor_of(backbone, weights, input_size, parent, seed, **how), every_depth=True)
        how = {"blocks": unfreeze, "epochs": epochs, "learning_rate": learning_rate, "augment": augment, "seed": seed}
        recipe = last_blocks.recipe_of(extractor.backbone, effort, **how)
    # The import of scikit-learn takes over a second, while the embeddings are computed.
    threading.Thread(target=import_module, args=("sklearn.model_selection",), daemon=True).start()
    data, first, vectors = embed_data(data, extractor, job, free_size=free["free_size"])
    extractor = candidates.chosen(data, first, job, **free)
    if extractor != first:
        data, extractor, vectors = embed_data(data, extractor, job)
        recipe = last_blocks.recipe_of(extractor.backbone, effort, **how)
    check_readable(data, seed)
    if class_weights and not data.task.positions:
        raise InputError(
            f"{data.source}: class_weights are for one class an image; leave them out for {data.task.name}"
        )
    if parent is not None:
        data = without_trained_on(data, parent, job)
    with watch.stage("head"):
        rows = embeddings_of(data.train, vectors)
        targets, scale = data.task.learnt(data.source, data.train.targets, rows, np.arange(len(rows)))
        how = {"units": data.train.together, "depths": extractor.depths, "class_weights": class_weights}
        head = linear_heads.head_of(data.task, rows, targets, seed, **how)
        parts, strata = extractor.depths.parts(head.group), data.task.inner_strata(data.train.targets)
        what = (rows[:, : sum(parts)], parts, strata, data.train.together)
        memory = known.remember(*what, unknown, seed, head.sure)
    if head.group != LAST:
        job.notes.append(f"the head takes {GROUPS[head.group]}: better in cross-validation than the last layer alone")
    if not head.folds:
        job.notes.append(
            "too few images, or too few of a class, for cross-validation: the head's strength is the default one"
        )
    if head.weighted:
        counts = np.bincount(data.train.targets)
        job.notes.append(
            f"classes are weighted: the largest has {counts.max()} training images, the smallest {counts.min()}; "
            f"probabilities are those of classes {'of equal frequency' if class_weights else 'as frequent as there'}"
        )
    with locked(_run_folder(out, data, extractor, effort, recipe, class_weights, unknown)) as run:
        data.save(run)
        if parent is not None:
            before = [*sorted(parent.trained_on()), *([UNKNOWN] if parent.doubt else [])]
            (run / "trained_before.txt").write_text("\n".join(before))

        trained = None
        if effort != "quick":
            trained = last_blocks.trained(data, extractor, head, rows, targets, recipe, memory, unknown, job, run)
        with watch.stage("score"):
            held_out = embeddings_of(data.held_out, vectors)
            baselines = linear_heads.baselines(data.task, rows, data.train.targets, held_out)
            outputs = head.outputs(held_out)
            outputs = outputs if scale is None else scale.restored(outputs, held_out)
            if trained is not None:
                baselines["a linear head on the frozen backbone"] = outputs
                model, memory = trained
            elif head.temperature != 1:
                job.notes.append(_calibration(data.task, head, held_out, data.held_out.targets, outputs))
            task = data.fitted_task if memory is None else replace(data.fitted_task, known_from=memory.rule.limit)
            if trained is not None:
                from applications.assembling import in_unit, with_known

                shipped = with_known(task, in_unit(data.task, model, scale), memory)
                answers = model_outputs(task, shipped, data.held_out.inputs, input_kind(extractor))
            else:
                answers = data.task.named(outputs)
                answers |= {} if memory is None else {FAMILIARITY: memory.familiarities(held_out, outputs)}
            evaluation, findings = evaluate(data, task, answers, baselines, head.weighted, seed)
        if report:
            report(evaluation, data, (*map(str, findings), *job.notes))
        more, fitted = {}, (data, extractor, head, vectors, seed, class_weights)
        if folds:
            with watch.stage("folds"):
                more["cross_validation"] = _cross_validated(*fitted, folds)
        if curve:
            with watch.stage("curve"):
                more["learning_curve"] = _learning_curve(*fitted)
        if draft:
            remove_run(run)
            return FineTuned(None, evaluation, data, tuple(job.notes), watch.seconds, findings, **more)
        # The gate comes first, so that its process imports TensorFlow at the same time as this one.
        with watch.stage("export"), Gate() as gate:
            if trained is None:
                from applications.assembling import classifier, in_unit, with_known

                shipped = with_known(task, in_unit(data.task, classifier(extractor, head), scale), memory)
            card = _card(data, extractor, head, recipe, effort, trained is not None)
            card |= {"start": None if parent is None else str(parent.folder), "notes": job.notes}
            card["findings"] = [str(finding) for finding in findings]
            card["known"] = None
            if memory is not None:
                weight = memory.rule.weight
                card["known"] = {"photos": len(memory.positions), "unknown": unknown, "weight": weight}
                names = json.dumps([data.train.names[at] for at in memory.positions])
                (run / NAMES).write_text(names, encoding="utf-8")
            what = (shipped, data, task, card, answers, evaluation)
            path, final = artifact.publish(*what, out=out, run=run, gate=gate, seed=seed)
        if final != evaluation and report:
            report(final, data, ("scored again with the exported model, whose answers differ from the first ones",))
        remove_run(run)
        return FineTuned(path, final, data, tuple(job.notes), watch.seconds, findings, **more)


def evaluate(
    data: Data, task: Task, outputs: Any, baselines: dict[str, np.ndarray], weighted: bool, seed: int
) -> tuple[Any, tuple[Finding, ...]]:
    """Scores on the held-out part beside those of simple models, and the problems that they show.

    Args:
        data: has the targets.
        task: of the model.
        outputs: of the model, float32 (examples, classes), or several by name.
        baselines: what simple models say, by name.
        weighted: whether rare classes were given more weight.
        seed: of the bootstrap.
    """
    part = "test" if data.test is not None else "validation"
    named = {name: {task.outputs[0]: each} for name, each in baselines.items()}
    what = {"weighted": weighted or None, "seed": seed}
    exam = Exam(part, data.held_out.targets, task.named(outputs), data.held_out.digests, named, **what)
    evaluation = task.evaluate(exam)
    return evaluation, task.findings(exam, evaluation)


def _fit(
    data: Data, rows: np.ndarray, targets: np.ndarray, units: np.ndarray, **how: Any
) -> Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    """A function that fits a head on some of the images; see `applications.learning_curve.Fit`."""

    def fit(some: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        learnt, scale = data.task.learnt(data.source, targets, rows, some)
        head = linear_heads.head_of(data.task, rows[some], learnt[some], units=units[some], **how)
        return lambda features: (
            head.outputs(features) if scale is None else scale.restored(head.outputs(features), features)
        )

    return fit


def _learning_curve(
    data: Data,
    extractor: Extractor,
    head: linear_heads.Head,
    vectors: dict[str, np.ndarray],
    seed: int,
    class_weights: bool,
) -> LearningCurve:
    part, rows = data.train, embeddings_of(data.train, vectors)
    how = {"seed": seed, "strength": head.strength, "group": head.group, "class_weights": class_weights}
    fit = _fit(data, rows, part.targets, part.together, depths=extractor.depths, **how)
    held_out, strata = embeddings_of(data.held_out, vectors), data.task.inner_strata(part.targets)
    return learning_curve(data.fitted_task, fit, strata, part.together, held_out, data.held_out.targets, seed)


def _cross_validated(
    data: Data,
    extractor: Extractor,
    head: linear_heads.Head,
    vectors: dict[str, np.ndarray],
    seed: int,
    class_weights: bool,
    folds: int,
) -> Any:
    parts = list(data.parts.values())
    rows = np.concatenate([embeddings_of(part, vectors) for part in parts])
    targets = np.concatenate([part.targets for part in parts])
    ends = np.cumsum([0, *(part.together.max() + 1 for part in parts)])
    units = np.concatenate([part.together + start for part, start in zip(parts, ends, strict=False)])
    fit = _fit(data, rows, targets, units, seed=seed, depths=extractor.depths, class_weights=class_weights)
    return cross_validated(data.fitted_task, fit, rows, targets, units, folds, seed)


def _calibration(
    task: Task, head: linear_heads.Head, held_out: np.ndarray, targets: np.ndarray, outputs: np.ndarray
) -> str:
    """What the temperature of a head changes on the held-out part, in words."""
    errors = [task.calibration_error(targets, task.named(each)) for each in (head.plain().outputs(held_out), outputs)]
    return (
        f"logits are divided by {head.temperature:.2f}, as cross-validation on training images says; on the held-out "
        f"part the expected calibration error is {errors[1]:.3f}, and {errors[0]:.3f} without"
    )


def _run_folder(out: Path, data: Data, extractor: Extractor, *what: Any) -> Path:
    """The folder of this run. The same work has the same folder, so that a crashed run continues there."""
    identity = sha256(repr([data.fingerprint, extractor.key, *what]).encode()).hexdigest()[:10]
    return run_folder(out, identity)


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
        "head": {name: getattr(head, name) for name in ("group", "strength", "temperature", "folds", "weighted")},
        "unfrozen": asdict(recipe) if unfrozen else None,
    }
