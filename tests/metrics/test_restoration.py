"""PSNR and SSIM against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fmbench.errors import Unavailable
from fmbench.metrics.restoration import ROUNDING, SSIM, psnr, ssim
from tests.metrics.test_memorisation import images


def test_psnr_is_of_each_image(generator):
    truth = images(generator, 3).double()
    off = truth + torch.tensor([1.0, 2.0, 0.0]).reshape(3, 1, 1, 1)
    expected = [10 * math.log10(255**2 / error) for error in (1, 4, ROUNDING)]
    assert psnr(off, truth, 255).tolist() == pytest.approx(expected)


def windowed(image, true, top):
    """Wang et al. 2004, eq. 13, by loops over the windows that lie inside the image."""
    at = np.arange(-5, 6)
    line = np.exp(-(at**2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    c1, c2 = (0.01 * top) ** 2, (0.03 * top) ** 2
    values = []
    for y in range(5, image.shape[0] - 5):
        for x in range(5, image.shape[1] - 5):
            a, b = (picture[y - 5 : y + 6, x - 5 : x + 6].astype(float) for picture in (image, true))
            ma, mb = (weights * a).sum(), (weights * b).sum()
            va, vb, cov = (
                weights * (p - m) * (q - n) for p, m, q, n in ((a, ma, a, ma), (b, mb, b, mb), (a, ma, b, mb))
            )
            top_part = (2 * ma * mb + c1) * (2 * cov.sum() + c2)
            values.append(top_part / ((ma**2 + mb**2 + c1) * (va.sum() + vb.sum() + c2)))
    return float(np.mean(values))


def test_ssim_is_that_of_its_paper(generator):
    truth = torch.randint(0, 256, (2, 1, 16, 16), generator=generator, dtype=torch.uint8)
    noise = torch.randint(-20, 21, truth.shape, generator=generator)
    noisy = (truth.int() + noise).clamp(0, 255).to(torch.uint8)
    expected = [windowed(a[0].numpy(), b[0].numpy(), 255) for a, b in zip(noisy, truth, strict=True)]
    assert ssim(noisy, truth, 255).tolist() == pytest.approx(expected, abs=1e-6)
    assert ssim(truth, truth, 255).tolist() == [1, 1]


def test_ssim_of_colours_is_the_mean_over_channels(generator):
    truth = torch.randint(0, 256, (1, 3, 12, 12), generator=generator, dtype=torch.uint8)
    other = truth.flip(3)
    each = [float(ssim(other[:, [c]], truth[:, [c]], 255)) for c in range(3)]
    assert float(ssim(other, truth, 255)) == pytest.approx(np.mean(each))


def test_images_smaller_than_the_window_have_none():
    class Small:
        class dataset:  # noqa: N801
            shape = (1, 8, 8)

    with pytest.raises(Unavailable, match="images of 8 pixels are smaller than SSIM's window of 11"):
        SSIM().measure(Small())
