"""Options that several commands share, and help that shows options in groups."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click

from zoo.commands import completing

OTHERS = "Other options"  # without a group
GROUPS = ("Data", "Model", "Search", "Training", "Output", OTHERS)  # in the order of a help page


class Option(click.Option):
    """An option that knows under which heading help shows it.

    Args:
        names: as `click.Option` takes them.
        group: one of `GROUPS`.
        attributes: as `click.Option` takes them.
    """

    def __init__(self, *names: Any, group: str = OTHERS, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.group = group


class Grouped(click.Command):
    """A command whose help shows its options under the headings in `GROUPS`."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section a group, without empty ones."""
        options = [each for each in self.get_params(context) if isinstance(each, click.Option)]
        for group in GROUPS:
            members = [each for each in options if getattr(each, "group", OTHERS) == group]
            rows = [row for row in (each.get_help_record(context) for each in members) if row is not None]
            if rows:
                with formatter.section(group):
                    formatter.write_dl(rows)


data_option = partial(click.option, cls=Option, group="Data")
model_option = partial(click.option, cls=Option, group="Model")
search_option = partial(click.option, cls=Option, group="Search")
training_option = partial(click.option, cls=Option, group="Training")
output_option = partial(click.option, cls=Option, group="Output")

ARTIFACT = click.argument("artifact", shell_complete=completing.ARTIFACTS)
BUILDER = click.argument("builder", shell_complete=completing.BUILDERS)
JSON = output_option(
    "--json", "as_json", is_flag=True, help="Print one line of JSON instead of tables, for scripts to read."
)
OUT = output_option(
    "--out",
    type=click.Path(),
    help="Folder of the artifact; each training adds a version to it. Change it to keep models apart.  "
    "[default: saved_models/ and the name of PATH]",
)
INPUT_SIZE = partial(data_option, "--input-size", type=int)
SEED = partial(training_option, "--seed", type=click.IntRange(0), default=0, show_default=True)


def _import_files(_: click.Context, __: click.Parameter, files: tuple[str, ...]) -> None:
    if files:
        from zoo.training.own_code import import_file

        for file in files:
            import_file(file)


IMPORT = model_option(
    "--import",
    metavar="FILE",
    multiple=True,
    expose_value=False,
    callback=_import_files,
    help="Run a Python file first that registers layers or tasks of your own. Needed for models that use them.",
)


def writable(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A callback of an option that checks, before the work, that a file can be written."""
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
    "target": data_option(
        "--target",
        help="Column to predict; give several with commas between. Needed where no column is named target, label, "
        "class or y, or as targets often are.",
    ),
    "task": data_option(
        "--task",
        shell_complete=completing.TASKS,
        help="What to predict: classification, multi_label or regression. Give it where the values alone mislead, as "
        "with grades from 1 to 6, which can be classes or amounts.",
    ),
    "column": data_option(
        "--text",
        "column",
        help="Column that holds the text, or several with commas between, which are joined. Give it to learn from text "
        "alone where a table has other columns.",
    ),
    "group": data_option(
        "--group",
        help="Column whose equal values stay on one side of the split. Give it where rows belong together, as those of "
        "one patient do: otherwise scores come out too good.",
    ),
    "later": data_option(
        "--later",
        metavar="COLUMN",
        help="Column of dates of a table: the latest rows are held out rather than random ones. Give it where the "
        "model will be asked about days to come: random rows of the same days make scores too good.",
    ),
    "series": data_option(
        "--series",
        help="Column that says which sequence a row belongs to. Give it where a table holds many sequences, or with "
        "--horizon many series to forecast, as those of shops or sensors.",
    ),
    "time": data_option(
        "--time", help="Column that holds the time, by which rows are sorted. Give it where they are not in order."
    ),
    "day_first": data_option(
        "--day-first/--month-first",
        default=None,
        help="Which comes first in dates as 01/02/2024. Give it where zoo check says that either could be meant.",
    ),
    "window": data_option(
        "--window",
        type=int,
        help="Number of past steps that a forecast looks at. Raise it to cover longer patterns, as a year in monthly "
        "values.",
    ),
    "horizon": data_option(
        "--horizon", type=int, help="Number of steps to forecast. Give it to have a table read as a series."
    ),
    "fill": data_option(
        "--fill",
        metavar="HOW",
        help="How gaps of a series are filled, values and rows for missing times: previous or zero. Give it where a "
        "gap means that nothing changed, or that nothing was sold.",
    ),
    "known": data_option(
        "--known",
        help="Columns of a series whose values are known ahead, as holidays or prices; give several with commas "
        "between. Files to predict have them in further rows, without the target.",
    ),
    "path_column": data_option(
        "--path-column",
        help="Column of a manifest that holds the paths of the images. Give it where it is not recognised.",
    ),
    "label_column": data_option(
        "--label-column",
        help="Column of a manifest that holds the labels or numbers, or several of numbers or of 0 and 1 with commas "
        "between. Give it where there are other columns.",
    ),
    "images": data_option(
        "--images",
        type=click.Path(),
        metavar="FOLDER",
        help="Folder of the images that a manifest lists. Give it where they are not beside the manifest.",
    ),
    "suffix": data_option(
        "--suffix",
        metavar=".SUFFIX",
        help="Suffix of the images that a manifest lists without one, as .jpg. Give it where files differ in nothing "
        "else.",
    ),
    "bits": data_option(
        "--bits",
        type=click.IntRange(8, 16),
        help="Bits that samples of 16-bit grey images have. Give it where zoo check says that they are nearly black.",
    ),
    "labels": data_option(
        "--no-labels",
        "labels",
        flag_value=False,
        default=None,
        help="Read images without classes. Give it for autoencoders and GANs on a folder that has none.",
    ),
}


MANIFEST = ("task", "path_column", "label_column", "images", "suffix", "bits")  # in READING, of images


def naming_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options on the columns and files of a manifest."""
    for name in ("suffix", "images", "label_column", "path_column"):
        command = READING[name](command)
    return command


def manifest_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options on how to read a manifest of images."""
    for name in reversed(MANIFEST):
        command = READING[name](command)
    return command


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options on how to read a path."""
    for option in reversed(READING.values()):
        command = option(command)
    return command
