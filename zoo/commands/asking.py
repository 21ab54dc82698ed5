"""Commands that read data, predict and evaluate: parse, call, print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zoo.commands import completing
from zoo.commands.options import ARTIFACT, IMPORT, JSON, MANIFEST, OUTPUT, READING, output_option, reading_options
from zoo.terminal import say, say_json

if TYPE_CHECKING:
    from zoo.data import Data


def read(path: str, options: dict[str, object], seed: int = 0) -> Data:
    """The data in `path`; removes the options of `reading_options` from `options`."""
    from zoo.data import open as open_data

    options_given = {name: options.pop(name) for name in READING}
    options_given = {name: value for name, value in options_given.items() if value is not None}
    if isinstance(options_given.get("target"), str) and "," in options_given["target"]:
        options_given["target"] = options_given["target"].split(",")
    return open_data(path, seed=seed, **options_given)


def read_manifest(path: str, options: dict[str, object], seed: int = 0) -> Data | str:
    """The path for a job that reads images itself, or their data where there is an option on manifests.

    Removes the options of `manifest_options` from `options`.
    """
    from zoo.data import images

    given = {name: value for name in MANIFEST if (value := options.pop(name)) is not None}
    return images(path, seed=seed, **given) if given else path


class _Samples(click.Command):
    """A command whose help lists the samples, without heavy imports."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """One line a sample."""
        from zoo.kinds.samples import SAMPLES

        with formatter.section("Samples"):
            formatter.write_dl(list(SAMPLES.items()))


@click.command(cls=_Samples, short_help="Write a real data set to a folder, to begin with.")
@click.argument("name", shell_complete=completing.SAMPLES)
@click.argument("folder", type=click.Path())
def sample(name: str, folder: str) -> None:
    """Write a real data set to FOLDER, to begin with."""
    from zoo.kinds import samples

    count = samples.write(name, folder)
    say(f"{count:,} examples in {folder}")


@click.command(short_help="Read data as training would, and list what is bad or odd.")
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
        summary = {
            "task": data.task.name,
            "classes": data.classes,
            "parts": counts,
            "intake": [note._asdict() for note in data.intake],
        }
        targets = {name: data.task.summary(part.targets) for name, part in data.parts.items()}
        say_json(summary | ({"targets": targets} if any(targets.values()) else {}))
    else:
        tables.show_data(data, all_notes=True)


@click.command(short_help="Score a model on labelled examples.")
@ARTIFACT
@click.argument("path", type=click.Path())
@output_option(
    "--csv",
    "csv_path",
    **OUTPUT,
    help="File to write with one row an example, the most confidently wrong first. Give it to look for wrong labels.",
)
@output_option(
    "--picture",
    **OUTPUT,
    help="File of a picture of the photos that are most wrong, with what is true and what was predicted; its suffix "
    "says the format, as .png. Give it where each pixel has a class.",
)
@IMPORT
@JSON
def evaluate(artifact: str, path: str, csv_path: str | None, picture: str | None, as_json: bool) -> None:
    """Score ARTIFACT on the labelled examples in PATH.

    If PATH has train, val and test parts, the held-out one is scored, else all of it. Examples that the model was
    trained on are left out.
    """
    from zoo.artifacts import artifact as artifacts
    from zoo.commands import tables

    report = artifacts.load(artifact, "evaluate").evaluate(path)
    if csv_path:
        report.save(csv_path)
    if picture:
        report.draw(picture)
    if as_json:
        extra = {"left_out": [note._asdict() for note in report.intake]}
        extra["findings"] = [finding._asdict() for finding in report.findings]
        say_json(report.evaluation.to_dict() | extra)
        return
    tables.show_evaluation(report.evaluation, confusion=True)
    tables.show_findings(report.findings)
    tables.show_notes(report.intake)
    tables.show_mistakes(report)
    if csv_path:
        say(f"every file: {csv_path}")
    if picture:
        say(f"most wrong: {picture}")


@click.command(short_help="Ask a model about files.")
@ARTIFACT
@click.argument("paths", nargs=-1, required=True, type=click.Path(allow_dash=True))
@output_option(
    "--top",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="Number of classes to show for each input, the most probable first. Raise it to see what was close.",
)
@output_option("--csv", "csv_path", **OUTPUT, help="File to write with one row an input. Give it where there are many.")
@output_option(
    "--out",
    type=click.Path(file_okay=False),
    help="New or empty folder for what is a picture, as the mask of a photo and the photo with its classes in colours. "
    "Give it to look at them or to go on with them.",
)
@IMPORT
@JSON
def predict(
    artifact: str, paths: tuple[str, ...], top: int, csv_path: str | None, out: str | None, as_json: bool
) -> None:
    """Ask ARTIFACT about PATHS: files, folders, patterns like 'photos/*.jpg', or - for a list on stdin.

    Files are of the kind that it was trained on: images, tables, texts, sequences; for a forecast a series, whose last
    window is taken. What can't be read is a row with its reason; the exit code is 1 only if nothing could be read.
    """
    import sys

    from zoo.artifacts import artifact as artifacts
    from zoo.commands import drawing, tables
    from zoo.kinds.images.sources import named

    predictor = artifacts.load(artifact, "predict")
    if out:
        drawing.check(predictor.task, out, paths)
    results = predictor.predict_files(list(named(paths, sys.stdin)))
    if out:
        count = drawing.write(results, predictor, out)
    if csv_path:
        tables.write_predictions(results, predictor.task, csv_path)
    if as_json:
        say_json(tables.prediction_rows(results, top))
    elif not csv_path:
        tables.show_predictions(results, predictor.task, top)
    if out and not as_json:
        say(f"{count:,} files in {out}")
    if all(result.error for result in results):
        raise click.exceptions.Exit(1)
