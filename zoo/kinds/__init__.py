"""What goes into a model: the contract of a kind is in `zoo.data.kind`, each kind in a folder of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo import startup

if TYPE_CHECKING:  # the same names as in `_PUBLIC`, for editors and type checkers
    from zoo.data.kind import Kind as Kind
    from zoo.data.kind import Raw as Raw
    from zoo.kinds.images.kind import Images as Images
    from zoo.kinds.registry import KINDS as KINDS
    from zoo.kinds.registry import register as register
    from zoo.kinds.sequences.kind import Sequences as Sequences
    from zoo.kinds.sequences.windows import Panel as Panel
    from zoo.kinds.sequences.windows import Series as Series
    from zoo.kinds.tables.kind import Tables as Tables
    from zoo.kinds.texts.kind import Texts as Texts

_PUBLIC = {
    "Images": "zoo.kinds.images.kind",
    "KINDS": "zoo.kinds.registry",
    "Kind": "zoo.data.kind",
    "Raw": "zoo.data.kind",
    "Sequences": "zoo.kinds.sequences.kind",
    "Panel": "zoo.kinds.sequences.windows",
    "Series": "zoo.kinds.sequences.windows",
    "Tables": "zoo.kinds.tables.kind",
    "Texts": "zoo.kinds.texts.kind",
    "register": "zoo.kinds.registry",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = startup.lazy(__name__, _PUBLIC)
