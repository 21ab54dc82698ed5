"""Commands that write a sample data set and check data; and the reading of data by options: parse, call, print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zoo.commands import completing
from zoo.commands.options import IMPORT, JSON, MANIFEST, READING, reading_options
from zoo.terminal import say, say_json

if TYPE_CHECKING:
    from zoo.data import Data


def read(path: str, options: dict[str, object], seed: int = 0) -> Data:
    """The data in `path`; removes the options of `reading_options` from `options`."""
    from zoo.data import open as open_data

    options_given = {name: options.pop(name) for name in READING}
    options_given = {name: value for name, value in options_given.items() if value is not None}
    for name in ("target", "column"):
        if isinstance(given := options_given.get(name), str) and "," in given:
            options_given[name] = given.split(",")
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
    """Read all of PATH as training would, and list what is bad or odd. Changes nothing.

    Of a table each column is shown: what it is read as, how much of it is missing, and what stands in for that. What
    training would refuse is an error here too.
    """
    from zoo.commands import tables
    from zoo.errors import InputError

    data = read(path, options)
    refused = None
    if data.task.checks_classes:
        try:
            data.check_classes()
        except InputError as error:
            refused = error
    if as_json:
        counts = {name: len(part) for name, part in data.parts.items()}
        summary = {
            "task": data.task.name,
            "classes": data.classes,
            "parts": counts,
            "intake": [note._asdict() for note in data.intake],
        }
        targets = {name: data.task.summary(part.targets) for name, part in data.parts.items()}
        more = {
            "targets": targets if any(targets.values()) else None,
            "columns": data.kind.table_columns(data.train, data.intake),
            "refused": str(refused) if refused else None,
        }
        say_json(summary | {name: value for name, value in more.items() if value})
    else:
        tables.show_columns(data.kind.table_columns(data.train, data.intake))
        tables.show_data(data, all_notes=True)
    if refused is not None:
        raise refused
