"""Weights of published networks: modules with the names and order of torchvision's code, written down once more.

Their BatchNorm has our epsilon, which torchvision's MobileNetV3 has not: weights do not tell.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from proxyless.errors import InputError
from proxyless.nn import build_network
from proxyless.ops import LayerSpec
from proxyless.train.published import adopt, in_order
from proxyless.train.start import _read
from tests.helpers import randomise
from tests.ops.test_published import V3_LARGE, mobilenet_v2, mobilenet_v3

_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def _conv_norm(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: object = nn.ReLU6
) -> nn.Module:
    """torchvision.ops.misc.Conv2dNormActivation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), *([act()] if callable(act) else []))


class _InvertedResidual(nn.Module):
    """torchvision.models.mobilenetv2.InvertedResidual."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        layers = [_conv_norm(inputs, hidden, 1)] if expand != 1 else []
        layers += [_conv_norm(hidden, hidden, 3, stride, hidden), nn.Conv2d(hidden, outputs, 1, bias=False)]
        self.conv = nn.Sequential(*layers, nn.BatchNorm2d(outputs))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.residual else out


class _MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        features, inputs = [_conv_norm(3, 32, 3, 2)], 32
        for expand, outputs, blocks, stride in _V2:
            for block in range(blocks):
                features.append(_InvertedResidual(inputs, outputs, stride if block == 0 else 1, expand))
                inputs = outputs
        self.features = nn.Sequential(*features, _conv_norm(inputs, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return out


class _SqueezeExcitation(nn.Module):
    """torchvision.ops.misc.SqueezeExcitation, with the activations of MobileNetV3."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = nn.functional.relu(self.fc1(x.mean((2, 3), keepdim=True)))
        return x * nn.functional.hardsigmoid(self.fc2(scale))


class _V3Block(nn.Module):
    """torchvision.models.mobilenetv3.InvertedResidual."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__()
        inputs, outputs, hidden = spec.in_shape[2], spec.out_shape[2], spec.mid_channels
        act = nn.ReLU if spec.act == "relu" else nn.Hardswish
        layers = [_conv_norm(inputs, hidden, 1, act=act)] if hidden != inputs else []
        layers += [_conv_norm(hidden, hidden, spec.kernel, spec.stride, hidden, act)]
        layers += [_SqueezeExcitation(hidden, spec.se)] if spec.se else []
        self.block = nn.Sequential(*layers, _conv_norm(hidden, outputs, 1, act=None))
        self.residual = spec.residual

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block(x)
        return x + out if self.residual else out


class _MobileNetV3(nn.Module):
    def __init__(self, layers: list[LayerSpec]) -> None:
        super().__init__()
        *blocks, last, _ = layers[1:]
        head = _conv_norm(last.in_shape[2], last.out_shape[2], 1, act=nn.Hardswish)
        self.features = nn.Sequential(_conv_norm(3, 16, 3, 2, act=nn.Hardswish), *map(_V3Block, blocks), head)
        self.classifier = nn.Sequential(nn.Linear(960, 1280), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return out


_CASES = {
    "MobileNetV2": (_MobileNetV2, mobilenet_v2()),
    "MobileNetV3": (lambda: _MobileNetV3(mobilenet_v3(V3_LARGE, 960, 1280)), mobilenet_v3(V3_LARGE, 960, 1280)),
}


@pytest.mark.parametrize("name", _CASES)
def test_with_published_weights_ours_computes_what_theirs_does(name: str) -> None:
    make, layers = _CASES[name]
    torch.manual_seed(0)
    published = randomise(make())
    for module in published.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = 0.1 * torch.randn(module.num_features)
            module.running_var = 0.5 + torch.rand(module.num_features)
    weights, left = adopt(published.state_dict(), build_network(layers))
    ours = build_network(layers)
    ours.load_state_dict(weights)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        found, expected = ours.eval()(images), published.eval()(images)
    assert not left and float((found - expected).abs().max()) < 1e-4 * float(expected.abs().max())


@pytest.mark.parametrize("name", _CASES)
def test_safetensors_which_are_sorted_by_name_are_put_in_order(name: str) -> None:
    state = _CASES[name][0]().state_dict()
    by_name = dict(sorted(state.items()))
    assert list(by_name) != list(state)
    assert _modules(in_order(by_name)) == _modules(state)


def _modules(state: Mapping[str, Tensor]) -> list[str]:
    return list(dict.fromkeys(name.rpartition(".")[0] for name in state))


_TIMM = [
    *("conv_stem", "bn1"),
    *(f"blocks.0.0.{name}" for name in ("conv_dw", "bn1", "se.conv_reduce", "se.conv_expand", "conv_pw", "bn2")),
    *(f"blocks.1.0.{name}" for name in ("conv_pw", "bn1", "conv_dw", "bn2")),
    *(f"blocks.1.0.{name}" for name in ("se.conv_reduce", "se.conv_expand", "conv_pwl", "bn3")),
    *(f"blocks.2.0.{name}" for name in ("conv_exp", "bn1", "se.conv_reduce", "se.conv_expand", "conv_pwl", "bn2")),
    *("blocks.10.0.conv", "blocks.10.0.bn1", "conv_head", "bn2", "classifier"),
]
"""Of timm's efficientnet.py and _efficientnet_blocks.py, in the order of their `forward`: a depthwise separable block,
an inverted residual, an edge residual, a plain convolution."""


def test_names_of_timm_are_put_in_the_order_of_its_computation() -> None:
    state = {f"{module}.weight": torch.zeros(1) for module in sorted(_TIMM)}
    assert _modules(in_order(state)) == _TIMM
    with pytest.raises(InputError, match=r"'stages\.0\.weight', which is not one of torchvision or timm"):
        in_order({**state, "stages.0.weight": torch.zeros(1)})


def test_a_classifier_of_other_classes_begins_anew_and_is_named() -> None:
    layers = [*mobilenet_v2()[:-1], LayerSpec("classifier", (7, 7, 1280), (1, 1, 10))]
    network = build_network(layers)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    weights, left = adopt(_MobileNetV2().state_dict(), network)
    assert left == ["19.branch.linear (for 10 classes, not 1000)"]
    kept = [name for name, tensor in weights.items() if torch.equal(tensor, before[name]) and name.startswith("19.")]
    assert kept == ["19.branch.linear.weight", "19.branch.linear.bias"]
    network.load_state_dict(weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda layers: layers[:3] + layers[4:], "are of another network"),
        (lambda layers: layers[:-2] + layers[-1:], "are of another network"),
    ],
)
def test_weights_of_another_network_are_refused(change: object, message: str) -> None:
    assert callable(change)
    with pytest.raises(InputError, match=message):
        adopt(_MobileNetV2().state_dict(), build_network(change(mobilenet_v2())))


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_state_dicts_are_read_as_people_save_them(suffix: str, tmp_path: Path) -> None:
    state = _conv_norm(3, 8, 3).state_dict()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"epoch": 3, "state_dict": state} if suffix == ".pth" else state, path)
    assert _read(path).keys() == state.keys()


class _Anything:
    pass


def test_what_would_run_code_or_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    torch.save(_Anything(), tmp_path / "pickled.pth")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"weight": torch.full((2, 2), torch.nan)}, tmp_path / "nan.pt")
    (tmp_path / "text.pth").write_text("no weights")
    for name, message in (
        ("pickled.pth", "give safetensors, or a state dict"),
        ("list.pt", "no state dict"),
        ("nan.pt", "not all finite"),
        ("text.pth", "give safetensors, or a state dict"),
    ):
        with pytest.raises(InputError, match=message):
            _read(tmp_path / name)
