"""What a full CIFAR-10 table costs, on paper: python benchmarks/cifar10_cost.py.

It prints the tables of docs/running-at-scale.md and needs no torch. Nothing here was measured on CIFAR-10: put your own
numbers in place of the constants and run it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heapreplace

# One image through a network forward, in floating-point operations (two a multiply-add), by torch's counter. The first
# three are fmbench's unet on 3 x 32 x 32 with network.multipliers=1,2,2,2 and network.attention=16, and
FORWARD = 12_443_713_536  # network.channels=128 network.layers=2: the table's network, that of DDPM
DEEP = 20_546_584_576  # network.channels=128 network.layers=4: Song et al. 2021, Liu et al. 2023
WIDE = 49_074_929_664  # network.channels=256 network.layers=2: Lipman et al. 2023, Table 3
PARAMETERS, DEEP_PARAMETERS, WIDE_PARAMETERS = 35_746_307, 58_687_747, 142_861_315
IMAGENET_32 = 66_010_480_640, 196_069_123  # FLOPs and parameters of Lipman et al. 2023, Table 3, on ImageNet
IMAGENET_64 = 197_835_718_656, 264_904_515

BACKWARD = 2  # forward passes that a backward pass costs: gradients of inputs and of weights
VJP = 1.027  # and that a vector-Jacobian product does: gradients of inputs alone, and of both factors in attention

TRAIN_IMAGES, TEST_IMAGES = 50_000, 10_000
BOUND_STEPS = 1000  # T of ddpm's variational bound
ANODE_DRAWS = 4  # of the noise beside a point, in anode's bound
PROBES = 1  # of the trace: on 10 000 images one adds some 0.0015 bits/dim
NLL_CALLS = 1.2  # of the network for a likelihood, over those for a sample: median on the digits, results/reference
RESIZE = 0.0042  # seconds an image: clean-fid's resizing to 299 x 299 on one CPU core, measured; the GPU waits
FLOAT = 4  # bytes
KEPT = 2  # checkpoints of a run
LOG_LINE, LOG_EVERY = 151, 50  # bytes; steps between two lines of train.jsonl: results/reference
RECORDS = 15_000  # bytes of a run's other records: results/reference
PICTURES = 100 * 3 * 32 * 32  # bytes of the samples that are kept


@dataclass(frozen=True)
class Row:
    """Methods that cost the same: calls of the network for a sample, whose number that is, and what is measured."""

    methods: tuple[str, ...]
    calls: float
    source: str
    nll: bool = True
    bound: float = 0.0  # calls with probes for a test image's bound
    chain: float = 0.0  # calls without


LIPMAN = "Lipman et al. 2023, Table 1"
TONG = "Tong et al. 2024, Table 5"
DIGITS = "here, digits"

ROWS = (
    Row(("ddpm",), 274, LIPMAN, chain=BOUND_STEPS),
    Row(("score-matching", "vp-sde"), 242, LIPMAN),
    Row(("scoreflow",), 428, LIPMAN),
    Row(("subvp-sde",), 298, DIGITS),
    Row(("ve-sde", "fm-ve"), 433, DIGITS),
    Row(("smld",), 401, "its Langevin sampler", nll=False),
    Row(("edm",), 258, DIGITS),
    Row(("fm-ot",), 142, LIPMAN),
    Row(("fm-vp",), 183, LIPMAN),
    Row(("i-cfm", "rectified-flow"), 146, TONG),
    Row(("ot-cfm",), 134, TONG),
    Row(("sb-cfm",), 200, DIGITS),
    Row(("si-trig",), 207, DIGITS),
    Row(("reflow-2",), 117, DIGITS),
    Row(("cnf",), 79, DIGITS),
    Row(("anode",), 67, DIGITS, nll=False, bound=ANODE_DRAWS * 67),
)
LAYERED = ("realnvp", "nsf", "maf", "glow", "residual-flow", "i-resnet")  # with networks of their own
CONTROLS = ("gaussian", "gmm", "copycat")


@dataclass(frozen=True)
class Plan:
    """What is asked of every method."""

    seeds: int = 3
    images: float = 400_000 * 128  # that a training sees: Tong et al. 2024
    sets: int = 3
    samples: int = 50_000
    draws: int = 50  # K of the likelihood: Lipman et al. 2023, Table 1


@dataclass(frozen=True)
class Device:
    """A GPU: the maker's peak without sparsity and what of it we assume to be sustained, in TFLOP/s."""

    name: str
    peak: float
    sustained: float


