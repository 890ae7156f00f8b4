"""Random changes to training batches, on whatever device the batch is on: one affine map per image.

Everything random is drawn on the CPU, a few numbers per image, and applied to the whole batch in one
interpolation. So the draws are the same on every device, a GPU is never waited for, and a process that has
only a part of a batch can draw for the whole and use its part.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

Augmentation = Literal["shift", "crop", "resized_crop", "none"]

_LARGEST_ANGLE = math.radians(10)
_LARGEST_SHIFT = 0.1
_ZOOM = (0.9, 1.1)
_PADDING = 8
"""A crop may reach over the edge by one such part of the image's side."""
_AREA = (0.35, 1.0)
_ASPECT = (3 / 4, 4 / 3)


@dataclass(frozen=True)
class Augmenter:
    """Random changes of one kind for images of one resolution.

    shift: small rotations, shifts and zooms, no flips (digits, letters). crop: pad with black by an eighth and
    crop, flip. resized_crop: crop of 35 to 100 % of the area, 3:4 to 4:3 (Szegedy et al. 2015, with a larger
    smallest area, as for mobile networks), flip. none: nothing.
    """

    name: Augmentation
    resolution: int

    def draw(self, count: int) -> Tensor:
        """Affine maps (count, 2, 3) from output to input coordinates, both in [-1, 1]; from torch's global generator.

        Every kind but `none` draws; `none` leaves the generator as it is.
        """
        match self.name:
            case "shift":
                return _shift_maps(count)
            case "crop":
                return _crop_maps(count, self.resolution)
            case "resized_crop":
                return _resized_crop_maps(count)
            case "none":
                return torch.eye(2, 3).expand(count, 2, 3)

    def apply(self, images: Tensor, maps: Tensor) -> Tensor:
        """Float images (N, 3, H, W) in [0, 1], changed by maps (N, 2, 3); outside of the image is black."""
        if self.name == "none":
            return images
        on_device = maps.to(images.device, images.dtype, non_blocking=True)
        grid = affine_grid(on_device, list(images.shape), align_corners=False)
        # Crops move by whole pixels; a resized crop never leaves the image, but its outermost pixels' neighbours do.
        mode = "nearest" if self.name == "crop" else "bilinear"
        padding = "border" if self.name == "resized_crop" else "zeros"
        return grid_sample(images, grid, mode=mode, padding_mode=padding, align_corners=False)


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Float images in [0, 1] to zero mean and unit variance per channel."""
    return (images - mean[:, None, None]) / std[:, None, None]


def _shift_maps(count: int) -> Tensor:
    angle, zoom = _uniform(count, -_LARGEST_ANGLE, _LARGEST_ANGLE), _uniform(count, *_ZOOM)
    x, y = (_uniform(count, -2 * _LARGEST_SHIFT, 2 * _LARGEST_SHIFT) for _ in range(2))
    cosine, sine = angle.cos() / zoom, angle.sin() / zoom
    return _maps((cosine, -sine, x), (sine, cosine, y))


def _crop_maps(count: int, resolution: int) -> Tensor:
    farthest = resolution // _PADDING
    x, y = torch.randint(-farthest, farthest + 1, (2, count)) * (2 / resolution)
    none, one = torch.zeros(count), torch.ones(count)
    return _maps((_flips(count), none, x), (none, one, y))


def _resized_crop_maps(count: int) -> Tensor:
    area = _uniform(count, *_AREA)
    # Only shapes that lie within the image, so that the drawn area is the area of the crop.
    lowest, highest = area.clamp_min(_ASPECT[0]).log(), area.reciprocal().clamp_max(_ASPECT[1]).log()
    aspect = torch.lerp(lowest, highest, torch.rand(count)).exp()
    width, height = (area * aspect).sqrt().clamp_max(1), (area / aspect).sqrt().clamp_max(1)
    x, y = ((1 - side) * _uniform(count, -1, 1) for side in (width, height))
    none = torch.zeros(count)
    return _maps((width * _flips(count), none, x), (none, height, y))


def _uniform(count: int, low: float, high: float) -> Tensor:
    return torch.rand(count) * (high - low) + low


def _flips(count: int) -> Tensor:
    """-1 for a mirrored image, 1 for one that is left as it is."""
    return torch.randint(0, 2, (count,)) * 2.0 - 1


def _maps(*rows: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return torch.stack([torch.stack(row, 1) for row in rows], 1)
