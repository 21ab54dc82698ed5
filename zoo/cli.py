"""The command ``zoo``: finds its commands in the installed packages, and reports every failure in one line."""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

import click

from zoo import __version__, startup, terminal
from zoo.errors import InputError, JobError, Notice

LONGEST = 2000  # characters of an error message; a value in it may be as long as a file
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of a disk, a quota, a file


GROUPS = {  # heading of `zoo --help` -> commands, in the order in which users need them
    "Look at data": ("sample", "check"),
    "Train": ("train", "finetune", "lr-find", "models", "show", "backbones"),
    "Search": ("tune",),
    "Predict and evaluate": ("predict", "evaluate", "similar", "anomalies", "reconstruct", "generate", "latent"),
    "Ship": ("export", "formats", "verify", "serve"),
}
MORE = "More"  # commands of other packages
COMPLETION = """Tab completion of commands, options and names, by one line in a file of your shell:

\b
bash  ~/.bashrc   eval "$(_ZOO_COMPLETE=bash_source zoo)"
zsh   ~/.zshrc    eval "$(_ZOO_COMPLETE=zsh_source zoo)"
fish  ~/.config/fish/completions/zoo.fish   _ZOO_COMPLETE=fish_source zoo | source"""


class Commands(click.Group):
    """Commands from the entry-point group ``zoo.commands``; any installed package may add one."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Names in alphabetical order."""
        return sorted(entry.name for entry in entry_points(group="zoo.commands"))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of this name, or None."""
        entries = entry_points(group="zoo.commands", name=name)
        return next(iter(entries)).load() if entries else None

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command named by the first argument.

        Raises:
            click.UsageError: no command has this name; the message suggests a similar one.
        """
        name = arguments[0]
        if not (context.resilient_parsing or name.startswith("-") or self.get_command(context, name)):
            similar = get_close_matches(name.lower(), self.list_commands(context), n=1)
            hint = f"Did you mean {similar[0]!r}?" if similar else "See zoo --help."
            context.fail(f"No such command {name!r}. {hint}")
        return super().resolve_command(context, arguments)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in `GROUPS`, then the commands of other packages."""
        names = self.list_commands(context)
        own = {name for group in GROUPS.values() for name in group}
        width = max(map(len, names), default=0)
        for title, group in {**GROUPS, MORE: tuple(name for name in names if name not in own)}.items():
            commands = [(name, self.get_command(context, name)) for name in group if name in names]
            limit = formatter.width - width - 6
            rows = [(f"{name:{width}}", c.get_short_help_str(limit)) for name, c in commands if c and not c.hidden]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


@click.command(
    cls=Commands, epilog=COMPLETION, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="zoo")
def zoo() -> None:
    """From a folder of images to a served model.

    \b
    zoo sample digits digits/           a real data set to begin with
    zoo finetune digits/                train, score, export
    zoo predict digits photo.png        ask the exported model

    \b
    Every command explains itself: zoo COMMAND --help
    An error in full: add --debug

    \b
    Artifacts go to saved_models/ (--out names another place), runs in progress
    to .runs/ ($ZOO_RUNS), what can be made again to your cache ($ZOO_CACHE).
    """


def main() -> None:
    """Run the command line; exit code 2 for wrong use, 1 for a failed job."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    terminal.escape_unencodable()
    startup.skip_needless_imports()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # otherwise TensorFlow describes its build on every run
    try:
        with _own_warnings_only() if not debug else nullcontext():
            # click returns the exit code of a command that has one, None for success, and raises everything else.
            sys.exit(zoo.main(arguments, prog_name="zoo", standalone_mode=False))
    except click.ClickException as error:
        error.message = terminal.safe(error.message, keep="\n")  # it may repeat the user's input
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        terminal.say("zoo: interrupted; the same command goes on from what is done", error=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader, as `head`, has read enough
        sys.exit(1)
    except Exception as error:
        if debug:
            terminal.say(traceback.format_exc().rstrip(), error=True)
        terminal.say(f"zoo: {_line(error)}", error=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


@contextmanager
def _own_warnings_only() -> Iterator[None]:
    """Show the warnings of this project, each in one line, and no other warning or log.

    Warnings of libraries are meant for programmers. Libraries may set filters of their own, so `warnings.showwarning`
    is replaced too.
    """

    def show(message: Warning | str, category: type[Warning], *_: Any) -> None:
        if issubclass(category, Notice):
            terminal.say(f"zoo: {' '.join(str(message).split())}", error=True)

    disabled, last = logging.root.manager.disable, logging.lastResort
    logging.disable(logging.WARNING)
    logging.lastResort = logging.NullHandler()  # for errors without a handler
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("always", category=Notice)
            warnings.showwarning = show
            yield
    finally:
        logging.disable(disabled)
        logging.lastResort = last


def _line(error: Exception) -> str:
    if getattr(error, "errno", None) in FULL or any(os.strerror(code) in str(error) for code in FULL):
        where = getattr(error, "filename", None) or os.getcwd()
        return f"no space left to write {where}; free some, and give the same command again: it goes on from there"
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}{f': {error.filename}' if error.filename else ''}"
        return " ".join(text.split())[:300]  # HDF5 writes several lines
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, (InputError, JobError)):
        return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    return f"{type(error).__name__}: {text[:300]} (--debug shows where)"
