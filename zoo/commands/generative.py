"""Commands of autoencoders and generators: parse, call, print."""

from __future__ import annotations

import click

from zoo.commands.options import ARTIFACT, IMPORT, JSON, OUTPUT
from zoo.terminal import say, say_json

PICTURE, TABLE = "reconstructed.png", "reconstructed.csv"
COLUMNS = 20  # of a picture; of at most so many classes, each has a column
SEED = click.option(
    "--seed",
    default=0,
    show_default=True,
    help="Random seed: the same one gives the same answer. Change it for another.",
)


@click.command(short_help="Make new images.")
@ARTIFACT
@click.option(
    "-n",
    "--count",
    type=click.IntRange(1),
    help="Number of images to make, or of strips with --interpolate.  [default: 64 images, 8 strips]",
)
@click.option(
    "--label",
    help="Class of the images to make. Give it to see one class alone, where the model was trained with them.",
)
@SEED
@click.option(
    "--out",
    default="samples.png",
    show_default=True,
    type=click.Path(),
    help="File of one picture with all images. Give a name without a suffix to get a new folder of PNG files.",
)
@click.option(
    "--interpolate",
    is_flag=True,
    help="Make strips instead, each on the way from one code to another. Give it to see what the model learnt between "
    "examples.",
)
@IMPORT
def generate(artifact: str, count: int | None, label: str | None, seed: int, out: str, interpolate: bool) -> None:
    """Make new images with ARTIFACT: adversarial networks, or a variational autoencoder of images."""
    from pathlib import Path

    from zoo.artifacts import artifact as artifacts
    from zoo.errors import InputError
    from zoo.pictures import sheets

    generator = artifacts.load(artifact, "generate")
    conditional = generator.task.drawn
    if label is not None and not conditional:
        raise InputError(f"{artifact} was trained without classes; leave out --label")
    count = count or (8 if interpolate else 64)
    if interpolate:
        images = (
            generator.interpolate(count, seed=seed, label=label) if conditional else generator.strips(count, seed=seed)
        )
    else:
        images = (
            generator.generate(count, seed=seed, label=label) if conditional else generator.generate(count, seed=seed)
        )
    columns, titles = (images.shape[1], None) if interpolate else (None, None)
    images = images.reshape(-1, *images.shape[-3:])
    if not Path(out).suffix:
        sheets.files(images, out)
        say(f"{len(images)} images of seed {seed} in {out}/")
        return
    if conditional and generator.classes and label is None and not interpolate:
        titles = [generator.classes[at % len(generator.classes)] for at in range(count)]  # classes take turns
        columns = len(generator.classes) if len(generator.classes) <= COLUMNS else None  # one a column
    sheets.sheet(images, out, columns=columns, titles=titles)
    say(f"{f'{count} strips' if interpolate else f'{count} images'} of seed {seed}: {out}")


@click.command(short_help="Show what an autoencoder makes of its inputs.")
@ARTIFACT
@click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True))
@click.option("--out", **OUTPUT, help=f"File of the picture that images are drawn in.  [default: {PICTURE}]")
@click.option(
    "--interpolate",
    is_flag=True,
    help="Draw the way from the first of two images to the second. Give it with two files.",
)
@click.option(
    "--csv",
    "csv_path",
    **OUTPUT,
    help="File to write the errors of images to, or the reconstructions of sequences.  "
    f"[default: {TABLE} for sequences]",
)
@IMPORT
def reconstruct(
    artifact: str, files: tuple[str, ...], out: str | None, interpolate: bool, csv_path: str | None
) -> None:
    """Show what ARTIFACT, an autoencoder, makes of FILES: files, folders, patterns, or - for a list on stdin.

    Images: a picture of the originals with the reconstructions below them, and the error of each. Sequences: a CSV
    file of inputs and reconstructions.
    """
    import sys

    from zoo.artifacts import artifact as artifacts
    from zoo.commands import generative_tables, reconstructions, tables
    from zoo.errors import InputError
    from zoo.kinds.images.sources import named
    from zoo.pictures import sheets

    reconstructor = artifacts.load(artifact, "reconstruct")
    paths = list(named(files, sys.stdin))
    if not reconstructor.kind.pictures and (out or interpolate):
        raise InputError(f"{artifact} takes sequences, which are written as a table; use --csv alone")
    if interpolate and len(paths) != 2:
        raise InputError(f"expected two files to go from one to the other, received {len(paths)}")
    if interpolate:
        steps = reconstructor.interpolate(*paths)
        sheets.sheet(steps, out or PICTURE, columns=len(steps))
        say(f"{len(steps)} steps from {paths[0]} to {paths[1]}: {out or PICTURE}")
    elif reconstructor.kind.pictures:
        rows, drawn = reconstructions.images(reconstructor, paths, out or PICTURE, csv_path)
        generative_tables.show_reconstructed(rows)
        readable = sum(not row.error for row in rows)
        first = "" if readable == drawn else f"the first {drawn} of {readable:,} images: "
        say(f"{first}{out or PICTURE}" + (f"; every image: {csv_path}" if csv_path else ""))
    else:
        count, notes = reconstructions.sequences(reconstructor, paths, csv_path or TABLE)
        tables.show_notes(notes, limit=None)
        say(f"{count:,} sequences: {csv_path or TABLE}")


