from dataclasses import replace

import pytest
import torch

from proxyless.data import Batches, ImageData, load_data
from proxyless.errors import InputError
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from tests.helpers import bound_at, toy_data, toy_space

_CPU = torch.device("cpu")


def test_batches_repeat_with_the_same_seed_and_normalise() -> None:
    data = load_data("digits", 16)
    batches = Batches(replace(data, augmentation="none"), data.train, 64, _CPU)
    first, again, other = (list(batches.shuffled(0, "a", epoch)) for epoch in (0, 0, 1))
    assert len(first) == 1347 // 64
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(first, again, strict=True))
    assert not torch.equal(first[0][1], other[0][1])
    pixels = torch.cat([images for images, _ in batches.ordered()])
    assert abs(float(pixels.mean())) < 0.01 and abs(float(pixels.std()) - 1) < 0.01
    assert len(pixels) == 1347


@pytest.mark.parametrize("augmentation", ["shift", "crop", "resized_crop"])
def test_augmentation_changes_images_and_keeps_shape(augmentation: str) -> None:
    data = toy_data()
    changed = replace(data, augmentation=augmentation)  # type: ignore[arg-type]
    batches = Batches(changed, data.train, 16, _CPU)
    torch.manual_seed(0)
    images, labels = next(batches.shuffled(0, "a", 0))
    assert images.shape == (16, 3, 16, 16) and labels.shape == (16,)
    plain = Batches(data, data.train, 16, _CPU)
    assert not torch.allclose(images, next(plain.shuffled(0, "a", 0))[0])


@pytest.mark.parametrize("augmentation", ["shift", "crop", "resized_crop"])
def test_images_that_compare_networks_are_as_they_are_in_random_order(augmentation: str) -> None:
    data = replace(toy_data(), augmentation=augmentation)  # type: ignore[arg-type]
    batches = Batches(data, data.train, 16, _CPU, augmented=False)
    ordered = {
        (image.sum().item(), label.item())
        for images, labels in batches.ordered()
        for image, label in zip(images, labels, strict=True)
    }
    for images, labels in batches.shuffled(0, "a", 0):
        assert {(image.sum().item(), label.item()) for image, label in zip(images, labels, strict=True)} <= ordered


def test_a_search_compares_operations_on_held_out_images_as_they_are() -> None:
    space = toy_space()
    data = replace(toy_data(resolution=8), augmentation="crop")
    settings = SearchSettings(batch_size=8, warmup_epochs=0, epochs=1, device="cpu")
    search = Search(Problem(space, data, (bound_at(space, 1.0),)), settings)
    assert search.held_out.augmenter.name == "none" and search.train.augmenter.name == "crop"


def test_too_few_images_for_a_batch() -> None:
    data = toy_data(count=10)
    with pytest.raises(InputError, match="a batch of 64 images is larger than the 10 training images"):
        Batches(data, data.train, 64, _CPU).require_full_batch("training")


def _first(data: ImageData, batch_size: int, rank: int, world: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    return next(Batches(data, data.train, batch_size, _CPU, rank, world).shuffled(0, "a", 0))


@pytest.mark.parametrize("augmentation", ["none", "shift", "crop", "resized_crop"])
@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_batch_that_one_would_get(augmentation: str, world: int) -> None:
    data = replace(toy_data(), augmentation=augmentation)  # type: ignore[arg-type]
    images, labels = _first(data, 24, 0, 1)
    parts = [_first(data, 24, rank, world) for rank in range(world)]
    assert all(len(part) == 24 // world for part, _ in parts)
    assert torch.equal(torch.cat([part for part, _ in parts]), images)
    assert torch.equal(torch.cat([part for _, part in parts]), labels)


def test_every_process_has_all_steps_and_all_images_in_order() -> None:
    data = toy_data(100)
    alone, second = Batches(data, data.train, 24, _CPU), Batches(data, data.train, 24, _CPU, 1, 2)
    assert alone.steps == second.steps == 4 == len(list(second.shuffled(0, "a", 0)))
    for (images, labels), (same_images, same_labels) in zip(alone.ordered(), second.ordered(), strict=True):
        assert torch.equal(images, same_images) and torch.equal(labels, same_labels)


def test_a_batch_must_be_shared_equally() -> None:
    data = toy_data()
    with pytest.raises(
        InputError, match=r"a batch of 33 images cannot be shared equally by 2 processes; .* multiple of 2"
    ):
        Batches(data, data.train, 33, _CPU, 0, 2)


def test_an_epoch_has_no_image_twice() -> None:
    data = toy_data(50)
    numbered = replace(data.train, labels=torch.arange(50))  # type: ignore[type-var]
    seen = torch.cat([labels for _, labels in Batches(data, numbered, 8, _CPU).shuffled(0, "a", 0)])
    assert len(seen) == 48 == len(seen.unique())  # type: ignore[no-untyped-call]
