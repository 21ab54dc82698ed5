"""Reading: every reader returns the same value, `Data`.

The readers are in `zoo.kinds`; these are their public names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo import startup

if TYPE_CHECKING:  # the same names as in `_PUBLIC`, for editors and type checkers
    from zoo.data.dataset import Data as Data
    from zoo.data.dataset import Part as Part
    from zoo.data.notes import Note as Note
    from zoo.kinds.arrays import arrays as arrays
    from zoo.kinds.images.folders import images as images
    from zoo.kinds.images.idx import idx as idx
    from zoo.kinds.recognising import open as open
    from zoo.kinds.sequences import sequences as sequences
    from zoo.kinds.sequences import windows as windows
    from zoo.kinds.tables import tables as tables
    from zoo.kinds.texts import text as text

_PUBLIC = {
    "Data": "zoo.data.dataset",
    "Note": "zoo.data.notes",
    "Part": "zoo.data.dataset",
    "arrays": "zoo.kinds.arrays",
    "idx": "zoo.kinds.images.idx",
    "images": "zoo.kinds.images.folders",
    "open": "zoo.kinds.recognising",
    "sequences": "zoo.kinds.sequences",
    "tables": "zoo.kinds.tables",
    "text": "zoo.kinds.texts",
    "windows": "zoo.kinds.sequences",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = startup.lazy(__name__, _PUBLIC)
