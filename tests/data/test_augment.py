import math

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from proxyless.data.augment import Augmentation, Augmenter

_KINDS: list[Augmentation] = ["shift", "crop", "resized_crop"]


def _draw(name: Augmentation, count: int = 4000, resolution: int = 32) -> Tensor:
    torch.manual_seed(0)
    return Augmenter(name, resolution).draw(count)


def _numbered(resolution: int) -> Tensor:
    """An image whose three channels are the column, the row and 1, all within [0, 1]."""
    steps = torch.arange(resolution) / (resolution - 1)
    columns, rows = steps.expand(resolution, -1), steps[:, None].expand(-1, resolution)
    return torch.stack([columns, rows, torch.ones(resolution, resolution)])[None]


@pytest.mark.parametrize("name", ["crop", "resized_crop"])
def test_half_of_the_images_are_mirrored(name: Augmentation) -> None:
    mirrored = (_draw(name)[:, 0, 0] < 0).float().mean()
    assert abs(float(mirrored) - 0.5) < 4 * 0.5 / math.sqrt(4000)


def test_digits_are_never_mirrored_and_turned_shifted_and_zoomed_within_bounds() -> None:
    maps = _draw("shift")
    zoom = torch.linalg.det(maps[:, :, :2]).rsqrt()
    assert 0.9 <= float(zoom.min()) < 0.91 and 1.09 < float(zoom.max()) <= 1.1
    angle = torch.atan2(maps[:, 1, 0], maps[:, 0, 0]).rad2deg()
    assert -10 <= float(angle.min()) < -9.5 and 9.5 < float(angle.max()) <= 10
    assert 0.195 < float(maps[:, :, 2].abs().max()) <= 0.2  # a tenth of the side, which is 2 wide


def test_a_crop_is_the_padded_image_cut_out_at_a_whole_pixel() -> None:
    image, padding = torch.rand(1, 3, 16, 16), 2
    padded = torch.nn.functional.pad(image, [padding] * 4)
    possible = {
        (y, x, flip): (cut.flip(-1) if flip else cut)
        for y in range(5)
        for x in range(5)
        for flip in (False, True)
        for cut in [padded[0, :, y : y + 16, x : x + 16]]
    }
    maps = _draw("crop", 600, 16)
    crops = Augmenter("crop", 16).apply(image.expand(600, -1, -1, -1), maps)
    seen = [next(key for key, cut in possible.items() if torch.equal(cut, crop)) for crop in crops]
    assert len(set(seen)) == len(possible)


def test_a_resized_crop_has_the_area_and_the_shape_that_were_asked_for_and_stays_inside() -> None:
    maps = _draw("resized_crop")
    width, height = maps[:, 0, 0].abs(), maps[:, 1, 1]
    area, aspect = width * height, width / height
    assert 0.35 - 1e-5 <= float(area.min()) < 0.37 and 0.98 < float(area.max()) <= 1 + 1e-5
    assert abs(float(area.mean()) - 0.675) < 4 * 0.65 / math.sqrt(12 * 4000)
    assert 3 / 4 - 1e-5 <= float(aspect.min()) < 0.76 and 1.32 < float(aspect.max()) <= 4 / 3 + 1e-5
    assert float((width + maps[:, 0, 2].abs()).max()) <= 1 + 1e-5
    assert float((height + maps[:, 1, 2].abs()).max()) <= 1 + 1e-5


def test_a_resized_crop_shows_its_part_of_the_image_and_no_black() -> None:
    image = _numbered(32)
    maps = _draw("resized_crop", 50)
    crops = Augmenter("resized_crop", 32).apply(image.expand(50, -1, -1, -1), maps)
    torch.testing.assert_close(crops[:, 2], torch.ones(50, 32, 32))
    centre = crops[:, :2, 15:17, 15:17].mean((2, 3))  # a linear image has at its centre the position of the crop
    torch.testing.assert_close(centre, (maps[:, :, 2] * 32 / 31 + 1) / 2, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", _KINDS)
def test_values_stay_within_bounds_and_images_in_channels_last_give_the_same(name: Augmentation) -> None:
    images, maps = torch.rand(64, 3, 32, 32), _draw(name, 64)
    changed = Augmenter(name, 32).apply(images, maps)
    assert changed.shape == images.shape
    assert float(changed.min()) >= 0 and float(changed.max()) <= 1 + 1e-6
    last = Augmenter(name, 32).apply(images.contiguous(memory_format=torch.channels_last), maps)
    torch.testing.assert_close(last, changed)


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what is asked of a device, and notes what would wait for it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", _KINDS)
def test_a_batch_takes_few_operations_and_none_that_waits_for_a_device(name: Augmentation) -> None:
    maps, images = _draw(name, 64), torch.rand(64, 3, 32, 32)
    with _Operations() as operations:
        Augmenter(name, 32).apply(images, maps)
    assert len(operations.names) <= 3
    waiting = ("_local_scalar_dense", "nonzero", "unique", "masked_select")
    assert not [operation for operation in operations.names if any(word in operation for word in waiting)]


def test_nothing_is_drawn_for_no_augmentation() -> None:
    torch.manual_seed(0)
    before, images = torch.get_rng_state(), torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert Augmenter("none", 8).apply(images, Augmenter("none", 8).draw(4)) is images
    assert torch.equal(before, torch.get_rng_state())
