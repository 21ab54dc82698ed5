"""The cache of embeddings: nothing damaged is used, and nothing that is damaged stops a run."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from applications.embedding_cache import EmbeddingCache

VECTORS = {
    sha256(str(at).encode()).hexdigest(): vector
    for at, vector in enumerate(np.random.default_rng(0).normal(0, 1, (40, 256)).astype(np.float32))
}


def written(path: Path, vectors: dict[str, np.ndarray] = VECTORS) -> Path:
    with EmbeddingCache(path) as cache:
        cache.write(vectors)
    return path


def before(path: Path, rows: dict[str, bytes]) -> Path:
    """A cache as 0.1.0 wrote it."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE vectors (digest TEXT PRIMARY KEY, vector BLOB) WITHOUT ROWID")
        connection.executemany("INSERT INTO vectors VALUES (?, ?)", rows.items())
    connection.close()
    return path


def run(path: Path) -> list[str]:
    """What a run is told that takes what is kept, checks it, and keeps the rest."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with EmbeddingCache(path) as cache:
            found = cache.read(VECTORS)
            assert all(np.array_equal(vector, VECTORS[digest]) for digest, vector in found.items())
            cache.write({digest: vector for digest, vector in VECTORS.items() if digest not in found})
            assert len(found) == len(VECTORS) or told
    return [str(each.message) for each in told]


def flip(path: Path, rng: np.random.Generator, count: int) -> None:
    content = bytearray(path.read_bytes())
    for at in rng.integers(len(content), size=count):
        content[at] ^= int(rng.integers(1, 256))
    path.write_bytes(content)


def fill(path: Path, rng: np.random.Generator, zero: bool) -> None:
    content = bytearray(path.read_bytes())
    start = int(rng.integers(len(content)))
    end = min(len(content), start + int(rng.integers(1, 20_000)))
    content[start:end] = bytes(end - start) if zero else rng.bytes(end - start)
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path, np.random.Generator], object]] = {
    "a byte": lambda path, rng: flip(path, rng, 1),
    "many bytes": lambda path, rng: flip(path, rng, 200),
    "zeros": lambda path, rng: fill(path, rng, True),
    "noise": lambda path, rng: fill(path, rng, False),
    "cut": lambda path, rng: path.write_bytes(path.read_bytes()[: int(rng.integers(path.stat().st_size))]),
    "longer": lambda path, rng: path.write_bytes(path.read_bytes() + rng.bytes(4096)),
    "the header": lambda path, rng: path.write_bytes(rng.bytes(100) + path.read_bytes()[100:]),
    "no file": lambda path, rng: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_damaged_is_used_and_the_next_run_is_whole(damage: str, tmp_path: Path) -> None:
    whole = written(tmp_path / "whole.sqlite").read_bytes()
    for seed in range(1 if damage == "no file" else 12):
        path = tmp_path / f"{seed}" / "whole.sqlite"
        path.parent.mkdir()
        path.write_bytes(whole)
        DAMAGES[damage](path, np.random.default_rng(seed))
        assert len(run(path)) <= 1
        if damage != "no file":
            assert run(path) == []  # all is there again


def test_a_vector_in_another_place_is_not_used(tmp_path: Path) -> None:
    path = written(tmp_path / "one.sqlite")
    assert run(path) == []
    first, second, *_ = sorted(VECTORS)
    with sqlite3.connect(path) as connection:
        other = connection.execute("SELECT vector, sha256 FROM embeddings WHERE digest = ?", (second,)).fetchone()
        connection.execute("UPDATE embeddings SET vector = ?, sha256 = ? WHERE digest = ?", (*other, first))
        connection.execute("UPDATE embeddings SET vector = 'text' WHERE digest = ?", (second,))
    connection.close()
    assert run(path) == [f"{path}: 2 of 40 embeddings are damaged, and computed again"]
    assert run(path) == []
    moved = path.rename(tmp_path / "another.sqlite")  # of another extractor
    assert "40 of 40 embeddings are damaged" in run(moved)[0]


def test_what_0_1_0_kept_is_used_once_checked_and_gets_checksums(tmp_path: Path) -> None:
    rows = {digest: vector.tobytes() for digest, vector in VECTORS.items()}
    path = before(tmp_path / "whole.sqlite", rows)
    assert run(path) == []
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM vectors").fetchone() == (0,)
        assert connection.execute("SELECT COUNT(*) FROM embeddings").fetchone() == (40,)
    connection.close()
    digests = sorted(rows)
    huge = VECTORS[digests[4]].copy()
    huge[7] = 1e30
    harms = (b"", rows[digests[1]][:-4], bytes(1024), np.full(256, np.nan, np.float32).tobytes(), huge.tobytes())
    path = before(tmp_path / "damaged.sqlite", rows | dict(zip(digests, harms, strict=False)))
    # Where some are damaged others may be, and nothing says which.
    assert run(path) == [f"{path}: 40 of 40 embeddings are damaged, and computed again"]
    assert run(path) == []


def test_a_cache_that_can_only_be_read_is_read(tmp_path: Path) -> None:
    rows = {digest: vector.tobytes() for digest, vector in VECTORS.items()}
    for path in (before(tmp_path / "0.1.0.sqlite", rows), written(tmp_path / "now.sqlite")):
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        cache = EmbeddingCache(path)
        cache.connection.close()
        connection.text_factory, cache.connection = bytes, connection
        assert len(cache.read(VECTORS)) == 40
        with pytest.warns(UserWarning, match="not kept for the next run; attempt to write a readonly database"):
            cache.write(VECTORS)
        assert path.exists()
