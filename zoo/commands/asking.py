"""Commands of the zoo: parse, call, print."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from zoo.terminal import say, say_json

if TYPE_CHECKING:
    from zoo.data import Data

ARTIFACT = click.argument("artifact")


def _import_files(_: click.Context, __: click.Parameter, files: tuple[str, ...]) -> None:
    if files:
        from zoo.training.own_code import import_file

        for file in files:
            import_file(file)


IMPORT = click.option(
    "--import",
    metavar="FILE",
    multiple=True,
    expose_value=False,
    callback=_import_files,
    help="Run a Python file first that registers layers or tasks of your own, and does nothing else.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def writable(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A file to write, refused before the work where that can't be: for `callback` of an option."""
    from pathlib import Path

    from zoo.errors import InputError
    from zoo.files import check_writable

    if value is not None:
        if not Path(value).resolve().parent.is_dir():
            raise InputError(
                f"{value}: its folder does not exist; make it first, or name another with {parameter.opts[0]}"
            )
        check_writable(Path(value), parameter.opts[0])
    return value


OUTPUT = {"type": click.Path(dir_okay=False), "callback": writable}  # of an option that names a file to write


READING = {
    "target": click.option("--target", help="Column to predict; of several, with commas between."),
    "task": click.option("--task", help="Where it can't be told: classification, multi_label, regression."),
    "column": click.option("--text", "column", help="Column that holds the text."),
    "group": click.option("--group", help="Column whose equal values stay on one side of the split."),
    "series": click.option("--series", help="Column that says which sequence a row belongs to."),
    "time": click.option("--time", help="Column that holds the time."),
    "window": click.option("--window", type=int, help="Past steps that a forecast looks at."),
    "horizon": click.option("--horizon", type=int, help="Steps to forecast."),
    "labels": click.option(
        "--no-labels", "labels", flag_value=False, default=None, help="Images without classes, as autoencoders take."
    ),
}


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say how to read a path, where that can't be told from it."""
    for option in reversed(READING.values()):
        command = option(command)
    return command


def read(path: str, options: dict[str, object], seed: int = 0) -> Data:
    """What `path` holds; takes out of `options` those of `reading_options`."""
    from zoo.data import open as open_data

    given = {name: options.pop(name) for name in READING}
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(given.get("target"), str) and "," in given["target"]:
        given["target"] = given["target"].split(",")
    return open_data(path, seed=seed, **given)


class _Samples(click.Command):
    """A command whose help lists the samples, which needs no heavy import."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """One line a sample."""
        from zoo.kinds.samples import SAMPLES

        with formatter.section("Samples"):
            formatter.write_dl(list(SAMPLES.items()))


@click.command(cls=_Samples)
@click.argument("name")
@click.argument("folder", type=click.Path())
def sample(name: str, folder: str) -> None:
    """Write a real data set to FOLDER, to begin with."""
    from zoo.kinds import samples

    count = samples.write(name, folder)
    say(f"{count:,} examples in {folder}")


@click.command()
@click.argument("path", type=click.Path())
@reading_options
@JSON
@IMPORT
def check(path: str, as_json: bool, **options: object) -> None:
    """Read all of PATH as training would, and list what is bad or odd. Changes nothing."""
    from zoo.commands import tables

    data = read(path, options)
    if as_json:
        counts = {name: len(part) for name, part in data.parts.items()}
        found = {
            "task": data.task.name,
            "classes": data.classes,
            "parts": counts,
            "intake": [note._asdict() for note in data.intake],
        }
        say_json(found)
    else:
        tables.show_data(data, all_notes=True)


@click.command()
@ARTIFACT
@click.argument("path", type=click.Path())
@click.option(
    "--csv",
    "csv_path",
    **OUTPUT,
    help="One row a file, most confidently wrong first.",
)
@IMPORT
@JSON
def evaluate(artifact: str, path: str, csv_path: str | None, as_json: bool) -> None:
    """Score ARTIFACT on the labelled examples in PATH.

    Where PATH has train, val and test parts, the held-out one is scored, else all of it; what the model was trained on
    is left out.
    """
    from zoo.artifacts import artifact as artifacts
    from zoo.commands import tables

    report = artifacts.load(artifact, "evaluate").evaluate(path)
    if csv_path:
        report.save(csv_path)
    if as_json:
        found = {"left_out": [note._asdict() for note in report.intake]}
        found["findings"] = [finding._asdict() for finding in report.findings]
        say_json(report.evaluation.to_dict() | found)
        return
    tables.show_evaluation(report.evaluation, confusion=True)
    tables.show_findings(report.findings)
    tables.show_notes(report.intake)
    tables.show_mistakes(report)
    if csv_path:
        say(f"every file: {csv_path}")


@click.command()
@ARTIFACT
@click.argument("paths", nargs=-1, required=True)
@click.option("--top", default=3, show_default=True, type=click.IntRange(1), help="Classes to show for each image.")
@click.option("--csv", "csv_path", **OUTPUT, help="Write one row a file.")
@IMPORT
@JSON
def predict(artifact: str, paths: tuple[str, ...], top: int, csv_path: str | None, as_json: bool) -> None:
    """Ask ARTIFACT about PATHS: files, folders, patterns like 'photos/*.jpg', or - for a list on stdin.

    Files are of the kind that it was trained on: images, tables, texts, sequences; for a forecast a series, whose last
    window is taken. What can't be read is a row with its reason; the exit code is 1 only if nothing could be read.
    """
    import sys

    from zoo.artifacts import artifact as artifacts
    from zoo.commands import tables
    from zoo.kinds.images.sources import named

    made = artifacts.load(artifact, "predict")
    results = made.predict_files(list(named(paths, sys.stdin)))
    if csv_path:
        tables.write_predictions(results, csv_path)
    if as_json:
        say_json(tables.prediction_rows(results, top))
    elif not csv_path:
        tables.show_predictions(results, made.task, top)
    if all(result.error for result in results):
        raise click.exceptions.Exit(1)
