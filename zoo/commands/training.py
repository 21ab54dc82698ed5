"""Commands that build and train the models of the zoo: parse, call, print."""

from __future__ import annotations

import click

from zoo.commands import completing
from zoo.commands.datasets import read
from zoo.commands.options import (
    BUILDER,
    IMPORT,
    INPUT_SIZE,
    JSON,
    OUT,
    OUTPUT,
    SEED,
    Grouped,
    data_option,
    model_option,
    output_option,
    reading_options,
    training_option,
)
from zoo.terminal import say, say_json

SETTINGS = model_option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="An argument of the builder, as units=64,32 for two layers of 64 and 32 units. Give it once for each; zoo "
    "show BUILDER lists them.",
)
OPTIMIZER = training_option(
    "--optimizer",
    default="adam",
    show_default=True,
    shell_complete=completing.OPTIMIZERS,
    help="Rule that changes the weights: sgd, momentum, rmsprop, adam or adamw. Change it where adam does not settle; "
    "sgd and momentum need a learning rate that suits the data.",
)
BATCH_SIZE = training_option(
    "--batch-size",
    type=int,
    help="Number of examples a step. Lower it where memory runs out; raise it where training is slow.  [default: 32; "
    "128 for large data; 64 for GANs; 4 for masks]",
)


@click.command(short_help="List the builders that zoo train takes.")
@JSON
def models(as_json: bool) -> None:
    """List the builders: architectures that `zoo train` makes and trains."""
    from rich.table import Table

    from zoo.builders.registry import BUILDERS, summary
    from zoo.progress import CONSOLE

    if as_json:
        say_json({name: summary(name) for name in BUILDERS})
        return
    table = Table("builder", "what it is")
    for name in BUILDERS:
        table.add_row(name, summary(name))
    CONSOLE.print(table)
    CONSOLE.print("more of one: zoo show BUILDER        pretrained image models: zoo backbones")


@click.command(short_help="Show the arguments, the source and the layers of a builder.")
@BUILDER
@click.option(
    "--shape",
    help="Shape of one input, as 28,28,1. Give that of your data to see how large the model becomes.  [default: one "
    "that is usual for the builder]",
)
@click.option(
    "--classes",
    default=10,
    show_default=True,
    help="Number of classes, or of values to predict, that the model ends in.",
)
@SETTINGS
def show(builder: str, shape: str | None, classes: int, settings: tuple[str, ...]) -> None:
    """Show a builder: its arguments, what it takes and gives, where it comes from, and its layers."""
    import inspect
    import re

    from zoo.builders import registry
    from zoo.settings import arguments, shape_of

    build = registry.builder(builder)
    signature = inspect.signature(build)
    sizes = shape_of(shape) if shape else registry.BUILDERS[builder].shape
    plain = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(signature))  # annotations are strings to Python
    say(f"{builder}{plain}\n\n{inspect.getdoc(build)}\n")
    try:
        outputs = [classes] if "num_classes" in signature.parameters else []
        model = build(sizes, *outputs, **arguments(build, settings))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    networks = [getattr(model, name) for name in getattr(model, "NETWORKS", ())] or [model]
    for network in networks:
        if network is not None:  # an autoencoder has no preprocessing yet
            network.summary(print_fn=say, line_length=100)


