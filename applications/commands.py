"""Commands of the pretrained models: parse, call, print."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from zoo.commands.completing import ARTIFACTS, completing, of
from zoo.commands.options import (
    IMPORT,
    INPUT_SIZE,
    JSON,
    OUT,
    OUTPUT,
    SEED,
    Grouped,
    manifest_options,
    model_option,
    output_option,
    training_option,
)
from zoo.terminal import say, say_json

if TYPE_CHECKING:
    from applications.similarity import Similar

PREPROCESSING = model_option(
    "--preprocessing",
    shell_complete=completing(of("applications.own_backbones:PREPROCESSING")),
    help="What a .keras file of yours as --backbone expects of pixels: none (0 to 255), unit (0 to 1), tf (-1 to 1), "
    "torch, caffe or lite. Needed where it does not begin with a Rescaling or Normalization layer.",
)

WEIGHTS = model_option(
    "--weights",
    default="imagenet",
    show_default=True,
    shell_complete=completing(lambda: ("imagenet", "random"), otherwise="file"),
    help="Weights of the backbone: imagenet, random, or a weights file. Change it to use weights of your own.",
)


def from_option(help: str) -> Callable[..., Any]:
    """An artifact instead of a backbone."""
    return model_option("--from", "start", metavar="ARTIFACT", shell_complete=ARTIFACTS, help=help)


@click.command(cls=Grouped, short_help="Fine-tune a pretrained model on your images and export it.")
@click.argument("path", type=click.Path())
@manifest_options
@INPUT_SIZE(
    help="Side of the images in pixels that the model sees. Lower it to be quicker, raise it where details matter.  "
    "[default: the backbone's; for small pictures 64, 96 or 128, by cross-validation]"
)
@model_option(
    "--backbone",
    default="efficientnet_lite0",
    show_default=True,
    shell_complete=completing(lambda: ("auto", *of("applications.backbone_table:BACKBONES")()), otherwise="file"),
    help="Pretrained network to start from. Change it to a larger one for better scores, at the cost of time, to auto "
    "for the best of those that are installed, or to a .keras file of your own; zoo backbones lists the others.",
)
@WEIGHTS
@PREPROCESSING
@from_option(
    help="Model of your own to start from, instead of a backbone. Give it to go on with what a fine-tune learnt.",
)
@SEED(help="Random seed for the split and for training. Change it to see how much scores vary.")
@training_option(
    "--effort",
    type=click.Choice(["quick", "balanced", "max"]),
    default="quick",
    show_default=True,
    help="How much to train. quick fits a linear head on the frozen backbone; balanced trains the last blocks too and "
    "ships them if an inner split says that it helps; max trains them three times as long. Change it where minutes are "
    "worth a better score.",
)
@training_option(
    "--epochs",
    type=int,
    help="Number of passes over the training images, for the last blocks, or the largest number for masks. Lower it "
    "to be quicker.  [default: 8, 24 with --effort max; for masks 10 to 60, fewer for larger data]",
)
@training_option(
    "--unfreeze",
    type=int,
    help="Number of the last blocks to train. Raise it where your images look unlike photographs.  [default: the "
    "backbone's]",
)
@training_option(
    "--learning-rate",
    type=float,
    help="Size of the steps for the last blocks or for masks, at their largest. Lower it where the loss jumps.  "
    "[default: 5e-4; for masks 3e-3]",
)
@training_option(
    "--augment",
    default="flip,crop",
    show_default=True,
    shell_complete=completing(of("applications.views:AUGMENTATIONS"), several=True),
    help="Random changes of training images for the last blocks or for masks, with commas between: flip, vflip, "
    "crop, zoom, color, hue, randaugment, mixup, or none. Leave out those that change the label, as flip does for "
    "text.",
)
@training_option(
    "--class-weights",
    is_flag=True,
    help="Give each class the same weight, also in the probabilities. Give it where rare classes matter as much as "
    "frequent ones.",
)
@training_option(
    "--unknown",
    type=float,
    default=0.05,
    show_default=True,
    help="Share of photos like those of training that the model may call unknown (is_known in its answers). Lower it "
    "to be told less often, raise it to let fewer strange photos pass.",
)
@output_option(
    "--folds",
    type=int,
    help="Number of folds of a cross-validation over all images, beside the scores of the held-out part. Give 5 or 10 "
    "where few images are held out.",
)
@output_option(
    "--learning-curve",
    "curve",
    is_flag=True,
    help="Print the score against the number of training images. Give it to see whether more of them would help.",
)
@output_option(
    "--draft",
    is_flag=True,
    help="Stop at the scores, without an export. Give it to try options; the same command without it exports.",
)
@OUT
@output_option("--profile", is_flag=True, help="Print how many seconds each stage took. Give it to see what is slow.")
@IMPORT
@JSON
def finetune(path: str, weights: str, augment: str, profile: bool, as_json: bool, **options: object) -> None:
    """Fine-tune a pretrained model on the images in PATH, score it, and export it ready to serve.

    PATH is a folder with one sub-folder a class, or with train/, val/ and test/ of such, or a manifest, a table with
    a column of paths and one of labels or numbers. Or it has images/ beside masks/, and a U-Net on the pretrained
    model learns the class of each pixel. It is only read. Scores are on images held out from all training.

    \b
    zoo finetune photos/
    zoo finetune photos/ --effort balanced --out saved_models/better
    """
    from applications.fine_tuning import fine_tune
    from zoo.artifacts import artifact
    from zoo.commands import tables
    from zoo.commands.datasets import read_manifest

    def report(evaluation: object, data: object, notes: tuple[str, ...]) -> None:
        tables.show_data(data)
        tables.show_evaluation(evaluation)
        for note in notes:
            say(note)
        if not options["draft"]:
            say("exporting, and checking the export against the model ...")

    result = fine_tune(
        read_manifest(path, options, options["seed"]),
        weights=None if weights == "random" else weights,
        augment=[name for name in augment.split(",") if name not in ("", "none")],
        report=None if as_json else report,
        **options,
    )
    if as_json:
        metrics = result.evaluation.to_dict()
        findings = [finding._asdict() for finding in result.findings]
        made = {"artifact": None if result.artifact is None else str(result.artifact), "metrics": metrics}
        made |= {"seconds": result.seconds, "findings": findings}
        if result.cross_validation is not None:
            made["cross_validation"] = result.cross_validation.to_dict()
        if result.learning_curve is not None:
            made["learning_curve"] = result.learning_curve.to_dict()
        say_json(made)
        return
    for more in (result.cross_validation, result.learning_curve):
        if more is not None:
            tables.show_evaluation(more)
    if result.artifact is None:
        say("a draft: the same command without --draft exports the model; the embeddings are kept")
    else:
        made = artifact.load(result.artifact)
        tables.show_parity(made.card["parity"], made.task)
        say(f"artifact: {result.artifact}\nask it:   zoo predict {result.artifact.parent} PHOTO")
    if profile:
        for stage, seconds in result.seconds.items():
            say(f"{stage:>10} {seconds:7.2f} s")


@click.command(short_help="List the pretrained models that zoo finetune takes.")
@JSON
def backbones(as_json: bool) -> None:
    """List the pretrained models: size, and whether their weights are on this machine."""
    from rich.table import Table

    from applications.backbones import BACKBONES, available
    from zoo.progress import CONSOLE

    availability = {name: available(name) for name in BACKBONES}
    if as_json:
        rows = [
            row._asdict() | {"available": availability[name][0], "how": availability[name][1]}
            for name, row in BACKBONES.items()
        ]
        say_json(rows)
        return
    table = Table("backbone", "input", "embedding", "parameters", "weights")
    for name, row in BACKBONES.items():
        is_here, how = availability[name]
        weights = "[green]on this machine[/]" if is_here else how
        size, million = f"{row.input_size}", f"{row.parameters / 1e6:.1f} M"
        table.add_row(name, size, str(row.embedding_width), million, weights)
    CONSOLE.print(table)


@click.command(cls=Grouped, short_help="Find the photos of a folder that are most like one of yours.")
@click.argument("photos", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="PHOTO...")
@click.argument("folder", type=click.Path())
@model_option(
    "--backbone",
    default="efficientnet_lite0",
    show_default=True,
    shell_complete=completing(of("applications.backbone_table:BACKBONES"), otherwise="file"),
    help="Pretrained network whose embeddings are compared. Change it where another one sees your photos better, to "
    "one that zoo backbones lists or to a .keras file of your own.",
)
@WEIGHTS
@PREPROCESSING
@from_option(
    help="Model of your own whose network is used instead of a backbone. Give it after a fine-tune that trained the "
    "last blocks.",
)
@INPUT_SIZE(
    help="Side of the photos in pixels that the network sees. Lower it to be quicker, raise it where details matter.  "
    "[default: the backbone's]"
)
@output_option(
    "--top",
    default=5,
    show_default=True,
    type=click.IntRange(1),
    help="Number of photos to show for each PHOTO, the nearest first. Raise it to see more.",
)
@output_option(
    "--csv",
    "csv_path",
    **OUTPUT,
    help="File to write with one row a photo found: photo, rank, name, similarity. Give it where there are many.",
)
@output_option(
    "--picture",
    **OUTPUT,
    help="File of a picture with each PHOTO at the left, and beside it the photos found, with their similarity; its "
    "suffix says the format, as .png. Give it to look at them.",
)
@IMPORT
@JSON
def similar(
    photos: tuple[str, ...],
    folder: str,
    backbone: str,
    weights: str,
    preprocessing: str | None,
    start: str | None,
    input_size: int | None,
    top: int,
    csv_path: str | None,
    picture: str | None,
    as_json: bool,
) -> None:
    """Find the photos in FOLDER that are most like each PHOTO: files, folders, patterns, or - for a list on stdin.

    FOLDER has photos at any depth and needs no labels. Similarity is the cosine of two embeddings by a pretrained
    network: 1 for the same content, near 0 for unrelated ones. Embeddings are kept, so a second search is quick. Files
    with the very content of a PHOTO are no results but listed as copies. A PHOTO that can't be read is a row with its
    reason; the exit code is 1 only if none could be read.

    \b
    zoo similar holiday.jpg photos/
    zoo similar new/*.jpg photos/ --top 3 --picture similar.png
    """
    import sys
    from pathlib import Path

    from applications import similarity
    from zoo.commands import tables
    from zoo.kinds.images.sources import named

    extractor = similarity.extractor(
        backbone, None if weights == "random" else weights, input_size, start, preprocessing
    )
    results, notes = similarity.search(list(named(photos, sys.stdin)), folder, top, extractor)
    if csv_path:
        similarity.write(results, csv_path)
    if picture and not all(result.error for result in results):
        similarity.draw(results, picture)
    if as_json:
        rows = [similarity.row(result) for result in results]
        say_json({"photos": rows, "left_out": [note._asdict() for note in notes]})
    else:
        if not csv_path:
            _show_similar(results)
        tables.show_notes(notes)
        for written in (csv_path, picture):
            if written and Path(written).is_file():
                say(f"written: {written}")
    if all(result.error for result in results):
        raise click.exceptions.Exit(1)


def _show_similar(results: list[Similar]) -> None:
    from rich.table import Table

    from zoo.progress import CONSOLE, literal

    table = Table()
    table.add_column("photo", overflow="fold")
    table.add_column("similarity", no_wrap=True)
    table.add_column("most similar", overflow="fold")
    for result in results:
        name = literal(result.name)
        if result.error:
            table.add_row(name, "", f"[yellow]unreadable[/]: {literal(result.error)}")
        for at, copy in enumerate(result.copies):
            table.add_row("" if at else name, "copy", literal(copy))
        for at, each in enumerate(result.neighbours):
            table.add_row("" if at or result.copies else name, f"{each.similarity:.4f}", literal(each.name))
        if not (result.error or result.copies or result.neighbours):
            table.add_row(name, "", "no other photo")
    CONSOLE.print(table)
