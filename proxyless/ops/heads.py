"""The ends of networks: from the last features to logits."""

from proxyless.ops.lowered import Chain
from proxyless.ops.spec import LayerSpec


def lower_linear(spec: LayerSpec, chain: Chain) -> None:
    """On what is pooled already."""
    chain.linear("linear", chain.flatten(0), spec.out_shape[2], spec.act)


def lower_classifier(spec: LayerSpec, chain: Chain) -> None:
    """Global average pooling and a linear layer (MobileNetV2)."""
    chain.linear("linear", chain.flatten(chain.global_pool(0)), spec.out_shape[2])


def lower_wide_classifier(spec: LayerSpec, chain: Chain) -> None:
    """Pooling, a wide linear layer with its activation after it, and the classifier (MobileNetV3)."""
    wide = chain.linear("wide", chain.flatten(chain.global_pool(0)), spec.mid_channels, spec.act)
    chain.linear("linear", wide, spec.out_shape[2])


def lower_mixed_classifier(spec: LayerSpec, chain: Chain) -> None:
    """The same with a wide 1x1 convolution without a bias or BatchNorm (Once-for-All's MobileNetV3)."""
    wide = chain.conv("wide", chain.global_pool(0), spec.mid_channels, act=spec.act, norm=False)
    chain.linear("linear", chain.flatten(wide), spec.out_shape[2])