@click.command(cls=Grouped, short_help="Train a builder of the zoo on your data, score and export it.")
@BUILDER
@click.argument("path", type=click.Path())
@reading_options
@INPUT_SIZE(
    help="Side of the images in pixels that the network sees. Raise it where details matter, at the cost of time.  "
    "[default: the images', at most 96; beside masks at most 192]"
)
@data_option(
    "--normal",
    default="",
    help="Classes that are not anomalies, with commas between. Give them to train an autoencoder or patchcore on these "
    "alone and to score it on the others.",
)
@SETTINGS
@model_option(
    "--false-alarms",
    type=float,
    help="Share of normal examples that an autoencoder or patchcore may take for anomalies, which sets its threshold. "
    "Raise it to miss fewer anomalies.  [default: 0.01]",
)
@SEED(help="Random seed for the split and for training. Change it to see how much scores vary.")
@training_option(
    "--epochs",
    type=int,
    help="Largest number of passes over the training data; the best one is kept. Raise it where the validation loss "
    "still falls at the end.  [default: 20 to 200, fewer for larger data]",
)
@training_option(
    "--patience",
    type=int,
    help="Number of epochs without a better validation loss after which training ends. Lower it to end sooner.  "
    "[default: a third of the epochs]",
)
@training_option(
    "--validation",
    type=float,
    help="Share of the training examples that chooses the best epoch and is not learnt from. Give 0 to learn from all "
    "of them and take the last epoch, where you know how many suit.  [default: 0.1]",
)
@BATCH_SIZE
@OPTIMIZER
@training_option(
    "--learning-rate",
    type=float,
    help="Size of the steps at their largest. Lower it where the loss jumps, raise it where it hardly falls; zoo "
    "lr-find suggests one.  [default: the optimizer's; 5e-4 for GANs]",
)
@training_option(
    "--schedule",
    default="cosine",
    show_default=True,
    shell_complete=completing.SCHEDULES,
    help="How the learning rate falls during training: constant, cosine, exponential or step. Change it to constant "
    "where the length of training is not known.",
)
@training_option(
    "--weight-decay",
    type=float,
    help="How strongly weights are pulled towards 0 at each step. Raise it against overfitting.  [default: 0.004 for "
    "adamw, else 0]",
)
@training_option(
    "--clip-norm",
    default=1.0,
    show_default=True,
    help="Largest norm of the gradients; larger ones are scaled down to it. Lower it where the loss suddenly rises.",
)
@training_option(
    "--class-weights",
    is_flag=True,
    help="Weight the classes by the inverse of their frequency. Give it where rare classes matter as much as frequent "
    "ones.",
)
@training_option(
    "--augment",
    default="",
    shell_complete=completing.AUGMENTATIONS,
    help="Random changes of training images, with commas between: flip, vflip, crop, zoom, color, hue, "
    "randaugment. Give those that leave the label true, against overfitting.",
)
@training_option(
    "--precision",
    default="float32",
    show_default=True,
    shell_complete=completing.PRECISIONS,
    help="Type of numbers to compute with: float32, mixed_float16 or mixed_bfloat16. Change it on hardware that is "
    "faster with 16 bits.",
)
@OUT
@output_option(
    "--tensorboard",
    type=click.Path(),
    help="Folder for the logs of TensorBoard. Give it to watch the training there.",
)
@JSON
@IMPORT
def train(builder: str, path: str, as_json: bool, **options: object) -> None:
    """Train BUILDER on PATH, score it beside simple models, and export it ready to serve.

    PATH is a folder of images, of texts or of IDX files, a table (CSV), a series, or .ts files; it is only read. A
    run that was killed goes on when the same command is given again.

    \b
    zoo train cnn photos/
    zoo train mlp houses.csv --target price --set units=64,32
    zoo train lstm weather.csv --target temperature --horizon 24
    zoo train conv_autoencoder parts/ --normal good
    zoo train patchcore parts/ --normal good
    zoo train dcgan faces/ --no-labels
    """
    from dataclasses import fields
    from pathlib import Path

    from zoo.artifacts import artifact
    from zoo.builders import registry
    from zoo.commands import tables
    from zoo.files import locked, remove_run, run_folder
    from zoo.settings import arguments, short_hash
    from zoo.tasks.registry import task_class
    from zoo.training.diagnosis import diagnose
    from zoo.training.optimizers import decay
    from zoo.training.run import check_arguments
    from zoo.training.run import train as train_model
    from zoo.training.settings import Settings

    model = arguments(registry.builder(builder), options.pop("settings"))
    augment = [name for name in options["augment"].split(",") if name not in ("", "none")]
    normal = [name for name in options["normal"].split(",") if name]
    early = {"false_alarms", "input_size", *(field.name for field in fields(Settings))}
    checked = {name: value for name, value in options.items() if name in early}
    check_arguments(builder, model, **checked | {"augment": augment, "normal": normal})
    out = artifact.folder_for(Path(path), options.pop("out"))
    if options["validation"] is None:
        del options["validation"]
    options["weight_decay"] = decay(options["optimizer"], options["weight_decay"])
    run = run_folder(out, short_hash(builder, path, model, options))
    data = read(path, options, options["seed"])
    options |= {"augment": augment, "normal": normal}
    if not as_json:
        tables.show_data(data)
        if task_class(registry.BUILDERS[builder].task or data.task.name).drawn:
            say(f"samples, as they become better: {run}/samples/")
    with locked(run):
        trained = train_model(builder, data, model=model, run=run, **options)
        findings = diagnose(trained)
        if not as_json:
            tables.show_evaluation(trained.evaluation)
            say(trained.task.training_result(trained.history.best_epoch, trained.history.epochs))
            tables.show_findings(findings)
            say("exporting, and checking the export against the model ...")
        folder = trained.export(out, run)
        remove_run(run)  # it is in the artifact now
    if as_json:
        metrics = trained.evaluation.to_dict()
        diagnosis = [finding._asdict() for finding in findings]
        say_json({"artifact": str(folder), "metrics": metrics, "diagnosis": diagnosis})
        return
    trained_artifact = artifact.load(folder)
    tables.show_parity(trained_artifact.card["parity"], trained_artifact.task)
    tables.show_tensors(trained_artifact.card)
    say(
        f"artifact: {folder}\nask it:   {tables.question(trained_artifact.verbs, folder.parent, trained_artifact.card)}"
    )


@click.command("lr-find", cls=Grouped, short_help="Find a good learning rate before you train.")
@BUILDER
@click.argument("path", type=click.Path())
@reading_options
@SETTINGS
@SEED(help="Random seed for the split, the weights and the order. Change it to see how much the suggestion varies.")
@OPTIMIZER
@BATCH_SIZE
@output_option(
    "--plot",
    default="lr.png",
    show_default=True,
    **OUTPUT,
    help="File of the plot of the loss; its suffix says the format, as .png or .svg.",
)
@JSON
@IMPORT
def lr_find(builder: str, path: str, plot: str, as_json: bool, **options: object) -> None:
    """Find a learning rate: train BUILDER on PATH for a moment at a rising rate, and draw the loss."""
    from zoo.builders import registry
    from zoo.settings import arguments
    from zoo.training.learning_rates import check_has_rate, find_learning_rate
    from zoo.training.run import check_arguments

    check_has_rate(builder)
    model = arguments(registry.builder(builder), options.pop("settings"))
    check_arguments(builder, model, optimizer=options["optimizer"], batch_size=options["batch_size"])
    data = read(path, options, options["seed"])
    options["batch_size"] = options["batch_size"] or 32
    result = find_learning_rate(builder, data, model=model, **options)
    result.plot(plot)
    if as_json:
        say_json({"suggestion": result.suggestion, "ceiling": result.ceiling, "plot": plot})
        return
    say(f"suggested: {result.suggestion:.2g}; not stable from {result.ceiling:.2g} on; drawn in {plot}")
    say(f"use it:    zoo train {builder} {path} --learning-rate {result.suggestion:.2g}")
