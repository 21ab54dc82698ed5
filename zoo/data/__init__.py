"""Reading: every reader returns the same value, `Data`."""

from __future__ import annotations

from zoo.data.dataset import Data, Note, Part, open
from zoo.data.idx import idx
from zoo.data.images import images
from zoo.data.memory import arrays
from zoo.data.sequences import sequences, windows
from zoo.data.tables import tables
from zoo.data.text import text

__all__ = ["Data", "Note", "Part", "arrays", "idx", "images", "open", "sequences", "tables", "text", "windows"]
