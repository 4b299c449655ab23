"""What the stored samples of a TIFF page mean: gray, RGB or CMYK, opacity, and how many bits count."""

import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC, TiffPage

from training.color import lab_to_srgb
from training.formats.page import spread_bits

COLOR_SAMPLES: dict[int, int] = {
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.PALETTE: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.YCBCR: 3,
    PHOTOMETRIC.CIELAB: 3,
    PHOTOMETRIC.ICCLAB: 3,
    PHOTOMETRIC.SEPARATED: 4,
}
_FAX = (COMPRESSION.CCITTRLE, COMPRESSION.CCITT_T4, COMPRESSION.CCITT_T6)


def photometric_of(page: TiffPage) -> int:
    """Meaning of the numbers. Where the tag is missing tifffile would say MinIsWhite."""
    if 262 in page.tags or page.compression == COMPRESSION.OJPEG:
        return page.photometric
    if page.compression in _FAX:
        return PHOTOMETRIC.MINISWHITE
    return PHOTOMETRIC.RGB if page.samplesperpixel in (3, 4) else PHOTOMETRIC.MINISBLACK


def pixels_of(page: TiffPage, photometric: int, samples: np.ndarray) -> tuple[np.ndarray, int | None]:
    """Gray (Y, X), RGB or CMYK of the stored samples, and the significant bits of gray where they are stated."""
    if photometric == PHOTOMETRIC.PALETTE:
        return _resolve_palette(page, samples[..., 0].astype(np.uint16)), None
    if photometric in (PHOTOMETRIC.CIELAB, PHOTOMETRIC.ICCLAB):
        return _lab_to_rgb8(samples, signed=photometric == PHOTOMETRIC.CIELAB), None
    if samples.dtype == np.uint16 and samples.shape[2] == 1:
        bits = _bits_of(page)
        return samples[..., 0], bits if bits < 16 else _bits_of_max_sample_value(page, samples)
    pixels = _spread(samples, _bits_of(page))
    return pixels if pixels.shape[2] > 1 else pixels[..., 0], None


def _spread(samples: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned samples over the whole range of uint8 or uint16; others as they are."""
    if samples.dtype in (bool, np.uint8, np.uint16):
        return spread_bits(samples, bits)
    return samples


def _bits_of(page: TiffPage) -> int:
    """Bits of a sample as tifffile hands it out; it widens samples of unequal bits."""
    return page.bitspersample if isinstance(page.bitspersample, int) else 8 * page.dtype.itemsize


def _bits_of_max_sample_value(page: TiffPage, samples: np.ndarray) -> int | None:
    """9 to 15 where MaxSampleValue says so and all numbers keep to it."""
    greatest = np.max(page.tags.valueof(281) or 0)
    bits = int(greatest).bit_length()
    return bits if 8 < bits < 16 and greatest == 2**bits - 1 and samples.max() <= greatest else None


def _resolve_palette(page: TiffPage, indices: np.ndarray) -> np.ndarray:
    """RGB, uint8, of a palette: 16-bit entries are multiples of 257 or 256, careless writers store 8-bit ones."""
    colormap = np.asarray(page.colormap)
    entries = colormap if colormap.max() < 256 else colormap >> 8
    return entries.T.astype(np.uint8)[indices]


def _lab_to_rgb8(samples: np.ndarray, *, signed: bool) -> np.ndarray:
    """SRGB, uint8, of L*, a*, b* of 8 or 16 bit; `signed` as in TIFF's own encoding, else offset as in ICC's."""
    unit = 1 if samples.dtype.itemsize == 1 else 256
    signed_type = np.int8 if unit == 1 else np.int16
    white = (255 if unit == 1 else 65535) if signed else 255 * unit
    lab = samples.astype(np.float32)
    lab[..., 0] *= 100 / white
    lab[..., 1:] = samples[..., 1:].view(signed_type) if signed else lab[..., 1:] - 128 * unit
    lab[..., 1:] /= unit
    return np.rint(lab_to_srgb(lab) * 255).astype(np.uint8)


def split_alpha(
    page: TiffPage, pixels: np.ndarray, extras: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """The pixels without premultiplied opacity, the opacity, and a note about channels of no stated meaning."""
    kinds = [int(kind) for kind in page.extrasamples][: extras.shape[2]]
    opacity = next((index for index, kind in enumerate(kinds) if kind in (1, 2)), None)
    left_out = extras.shape[2] - (opacity is not None)
    notes = (f"{left_out} further channels of no stated meaning were left out",) if left_out else ()
    if opacity is None:
        return pixels, None, notes
    alpha = _spread(extras[..., opacity], _bits_of(page))
    return (_unpremultiply(pixels, alpha) if kinds[opacity] == 1 else pixels), alpha, notes


def _unpremultiply(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    opaque = np.iinfo(alpha.dtype).max if alpha.dtype.kind == "u" else 1
    share = np.maximum(alpha / opaque, 1e-9)
    full = pixels / (share if pixels.ndim == 2 else share[..., None])
    return (np.rint(np.minimum(full, opaque)) if pixels.dtype.kind == "u" else full).astype(pixels.dtype)
