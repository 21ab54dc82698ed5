"""Commands that predict and evaluate: parse, call, print."""

from __future__ import annotations

import click

from zoo.commands.options import ARTIFACT, IMPORT, JSON, OUTPUT, naming_options, output_option
from zoo.terminal import say, say_json


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
@output_option(
    "--strangers",
    type=click.Path(exists=True),
    help="File or folder of examples of none of the classes. Give it to see how many of them the model calls unknown, "
    "beside what its probabilities tell.",
)
@naming_options
@IMPORT
@JSON
def evaluate(
    artifact: str,
    path: str,
    csv_path: str | None,
    picture: str | None,
    as_json: bool,
    **more: str | None,
) -> None:
    """Score ARTIFACT on the labelled examples in PATH.

    If PATH has train, val and test parts, the held-out one is scored, else all of it. Examples that the model was
    trained on are left out.
    """
    from zoo.artifacts import artifact as artifacts
    from zoo.commands import tables

    given = {name: value for name, value in more.items() if value is not None}
    report = artifacts.load(artifact, "evaluate").evaluate(path, **given)
    if csv_path:
        report.save(csv_path)
    if picture:
        report.draw(picture)
    if as_json:
        extra = {"left_out": [note._asdict() for note in report.intake]}
        extra["findings"] = [finding._asdict() for finding in report.findings]
        if report.strangers is not None:
            extra["strangers"] = report.strangers.to_dict()
        say_json(report.evaluation.to_dict() | extra)
        return
    tables.show_evaluation(report.evaluation, confusion=True)
    if report.strangers is not None:
        tables.show_evaluation(report.strangers)
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

    ARTIFACT efficientnet_lite0 needs no training: it tells ImageNet's 1,000 classes. Its first use makes it ready.
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
    if not as_json:
        tables.show_unseen(results, predictor.kind.plural)
    if out and not as_json:
        say(f"{count:,} files in {out}")
    if all(result.error for result in results):
        raise click.exceptions.Exit(1)
