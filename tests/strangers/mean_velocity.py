"""A stranger's two-time method: the average velocity between two times, whose one-step sample is one call."""

import torch

from fmbench.api import GaussianPathMethod, MethodSpec, hookimpl, paths


class MeanVelocity(GaussianPathMethod):
    """u(x, t, r) = (1 / (r - t)) int_t^r v: regressed on v + (r - t) du/dt (Geng et al. 2025, eq. 10)."""

    path = paths.Linear()
    times = 2

    def loss(self, batch):
        """The squared error, with the derivative along the path by one forward-mode product."""
        x0, x1 = self.pairs(batch)
        t, r = torch.rand(2, len(x1), 1, generator=batch.generator).sort(dim=0).values
        x, v = (1 - t) * x0 + t * x1, x1 - x0
        u, along = torch.func.jvp(lambda x, t: self.network(t[:, 0], x, r=r[:, 0]), (x, t), (v, torch.ones_like(t)))
        return (u - (v + (r - t) * along).detach()).square().mean()

    def sample(self, n, settings, generator):
        """One call over the whole interval with sampler "one-step"; by the diagonal's ODE with any other."""
        if settings.name != "one-step":
            return super().sample(n, settings, generator)
        x0 = self.source(n, generator)
        with torch.no_grad():
            return x0 + self.network(torch.zeros(1), x0.float(), r=torch.ones(1)).double()


@hookimpl
def fmbench_methods():
    return [MethodSpec("mean-velocity", f"{__name__}:MeanVelocity", "two times", native_sampler="one-step")]
