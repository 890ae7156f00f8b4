"""The embedded default: 1,797 handwritten digits that ship with scikit-learn (UCI, Alpaydin and Kaynak 1998)."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import interpolate

from proxyless.data.base import ImageData, Split, limited, make_data, stratified


def load(argument: str, resolution: int, limit: int | None) -> ImageData:
    """8x8 grey images, enlarged; a quarter of them, stratified, is the test split."""
    bunch = load_digits()
    grey = torch.from_numpy(bunch.images.astype(np.float32))[:, None] * (255 / 16)
    large = interpolate(grey, size=(resolution, resolution), mode="bilinear").round().clamp(0, 255)
    everything = Split(large.to(torch.uint8).expand(-1, 3, -1, -1).contiguous(), torch.from_numpy(bunch.target))
    train, test = stratified(bunch.target, 0.25, seed=0)
    train, test = (part[limited(bunch.target[part], limit)] for part in (train, test))
    names = [str(name) for name in bunch.target_names]
    return make_data("digits", everything.take(train), everything.take(test), names, "shift")
