"""Commands of the zoo: parse, call, print."""

from __future__ import annotations

import click

ARTIFACT = click.argument("artifact")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


@click.command()
@click.argument("name", type=click.Choice(["digits"]))
@click.argument("folder", type=click.Path())
def sample(name: str, folder: str) -> None:
    """Write a real data set to FOLDER, to begin with.

    digits: 1,797 handwritten digits as PNG files, one folder a class (scikit-learn's; UCI, 1998).
    """
    from zoo.data import samples

    count = samples.write(name, folder)
    click.echo(f"{count} images in {folder}")


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
    """Score ARTIFACT on the labelled images in PATH.

    Where PATH has train, val and test parts, the held-out one is scored; a plain folder of classes is scored whole.
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
    """Ask ARTIFACT what is in the images PATHS: files, folders, patterns like 'photos/*.jpg', or - for a list on stdin.

    A file that can't be read is a row with its reason; the exit code is 1 only if none could be read.
    """
    import sys

    from zoo import artifact as artifacts
    from zoo import rendering
    from zoo.predictor import named

    results = artifacts.load(artifact).predict(list(named(paths, sys.stdin)))
    if csv_path:
        rendering.write_predictions(results, csv_path)
    if as_json:
        click.echo(rendering.predictions_json(results, top))
    elif not csv_path:
        rendering.show_predictions(results, top)
    if all(result.error for result in results):
        raise click.exceptions.Exit(1)
