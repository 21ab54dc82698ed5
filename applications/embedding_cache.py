"""A cache of embeddings: one SQLite file for each extractor, with a checksum for each embedding."""

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
OLD_TABLE = "vectors"  # of 0.1.0, without checksums
LARGEST = 1e6  # no embedding has such a value; a flipped bit in an exponent makes one
# Errors that are no damage of the file, by sqlite.org/rescode.html: permission, busy, locked, out of memory, read only,
# input and output, full, can't open, authorisation.
NO_DAMAGE = (3, 5, 6, 7, 8, 10, 13, 14, 23)
SHORT_READ = 522  # the input error of a truncated file


class EmbeddingCache:
    """Vectors by digest: atomic, and safe for several processes. A warning tells of damage; damaged vectors are absent.

    Args:
        path: of the file; its name is the key of the extractor that computes the vectors.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.key = path, path.stem
        self.connection: sqlite3.Connection | None = None
        self.tables: set[str] = set()
        self.checked = False
        try:
            self.connection, self.tables = self._open(path)
        except sqlite3.DatabaseError as error:
            self._recover(error)

    def __enter__(self) -> EmbeddingCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def read(self, digests: Iterable[str]) -> dict[str, np.ndarray]:
        """The cached vectors of `digests`, float32 (width,)."""
        requested = sorted(set(digests))
        try:
            vectors, damaged = self._checked(requested)
            old, wrong = self._unchecked([digest for digest in requested if digest not in vectors])
            if not damaged + wrong:
                self._migrate(old)
                return vectors | old
            lost = len(damaged) + len(old) + len(wrong)  # in a damaged file, vectors without a checksum are not trusted
            warnings.warn(
                f"{self.path}: {lost} of {len(requested)} embeddings are damaged, and computed again",
                Notice,
                stacklevel=3,
            )
            self._rebuild()
            self._insert(vectors)  # a look-up finds rows that a scan of a damaged file does not reach
        except sqlite3.DatabaseError as error:
            self._recover(error)
            vectors, _ = self._checked(requested)
        return vectors

    def write(self, vectors: dict[str, np.ndarray]) -> None:
        """Cache `vectors`, float32 (width,) each."""
        try:
            if not self.checked:  # a look-up does not see rows in damaged pages, so the file is checked once
                (state,) = self.connection.execute("PRAGMA quick_check(1)").fetchone()
                self.checked = True
                if state != b"ok":
                    raise sqlite3.DatabaseError(state.decode(errors="replace").splitlines()[-1])
            self._insert(vectors)
        except sqlite3.DatabaseError as error:  # a full disk must not end the run
            if self._recover(error):
                with contextlib.suppress(sqlite3.DatabaseError):
                    self._insert(vectors)

    def _open(self, path: Path | str) -> tuple[sqlite3.Connection, set[str]]:
        connection = sqlite3.connect(path, timeout=60)
        connection.text_factory = bytes  # damaged text must not raise
        try:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection, {name.decode(errors="replace") for (name,) in names}

    def _recover(self, error: sqlite3.DatabaseError) -> bool:
        """Rebuild a damaged file from its valid rows (True), else continue in memory (False); warn of either."""
        code, reason = getattr(error, "sqlite_errorcode", 0), str(error)
        if code & 0xFF not in NO_DAMAGE or code == SHORT_READ:
            try:
                self._rebuild()
                warnings.warn(
                    f"{self.path} is damaged ({reason}): what it lacks is computed again", Notice, stacklevel=4
                )
                return True
            except (OSError, sqlite3.DatabaseError) as another:
                reason = str(another)
        warnings.warn(f"{self.path}: embeddings are not kept for the next run; {reason}", Notice, stacklevel=4)
        self.connection, self.tables = self._open(":memory:")
        return False

    def _rebuild(self) -> None:
        """Replace the file by a new one with its valid rows: writes to a damaged file may damage more of it."""
        with atomic_file(self.path) as partial:
            new = sqlite3.connect(partial)
            with contextlib.closing(new), new:
                new.execute(TABLE)
                new.executemany(INSERT, self._valid_rows())
            if self.connection is not None:
                self.connection.close()
            for suffix in ("-journal", "-wal", "-shm"):  # of the old file; they would damage the new one
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self.connection, self.tables = self._open(self.path)

    def _valid_rows(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Rows whose checksum matches, as far as the file can be read."""
        with contextlib.suppress(sqlite3.DatabaseError, AttributeError):  # AttributeError: the file could not be opened
            for digest, content, kept in self.connection.execute("SELECT digest, vector, sha256 FROM embeddings"):
                name = digest.decode(errors="replace") if isinstance(digest, bytes) else ""
                if isinstance(content, bytes) and kept == self._checksum(name, content):
                    yield name, content, kept

    def _checked(self, digests: list[str]) -> tuple[dict[str, np.ndarray], list[str]]:
        """Vectors whose checksum matches, and the digests of the others."""
        vectors, damaged = {}, []
        if "embeddings" not in self.tables:
            return {}, []
        for digest in digests:
            statement = "SELECT vector, sha256 FROM embeddings WHERE digest = ?"
            row = self.connection.execute(statement, (digest,)).fetchone()
            if row and isinstance(row[0], bytes) and row[1] == self._checksum(digest, row[0]):
                vectors[digest] = np.frombuffer(row[0], np.float32)
            elif row:
                damaged.append(digest)
        return vectors, damaged

    def _unchecked(self, digests: list[str]) -> tuple[dict[str, np.ndarray], list[str]]:
        """Vectors of 0.1.0, which have no checksums, and the digests of rows that are no vectors."""
        rows: dict[str, bytes] = {}
        for digest in digests if OLD_TABLE in self.tables else ():
            row = self.connection.execute(f"SELECT vector FROM {OLD_TABLE} WHERE digest = ?", (digest,)).fetchone()
            if row:
                rows[digest] = row[0] if isinstance(row[0], bytes) else b""
        length = max(Counter(map(len, rows.values())).most_common(1), default=(0, 0))[0]
        vectors: dict[str, np.ndarray] = {}
        for digest, content in rows.items():
            if len(content) == length and length and length % 4 == 0:
                vector = np.frombuffer(content, np.float32)
                if np.isfinite(vector).all() and 0 < np.abs(vector).max() < LARGEST:
                    vectors[digest] = vector
        return vectors, [digest for digest in rows if digest not in vectors]

    def _migrate(self, vectors: dict[str, np.ndarray]) -> None:
        """Move vectors of 0.1.0 into the table with checksums."""
        if vectors:
            with contextlib.suppress(sqlite3.OperationalError):  # a read-only file keeps its old table
                self._insert(vectors)
                with self.connection:
                    self.connection.executemany(f"DELETE FROM {OLD_TABLE} WHERE digest = ?", [(d,) for d in vectors])

    def _insert(self, vectors: dict[str, np.ndarray]) -> None:
        rows = [
            (digest, content := vector.tobytes(), self._checksum(digest, content)) for digest, vector in vectors.items()
        ]
        with self.connection:
            self.connection.execute(TABLE)
            self.connection.executemany(INSERT, rows)

    def _checksum(self, digest: str, content: bytes) -> bytes:
        return sha256(f"{self.key} {digest} ".encode() + content).digest()
