"""Commands of the pretrained models: parse, call, print."""

from __future__ import annotations

import click

from zoo.terminal import say, say_json


@click.command()
@click.argument("path", type=click.Path())
@click.option("--backbone", default="efficientnet_lite0", show_default=True, help="Any of: zoo backbones.")
@click.option(
    "--effort",
    type=click.Choice(["quick", "balanced", "max"]),
    default="quick",
    show_default=True,
    help="quick: a linear head. balanced: the last blocks too, if that helps. max: always try, ship the better.",
)
@click.option("--out", type=click.Path(), help="Folder of the artifact.  [default: saved_models/ and the name of PATH]")
@click.option("--seed", default=0, show_default=True, help="Of the split and of the training.")
@click.option("--weights", default="imagenet", show_default=True, help="imagenet, random, or a weights file.")
@click.option("--from", "start", metavar="ARTIFACT", help="Start from your own model instead of a backbone.")
@click.option("--input-size", type=int, help="Side of the model's input in pixels.  [default: the backbone's]")
@click.option("--epochs", default=12, show_default=True, help="At most, for the last blocks.")
@click.option("--unfreeze", type=int, help="How many of the last blocks to train.  [default: the backbone's]")
@click.option("--learning-rate", default=1e-4, show_default=True, help="For the last blocks, at its peak.")
@click.option(
    "--augment",
    default="flip,crop",
    show_default=True,
    help="For the last blocks: any of flip, crop, color, randaugment, mixup, or none.",
)
@click.option("--profile", is_flag=True, help="Print where the time went.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def finetune(path: str, weights: str, augment: str, profile: bool, as_json: bool, **options: object) -> None:
    """Fine-tune a pretrained model on the images in PATH, score it, and export it ready to serve.

    PATH is a folder with one sub-folder a class, or with train/, val/ and test/ of such, or a manifest with the
    columns path,label[,split][,group]. It is only read. Scores are on images held out from all training.

    \b
    zoo finetune photos/
    zoo finetune photos/ --effort balanced --out saved_models/better
    """
    from applications.fine_tuning import fine_tune
    from zoo.artifacts import artifact
    from zoo.commands import tables

    def report(evaluation: object, data: object, notes: tuple[str, ...]) -> None:
        tables.show_data(data)
        tables.show_evaluation(evaluation)
        for note in notes:
            say(note)
        say("exporting, and checking the export against the model ...")

    result = fine_tune(
        path,
        weights=None if weights == "random" else weights,
        augment=[name for name in augment.split(",") if name not in ("", "none")],
        report=None if as_json else report,
        **options,
    )
    if as_json:
        metrics = result.evaluation.to_dict()
        findings = [finding._asdict() for finding in result.findings]
        made = {"artifact": str(result.artifact), "metrics": metrics, "seconds": result.seconds, "findings": findings}
        say_json(made)
        return
    made = artifact.load(result.artifact)
    tables.show_parity(made.card["parity"], made.task)
    say(f"artifact: {result.artifact}\nask it:   zoo predict {result.artifact.parent} PHOTO")
    if profile:
        for stage, seconds in result.seconds.items():
            say(f"{stage:>10} {seconds:7.2f} s")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def backbones(as_json: bool) -> None:
    """List the pretrained models: size, and whether their weights are on this machine."""
    from rich.table import Table

    from applications.backbones import BACKBONES, available
    from zoo.progress import CONSOLE

    found = {name: available(name) for name in BACKBONES}
    if as_json:
        rows = [row._asdict() | {"available": found[name][0], "how": found[name][1]} for name, row in BACKBONES.items()]
        say_json(rows)
        return
    table = Table("backbone", "input", "embedding", "parameters", "weights")
    for name, row in BACKBONES.items():
        here, how = found[name]
        weights = "[green]on this machine[/]" if here else how
        size, million = f"{row.input_size}", f"{row.parameters / 1e6:.1f} M"
        table.add_row(name, size, str(row.embedding_width), million, weights)
    CONSOLE.print(table)
