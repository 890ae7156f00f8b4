"""The over-parameterised network of a space."""

from torch import Tensor, nn
from torch.nn.functional import interpolate

from proxyless.nn.align import align_candidates
from proxyless.nn.blocks import initialise
from proxyless.nn.mixed import Choice, Choices, MixedLayer
from proxyless.space import Space


class SuperNet(nn.Module):
    """All candidates of every slot; each forward pass computes the path that the choices name.

    Modes, by what the choices compare: nothing (weight step, memory and time of one network), two
    operations per decision, or all of them (architecture steps, memory of one network).
    Normalisation always uses the statistics of the batch.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        layers = [MixedLayer(slot, space.decisions) for slot in space.slots]
        self.layers = nn.ModuleList(layers)
        initialise(self)
        for layer in layers:
            align_candidates(layer)

    def forward(self, images: Tensor, choices: Choices) -> Tensor:
        """Images (N, 3, H, W) of the largest input to logits (N, classes), one choice per decision."""
        path = [choice.active if isinstance(choice, Choice) else 0 for choice in choices]
        first = self.layers[0]
        assert isinstance(first, MixedLayer)
        spec = first.slot.spec(path)
        assert spec is not None
        x = resized(images, spec.in_shape[0])
        for layer in self.layers:
            x = layer(x, choices, path)
        return x


def resized(images: Tensor, side: int) -> Tensor:
    """Square images (N, 3, H, W) with that side in pixels."""
    if images.shape[-1] == side:
        return images
    return interpolate(images, size=(side, side), mode="bilinear", antialias=True)
