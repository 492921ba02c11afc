"""How good a translation is, compared with baselines that have learned nothing.

All scores are of 8-bit RGB, as a person would see it. A blurred mean has a good L1 and a bad
sharpness, so neither is used alone. Needs only numpy.

Source: SSIM as Wang et al. 2004, doi:10.1109/TIP.2003.819861: gaussian window 11, sigma 1.5,
k1 .01, k2 .03, population covariance, only windows that are completely inside the image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

SSIM_WINDOW_PX: Final = 11
SSIM_SIGMA_PX: Final = 1.5
PSNR_EQUAL_DB: Final = 99.0  # equal images have no PSNR; a table shows this if all are equal
COLLAPSED_STDDEV: Final = 2.0  # of 0..255: flatter outputs show nothing
COLLAPSED_VARIETY: Final = 1.0  # of 0..255: outputs that differ by less ignore their input
IDENTITY_L1: Final = 4.0  # of 0..255: targets nearer to their inputs need almost no change
IDENTITY_SHARE: Final = 0.1  # share of the needed change: outputs that change less are the input
FLAT: Final = (
    0.25  # steps of 0..255 between neighbours: a target with fewer has nothing to be as sharp as
)
GLANCE_PX: Final = 64  # of a picture that is reduced to be looked at as a whole
NAMES: Final = ("l1", "psnr", "ssim", "sharpness")

Real = TypeVar("Real", np.float32, np.float64)
Image = NDArray[np.uint8] | NDArray[np.float64]  # (height, width, 3), 0..255
Scores = dict[str, float]


def l1(output: Image, target: Image) -> float:
    """Return the mean absolute difference, 0..255."""
    return float(np.abs(_floats(output) - _floats(target)).mean())


def psnr(output: Image, target: Image) -> float | None:
    """Return the peak signal-to-noise ratio in dB, or None if the images are equal."""
    mean_square = float(np.square(_floats(output) - _floats(target)).mean())
    return 10.0 * float(np.log10(255.0**2 / mean_square)) if mean_square else None


def ssim(output: Image, target: Image) -> float:
    """Return the structural similarity, -1..1, averaged over the channels.

    Args:
        output: (height, width, 3), both sides at least `SSIM_WINDOW_PX`.
        target: the same shape.
    """
    x, y = (_planes(image) for image in (output, target))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    planes = np.concatenate([x, y, x * x, y * y, x * y])
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = np.split(_blur(planes), 5)
    covariance = mean_xy - mean_x * mean_y
    variances = (mean_xx - mean_x**2) + (mean_yy - mean_y**2)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float((luminance * (2 * covariance + c2) / (variances + c2)).mean())


def sharpness(output: Image, target: Image) -> float | None:
    """Return the gradient energy of the output divided by the target's; 1 means equally sharp.

    None for a target that is of one colour, or nearly: noise that nobody sees would be a million times
    as sharp, and one such pair would decide the mean of all.
    """
    edges = gradient_energy(target)
    return gradient_energy(output) / edges if edges >= FLAT else None


def coarse_sharpness(output: Image, target: Image) -> float | None:
    """Return the sharpness of both at about `GLANCE_PX`, as one sees them at a glance.

    After a few steps a generator weaves a fine grid over flat areas, which comes from how it
    enlarges. To `sharpness` that is as good as a picture; here it is grey.
    """
    return sharpness(reduced(_floats(output)), reduced(_floats(target)))


def reduced(pictures: NDArray[Real]) -> NDArray[Real]:
    """Return the means of squares of whole pixels, about `GLANCE_PX` of them in a row.

    Args:
        pictures: (..., height, width, channels), floats.
    """
    *many, height, width, channels = pictures.shape
    step = max(1, height // GLANCE_PX)
    rows, columns = height // step, width // step
    cut = pictures[..., : rows * step, : columns * step, :]
    squares = cut.reshape(*many, rows, step, columns, step, channels)
    return np.asarray(squares.mean(axis=(-4, -2)))


def gradient_energy(image: Image) -> float:
    """Return the mean absolute step between neighbours, vertical plus horizontal."""
    values = _floats(image)
    down, across = np.abs(np.diff(values, axis=0)), np.abs(np.diff(values, axis=1))
    return float(down.mean() + across.mean())


def score(pairs: Iterable[tuple[Image, Image]]) -> dict[str, Any]:
    """Average every metric over (output, target) pairs.

    Returns:
        ``l1``, ``psnr``, ``ssim``, ``sharpness`` (each None if there are no pairs) and ``n``.
        Equal pairs are left out of the mean PSNR, and flat targets out of the mean sharpness, which
        is 1 where all are flat.
    """
    return mean_scores([score_one(output, target) for output, target in pairs])


def score_one(output: Image, target: Image) -> dict[str, float | None]:
    """Return every metric of one output.

    ``psnr`` is None if it equals its target, and ``sharpness`` if that is flat.
    """
    return {
        "l1": l1(output, target),
        "psnr": psnr(output, target),
        "ssim": ssim(output, target),
        "sharpness": sharpness(output, target),
    }


def mean_scores(scores: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    """Average what `score_one` returned; see `score`."""
    means: dict[str, Any] = {}
    for name in NAMES:
        values = [value for score in scores if (value := score[name]) is not None]
        means[name] = float(np.mean(values)) if values else None
    if scores and means["psnr"] is None:
        means["psnr"] = PSNR_EQUAL_DB
    if scores and means["sharpness"] is None:
        means["sharpness"] = 1.0
    return {**means, "n": len(scores)}


def is_collapsed(outputs: list[NDArray[np.uint8]], inputs: list[NDArray[np.uint8]]) -> bool:
    """Tell whether a generator ignores its input.

    Args:
        outputs: (size, size, 3) uint8 each.
        inputs: what they were made from.

    Returns:
        True if the outputs are nearly flat, or nearly the same although their inputs differ.
    """
    if not outputs:
        return False
    stack = np.stack(outputs[:64]).astype(np.float32)
    if float(stack.std(axis=(1, 2)).mean()) < COLLAPSED_STDDEV:
        return True
    varied = np.stack(inputs[:64]).astype(np.float32)
    inputs_differ = float(varied.std(axis=0).mean()) > COLLAPSED_VARIETY
    return inputs_differ and float(stack.std(axis=0).mean()) < COLLAPSED_VARIETY


def is_identity_like(
    outputs: Sequence[NDArray[np.uint8]],
    inputs: Sequence[NDArray[np.uint8]],
    targets: Sequence[NDArray[np.uint8]],
) -> bool:
    """Tell whether a generator returns its input although the targets differ from it.

    Args:
        outputs: (size, size, 3) uint8 each.
        inputs: what they were made from.
        targets: what they should have been.
    """
    if not outputs:
        return False
    asked = float(
        np.mean([l1(target, given) for target, given in zip(targets, inputs, strict=True)])
    )
    done = float(
        np.mean([l1(output, given) for output, given in zip(outputs, inputs, strict=True)])
    )
    return asked > IDENTITY_L1 and done < IDENTITY_SHARE * asked


def mean_image(targets: Iterable[Image]) -> NDArray[np.float64]:
    """Return the average image: the constant guess with the least squared error.

    Raises:
        ValueError: there are none.
    """
    total, count = None, 0
    for target in targets:
        total = _floats(target) if total is None else total + target
        count += 1
    if total is None:
        raise ValueError("the mean of no images")
    return total / count


def thin(curve: Sequence[Mapping[str, Any]], points: int) -> list[Mapping[str, Any]]:
    """Keep about `points` of a training curve, evenly spaced, and the last and all validations."""
    stride = max(1, -(-len(curve) // points))
    last = len(curve) - 1
    return [
        point
        for at, point in enumerate(curve)
        if (last - at) % stride == 0 or "validation_l1" in point
    ]


def _floats(image: Image) -> NDArray[np.float64]:
    return np.asarray(image, np.float64)


def _planes(image: Image) -> NDArray[np.float64]:
    """Return (3, height, width)."""
    return np.ascontiguousarray(np.moveaxis(_floats(image), 2, 0))


def _blur(planes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Filter (n, height, width) with the gaussian window, keeping only whole windows."""
    # One plane at a time fits into the cache; that is three times as fast as all at once.
    return np.stack([_blur_down(_blur_down(plane).T).T for plane in planes])


def _blur_down(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    plane = np.ascontiguousarray(plane)
    height = plane.shape[0] - SSIM_WINDOW_PX + 1
    total: NDArray[np.float64] = _WINDOW[0] * plane[:height]
    term = np.empty_like(total)
    for at in range(1, SSIM_WINDOW_PX):
        np.multiply(plane[at : at + height], _WINDOW[at], out=term)
        total += term
    return total


def _make_window() -> NDArray[np.float64]:
    offsets = np.arange(SSIM_WINDOW_PX) - SSIM_WINDOW_PX // 2
    window = np.exp(-(offsets**2) / (2 * SSIM_SIGMA_PX**2))
    return np.asarray(window / window.sum())


_WINDOW: Final = _make_window()
