import io

import numpy as np
from PIL import Image

from training.color import bin_centres, srgb_to_lab
from training.rarity import colour_rarity


def picture(rgb) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), rgb).save(buffer, "PNG")
    return buffer.getvalue()


def weight_of(weights, rgb) -> float:
    ab = srgb_to_lab(np.array(rgb) / 255)[1:]
    return float(weights[np.square(bin_centres() - ab).sum(-1).argmin()])


def test_rare_colours_weigh_more_than_common_ones_and_absent_ones_most():
    weights = colour_rarity([picture((150, 120, 90))] * 9 + [picture((200, 30, 40))])
    common, rare, absent = (weight_of(weights, rgb) for rgb in ((150, 120, 90), (200, 30, 40), (20, 40, 250)))
    assert common < rare < absent


def test_the_weights_are_one_on_average_over_the_pictures():
    weights = colour_rarity([picture((150, 120, 90))])
    ab = srgb_to_lab(np.array((150, 120, 90)) / 255)[1:]
    own = bin_centres()[np.square(bin_centres() - ab).sum(-1).argmin()]
    near = np.exp(-np.square(bin_centres() - own).sum(-1) / 50)
    assert abs((near / near.sum() * weights.numpy()).sum() - 1) < 1e-3