A100 = Device("A100, TF32", 156, 30)
DEVICES = (
    A100,
    Device("A100, float32", 19.5, 10),
    Device("H100 SXM, TF32", 495, 60),
    Device("H100 SXM, float32", 67, 34),
)


@dataclass(frozen=True)
class Report:
    """A throughput that somebody published: images times calls through a network of so many FLOPs, in some time."""

    who: str
    device: str
    peak: float
    flops: float
    hours: float

    @property
    def sustained(self) -> float:
        """TFLOP/s."""
        return self.flops / self.hours / 3600 / 1e12


STEP = (1 + BACKWARD) * 128  # forward passes in a training step of batch 128
REPORTS = (
    Report("training, Ho et al. 2020, app. B", "TPU v3-8", 420, 800_000 * STEP * FORWARD, 10.6),
    Report("sampling, Ho et al. 2020, app. B", "TPU v3-8", 420, 256 * 1000 * FORWARD, 17 / 3600),
    Report("training, [torchcfm's users][torchcfm]", "V100, float32", 15.7, 400_000 * STEP * FORWARD, 60.3),
    Report("training, [torchcfm's users][torchcfm]", "RTX 4090", 82.6, 400_000 * STEP * FORWARD, 19),
    Report("training, [rectified flow's users][rectified]", "A100", 156, 1_300_000 * STEP * DEEP, 5 * 24),
)


def training(plan: Plan) -> float:
    """FLOPs of one training."""
    return plan.images * (1 + BACKWARD) * FORWARD


def sampling(row: Row, plan: Plan) -> float:
    """FLOPs of the sets of samples of one run."""
    return plan.sets * plan.samples * row.calls * FORWARD


def likelihood(row: Row, plan: Plan) -> float:
    """FLOPs of the likelihood, and of the bound, of the test images."""
    with_probes = (plan.draws * row.calls if row.nll else 0) * NLL_CALLS + row.bound
    return TEST_IMAGES * (with_probes * (1 + PROBES * VJP) + row.chain) * FORWARD


def resizing(plan: Plan) -> float:
    """Hours of a run in which Inception's input is prepared: samples, training and test images."""
    return (plan.sets * plan.samples + TRAIN_IMAGES + TEST_IMAGES) * RESIZE / 3600


def hours(flops: float, device: Device) -> float:
    """How long so many FLOPs take."""
    return flops / (device.sustained * 1e12) / 3600


def runs(plan: Plan, device: Device) -> list[float]:
    """Hours of every run of the table but the controls', which take minutes."""
    each = [
        hours(training(plan) + sampling(row, plan) + likelihood(row, plan), device) + resizing(plan)
        for row in ROWS
        for _ in row.methods
    ]
    return plan.seeds * [*each, *len(LAYERED) * [hours(training(plan), device)]]


def wall_clock(lengths: Sequence[float], gpus: int) -> float:
    """Hours until the last run has ended, the longest runs placed first, each on the GPU that is free first."""
    free = [0.0] * gpus
    heapify(free)
    for length in sorted(lengths, reverse=True):
        heapreplace(free, free[0] + length)
    return max(free)


def reports_table() -> Iterator[str]:
    """What others sustained."""
    yield "| published | on | sustained TFLOP/s | of the peak |"
    yield "|:--|:--|--:|--:|"
    for report in REPORTS:
        yield f"| {report.who} | {report.device} | {report.sustained:.0f} | {report.sustained / report.peak:.0%} |"


def methods_table() -> Iterator[str]:
    """Hours of one seed of every method."""
    plan = Plan()
    yield "| method | NFE | from | training | samples | likelihood | one seed |"
    yield "|:--|--:|:--|--:|--:|--:|--:|"
    for row in ROWS:
        parts = [hours(part, A100) for part in (training(plan), sampling(row, plan), likelihood(row, plan))]
        parts[1] += resizing(plan)
        cells = " | ".join(f"{part:.1f}" for part in [*parts, sum(parts)])
        yield f"| {', '.join(row.methods)} | {row.calls} | {row.source} | {cells} |"
    spent = hours(training(plan), A100)
    yield f"| {', '.join(LAYERED)} | | | {spent:.1f} | not sized | not sized | {spent:.1f} |"
    yield f"| {', '.join(CONTROLS)} | | | up to an hour | | | |"


