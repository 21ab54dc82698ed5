"""Classes of pixels as colours over a photo."""

from __future__ import annotations

import numpy as np

# Colours that people with any colour vision tell apart, from the second class on: Okabe and Ito 2008, "Color Universal
# Design". The first class, as a rule the ground, stays as it is.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
OPACITY = 0.5


def overlay(photo: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """A photo with its classes in colours, uint8 (height, width, 3).

    Args:
        photo: uint8 (height, width, 3), 0-255.
        positions: of the class of each pixel, whole numbers (height, width); 0 is left as it is.
    """
    palette = np.array([COLOURS[number % len(COLOURS)] for number in range(int(positions.max(initial=0)) or 1)])
    there = positions > 0
    pixels = photo.copy()
    mixed = (1 - OPACITY) * photo[there] + OPACITY * palette[positions[there].astype(np.int64) - 1]
    pixels[there] = np.rint(mixed).astype(np.uint8)
    return pixels


def heat(photo: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """A photo under a map of heat, uint8 (height, width, 3).

    Args:
        photo: uint8 (height, width, 3), 0-255.
        grey: uint8 (height, width). Up to 112 the photo stays as it is; then it becomes yellow, and red at the
            brightest place, or at 144 if none is so bright.
    """
    share = np.clip((grey.astype(np.float32) - 112) / (max(144, int(grey.max(initial=0))) - 112), 0, 1)[..., None]
    colour = (1 - share) * np.float32(COLOURS[3]) + share * np.float32(COLOURS[5])
    return np.rint(photo + 1.5 * OPACITY * share * (colour - photo)).astype(np.uint8)
