"""Commands of searches: parse, call, print."""

from __future__ import annotations

import click

from zoo.commands.completing import completing, of
from zoo.commands.datasets import read, read_manifest
from zoo.commands.options import (
    IMPORT,
    INPUT_SIZE,
    JSON,
    OUT,
    Grouped,
    model_option,
    output_option,
    reading_options,
    search_option,
    training_option,
)
from zoo.terminal import say, say_json


def _models() -> list[str]:
    from zoo.builders.registry import BUILDERS

    return ["fine_tune", *BUILDERS]


@click.command(cls=Grouped, short_help="Search hyperparameters in a given time; export the best model.")
@click.argument("path", type=click.Path())
@reading_options
@INPUT_SIZE(
    help="Side of the images in pixels that the network sees. Raise it where details matter, at the cost of time.  "
    "[default: the backbone's, or the images']"
)
@model_option(
    "--model",
    shell_complete=completing(_models),
    help="What to search: fine_tune, or a builder; zoo models lists them. Change it to compare kinds of networks.  "
    "[default: what suits PATH]",
)
@model_option(
    "--space",
    metavar="FILE.py:FUNCTION",
    help="Search space of your own, a function of hp. Give it to try other values than the builder's space has.",
)
@search_option(
    "--method",
    type=click.Choice(["random", "grid", "bayesian", "hyperband"]),
    default="random",
    show_default=True,
    help="How configurations are chosen. Change it to bayesian to learn from earlier trials, to hyperband to end bad "
    "ones early, to grid to try all.",
)
@search_option(
    "--budget",
    help="Time for the trials, as 90s, 10m or 1h30m. Raise it where the best score still rises.  [default: 10m, or "
    "none with --trials]",
)
@search_option(
    "--trials",
    type=int,
    help="Largest number of trials, besides the default configuration. Give it for a search that does not depend on "
    "the speed of the machine.",
)
@search_option(
    "--objective",
    shell_complete=completing(of("tuning.objectives:OBJECTIVES")),
    help="Score to optimise, as accuracy, f1_macro, roc_auc, log_loss, r2 or rmse. Change it to what counts for you.  "
    "[default: that of the task]",
)
@search_option(
    "--folds",
    type=int,
    help="Number of parts for cross-validation; 0 takes one inner split. Raise it for few examples, where one split "
    "decides by chance.  [default: 0; few photos: 5]",
)
@search_option(
    "--workers",
    default=1,
    show_default=True,
    help="Number of processes that run trials on this machine. Raise it where cores and memory are free.",
)
@search_option(
    "--oracle",
    metavar="HOST:PORT",
    help="Address of the chief, the same in all commands. Give it to search on several machines.",
)
@search_option(
    "--role",
    type=click.Choice(["chief", "worker"]),
    default="chief",
    show_default=True,
    help="What this process is in a search on several machines. Change it to worker in all commands but one.",
)
@training_option(
    "--seed",
    default=0,
    show_default=True,
    help="Random seed for the splits, the weights and the choice of configurations. Change it to see how much results "
    "vary.",
)
@training_option(
    "--epochs",
    type=int,
    help="Largest number of epochs of a trial. Lower it to run more trials in the same time.  [default: as zoo train]",
)
@OUT
@output_option(
    "--run",
    type=click.Path(),
    help="Folder of the search, which is kept. Give it to look at every trial later.  [default: one in .runs/]",
)
@output_option(
    "--keep",
    default=1,
    show_default=True,
    help="Number of the best trials whose weights stay on disk. Raise it to compare them later.",
)
@output_option(
    "--disk",
    type=int,
    metavar="MB",
    help="Largest space that weights may take on disk. Give it where the disk is small.",
)
@output_option(
    "--tensorboard",
    type=click.Path(),
    help="Folder for the HParams of TensorBoard. Give it to compare trials there.",
)
@JSON
@IMPORT
def tune(path: str, model: str | None, disk: int | None, as_json: bool, **options: object) -> None:
    """Search hyperparameters for PATH within a time budget, and export the best model ready to serve.

    PATH is a path that `zoo train` or `zoo finetune` takes; it is only read. Trials are scored on a part of the
    training examples. The best one is compared with the default configuration on examples that no trial saw. The same
    command continues a search that was killed.

    \b
    zoo tune photos/ --budget 5m
    zoo tune houses.csv --target price --trials 50 --method bayesian
    zoo tune digits/ --model cnn --method hyperband --budget 1h --workers 2
    """
    from tuning.searching import check_arguments, model_for, search
    from tuning.space_checks import space_of

    counts = ("trials", "folds", "epochs", "seed", "workers", "keep")
    early = ("method", "budget", "objective", "oracle", "role", "run", *counts)
    check_arguments(**{name: options[name] for name in early})
    if (model is not None and ":" not in model) or options["space"] is not None:
        space_of(model, options["space"])

    if model == "fine_tune":
        from zoo.commands.options import MANIFEST, READING

        data = read_manifest(path, options, options["seed"])
        for name in set(READING) - set(MANIFEST):
            options.pop(name)
    else:
        data = read(path, options, options["seed"])
    result = search(
        data,
        model or model_for(data),
        disk=None if disk is None else disk * 2**20,
        live=not as_json,
        **options,
    )
    if result is None:
        return
    if as_json:
        say_json(result.to_dict(), default=str)
        return
    from tuning.rendering import show_result
    from zoo.artifacts import artifact
    from zoo.commands import tables

    show_result(result)
    best = artifact.load(result.artifact)
    tables.show_parity(best.card["parity"], best.task)
    tables.show_tensors(best.card)
    say(f"artifact: {result.artifact}\nreport:   {result.artifact / 'run' / 'report.html'}")
    say(f"ask it:   {tables.question(best.verbs, result.artifact.parent, best.card)}")
