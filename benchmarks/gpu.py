"""What a GPU makes of it: python benchmarks/gpu.py [unet tf32 memory slots nccl].

unet: training images per second of a U-Net on made-up images of 3 x 32 x 32, beside the loop of torchcfm's CIFAR-10
example with the same network: Adam, clipping, a learning rate that warms up, an average kept parameter by parameter.
tf32: by how much products in TF32 move an NLL and a FID that are solved at 1e-5.
memory: a batch that does not fit is trained in micro-batches.
slots: seconds of a grid of four runs, one and two at a time on one GPU.
nccl: a vector averaged by one process.

Without a word all are tried; how fast the device multiplies is told by `fmbench bench`. Each part prints as it ends.
"""

from __future__ import annotations

import copy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import distributed

from fmbench import commands
from fmbench.data.base import Dataset, Levels
from fmbench.data.digits import digits
from fmbench.execution import Execution
from fmbench.methods.base import Method
from fmbench.metrics.extractors.embedded import digits_v1
from fmbench.metrics.frechet import frechet_distance
from fmbench.metrics.frechet import statistics as moments
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.request.schema import RunRequest, Sampler
from fmbench.seeding import stream
from fmbench.solvers.likelihood import LikelihoodSettings, bits_per_dim
from fmbench.store.records import TrainingSummary
from fmbench.store.run import RunDirectory
from fmbench.training.precision import products
from fmbench.training.session import TrainingSession, load_averaged

CUDA = torch.device("cuda")
BATCH, STEPS, ROUNDS = 128, 30, 3
UNET = ["network.name=unet", "network.channels=128", "network.multipliers=1,2,2", "network.layers=2", "train.warmup=1"]
WAYS: dict[str, list[str]] = {
    "ours, float32": [],
    "ours, tf32": ["train.precision=tf32"],
    "ours, bf16-mixed": ["train.precision=bf16-mixed"],
    "ours, bf16-mixed, compiled": ["train.precision=bf16-mixed", "train.compile=true"],
}
FRACTION = 0.05  # of the memory, that a batch must then overrun
GRID = [
    *("run", "--methods", "fm-ot", "--seeds", "4", "--metrics", "nfe", "--set", "train.steps=1000"),
    *("--set", "sampler.samples=1000", "--set", "sampler.draws=1", "--gpus", "0"),
]


def colours() -> Dataset:
    """Made-up images of the shape of CIFAR-10's."""
    levels = torch.randint(0, 256, (2560, 3, 32, 32), generator=stream("cpu", 0, "colours"), dtype=torch.uint8)
    return Dataset(name="colours", train=levels[:-256], test=levels[-256:], transform=Levels(256))


def planned(steps: int, batch: int, *said: str) -> RunRequest:
    """A run of flow matching."""
    asked = [f"train.steps={steps}", f"train.batch_size={batch}", *said]
    return commands.plan(load_plugins(environ={}), methods=["fm-ot"], assignments=asked)[0]


def trained(run: RunRequest, data: Dataset) -> tuple[Method, TrainingSummary]:
    """With the averaged weights, and what it cost."""
    here = TrainingSession(data, load_plugins(environ={}), Execution("cuda"), Silent())
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory(Path(folder))
        here.train(run.training, here.build(run.training), directory)
        summary = directory.training()
        if summary is None:
            raise SystemExit("the training left no summary")
        return load_averaged(here.build(run.training), directory, CUDA), summary


def example(run: RunRequest, data: Dataset) -> float:
    """Images per second of the loop in torchcfm's example, with its way of averaging."""
    from torchcfm.conditional_flow_matching import TargetConditionalFlowMatcher

    here = TrainingSession(data, load_plugins(environ={}), Execution("cuda"), Silent())
    network = here.build(run.training).network.network.train()
    average, matcher = copy.deepcopy(network), TargetConditionalFlowMatcher(sigma=0.0)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-4)
    warming = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(step, 5000) / 5000)
    images = (2 * data.train.float() / 255 - 1).to(CUDA)  # on the device, where the example has a loader of files
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(STEPS):
        x1 = images[torch.randint(0, len(images), (BATCH,), device=CUDA)]
        t, x, u = matcher.sample_location_and_conditional_flow(torch.randn_like(x1), x1)
        optimiser.zero_grad()
        loss = (network(t, x) - u).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        warming.step()
        kept = average.state_dict()
        for name, weight in network.state_dict().items():
            kept[name].copy_(kept[name] * 0.9999 + weight * 0.0001)
    torch.cuda.synchronize()
    return STEPS * BATCH / (time.perf_counter() - begun)


