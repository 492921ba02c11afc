"""Which layers have a faster class for processors, and which Keras layer each of these replaces."""

from __future__ import annotations

from typing import Final

import keras

from pixd.pix2pix.network import one_image_layers, small_convolutions

_STOCK: Final[dict[type[keras.Layer], type[keras.Layer]]] = {
    small_convolutions.SmallConv2D: keras.layers.Conv2D,
    small_convolutions.SmallConv2DTranspose: keras.layers.Conv2DTranspose,
    one_image_layers.OneImageConv2D: keras.layers.Conv2D,
    one_image_layers.OneImageNorm: keras.layers.GroupNormalization,
}


def computed_by(layer: keras.Layer) -> type[keras.Layer]:
    """Return the class that computes a layer of the networks on a processor.

    Args:
        layer: a layer of a built model.
    """
    for kind in (small_convolutions, one_image_layers):
        made: type[keras.Layer] | None = kind.computed_by(layer)
        if made is not None:
            return made
    return type(layer)


def stock_of(layer: keras.Layer) -> type[keras.Layer]:
    """Return Keras' own class for a layer: the inverse of `computed_by`."""
    return _STOCK.get(type(layer), type(layer))
