"""Features of all depths: pooled outputs of the blocks of a backbone, beside its embedding.

A later layer knows what the photos of ImageNet are of; an earlier one sees edges and textures, which tell more about
pictures that are no photos. All of them come from one pass through the backbone.

Source: Evci et al. 2022, "Head2Toe: Utilizing Intermediate Representations for Better Transfer Learning", section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from applications import efficientnet_lite
from applications.backbones import block_ends
from zoo.builders.loading import FEATURES

if TYPE_CHECKING:
    import keras

LAST, MEANS, ALL = "last", "means", "all"
GROUPS = {
    LAST: "the last layer",
    MEANS: "the last layer and the means of all blocks",
    ALL: "the last layer and the means and maxima of all blocks",
}


class Depths(NamedTuple):
    """The widths of a vector of features: the embedding, then the means of all blocks, then their maxima.

    Attributes:
        embedding: width of the embedding.
        blocks: channels of the output of each block, from the first block on; empty for the embedding alone.
    """

    embedding: int
    blocks: tuple[int, ...] = ()

    @property
    def groups(self) -> dict[str, int]:
        """Name of each group of features -> its width. A group is the beginning of the vector, so each has the last."""
        first, each = self.embedding, sum(self.blocks)
        return {LAST: first, MEANS: first + each, ALL: first + 2 * each} if each else {LAST: first}

    def parts(self, group: str) -> tuple[int, ...]:
        """Widths of the parts of a group, each of one layer and one way of pooling."""
        return (self.embedding, *self.blocks * list(GROUPS).index(group))


def of_built_in(name: str) -> Depths:
    """Depths of a built-in backbone, without Keras."""
    return Depths(efficientnet_lite.EMBEDDING_WIDTH, efficientnet_lite.block_widths(name))


def of_model(model: keras.Model, name: str) -> Depths:
    """Depths of a backbone, as `applications.backbone` builds it."""
    return Depths(model.output.shape[-1], tuple(end.shape[-1] for end in _ends(model, name)))


def tensors(model: keras.Model, name: str, group: str) -> list[Any]:
    """The parts of a group of features of a backbone, symbolic tensors (batch, width).

    Args:
        model: the backbone, as `applications.backbone` builds it, from pixels to embedding.
        name: a name in `applications.BACKBONES`.
        group: a name in `GROUPS`.
    """
    from keras import layers

    ways = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)[: list(GROUPS).index(group)]
    ends = _ends(model, name) if ways else []
    return [model.output, *(way()(end) for way in ways for end in ends)]


def joined(parts: list[Any]) -> Any:
    """The parts of a group as one tensor; see `zoo.builders.loading.embedding_of` for the way back."""
    from keras import layers

    return layers.Concatenate(name=FEATURES)(parts) if len(parts) > 1 else parts[0]


def _ends(model: keras.Model, name: str) -> list[Any]:
    """Feature maps (batch, height, width, channels) at the ends of the blocks, without that of the stem."""
    outputs = [model.get_layer(end).output for end in block_ends(model, name)[1:]]
    return [output for output in outputs if len(output.shape) == 4]
