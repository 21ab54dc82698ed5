"""Damaged caches of embeddings, and damaged states of training runs."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.reliability.table import Row

CACHES, STATES = 60, 60


def caches(work: Path) -> Row:
    """Embeddings are those of a whole cache, and the next run has nothing to tell."""
    from PIL import Image

    from applications.features import Extractor, embed
    from zoo.files import cache_folder
    from zoo.kinds.images.folders import labelled

    rng = np.random.default_rng(2)
    for at in range(24):
        path = work / "photos" / ("one" if at % 2 else "two") / f"{at}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    examples, *_ = labelled(work / "photos")
    extractor = Extractor("efficientnet_lite0", "imagenet", 32, 1.0)
    expected, _ = embed(examples, extractor)
    path = cache_folder("embeddings") / f"{extractor.key}.sqlite"
    whole, harms = path.read_bytes(), _harms()
    right, told = 0, 0
    for number in range(CACHES):
        path.write_bytes(whole)
        harms[number % len(harms)](path, np.random.default_rng(number))
        try:
            runs = []
            for _ in range(2):
                with warnings.catch_warnings(record=True) as heard:
                    warnings.simplefilter("always")
                    found, failures = embed(examples, extractor)
                same = not failures and all(np.array_equal(found[name], expected[name]) for name in expected)
                runs.append((same, len(heard)))
        except Exception as error:
            print(f"cache {number}: {type(error).__name__}: {error}")
            continue
        told += runs[0][1] > 0
        right += runs[0][0] and runs[1] == (True, 0)
        if not (runs[0][0] and runs[1] == (True, 0)):
            print(f"cache {number}, harm {number % len(harms)}: {runs}")
    note = f"embeddings equal those of a whole cache, and the next run finds it whole ({told} told)"
    return Row("damaged caches of embeddings", CACHES, right, note)


def _harms() -> list[Callable[[Path, np.random.Generator], object]]:
    def filled(path: Path, rng: np.random.Generator, fill: Callable[[int], bytes], most: int) -> None:
        content = bytearray(path.read_bytes())
        start = int(rng.integers(len(content)))
        end = min(len(content), start + int(rng.integers(1, most)))
        content[start:end] = fill(end - start)
        path.write_bytes(content)

    def flipped(path: Path, rng: np.random.Generator, count: int) -> None:
        content = bytearray(path.read_bytes())
        for at in rng.integers(len(content), size=count):
            content[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)

    def changed(path: Path, rng: np.random.Generator, statement: str) -> None:
        connection = sqlite3.connect(path)
        with connection:
            connection.execute(statement)
        connection.close()

    first = "(SELECT digest FROM embeddings LIMIT 1)"
    return [
        lambda path, rng: flipped(path, rng, 1),
        lambda path, rng: flipped(path, rng, 100),
        lambda path, rng: filled(path, rng, bytes, 2000),
        lambda path, rng: filled(path, rng, bytes, 60_000),
        lambda path, rng: filled(path, rng, rng.bytes, 20_000),
        lambda path, rng: path.write_bytes(path.read_bytes()[: int(rng.integers(path.stat().st_size))]),
        lambda path, rng: path.write_bytes(rng.bytes(100) + path.read_bytes()[100:]),
        lambda path, rng: path.with_name(f"{path.name}-journal").write_bytes(path.read_bytes()[:5000]),
        lambda path, rng: changed(path, rng, f"UPDATE embeddings SET vector = zeroblob(5120) WHERE digest = {first}"),
        lambda path, rng: changed(path, rng, f"UPDATE embeddings SET vector = 'text' WHERE digest != {first}"),
        lambda path, rng: changed(path, rng, "UPDATE embeddings SET vector = (SELECT MAX(vector) FROM embeddings)"),
        lambda path, rng: changed(path, rng, "ALTER TABLE embeddings RENAME COLUMN vector TO v"),
    ]


def states(work: Path) -> Row:
    """States are restored as they were kept, or not at all."""
    import keras

    from zoo.training.checkpoints import Checkpoint

    work.mkdir(parents=True)
    rng, path = np.random.default_rng(3), work / ".state-0.npz"
    values = rng.normal(size=(200, 30)).astype(np.float32)
    variable = keras.Variable(values)
    Checkpoint(path, every=0).keep([variable], [{"loss": 0.5}], 1, 0.5, [values])
    whole, right, told = path.read_bytes(), 0, 0
    for number in range(STATES):
        content, at = bytearray(whole), int(rng.integers(len(whole)))
        if number % 3 == 0:
            content = content[:at]
        elif number % 3 == 1:
            content[at] ^= 1 << int(rng.integers(8))
        else:
            content[at : at + 4096] = bytes(len(content[at : at + 4096]))
        path.write_bytes(content)
        variable.assign(np.zeros_like(values))
        try:
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always")
                epochs, *_ = Checkpoint(path).restore([variable])
        except Exception as error:
            print(f"state {number}: {type(error).__name__}: {error}")
            continue
        told += bool(heard)
        right += not np.any(variable) and epochs == [] if heard else np.array_equal(variable, values)
    note = f"training begins anew and says so ({told}), or what is restored is what was kept"
    return Row("damaged states of a training run", STATES, right, note)
