"""A written format as a runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from zoo.errors import InputError
from zoo.startup import without_noise


def open_format(
    folder: Path, threads: int | None = None, part: str = "model"
) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Open the format in ``<version>/formats/<name>/`` with its own runtime.

    Args:
        folder: as `zoo.formats.exporting.export` writes it.
        threads: of the runtime; None for one a core.
        part: "model"; of an autoencoder also "encoder" or "decoder".

    Returns:
        a function from the inputs in the manifest, each (batch, ...) with a batch of any size, to its outputs. That of
        LiteRT must not be called by two threads at the same time: open one for each. Those of ONNX Runtime and
        OpenVINO may be; OpenVINO runs the images of a batch in parallel.

    Raises:
        InputError: there is no such format or part, its files were changed, or its runtime is not installed.
    """
    from zoo.artifacts import checksums
    from zoo.formats import process

    folder = Path(folder)
    manifest = checksums.require_format(folder)
    if part != "model" and part not in manifest.get("parts", {}):
        raise InputError(f"{folder}: expected the part model, or of an autoencoder encoder or decoder; received {part}")
    try:
        with without_noise():
            return process.opened(folder, part, threads)
    except ModuleNotFoundError as error:
        raise InputError(f"{folder}: its runtime is not installed: {error}; see zoo formats") from error
    except Exception as error:  # runtimes raise whatever they meet in a damaged file
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{folder} can't be opened: {reason}; copy it again, or export it anew") from error
