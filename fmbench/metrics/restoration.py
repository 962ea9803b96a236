"""How near samples of pair data come to the images that they are to be: PSNR and SSIM."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fmbench.data.base import Levels
from fmbench.errors import Unavailable
from fmbench.metrics.base import Evaluation, Metric, MetricValue, over_sets

ROUNDING = 1 / 12  # squared levels: the error of rounding, which an image without any other is taken to have
SIGMA, WINDOW = 1.5, 11  # pixels, of the Gaussian window of Wang et al. 2004, section III.C


class PSNR(Metric):
    """Peak signal-to-noise ratio, 10 log10(top^2 / MSE) of each image, on average (dB)."""

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The mean over samples, each beside its test image."""
        return measured(evaluation, "psnr", "dB", psnr)


class SSIM(Metric):
    """Structural similarity (Wang et al. 2004, eq. 13) of each image, on average, by scikit-image."""

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The mean over samples, each beside its test image.

        Raises:
            Unavailable: images are smaller than its window.
        """
        side = min(evaluation.dataset.shape[1:])
        if side < WINDOW:
            raise Unavailable(f"images of {side} pixels are smaller than SSIM's window of {WINDOW}")
        return measured(evaluation, "ssim", "", ssim)


def measured(
    evaluation: Evaluation, name: str, unit: str, similarity: Callable[[Tensor, Tensor, int], Tensor]
) -> list[MetricValue]:
    """The mean similarity of samples to test images, over sets; samples go through the test images in order."""
    test, transform = evaluation.dataset.test, evaluation.dataset.transform
    top = (transform.levels if isinstance(transform, Levels) else int(test.max()) + 1) - 1
    each = []
    for sample_set in evaluation.samples:
        n = len(sample_set.raw)
        values = similarity(sample_set.raw, test[torch.arange(n) % len(test)], top)
        error = float(values.std() / n**0.5)
        each.append(MetricValue(name, float(values.mean()), error, unit, n=n, details={"top": top}))
    return [over_sets(each)]


def psnr(images: Tensor, truth: Tensor, top: int) -> Tensor:
    """Of each image, (n,), dB.

    >>> psnr(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 10.0), 100)
    tensor([20.], dtype=torch.float64)
    """
    error = (images.double() - truth.double()).square().flatten(1).mean(dim=1)
    return 10 * torch.log10(top**2 / error.clamp(min=ROUNDING))


def ssim(images: Tensor, truth: Tensor, top: int) -> Tensor:
    """Of each image, (n,)."""
    from skimage.metrics import structural_similarity

    pairs = zip(images.double().numpy(), truth.double().numpy(), strict=True)
    values = [
        structural_similarity(
            image,
            true,
            data_range=top,
            channel_axis=0,
            gaussian_weights=True,
            sigma=SIGMA,
            use_sample_covariance=False,
        )
        for image, true in pairs
    ]
    return torch.tensor(values, dtype=torch.float64)
