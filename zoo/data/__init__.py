"""Reading: every reader returns the same value, `Data`.

The readers are in `zoo.kinds`; these are their public names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo import startup

if TYPE_CHECKING:  # the same names as in `_PUBLIC`, for editors and type checkers
    from zoo.data.dataset import Data as Data
    from zoo.data.notes import Note as Note
    from zoo.data.parts import Part as Part
    from zoo.kinds.arrays import arrays as arrays
    from zoo.kinds.images.reading import idx as idx
    from zoo.kinds.images.reading import images as images
    from zoo.kinds.images.reading import masks as masks
    from zoo.kinds.recognising import open as open
    from zoo.kinds.sequences.reading import sequences as sequences
    from zoo.kinds.sequences.series import windows as windows
    from zoo.kinds.tables.reading import tables as tables
    from zoo.kinds.texts.reading import text as text

_MODULES = {
    "zoo.data.dataset": ("Data",),
    "zoo.data.notes": ("Note",),
    "zoo.data.parts": ("Part",),
    "zoo.kinds.arrays": ("arrays",),
    "zoo.kinds.images.reading": ("idx", "images", "masks"),
    "zoo.kinds.recognising": ("open",),
    "zoo.kinds.sequences.reading": ("sequences",),
    "zoo.kinds.sequences.series": ("windows",),
    "zoo.kinds.tables.reading": ("tables",),
    "zoo.kinds.texts.reading": ("text",),
}
_PUBLIC = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_PUBLIC)
__getattr__, __dir__ = startup.lazy(__name__, _PUBLIC)
