"""Random changes to training batches, by kornia, on whatever device the batch is on."""

import kornia.augmentation as K
from torch import Tensor, nn

from proxyless.data.base import Augmentation


def make_augmentation(name: Augmentation, resolution: int) -> nn.Module:
    """Module on float images (N, 3, H, W) in [0, 1]; draws from torch's global generator.

    shift: small rotations, shifts and zooms, no flips (digits, letters). crop: pad by an eighth and crop,
    flip. resized_crop: crop of 35 to 100 % of the area, flip.
    """
    match name:
        case "shift":
            return nn.Sequential(K.RandomAffine(degrees=10.0, translate=(0.1, 0.1), scale=(0.9, 1.1), p=1.0))
        case "crop":
            crop = K.RandomCrop((resolution, resolution), padding=resolution // 8, p=1.0)
            return nn.Sequential(crop, K.RandomHorizontalFlip(p=0.5))
        case "resized_crop":
            size = (resolution, resolution)
            return nn.Sequential(K.RandomResizedCrop(size, scale=(0.35, 1.0)), K.RandomHorizontalFlip(p=0.5))
        case "none":
            return nn.Identity()


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Float images in [0, 1] to zero mean and unit variance per channel."""
    return (images - mean[:, None, None]) / std[:, None, None]
