"""The command `zoo verify`: parse, call, print."""

from __future__ import annotations

import click

from zoo.commands.options import ARTIFACT, IMPORT, JSON
from zoo.terminal import say, say_json


@click.command(short_help="Check the files of a model, and prove it again.")
@ARTIFACT
@click.argument("path", required=False, type=click.Path())
@click.option(
    "--seed",
    default=0,
    show_default=True,
    help="Random seed for made-up inputs and for the choice among many. Change it to compare on others.",
)
@JSON
@IMPORT
def verify(artifact: str, path: str | None, seed: int, as_json: bool) -> None:
    """Check the files of ARTIFACT against their checksums, and that its SavedModel answers as its Keras model.

    It compares their answers to made-up inputs, or to those in PATH: a file or folder of the kind that the model takes,
    with or without labels. The exit code is 1 if a file is changed, missing or unexpected, or if an answer differs.
    """
    from zoo.formats import verifying

    verification = verifying.verify(artifact, path, seed)
    if as_json:
        say_json(verification.to_dict())
    else:
        for line in verification.lines():
            say(line)
    if not verification.passed:
        raise click.exceptions.Exit(1)
