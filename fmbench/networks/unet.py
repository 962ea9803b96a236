"""A convolutional U-Net for images: that of Ho et al. 2020 and its descendants, by diffusers' UNet2DModel."""

from __future__ import annotations

from diffusers.models.unets.unet_2d import UNet2DModel
from torch import Tensor, nn

from fmbench.errors import FmbenchError
from fmbench.networks.given import joined, widened
from fmbench.networks.mlp import TIME_SCALE, SecondTime
from fmbench.registry.builtin.networks import numbers_of, unet_misfit


class UNet(nn.Module):
    """Images of shape (channels, height, width), square and at least 8 pixels wide.

    Args:
        shape: of one image.
        channels: by which the multipliers are multiplied.
        multipliers: of the channels, as "1,2,2": one per resolution, each of which halves the side of the one before.
        layers: residual blocks at each resolution.
        attention: sides at which there is self-attention, as "16,8"; where there is any, the middle has it too.
        dropout: probability of dropping a feature.
        classes: number of classes to condition on; one more label means "no class".
        times: 2 for a second time r.
        given: shape of the image given beside each point of pair data; () for none.

    Raises:
        FmbenchError: the data are not such images.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        channels: int,
        multipliers: str,
        layers: int,
        attention: str,
        dropout: float,
        classes: int = 0,
        times: int = 1,
        given: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        misfit = unet_misfit({"multipliers": multipliers, "attention": attention}, shape)
        if misfit:
            raise FmbenchError(f"network.name = 'unet': {misfit}")
        factors, attentive = numbers_of(multipliers), numbers_of(attention)
        kinds = ["Attn" if shape[1] >> level in attentive else "" for level in range(len(factors))]
        self.model = UNet2DModel(
            sample_size=shape[1],
            in_channels=widened(shape, given)[0],
            out_channels=shape[0],
            block_out_channels=tuple(channels * factor for factor in factors),
            layers_per_block=layers,
            down_block_types=tuple(f"{kind}DownBlock2D" for kind in kinds),
            up_block_types=tuple(f"{kind}UpBlock2D" for kind in reversed(kinds)),
            norm_num_groups=max(n for n in range(1, min(32, channels // 4) + 1) if channels % n == 0),
            attention_head_dim=min(64, channels),
            dropout=dropout,
            add_attention=bool(attentive),
            num_class_embeds=classes + 1 if classes else None,
        )
        self.times, self.given = times, given
        if times == 2:  # drawn last: the other weights are as with one time
            self.model.class_embedding = Conditions(self.model.class_embedding, 4 * channels)

    def forward(self, t: Tensor, x: Tensor, labels: Tensor | None = None, r: Tensor | None = None) -> Tensor:
        """The output, shaped as x (n, *shape), at times t (and r), (n,) or (1,), for labels (n,) or what is given."""
        if self.given:
            x, labels = joined(x, labels), None
        condition = labels if self.times == 1 else (labels, t if r is None else r)
        out: Tensor = self.model(x, TIME_SCALE * t, class_labels=condition, return_dict=False)[0]
        return out


class Conditions(nn.Module):
    """What UNet2DModel adds to the embedding of its time, in the place of its embedding of classes alone.

    Args:
        label: the embedding of classes; None where there are none.
        width: of the embeddings.
    """

    def __init__(self, label: nn.Module | None, width: int) -> None:
        super().__init__()
        self.label, self.second = label, SecondTime(width)

    def forward(self, condition: tuple[Tensor | None, Tensor]) -> Tensor:
        """The embedding, (n or 1, width), of (labels, r)."""
        labels, r = condition
        embedded: Tensor = self.second(r)
        return embedded if self.label is None else embedded + self.label(labels)
