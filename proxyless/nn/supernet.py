"""The over-parameterised network of a space."""

from collections.abc import Sequence

from torch import Tensor, nn

from proxyless.nn.align import align_candidates
from proxyless.nn.blocks import batch_norm, build_layer, initialise
from proxyless.nn.mixed import Choice, MixedLayer, Mixture
from proxyless.space.space import Space


class SuperNet(nn.Module):
    """All candidates of every layer; each forward pass computes the path that the choices name.

    Modes, by what the choices compare: nothing (weight step, memory and time of one network), two
    operations per layer, or all of them (architecture steps, memory of one network).
    Normalisation always uses the statistics of the batch.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.before = nn.Sequential(*(build_layer(spec, batch_norm) for spec in space.before))
        layers = [MixedLayer(layer) for layer in space.layers]
        self.layers = nn.ModuleList(layers)
        self.after = nn.Sequential(*(build_layer(spec, batch_norm) for spec in space.after))
        initialise(self)
        for layer in layers:
            align_candidates(layer)

    def forward(self, images: Tensor, choices: Sequence[Choice | Mixture]) -> Tensor:
        """Images (N, 3, H, W) to logits (N, classes), one choice per searched layer."""
        x = self.before(images)
        for layer, choice in zip(self.layers, choices, strict=True):
            x = layer(x, choice)
        logits: Tensor = self.after(x)
        return logits
