"""Where the files are that a manifest lists: as it says, with a suffix, or in a folder beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from zoo.errors import InputError
from zoo.kinds.folder_parts import folders_in, side_of
from zoo.kinds.images.decoding import EXTENSIONS

SAMPLE = 40  # values that are looked for in every folder
DEPTH = 3  # of folders beside a manifest
MOST = 300  # folders that are looked into
ENOUGH = 0.5  # share of the sample that is there, from which on nothing else is looked for


@dataclass(frozen=True)
class Way:
    """How a value of a manifest becomes a path.

    Attributes:
        folder: that the path is relative to.
        dropped: leading parts of the value that are left out, as those of another machine.
        suffix: that is added.
    """

    folder: Path
    dropped: int = 0
    suffix: str = ""

    def path(self, value: str) -> Path | None:
        """The path that a value stands for; None where too few parts are left."""
        parts = parts_of(value)[self.dropped :]
        return self.folder.joinpath(*parts[:-1], parts[-1] + self.suffix) if parts else None

    def finds(self, value: str) -> Path | None:
        """The file that a value stands for, if it is there."""
        path = self.path(value)
        return path if path is not None and os.path.isfile(path) else None


class Files:
    """The files of a manifest.

    Args:
        manifest: its path.
        values: of the column of paths; a sample of them says where the files are.
        images: folder of the files; else they are looked for beside the manifest.
        suffix: of the files, as ``.jpg``; else those of images are tried where a value has none.

    Raises:
        InputError: there is no such folder, or the values fit files of two folders or two suffixes alike.
    """

    def __init__(self, manifest: Path, values: Sequence[str], images: Path | None = None, suffix: str | None = None):
        self.manifest, self.folder = manifest, images or manifest.parent
        if not self.folder.is_dir():
            raise InputError(f"{self.folder} is no folder: expected the one with the images of {manifest}")
        self.suffix = None if suffix is None else "." + suffix.removeprefix(".")
        step = max(1, len(values) // SAMPLE)
        sample = [value for value in values[::step] if value]
        plain = sum(os.path.exists(self.folder / value) for value in sample)
        self.ways: list[Way] = []
        self.share = plain / len(sample) if sample else 0.0
        if sample and self.share < ENOUGH:
            self.ways = self._ways(sample)
            self.share = max(self.share, sum(self._found(value) is not None for value in sample) / len(sample))

    def path(self, value: str) -> Path:
        """The file that a value stands for, or where it would be."""
        plain = self.folder / value
        if os.path.lexists(plain):
            return plain
        return self._found(value) or (self.ways and self.ways[0].path(value)) or plain

    def words(self) -> str:
        """How values were made paths, as part of a note; empty where they are paths as they are."""
        if not self.ways:
            return ""
        folders = dict.fromkeys(
            "the folder of the manifest" if way.folder == self.manifest.parent else str(way.folder) for way in self.ways
        )
        suffixes = sorted({way.suffix for way in self.ways if way.suffix})
        dropped = ", the folders that the manifest names before them left out" if self.ways[0].dropped else ""
        return f"files found in {', '.join(folders)}" + "".join(f" with {each}" for each in suffixes[:3]) + dropped

    def _found(self, value: str) -> Path | None:
        return next((path for way in self.ways if (path := way.finds(value)) is not None), None)

    def _ways(self, sample: list[str]) -> list[Way]:
        """Those that find most of the sample, and those that find what these do not."""
        found = {way: hits for way in self._candidates(sample) if (hits := _hits(way, sample))}
        chosen: list[Way] = []
        left = set(range(len(sample)))
        while left and found:
            most = max(len(hits & left) for hits in found.values())
            best = [way for way, hits in found.items() if len(hits & left) == most]
            if not most:
                break
            way = self._one_of(best, sample)
            chosen.append(way)
            left -= found.pop(way)
        return chosen

    def _candidates(self, sample: list[str]) -> list[Way]:
        longest = max(len(parts_of(value)) for value in sample)
        bare = any(PurePosixPath(value).suffix.lower() not in EXTENSIONS for value in sample)
        ways = []
        for folder in _below(self.folder):
            suffixes = [""]
            if self.suffix is not None:
                suffixes = [self.suffix]
            elif bare:
                endings = {os.path.splitext(entry.name)[1] for entry in os.scandir(folder)} | set(EXTENSIONS)
                suffixes += sorted(each for each in endings if each.lower() in EXTENSIONS)
            ways += [Way(folder, dropped, suffix) for dropped in range(longest) for suffix in suffixes]
        return ways

    def _one_of(self, ways: list[Way], sample: list[str]) -> Way:
        """The way to take of those that find as many."""
        kept = [each for each in ways if each.dropped == min(way.dropped for way in ways)]
        side = side_of(self.manifest.stem)
        kept = [each for each in kept if side and side_of(each.folder.name) == side] or kept
        for each in kept[1:]:
            for value in sample:
                one, other = kept[0].finds(value), each.finds(value)
                if one is not None and other is not None and not os.path.samefile(one, other):
                    raise InputError(
                        f"{self.manifest}: {value!r} may be {one} or {other}; name the folder with --images (images=) "
                        "or the ending with --suffix (suffix=)"
                    )
        return kept[0]


def parts_of(value: str) -> list[str]:
    """The parts of a path as Windows, macOS or Linux writes it, without drive and root."""
    return [part for part in value.replace("\\", "/").split("/") if part not in ("", ".") and not part.endswith(":")]


def _hits(way: Way, sample: list[str]) -> set[int]:
    return {at for at, value in enumerate(sample) if way.finds(value) is not None}


def _below(folder: Path) -> list[Path]:
    """A folder and those below it, the upper ones first."""
    found = level = [folder]
    for _ in range(DEPTH):
        level = [child for each in level for child in folders_in(each)][: MOST - len(found)]
        found = found + level
    return found
