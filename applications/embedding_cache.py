"""Embeddings that were computed before: each with a checksum, in one SQLite file for each extractor."""

from __future__ import annotations

import contextlib
import sqlite3
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np

from zoo.errors import Notice
from zoo.files import atomic_file

TABLE = """CREATE TABLE IF NOT EXISTS embeddings
    (digest TEXT PRIMARY KEY, vector BLOB NOT NULL, sha256 BLOB NOT NULL) WITHOUT ROWID"""
INSERT = "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)"
BEFORE = "vectors"  # the table of 0.1.0: the first two columns
LARGEST = 1e6  # no embedding has such a value; a flipped bit in an exponent makes one
# Errors that say nothing of the file itself, by sqlite.org/rescode.html: permission, busy, locked, out of memory, read
# only, input and output, full, can't open, authorisation.
INNOCENT = (3, 5, 6, 7, 8, 10, 13, 14, 23)
SHORT_READ = 522  # an error of input that a file has which is cut


class EmbeddingCache:
    """Vectors by digest: atomic, and safe for several processes. What is damaged is told, and as if it were absent.

    Args:
        path: of the file; its name stands for the extractor, whose vectors alone it holds.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.key = path, path.stem
        self.connection: sqlite3.Connection | None = None
        self.tables: set[str] = set()
        self.sound = False
        try:
            self.connection, self.tables = self._open(path)
        except sqlite3.DatabaseError as error:
            self._give_up(error)

    def __enter__(self) -> EmbeddingCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def read(self, digests: Iterable[str]) -> dict[str, np.ndarray]:
        """Those of `digests` that are known, float32 (width,)."""
        wanted = sorted(set(digests))
        try:
            found, damaged = self._checked(wanted)
            before, wrong = self._before([each for each in wanted if each not in found])
            if not damaged + wrong:
                self._adopt(before)
                return found | before
            lost = len(damaged) + len(before) + len(wrong)  # in a damaged file nothing is believed without a checksum
            warnings.warn(
                f"{self.path}: {lost} of {len(wanted)} embeddings are damaged, and computed again", Notice, stacklevel=3
            )
            self._renew()
            self._keep(found)  # a search finds rows that the walk over all does not get to
        except sqlite3.DatabaseError as error:
            self._give_up(error)
            found, _ = self._checked(wanted)
        return found

    def write(self, vectors: dict[str, np.ndarray]) -> None:
        """Keep `vectors`, float32 (width,) each."""
        try:
            if not self.sound:  # rows that a search does not get to are absent for it; their place is damaged
                (state,) = self.connection.execute("PRAGMA quick_check(1)").fetchone()
                self.sound = True
                if state != b"ok":
                    raise sqlite3.DatabaseError(state.decode(errors="replace").splitlines()[-1])
            self._keep(vectors)
        except sqlite3.DatabaseError as error:  # a full disk must not cost the run what it has computed
            if self._give_up(error):
                with contextlib.suppress(sqlite3.DatabaseError):
                    self._keep(vectors)

    def _open(self, path: Path | str) -> tuple[sqlite3.Connection, set[str]]:
        connection = sqlite3.connect(path, timeout=60)
        connection.text_factory = bytes  # what is no text any more is no error
        try:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection, {name.decode(errors="replace") for (name,) in names}

    def _give_up(self, error: sqlite3.DatabaseError) -> bool:
        """Save what is whole of a file that is damaged (True), else keep nothing; tell which and why."""
        code, reason = getattr(error, "sqlite_errorcode", 0), str(error)
        if code & 0xFF not in INNOCENT or code == SHORT_READ:
            try:
                self._renew()
                warnings.warn(
                    f"{self.path} is damaged ({reason}): what it lacks is computed again", Notice, stacklevel=4
                )
                return True
            except (OSError, sqlite3.DatabaseError) as another:
                reason = str(another)
        warnings.warn(f"{self.path}: embeddings are not kept for the next run; {reason}", Notice, stacklevel=4)
        self.connection, self.tables = self._open(":memory:")
        return False

    def _renew(self) -> None:
        """A new file with what has its checksum in this one: who writes to a damaged one may lose more."""
        with atomic_file(self.path) as partial:
            new = sqlite3.connect(partial)
            with contextlib.closing(new), new:
                new.execute(TABLE)
                new.executemany(INSERT, self._whole())
            if self.connection is not None:
                self.connection.close()
            for suffix in ("-journal", "-wal", "-shm"):  # of the old file, would spoil the new one
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self.connection, self.tables = self._open(self.path)

    def _whole(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Rows with their checksum, as far as the file can be read."""
        with contextlib.suppress(sqlite3.DatabaseError, AttributeError):  # of what could not even be opened
            for digest, content, kept in self.connection.execute("SELECT digest, vector, sha256 FROM embeddings"):
                name = digest.decode(errors="replace") if isinstance(digest, bytes) else ""
                if isinstance(content, bytes) and kept == self._sum(name, content):
                    yield name, content, kept

    def _checked(self, digests: list[str]) -> tuple[dict[str, np.ndarray], list[str]]:
        """Vectors as they were written, and the digests of those that are not."""
        found, damaged = {}, []
        if "embeddings" not in self.tables:
            return {}, []
        for digest in digests:
            statement = "SELECT vector, sha256 FROM embeddings WHERE digest = ?"
            row = self.connection.execute(statement, (digest,)).fetchone()
            if row and isinstance(row[0], bytes) and row[1] == self._sum(digest, row[0]):
                found[digest] = np.frombuffer(row[0], np.float32)
            elif row:
                damaged.append(digest)
        return found, damaged

    def _before(self, digests: list[str]) -> tuple[dict[str, np.ndarray], list[str]]:
        """Vectors that 0.1.0 wrote, which had no checksums, and the digests of those that can be none."""
        rows: dict[str, bytes] = {}
        for digest in digests if BEFORE in self.tables else ():
            row = self.connection.execute(f"SELECT vector FROM {BEFORE} WHERE digest = ?", (digest,)).fetchone()
            if row:
                rows[digest] = row[0] if isinstance(row[0], bytes) else b""
        length = max(Counter(map(len, rows.values())).most_common(1), default=(0, 0))[0]
        found: dict[str, np.ndarray] = {}
        for digest, content in rows.items():
            if len(content) == length and length and length % 4 == 0:
                vector = np.frombuffer(content, np.float32)
                if np.isfinite(vector).all() and 0 < np.abs(vector).max() < LARGEST:
                    found[digest] = vector
        return found, [digest for digest in rows if digest not in found]

    def _adopt(self, vectors: dict[str, np.ndarray]) -> None:
        """Give what 0.1.0 wrote its checksums."""
        if vectors:
            with contextlib.suppress(sqlite3.OperationalError):  # a file that can't be written is read so the next time
                self._keep(vectors)
                with self.connection:
                    self.connection.executemany(f"DELETE FROM {BEFORE} WHERE digest = ?", [(d,) for d in vectors])

    def _keep(self, vectors: dict[str, np.ndarray]) -> None:
        rows = [(digest, content := vector.tobytes(), self._sum(digest, content)) for digest, vector in vectors.items()]
        with self.connection:
            self.connection.execute(TABLE)
            self.connection.executemany(INSERT, rows)

    def _sum(self, digest: str, content: bytes) -> bytes:
        return sha256(f"{self.key} {digest} ".encode() + content).digest()