def unet() -> None:
    """Beside torchcfm's example."""
    data = colours()

    def own(said: Sequence[str]) -> float:
        return trained(planned(STEPS, BATCH, *UNET, *said), data)[1].images_per_second

    loops: dict[str, Callable[[], float]] = {"torchcfm's example": partial(example, planned(1, BATCH, *UNET), data)}
    loops |= {name: partial(own, said) for name, said in WAYS.items()}
    found: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(ROUNDS + 1):
        for name, loop in loops.items():
            found[name].append(loop())
    base = found["torchcfm's example"]
    for name, rates in found.items():
        ratios = [rate / other for rate, other in zip(rates[1:], base[1:], strict=True)]  # the first warms up
        print(
            f"{name:28s} {statistics.median(rates[1:]):8.0f} images/s  {statistics.median(ratios):.2f} of the example's"
        )


def tf32() -> None:
    """On an NLL and a FID."""
    data = digits()
    method, _ = trained(planned(2000, 256, "network.name=unet"), data)
    extractor = digits_v1(CUDA)
    with torch.no_grad():
        reference = moments(extractor.features(data.train.to(CUDA)).cpu())
    x = data.transform.encode(data.test.to(CUDA), stream(CUDA, 0, "dequantise"))
    dimension = x[0].numel()
    for precision in ("float32", "tf32"):
        with products(precision):
            log_prob = method.log_prob(x, LikelihoodSettings(), stream(CUDA, 0, "probes")).value
            samples = method.sample(5000, Sampler(), stream(CUDA, 0, "samples"))
        nll = float(bits_per_dim(log_prob + data.transform.log_jacobian(dimension), dimension).mean())
        with torch.no_grad():
            features = extractor.features(data.transform.decode(samples)).cpu()
        fid = frechet_distance(moments(features), reference)
        print(f"measured in {precision}: NLL {nll:.5f} bits/dim, FID {fid:.4f}")


def memory() -> None:
    """A batch that does not fit."""
    torch.cuda.set_per_process_memory_fraction(FRACTION)
    _, summary = trained(planned(3, 2048, *UNET), colours())
    torch.cuda.set_per_process_memory_fraction(1.0)
    print(f"a batch of 2048 in {FRACTION:.0%} of the memory: trained in {summary.micro_batches} micro-batches")


def slots() -> None:
    """One GPU, shared."""
    for each in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            asked = [*GRID, "--per-gpu", str(each), "--results-dir", folder]
            subprocess.run([sys.executable, "-m", "fmbench", *asked], check=True, capture_output=True)
            print(f"{each} at a time: {time.perf_counter() - begun:.0f} s")


def nccl() -> None:
    """One process."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{folder}/store"
        distributed.init_process_group("nccl", init_method=store, world_size=1, rank=0)
        vector = torch.arange(4.0, device=CUDA)
        distributed.all_reduce(vector)
        distributed.destroy_process_group()
    print(f"nccl, one process: the sum of 0 to 3 is {float(vector.sum()):g}")


PARTS: dict[str, Callable[[], None]] = {"unet": unet, "tf32": tf32, "memory": memory, "slots": slots, "nccl": nccl}


def main(asked: Sequence[str]) -> None:
    """Try what is asked for."""
    if not torch.cuda.is_available():
        raise SystemExit("PyTorch finds no CUDA device here: nothing was measured")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    for name in asked or PARTS:
        print(f"\n{name}", flush=True)
        PARTS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
