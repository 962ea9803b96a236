"""The numbers of the shipped metrics, in the order of their columns."""

from __future__ import annotations

from collections.abc import Mapping

from fmbench.registry.specs import Number

HELD_OUT, TWO_TRUE = "Held-out real images", "Two true samples"

# What is right for 'nn-ratio' and 'copied' the held-out images tell: neither more nor less is better. So with 'ce-gap':
# points too near the peaks have a negative one; and with what a window of the plane holds. 'sample-seconds' depends on
# what else the machine does.
NUMBERS: Mapping[str, Number] = {
    number.name: number
    for number in (
        Number("nll", "NLL", better="lower"),
        Number("vlb", "bound", better="lower"),
        Number("nll-gap", "NLL - truth", better="lower"),
        Number("fid", "FID", decimals=2, better="lower", floor=HELD_OUT),
        Number("fid-ratio", "FID / floor", decimals=1, better="lower"),
        Number("fid-inf", "FID-inf", decimals=2, better="lower", headline=False, floor=HELD_OUT),
        Number("psnr", "PSNR", "dB", decimals=2, better="higher"),
        Number("ssim", "SSIM", decimals=4, better="higher"),
        Number("kid", "KID", decimals=4, better="lower", headline=False, floor=HELD_OUT),
        Number("precision", "precision", better="higher", headline=False, floor=HELD_OUT),
        Number("recall", "recall", better="higher", headline=False, floor=HELD_OUT),
        Number("density", "density", better="higher", headline=False, floor=HELD_OUT),
        Number("coverage", "coverage", better="higher", headline=False, floor=HELD_OUT),
        Number("nn-ratio", "NN ratio"),
        Number("copied", "copied", headline=False),
        Number("w2", "W2", better="lower", floor=TWO_TRUE),
        Number("sliced-w2", "sliced W2", better="lower", headline=False, floor=TWO_TRUE),
        Number("energy-distance", "energy distance", decimals=4, better="lower", headline=False, floor=TWO_TRUE),
        Number("mmd2", "MMD2", decimals=4, better="lower", headline=False, floor=TWO_TRUE),
        Number("ce-gap", "CE gap", headline=False, floor=TWO_TRUE),
        Number("modes", "modes", better="higher", headline=False, floor=TWO_TRUE),
        Number("mode-tv", "mode TV", better="lower", headline=False, floor=TWO_TRUE),
        Number("off-mode", "off mode", better="lower", headline=False, floor=TWO_TRUE),
        Number("off-support", "off support", better="lower", headline=False, floor=TWO_TRUE),
        Number("npe", "NPE", better="lower", headline=False),
        Number("straightness", "straightness", better="lower", headline=False),
        Number("mass", "mass in window", headline=False, floor="The true density on that grid"),
        Number("inside", "inside window", headline=False, floor="Held-out points"),
        Number("nfe", "NFE", decimals=1, better="lower"),
        Number("nfe-per-sample", "NFE (each alone)", decimals=1, better="lower", headline=False),
        Number("nfe-nll", "NFE (NLL)", decimals=1, better="lower", headline=False),
        Number("nfe-10pct", "NFE to 10 %", decimals=1, better="lower", headline=False),
        Number("steps-10pct", "steps to 10 %", decimals=0, better="lower", headline=False),
        Number("sample-seconds", "s/1000", decimals=2, headline=False),
    )
}


def shipped(*names: str) -> tuple[Number, ...]:
    """Some of them, for the spec of the metric that gives them."""
    return tuple(NUMBERS[name] for name in names)
