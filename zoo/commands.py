"""Commands of the zoo: parse, call, print."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from zoo.data import Data

ARTIFACT = click.argument("artifact")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


class _Samples(click.Command):
    """A command whose help lists the samples, which needs no heavy import."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """One line a sample."""
        from zoo.data.samples import SAMPLES

        with formatter.section("Samples"):
            formatter.write_dl(list(SAMPLES.items()))


@click.command(cls=_Samples)
@click.argument("name")
@click.argument("folder", type=click.Path())
def sample(name: str, folder: str) -> None:
    """Write a real data set to FOLDER, to begin with."""
    from zoo.data import samples

    count = samples.write(name, folder)
    click.echo(f"{count:,} examples in {folder}")


@click.command()
@JSON
def models(as_json: bool) -> None:
    """List the builders: architectures that `zoo train` makes and trains."""
    import json

    from rich.table import Table

    from zoo.builders.registry import BUILDERS, summary
    from zoo.rendering import CONSOLE

    if as_json:
        click.echo(json.dumps({name: summary(name) for name in BUILDERS}))
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
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An argument of the builder.")
def show(builder: str, shape: str | None, classes: int, settings: tuple[str, ...]) -> None:
    """Show a builder: its arguments, what it takes and gives, where it comes from, and its layers."""
    import inspect

    from zoo.builders import registry
    from zoo.settings import arguments, numbers

    build = registry.builder(builder)
    usual = {"dense": (64,), "convolutional": (28, 28, 1), "recurrent": (30, 8)}
    sizes = numbers(shape) if shape else usual[registry.BUILDERS[builder].split(":")[0].rsplit(".")[-1]]
    click.echo(f"{builder}{inspect.signature(build)}\n\n{inspect.getdoc(build)}\n")
    try:
        model = build(sizes, classes, **arguments(build, settings))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    model.summary(print_fn=click.echo, line_length=100)


def _training_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of `train` and `lr-find`: what to build, and how to read the data."""
    for option in reversed(
        (
            click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An argument of the builder."),
            click.option("--target", help="Column to predict; of several, with commas between."),
            click.option("--task", help="Where it can't be told: classification, multi_label, regression."),
            click.option("--text", "column", help="Column that holds the text."),
            click.option("--group", help="Column whose equal values stay on one side of the split."),
            click.option("--series", help="Column that says which sequence a row belongs to."),
            click.option("--time", help="Column that holds the time."),
            click.option("--window", type=int, help="Past steps that a forecast looks at."),
            click.option("--horizon", type=int, help="Steps to forecast."),
            click.option("--optimizer", default="adam", show_default=True, help="sgd, momentum, rmsprop, adam, adamw."),
            click.option("--batch-size", type=int, help="Examples a step.  [default: 32; 128 for large data]"),
            click.option("--seed", default=0, show_default=True, help="Of the split, the weights and the order."),
        )
    ):
        command = option(command)
    return command


def _data(path: str, seed: int, reading: dict[str, object]) -> Data:
    """What `path` holds, read with those options that were given."""
    from zoo.data import open as open_data

    given = {name: value for name, value in reading.items() if value is not None}
    if isinstance(given.get("target"), str) and "," in given["target"]:
        given["target"] = given["target"].split(",")
    return open_data(path, seed=seed, **given)


READING = ("target", "task", "column", "group", "series", "time", "window", "horizon")


@click.command()
@click.argument("builder")
@click.argument("path", type=click.Path())
@_training_options
@click.option("--out", type=click.Path(), help="Folder of the artifact.  [default: saved_models/ and the name of PATH]")
@click.option("--epochs", type=int, help="At most; the best is kept.  [default: 20 to 200, fewer for larger data]")
@click.option("--learning-rate", type=float, help="At its peak.  [default: the optimizer's]")
@click.option("--schedule", default="cosine", show_default=True, help="constant, cosine, exponential, step.")
@click.option("--weight-decay", default=0.0, show_default=True, help="Decoupled from the gradient.")
@click.option("--clip-norm", default=1.0, show_default=True, help="Largest norm of the gradients.")
@click.option("--patience", type=int, help="Epochs without gain before the end.  [default: a third of the epochs]")
@click.option("--class-weights", is_flag=True, help="Weight the classes by the inverse of their frequency.")
@click.option("--augment", default="", help="Of images: any of flip, crop, color, randaugment.")
@click.option("--precision", default="float32", show_default=True, help="float32, mixed_float16, mixed_bfloat16.")
@click.option("--input-size", type=int, help="Of an image folder, in pixels.  [default: the images', at most 96]")
@click.option("--tensorboard", type=click.Path(), help="Folder for TensorBoard's logs.")
@JSON
def train(builder: str, path: str, as_json: bool, **options: object) -> None:
    """Train BUILDER on PATH, score it beside simple models, and export it ready to serve.

    PATH is a folder of images, of texts or of IDX files, a table (CSV), a series, or .ts files; it is only read. A
    run that was killed goes on when the same command is given again.

    \b
    zoo train cnn photos/
    zoo train mlp houses.csv --target price --set units=64,32
    zoo train lstm weather.csv --target temperature --horizon 24
    """
    import json
    from pathlib import Path

    from zoo import artifact, rendering
    from zoo.builders import registry
    from zoo.diagnosis import diagnose
    from zoo.settings import arguments, run_folder
    from zoo.training import train as train_model

    model = arguments(registry.builder(builder), options.pop("settings"))
    out = Path(options.pop("out") or artifact.default_folder(path))
    run = run_folder(out, builder, path, model, options)
    data = _data(path, options["seed"], {name: options.pop(name) for name in READING})
    options["augment"] = [name for name in options["augment"].split(",") if name not in ("", "none")]
    if not as_json:
        rendering.show_data(data)
    trained = train_model(builder, data, model=model, run=run, **options)
    findings = diagnose(trained)
    if not as_json:
        rendering.show_evaluation(trained.evaluation)
        rendering.show_history(trained.history)
        for finding in findings:
            click.echo(str(finding))
        click.echo("exporting, and checking the export against the model ...")
    folder = trained.export(out, run)
    if as_json:
        metrics = trained.evaluation.to_dict()
        found = [finding._asdict() for finding in findings]
        click.echo(json.dumps({"artifact": str(folder), "metrics": metrics, "diagnosis": found}))
        return
    rendering.show_parity(json.loads((folder / "card.json").read_text(encoding="utf-8"))["parity"])
    click.echo(f"artifact: {folder}\nask it:   zoo predict {folder.parent} {rendering.ASK[data.input['kind']]}")


