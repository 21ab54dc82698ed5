"""A first look at a path: names and first lines, by which a kind of input recognises its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from zoo.data import csv_files

LOOK = 500  # files of a folder that are looked at


class Look:
    """What a path seems to hold.

    Args:
        path: of a folder or a file that is there.
        options: of the reader, those that are given.
    """

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self.path, self.options = path, options

    @cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path.is_dir()

    @property
    def name(self) -> str:
        """Of a file, its name in lower case; empty of a folder."""
        return "" if self.is_folder else self.path.name.lower()

    @cached_property
    def top(self) -> tuple[str, ...]:
        """Names in the folder itself, in lower case."""
        return tuple(entry.name.lower() for entry in os.scandir(self.path)) if self.is_folder else ()

    @cached_property
    def below(self) -> tuple[str, ...]:
        """Names of files in its sub-folders, in lower case, hidden ones aside; the first 500."""
        return tuple(islice(self._files(), LOOK)) if self.is_folder else ()

    @cached_property
    def head(self) -> csv_files.Head | None:
        """Columns and first rows of a CSV or TSV file; None of anything else.

        Raises:
            InputError: it can't be read.
        """
        if not self.name.endswith(csv_files.SUFFIXES):
            return None
        return csv_files.head_of(self.path, header=self.options.get("header"))

    def mostly(self, suffix: str) -> bool:
        """Whether most files in the sub-folders have that suffix."""
        count = sum(name.endswith(suffix) for name in self.below)
        return bool(count) and 2 * count > len(self.below)

    def asks(self, *options: str) -> bool:
        """Whether one of these options is given."""
        return bool(set(options) & set(self.options))

    def _files(self) -> Iterator[str]:
        for folder, inner, names in os.walk(self.path):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            if Path(folder) != self.path:
                yield from (name.lower() for name in sorted(names) if not name.startswith("."))
