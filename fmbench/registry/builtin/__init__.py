"""What fmbench itself offers through its hooks. Torch-free."""

from fmbench.registry.builtin.datasets import fmbench_datasets as fmbench_datasets
from fmbench.registry.builtin.extractors import fmbench_extractors as fmbench_extractors
from fmbench.registry.builtin.metrics import fmbench_metrics as fmbench_metrics
from fmbench.registry.builtin.networks import fmbench_networks as fmbench_networks
from fmbench.registry.builtin.samplers import fmbench_samplers as fmbench_samplers