@click.command("lr-find")
@click.argument("builder")
@click.argument("path", type=click.Path())
@_training_options
@click.option("--plot", default="lr.png", show_default=True, type=click.Path(), help="Where to draw it.")
@JSON
def lr_find(builder: str, path: str, plot: str, as_json: bool, **options: object) -> None:
    """Find a learning rate: train BUILDER on PATH for a moment at a rising rate, and draw the loss."""
    import json

    from zoo.builders import registry
    from zoo.learning_rates import find_learning_rate
    from zoo.settings import arguments

    model = arguments(registry.builder(builder), options.pop("settings"))
    data = _data(path, options["seed"], {name: options.pop(name) for name in READING})
    options["batch_size"] = options["batch_size"] or 32
    found = find_learning_rate(builder, data, model=model, **options)
    found.plot(plot)
    if as_json:
        click.echo(json.dumps({"suggestion": found.suggestion, "ceiling": found.ceiling, "plot": plot}))
        return
    click.echo(f"suggested: {found.suggestion:.2g}; not stable from {found.ceiling:.2g} on; drawn in {plot}")
    click.echo(f"use it:    zoo train {builder} {path} --learning-rate {found.suggestion:.2g}")


@click.command()
@click.argument("path", type=click.Path())
@JSON
def check(path: str, as_json: bool) -> None:
    """Read every file of an image folder or manifest, and list what is bad or odd. Changes nothing."""
    import json

    from zoo import rendering
    from zoo.data import images

    data = images(path)
    if as_json:
        counts = {name: len(part) for name, part in data.parts.items()}
        found = {
            "task": data.task,
            "classes": data.classes,
            "parts": counts,
            "intake": [note._asdict() for note in data.intake],
        }
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        rendering.show_data(data, all_notes=True)


@click.command()
@ARTIFACT
@click.argument("path", type=click.Path())
@click.option(
    "--csv", "csv_path", type=click.Path(dir_okay=False), help="One row a file, most confidently wrong first."
)
@JSON
def evaluate(artifact: str, path: str, csv_path: str | None, as_json: bool) -> None:
    """Score ARTIFACT on the labelled examples in PATH.

    Where PATH has train, val and test parts, the held-out one is scored, else all of it; what the model was trained on
    is left out.
    """
    import json

    from zoo import artifact as artifacts
    from zoo import rendering

    report = artifacts.load(artifact).evaluate(path)
    if csv_path:
        report.save(csv_path)
    if as_json:
        click.echo(json.dumps(report.evaluation.to_dict() | {"left_out": [n._asdict() for n in report.intake]}))
        return
    rendering.show_evaluation(report.evaluation, confusion=True)
    rendering.show_notes(report.intake)
    rendering.show_mistakes(report)
    if csv_path:
        click.echo(f"every file: {csv_path}")


@click.command()
@ARTIFACT
@click.argument("paths", nargs=-1, required=True)
@click.option("--top", default=3, show_default=True, type=click.IntRange(1), help="Classes to show for each image.")
@click.option("--csv", "csv_path", type=click.Path(dir_okay=False), help="Write one row a file.")
@JSON
def predict(artifact: str, paths: tuple[str, ...], top: int, csv_path: str | None, as_json: bool) -> None:
    """Ask ARTIFACT about PATHS: files, folders, patterns like 'photos/*.jpg', or - for a list on stdin.

    Files are of the kind that it was trained on: images, tables, texts, sequences; for a forecast a series, whose last
    window is taken. What can't be read is a row with its reason; the exit code is 1 only if nothing could be read.
    """
    import sys

    from zoo import artifact as artifacts
    from zoo import rendering
    from zoo.data.image_sources import named

    results = artifacts.load(artifact).predict_files(list(named(paths, sys.stdin)))
    if csv_path:
        rendering.write_predictions(results, csv_path)
    if as_json:
        click.echo(rendering.predictions_json(results, top))
    elif not csv_path:
        rendering.show_predictions(results, top)
    if all(result.error for result in results):
        raise click.exceptions.Exit(1)
