"""Figures that compare coloured pictures with the true ones: of a picture, and of a set.

The differences between a prediction and the truth are large and lie in chroma; for the judgement of trained networks
see `training.evaluation.perceptual`.

References
----------
.. [1] Hasler and Suesstrunk, "Measuring colourfulness in natural images", SPIE 5007, 2003, equation 6 (M3).
.. [2] Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", Color Research & Application 30, 2005.
.. [3] Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13, 2004.
.. [4] Binkowski et al., "Demystifying MMD GANs", ICLR 2018, 4 (KID).
"""

import numpy as np

from training.errors import SettingsError

BEST_PSNR_DB = 100.0  # of equal pictures, so that means stay finite
PALETTE_STEP = 10  # side of a bin of a*, b*
PALETTE_REACH = 12  # bins on either side of gray: sRGB lies within [-108, 99]


def psnr_db(rgb8: np.ndarray, true_rgb8: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all channels, the peak being 255; 100 at most.

    Parameters
    ----------
    rgb8, true_rgb8 : ndarray of uint8, shape (Y, X, 3)
        sRGB.
    """
    difference = rgb8.astype(np.int32) - true_rgb8
    error = np.mean(difference * difference)
    return min(BEST_PSNR_DB, 10 * np.log10(255**2 / error)) if error else BEST_PSNR_DB


def colourfulness(rgb8: np.ndarray) -> float:
    """Colourfulness M3 of Hasler and Suesstrunk [1]_: 0 for gray, about 60 for a lively photograph.

    Parameters
    ----------
    rgb8 : ndarray of uint8, shape (Y, X, 3)
        sRGB.
    """
    red, green, blue = np.moveaxis(rgb8.astype(np.float32), -1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue]).reshape(2, -1)
    return float(np.hypot(*opponents.std(axis=1)) + 0.3 * np.hypot(*opponents.mean(axis=1)))


def ciede2000(lab: np.ndarray, true_lab: np.ndarray) -> np.ndarray:
    """Colour difference CIEDE2000 [2]_ of each pixel, with all three weights 1.

    Parameters
    ----------
    lab, true_lab : ndarray of float, shape (..., 3)
        CIE Lab.

    Returns
    -------
    ndarray of float, shape (...)
        About 1 is just visible.
    """
    from skimage.color import deltaE_ciede2000

    return deltaE_ciede2000(true_lab, lab)


def palette_histogram(ab: np.ndarray) -> np.ndarray:
    """How often each colour occurs: counts over bins of 10 of a*, b*, whose centres are multiples of 10.

    Parameters
    ----------
    ab : ndarray of float, shape (..., 2)
        a* and b*.

    Returns
    -------
    ndarray of int64, shape (25 * 25,)
        They can be added over the pictures of a set. Gray lies in the middle of a bin, not on an edge.
    """
    side = 2 * PALETTE_REACH + 1
    bins = np.clip(np.rint(ab / PALETTE_STEP).astype(np.int64) + PALETTE_REACH, 0, side - 1)
    return np.bincount((bins[..., 0] * side + bins[..., 1]).ravel(), minlength=side * side)


def palette_distance(counts: np.ndarray, true_counts: np.ndarray) -> float:
    """Jensen-Shannon divergence, base 2, of two palettes: 0 when they agree, 1 when they share no colour.

    Parameters
    ----------
    counts, true_counts : ndarray of int64, shape (bins,)
        See `palette_histogram`.
    """
    p, q = (part / part.sum() for part in (counts, true_counts))
    middle = (p + q) / 2
    return float(_entropy_bits(middle) - (_entropy_bits(p) + _entropy_bits(q)) / 2)


def _entropy_bits(shares: np.ndarray) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def ssim(rgb8: np.ndarray, true_rgb8: np.ndarray) -> float:
    """Structural similarity [3]_ of R, G and B with a Gaussian window of sigma 1.5, mean over the picture; at most 1.

    Parameters
    ----------
    rgb8, true_rgb8 : ndarray of uint8, shape (Y, X, 3)
        sRGB, at least 11 x 11 pixels.
    """
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure

    first, second = (torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1)[None] for rgb in (rgb8, true_rgb8))
    return float(torch.as_tensor(structural_similarity_index_measure(first, second, data_range=255.0)))


def kid(features: np.ndarray, true_features: np.ndarray) -> float:
    """Kernel distance [4]_ of two sets of pictures in a feature space: the unbiased estimate over all pairs.

    The raw squared distance, of no unit: not multiplied by a thousand, and slightly below 0 where the sets agree.

    Parameters
    ----------
    features, true_features : ndarray of float, shape (N, F)
        One row a picture, at least two.
    """
    import torch
    from torchmetrics.image.kid import poly_mmd

    # of the whole sets at once, where torchmetrics' own metric draws random subsets: no chance in the figure
    real, fake = (torch.from_numpy(rows.astype(np.float64)) for rows in (true_features, features))
    return float(poly_mmd(real, fake))


def require_torchmetrics() -> None:
    """Raise a sentence where the package that measures SSIM and KID is not installed."""
    try:
        import torchmetrics.functional.image  # noqa: F401
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision beside it that does not fit torch
        raise SettingsError(
            f"evaluating needs the packages of training ({error}): pip install 'napari-colorize[train]'"
        ) from error