@click.command(short_help="List what an autoencoder or a detector does not know.")
@ARTIFACT
@click.argument("paths", nargs=-1, required=True, type=click.Path(allow_dash=True))
@click.option("--csv", "csv_path", **OUTPUT, help="File to write with one row an input. Give it where there are many.")
@JSON
@IMPORT
def anomalies(artifact: str, paths: tuple[str, ...], csv_path: str | None, as_json: bool) -> None:
    """Ask ARTIFACT what it does not know of PATHS: files, folders, patterns, or - for a list on stdin.

    It is an autoencoder, whose score is the error of the reconstruction, or a detector (patchcore), whose score is the
    distance of the oddest patch to the normal ones. An anomaly is over the threshold that training set. What can't be
    read is a row with its reason; the exit code is 1 only if nothing could be read.
    """
    import sys

    from zoo.artifacts import artifact as artifacts
    from zoo.commands import generative_tables
    from zoo.kinds.images.sources import named

    reconstructor = artifacts.load(artifact, "anomalies")
    results = reconstructor.anomalies(list(named(paths, sys.stdin)))
    rate = reconstructor.card.get("false_alarms_promised", reconstructor.card["false_alarms"])
    if csv_path:
        generative_tables.write_anomalies(results, reconstructor.threshold, csv_path)
    if as_json:
        say_json(generative_tables.anomalies_found(results, reconstructor.threshold, rate))
    else:
        generative_tables.show_anomalies(
            results, reconstructor.threshold, rate, reconstructor.card.get("false_alarms_between")
        )
        if csv_path:
            say(f"every input: {csv_path}")
    if all(each.error for each in results):
        raise click.exceptions.Exit(1)


@click.command(short_help="Draw where an autoencoder puts examples.")
@ARTIFACT
@click.argument("path", type=click.Path())
@click.option(
    "--out",
    default="latent.png",
    show_default=True,
    **OUTPUT,
    help="File of the picture; its suffix says the format, as .png or .svg.",
)
@SEED
@IMPORT
def latent(artifact: str, path: str, out: str, seed: int) -> None:
    """Draw where ARTIFACT, an autoencoder, puts the examples in PATH, coloured by class where they have one.

    Of more than 5,000 examples so many are chosen at random.
    """
    from zoo.artifacts import artifact as artifacts
    from zoo.artifacts import latents
    from zoo.commands import tables
    from zoo.pictures.plots import latent_space

    space = latents.of_path(artifacts.load(artifact, "latent"), path, seed=seed)
    latent_space(space.codes, space.targets, space.classes, out)
    tables.show_notes([note for note in space.notes if note.action == "left out" or "classes" in note.reason])
    drawn = len(space.codes)
    chosen = f" of {space.total:,}, chosen by seed {seed}" if space.total > drawn else ""
    classes = f", in {len(space.classes)} classes" if space.classes else ""
    say(f"{drawn:,} examples{chosen}{classes}: {out}")
