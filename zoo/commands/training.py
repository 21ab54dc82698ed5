"""Commands that build and train the models of the zoo: parse, call, print."""

from __future__ import annotations

import click

from zoo.commands.asking import IMPORT, JSON, OUTPUT, read, reading_options
from zoo.terminal import say, say_json

SETTINGS = click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An argument of the builder.")
OPTIMIZER = click.option("--optimizer", default="adam", show_default=True, help="sgd, momentum, rmsprop, adam, adamw.")
BATCH_SIZE = click.option(
    "--batch-size", type=int, help="Examples a step.  [default: 32; 128 for large data; 64 for GANs]"
)
SEED = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the split, the weights and the order."
)


@click.command()
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


@click.command()
@click.argument("builder")
@click.option("--shape", help="Input shape to summarise, as 28,28,1.  [default: one that is usual for it]")
@click.option("--classes", default=10, show_default=True, help="Outputs.")
@SETTINGS
def show(builder: str, shape: str | None, classes: int, settings: tuple[str, ...]) -> None:
    """Show a builder: its arguments, what it takes and gives, where it comes from, and its layers."""
    import inspect
    import re

    from zoo.builders import registry
    from zoo.settings import arguments, numbers

    build = registry.builder(builder)
    known = inspect.signature(build)
    sizes = numbers(shape) if shape else registry.BUILDERS[builder].shape
    plain = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(known))  # annotations are strings to Python
    say(f"{builder}{plain}\n\n{inspect.getdoc(build)}\n")
    try:
        outputs = [classes] if "num_classes" in known.parameters else []
        model = build(sizes, *outputs, **arguments(build, settings))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    networks = [getattr(model, name) for name in getattr(model, "NETWORKS", ())] or [model]
    for network in networks:
        if network is not None:  # an autoencoder has no preprocessing yet
            network.summary(print_fn=say, line_length=100)


@click.command()
@click.argument("builder")
@click.argument("path", type=click.Path())
@SETTINGS
@reading_options
@OPTIMIZER
@BATCH_SIZE
@SEED
@click.option("--out", type=click.Path(), help="Folder of the artifact.  [default: saved_models/ and the name of PATH]")
@click.option("--epochs", type=int, help="At most; the best is kept.  [default: 20 to 200, fewer for larger data]")
@click.option("--learning-rate", type=float, help="At its peak.  [default: the optimizer's; 5e-4 for GANs]")
@click.option("--schedule", default="cosine", show_default=True, help="constant, cosine, exponential, step.")
@click.option("--weight-decay", type=float, help="Decoupled from the gradient.  [default: 0.004 for adamw, else 0]")
@click.option("--clip-norm", default=1.0, show_default=True, help="Largest norm of the gradients.")
@click.option("--patience", type=int, help="Epochs without gain before the end.  [default: a third of the epochs]")
@click.option("--class-weights", is_flag=True, help="Weight the classes by the inverse of their frequency.")
@click.option("--augment", default="", help="Of images: any of flip, crop, color, randaugment.")
@click.option("--precision", default="float32", show_default=True, help="float32, mixed_float16, mixed_bfloat16.")
@click.option("--normal", default="", help="For anomalies: the classes, with commas between, that are none.")
@click.option("--false-alarms", type=float, help="Share of normal examples over the threshold.  [default: 0.01]")
@click.option("--input-size", type=int, help="Of an image folder, in pixels.  [default: the images', at most 96]")
@click.option("--tensorboard", type=click.Path(), help="Folder for TensorBoard's logs.")
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
    zoo train dcgan faces/ --no-labels
    """
    from pathlib import Path

    from zoo.artifacts import artifact
    from zoo.builders import registry
    from zoo.commands import tables
    from zoo.files import claimed, remove_run, run_folder
    from zoo.settings import arguments, mark
    from zoo.tasks.registry import task_class
    from zoo.training.diagnosis import diagnose
    from zoo.training.optimizers import decay
    from zoo.training.run import train as train_model

    model = arguments(registry.builder(builder), options.pop("settings"))
    out = artifact.folder_for(Path(path), options.pop("out"))
    options["weight_decay"] = decay(options["optimizer"], options["weight_decay"])
    run = run_folder(out, mark(builder, path, model, options))
    data = read(path, options, options["seed"])
    options["augment"] = [name for name in options["augment"].split(",") if name not in ("", "none")]
    options["normal"] = [name for name in options["normal"].split(",") if name]
    if not as_json:
        tables.show_data(data)
        if task_class(registry.BUILDERS[builder].task or data.task.name).drawn:
            say(f"samples, as they become better: {run}/samples/")
    with claimed(run):
        trained = train_model(builder, data, model=model, run=run, **options)
        findings = diagnose(trained)
        if not as_json:
            tables.show_evaluation(trained.evaluation)
            tables.show_history(trained.history)
            tables.show_findings(findings)
            say("exporting, and checking the export against the model ...")
        folder = trained.export(out, run)
        remove_run(run)  # it is in the artifact now
    if as_json:
        metrics = trained.evaluation.to_dict()
        found = [finding._asdict() for finding in findings]
        say_json({"artifact": str(folder), "metrics": metrics, "diagnosis": found})
        return
    made = artifact.load(folder)
    tables.show_parity(made.card["parity"], made.task)
    tables.show_tensors(made.card)
    say(f"artifact: {folder}\nask it:   {tables.question(made.verbs, folder.parent, made.card)}")


@click.command("lr-find")
@click.argument("builder")
@click.argument("path", type=click.Path())
@SETTINGS
@reading_options
@OPTIMIZER
@BATCH_SIZE
@SEED
@click.option("--plot", default="lr.png", show_default=True, **OUTPUT, help="Where to draw it.")
@JSON
@IMPORT
def lr_find(builder: str, path: str, plot: str, as_json: bool, **options: object) -> None:
    """Find a learning rate: train BUILDER on PATH for a moment at a rising rate, and draw the loss."""
    from zoo.builders import registry
    from zoo.settings import arguments
    from zoo.training.learning_rates import find_learning_rate

    model = arguments(registry.builder(builder), options.pop("settings"))
    data = read(path, options, options["seed"])
    options["batch_size"] = options["batch_size"] or 32
    found = find_learning_rate(builder, data, model=model, **options)
    found.plot(plot)
    if as_json:
        say_json({"suggestion": found.suggestion, "ceiling": found.ceiling, "plot": plot})
        return
    say(f"suggested: {found.suggestion:.2g}; not stable from {found.ceiling:.2g} on; drawn in {plot}")
    say(f"use it:    zoo train {builder} {path} --learning-rate {found.suggestion:.2g}")
