"""Commands of searches: parse, call, print."""

from __future__ import annotations

import click

from zoo.commands.asking import IMPORT, JSON, read, reading_options
from zoo.terminal import say, say_json


@click.command()
@click.argument("path", type=click.Path())
@click.option("--model", help="fine_tune, or a builder of: zoo models.  [default: what suits PATH]")
@click.option(
    "--method",
    type=click.Choice(["random", "grid", "bayesian", "hyperband"]),
    default="random",
    show_default=True,
    help="How configurations are chosen; hyperband ends bad ones early.",
)
@click.option("--budget", help="Time for the trials, as 90s, 10m, 1h30m.  [default: 10m, or none with --trials]")
@click.option("--trials", type=int, help="At most, besides the default configuration.")
@click.option("--objective", help="accuracy, f1_macro, roc_auc, log_loss, r2, rmse ...  [default: that of the task]")
@click.option("--folds", type=int, help="Of cross-validation; 0 for one inner split.  [default: 0; few photos: 5]")
@click.option("--epochs", type=int, help="Of a trial, at most.  [default: as zoo train]")
@click.option("--space", metavar="FILE.py:FUNCTION", help="A search space of your own, a function of hp.")
@click.option("--workers", default=1, show_default=True, help="Processes on this machine.")
@click.option("--out", type=click.Path(), help="Folder of the artifact.  [default: saved_models/ and the name of PATH]")
@click.option("--run", type=click.Path(), help="Folder of the search, to be kept.  [default: one in .runs/]")
@click.option("--seed", default=0, show_default=True, help="Of the splits, the weights and what is drawn.")
@reading_options
@click.option("--input-size", type=int, help="Side of the images in pixels.  [default: the backbone's, or the images']")
@click.option("--keep", default=1, show_default=True, help="Best trials whose weights stay on disk.")
@click.option("--disk", type=int, metavar="MB", help="What weights on disk may take.")
@click.option("--tensorboard", type=click.Path(), help="Folder for TensorBoard's HParams.")
@click.option("--oracle", metavar="HOST:PORT", help="Across machines: the chief's address, the same in all commands.")
@click.option(
    "--role",
    type=click.Choice(["chief", "worker"]),
    default="chief",
    show_default=True,
    help="With --oracle: what this process is.",
)
@JSON
@IMPORT
def tune(path: str, model: str | None, disk: int | None, as_json: bool, **options: object) -> None:
    """Search hyperparameters for PATH within a time budget, and export the best model ready to serve.

    PATH is what `zoo train` and `zoo finetune` take; it is only read. Trials choose on a part of the training
    examples; the winner stands beside the default configuration on examples that no trial saw. A search that was
    killed goes on when the same command is given again.

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
    if model is not None or options["space"] is not None:
        space_of(model, options["space"])

    data = path if model == "fine_tune" else read(path, options, options["seed"])
    if model == "fine_tune":
        from zoo.commands.asking import READING

        for name in READING:
            options.pop(name)
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
    made = artifact.load(result.artifact)
    tables.show_parity(made.card["parity"], made.task)
    tables.show_tensors(made.card)
    say(f"artifact: {result.artifact}\nreport:   {result.artifact / 'run' / 'report.html'}")
    say(f"ask it:   {tables.question(made.verbs, result.artifact.parent, made.card)}")