def walls_table() -> Iterator[str]:
    """GPU hours and days of the whole table."""
    yield "| GPU | sustained TFLOP/s (assumed) | of the peak | seeds | GPU hours | days on 1 | on 8 | on 64 |"
    yield "|:--|--:|--:|--:|--:|--:|--:|--:|"
    for device, seeds in ((A100, 3), (A100, 5), *((device, 3) for device in DEVICES if device != A100)):
        lengths = runs(Plan(seeds=seeds), device)
        days = " | ".join(f"{wall_clock(lengths, gpus) / 24:.1f}" for gpus in (1, 8, 64))
        share = f"{device.sustained / device.peak:.0%}"
        yield f"| {device.name} | {device.sustained} | {share} | {seeds} | {sum(lengths):.0f} | {days} |"


def cuts_table() -> Iterator[str]:
    """What each cut leaves, one after the other."""
    plan = Plan()
    cuts = (
        ("everything above, 3 seeds", plan),
        ("K = 20", plan := replace(plan, draws=20)),
        ("K = 1", plan := replace(plan, draws=1)),
        ("one set of samples", plan := replace(plan, sets=1)),
        ("a quarter of the training (100 000 steps)", plan := replace(plan, images=plan.images / 4)),
        ("one seed", replace(plan, seeds=1)),
    )
    yield "| cut, each on top of the one before | GPU hours (A100, TF32) | days on 8 |"
    yield "|:--|--:|--:|"
    for name, cut in cuts:
        lengths = runs(cut, A100)
        yield f"| {name} | {sum(lengths):.0f} | {wall_clock(lengths, 8) / 24:.1f} |"


def lengths_table() -> Iterator[str]:
    """One training as long as the papers'."""
    published = (
        ("Tong et al. 2024 (this table)", 400_000, 128, FORWARD, PARAMETERS),
        ("Ho et al. 2020", 800_000, 128, FORWARD, PARAMETERS),
        ("Song et al. 2021, vp and ve", 1_300_000, 128, DEEP, DEEP_PARAMETERS),
        ("Lipman et al. 2023, Table 3, CIFAR-10", 391_000, 256, WIDE, WIDE_PARAMETERS),
        ("Lipman et al. 2023, Table 3, ImageNet-32", 250_000, 1024, *IMAGENET_32),
        ("Lipman et al. 2023, Table 3, ImageNet-64", 157_000, 2048, *IMAGENET_64),
    )
    yield "| as in | steps × batch | parameters | FLOPs (`budget.flops`) | hours (A100, TF32) |"
    yield "|:--|--:|--:|--:|--:|"
    for name, steps, batch, forward, parameters in published:
        flops = steps * batch * (1 + BACKWARD) * forward
        size = f"{steps // 1000} k × {batch} | {parameters / 1e6:.1f} M"
        yield f"| {name} | {size} | {flops:.2e} | {hours(flops, A100):.0f} |"


def storage_table() -> Iterator[str]:
    """Bytes of one run, and of the methods with the shared network at three seeds."""
    checkpoint = 4 * FLOAT * PARAMETERS  # weights, their average, Adam's two moments
    records = Plan().images / 128 / LOG_EVERY * LOG_LINE + RECORDS
    count = sum(len(row.methods) for row in ROWS) * Plan().seeds
    rows = (
        (f"checkpoints, {KEPT} kept (a third while it is written)", KEPT * checkpoint),
        ("each of `--snapshots`", FLOAT * PARAMETERS),
        ("records, and the samples that are kept for pictures", records + PICTURES),
    )
    yield f"| what | one run | {count} runs |"
    yield "|:--|--:|--:|"
    for name, size in rows:
        yield f"| {name} | {size / 1e6:.1f} MB | {count * size / 1e9:.2f} GB |"


TABLES = {
    "methods": methods_table,
    "walls": walls_table,
    "cuts": cuts_table,
    "lengths": lengths_table,
    "reports": reports_table,
    "storage": storage_table,
}


def main() -> None:
    """Print every table, between the comments that mark it in the document."""
    for name, table in TABLES.items():
        print(f"<!-- cost {name} -->", *table(), f"<!-- /cost {name} -->\n", sep="\n")


if __name__ == "__main__":
    main()
