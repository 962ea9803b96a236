"""A stranger's generative adversarial network: two players, of which samples need one (Goodfellow et al. 2014)."""

import torch
from torch import nn
from torch.nn.functional import softplus

from fmbench.api import CountedNetwork, Method, MethodSpec, Player, hookimpl


class GAN(Method):
    """The critic tells data from samples; the generator ascends its answer (their section 3, the second loss)."""

    def __init__(self, task):
        super().__init__(task)
        d = task.dimension
        self.generator = CountedNetwork(nn.Sequential(nn.Linear(4, 32), nn.SiLU(), nn.Linear(32, d)))
        self.critic = nn.Sequential(nn.Linear(d, 64), nn.SiLU(), nn.Linear(64, 1))

    def players(self):
        """The critic steps first."""
        return (
            Player("critic", self.critic, self.critic_loss, scored=False, rate=2.0),
            Player("generator", self.generator, self.loss),
        )

    def made(self, n, generator):
        """Points, (n, d), of fresh noise."""
        return self.generator(torch.randn(n, 4, generator=generator, device=generator.device))

    def critic_loss(self, batch):
        """-log D(x) - log(1 - D(G(z)))."""
        made = self.made(len(batch.x), batch.generator)
        return (softplus(-self.critic(batch.x.flatten(1))) + softplus(self.critic(made))).mean()

    def loss(self, batch):
        """-log D(G(z))."""
        return softplus(-self.critic(self.made(len(batch.x), batch.generator))).mean()

    def sample(self, n, settings, generator):
        """One call."""
        with torch.no_grad():
            return self.made(n, generator).double().reshape(n, *self.task.shape)


@hookimpl
def fmbench_methods():
    return [
        MethodSpec("gan", f"{__name__}:GAN", "two players", provides=(), likelihoods=(), native_sampler="generator")
    ]
