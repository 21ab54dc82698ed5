"""Files of `zoo reconstruct`: pictures of images beside their reconstructions, tables of sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.artifacts.reconstructor import Reconstructor
from zoo.commands import generative_tables
from zoo.commands.generative_tables import Reconstructed
from zoo.data.notes import Note
from zoo.errors import InputError
from zoo.pictures import sheets

DRAWN = 160  # images in a picture, at most: ten bands


def images(
    reconstructor: Reconstructor, paths: Sequence[str], out: str, csv_path: str | None
) -> tuple[list[Reconstructed], int]:
    """Draw the first images above their reconstructions.

    Args:
        reconstructor: of images.
        paths: files and folders.
        out: the picture.
        csv_path: where to write the error of each image, if anywhere.

    Returns:
        the error of each image, and how many are drawn.

    Raises:
        InputError: nothing could be read.
    """
    rows: list[Reconstructed] = []
    originals: list[np.ndarray] = []
    reconstructions: list[np.ndarray] = []
    for names, inputs, errors in reconstructor.batches(paths):
        scores = iter(() if inputs is None else reconstructor.model.score(inputs).tolist())
        rows += [
            Reconstructed(name, None, errors[at]) if at in errors else Reconstructed(name, next(scores), None)
            for at, name in enumerate(names)
        ]
        room = DRAWN - sum(map(len, originals))
        if inputs is not None and room > 0:
            originals.append(inputs[:room])
            reconstructions.append(reconstructor.reconstructed(inputs[:room]))
    if not originals:
        raise InputError(f"nothing could be read; {rows[0].name}: {rows[0].error}")
    pixels = np.concatenate(originals)
    sheets.rows(pixels, np.concatenate(reconstructions), path=out, labels=("input", "reconstruction"))
    if csv_path:
        generative_tables.write_reconstructed(rows, csv_path)
    return rows, len(pixels)


def sequences(reconstructor: Reconstructor, paths: Sequence[str], csv_path: str) -> tuple[int, list[Note]]:
    """Write inputs and reconstructions as a table.

    Returns:
        how many sequences it has, and what was left out.

    Raises:
        InputError: nothing could be read.
    """
    names, inputs, errors = reconstructor.read(paths)
    read = [name for at, name in enumerate(names) if at not in errors]
    features = list(reconstructor.kind.features)
    generative_tables.write_sequences(read, features, inputs, reconstructor.reconstructed(inputs), csv_path)
    return len(read), [Note(names[at], "left out", reason) for at, reason in errors.items()]
