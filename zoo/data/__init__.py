"""Reading: every reader returns the same value, `Data`."""

from __future__ import annotations

from zoo.data.dataset import Data, Note, Part, open
from zoo.data.images import images

__all__ = ["Data", "Note", "Part", "images", "open"]
