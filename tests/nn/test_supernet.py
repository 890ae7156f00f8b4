import pytest
import torch
from torch.nn.functional import cross_entropy

from proxyless.nn import SuperNet, plain_choices
from proxyless.nn.align import align_candidates, alike
from proxyless.nn.blocks import Block
from proxyless.optim import make_sgd
from proxyless.space import build_space, declared_space, tiny_fixed
from tests.helpers import input_shape, mbconv_layer, searched_layers


def test_unsampled_operations_get_neither_momentum_nor_decay() -> None:
    torch.manual_seed(0)
    space = tiny_fixed(resolution=16)
    net = SuperNet(space)
    sgd = make_sgd(net, lr=0.1, momentum=0.9, weight_decay=0.1)
    images, labels = torch.randn(8, 3, 16, 16), torch.arange(8) % 10

    def step(path: list[int]) -> None:
        sgd.zero_grad(set_to_none=True)
        torch.autograd.backward(cross_entropy(net(images, plain_choices(path)), labels))
        sgd.step()

    step([0] * 9)  # gives the operations of path 0 momentum
    before = {name: value.clone() for name, value in net.state_dict().items()}
    step([1] * 9)
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert any(".candidates.1." in name for name in moved)
    searched = tuple(f"layers.{number}." for number, layer in enumerate(net.layers) if layer in searched_layers(net))
    assert not any(name.startswith(searched) and ".candidates.1." not in name for name in moved)


@pytest.mark.parametrize("name", ["fbnet", "mobilenetv3"])
def test_candidates_of_a_kind_start_alike_in_every_space(name: str) -> None:
    torch.manual_seed(0)
    net = SuperNet(build_space(name, {"resolution": 32}))
    for layer in searched_layers(net):
        for first, *others in alike(layer):
            centre = _centre(first)
            assert all(torch.equal(_centre(other)[: len(centre)], centre[: len(_centre(other))]) for other in others)


def _centre(block: Block) -> torch.Tensor:
    """Of the first kernels of a spatial convolution."""
    weight = next(part.weight for part in block.branch.children() if isinstance(part, torch.nn.Conv2d))
    return weight[:16, :1, weight.shape[2] // 2, weight.shape[3] // 2].detach()


def test_where_an_activation_follows_the_last_normalisation_it_has_a_gradient() -> None:
    space = declared_space(
        {
            "name": "separable",
            "resolution": 16,
            "stem": {"width": 8},
            "stages": [{"width": 8, "depth": 1, "ops": {"a": {"op": "depthwise_separable"}}}],
            "head": {"width": 16},
        }
    )
    net = SuperNet(space)
    loss = net(torch.randn(4, 3, 16, 16), plain_choices([0])).square().mean()
    torch.autograd.backward(loss)
    assert all(
        float(p.grad.norm()) > 0 for p in searched_layers(net)[0].parameters() if p.grad is not None and p.ndim > 1
    )


def test_candidates_of_a_layer_start_alike() -> None:
    torch.manual_seed(0)
    space = tiny_fixed(resolution=16)
    net = SuperNet(space).eval()
    layer = searched_layers(net)[0]
    x = torch.randn(16, *input_shape(layer))
    reference = layer.branch([0], x).flatten()
    for index in range(1, len(space.decisions[0].choices)):
        cosine = torch.cosine_similarity(reference, layer.branch([index], x).flatten(), dim=0)
        assert float(cosine.detach()) > 0.9


@pytest.mark.parametrize("ops", ["k5e3 k3e6", "k7e3 k3e6", "k7e1 k3e3", "k3e1 k5e4", "k5e3 k3e4 k7e6"])
def test_candidates_of_any_sizes_start_alike_as_far_as_they_can(ops: str) -> None:
    torch.manual_seed(0)
    layer = mbconv_layer((8, 8, 16), (8, 8, 24), ops.split())
    align_candidates(layer)
    blocks = [block for block in layer.candidates.values() if isinstance(block, Block)]
    weights = [dict(block.branch.named_parameters())["depthwise.weight"] for block in blocks]
    centres = [w[:16, 0, w.shape[2] // 2, w.shape[2] // 2] for w in weights]
    assert all(torch.equal(centre, centres[0]) for centre in centres)
