"""Reading: every reader returns the same value, `Data`."""

from __future__ import annotations

from zoo.data.dataset import Data, Note, Part, open
from zoo.kinds.arrays import arrays
from zoo.kinds.images.folders import images
from zoo.kinds.images.idx import idx
from zoo.kinds.sequences import sequences, windows
from zoo.kinds.tables import tables
from zoo.kinds.texts import text

__all__ = ["Data", "Note", "Part", "arrays", "idx", "images", "open", "sequences", "tables", "text", "windows"]
