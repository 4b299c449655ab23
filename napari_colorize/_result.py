"""The coloured layer of a source: where it is put, how it is filled plane by plane, what it says about itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_colorize._worker import ColoredPlane, Identity

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Image

KEY = "napari-colorize"  # of the layer's metadata
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


@dataclass(eq=False)
class Result:
    """A coloured layer and what it was made from.

    Attributes
    ----------
    layer : Image
        The RGB layer. Its metadata carry, under "napari-colorize": the statement that the colour is inferred, and by
        index of the finished planes their colour maps (`maps`) and what made them (`records`).
    levels : list of ndarray of uint8, shape (..., Y, X, 3)
        What it shows.
    identity : Identity
        Model and window.
    source : Image
        The gray layer.
    source_data
        The data of that layer when the result was made.
    """

    layer: "Image"
    levels: list[np.ndarray]
    identity: Identity
    source: "Image"
    source_data: object

    def is_of(self, source: "Image") -> bool:
        """Whether it belongs to a layer, and to the data that this layer has now."""
        return self.source is source and self.source_data is source.data

    def put(self, plane: ColoredPlane) -> None:
        """Show a finished plane."""
        for level, rgb in zip(self.levels, plane.rgb):
            level[plane.index] = rgb
        note = self.layer.metadata[KEY]
        note["maps"][plane.index] = plane.chroma
        note["records"][plane.index] = plane.record
        if self.layer.multiscale:
            self.layer.data = self.levels  # refresh would leave the coarsest level and the thumbnail as they are
        else:
            self.layer.refresh()


def add_result(
    layers: "LayerList", source: "Image", levels: list[np.ndarray], identity: Identity, first: ColoredPlane
) -> Result:
    """Put a new coloured layer directly above its source, one plane finished, the others gray."""
    from napari.layers import Image

    from training.provenance import SENTENCE

    for level, rgb in zip(levels, first.rgb):
        level[first.index] = rgb
    layer = Image(
        levels if len(levels) > 1 else levels[0],
        rgb=True,
        multiscale=len(levels) > 1,
        contrast_limits=(0, 255),
        name=f"{source.name} (colour)",
        metadata={
            KEY: {"statement": SENTENCE, "maps": {first.index: first.chroma}, "records": {first.index: first.record}}
        },
        **{name: getattr(source, name) for name in _PLACE},
    )
    layers.insert(layers.index(source) + 1, layer)
    return Result(layer, levels, identity, source, source.data)
