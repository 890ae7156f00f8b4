"""The MobileNetV3 space of Once-for-All (Cai et al., ICLR 2020): kernel, expansion and depth."""

from proxyless.space.build import build
from proxyless.space.definition import Definition, Fixed, Head, Numbers, Stage, Stem
from proxyless.space.mbconvs import mbconvs
from proxyless.space.space import Space

_STAGES = (
    Stage(width=24, depth=4, stride=2, min_depth=2, act="relu"),
    Stage(width=40, depth=4, stride=2, min_depth=2, act="relu", se=0.25),
    Stage(width=80, depth=4, stride=2, min_depth=2),
    Stage(width=112, depth=4, min_depth=2, se=0.25),
    Stage(width=160, depth=4, stride=2, min_depth=2, se=0.25),
)


def mobilenetv3(resolution: Numbers = 224, num_classes: int = 1000, width_mult: float = 1.0) -> Space:
    """20 searched inverted bottlenecks: kernel 3, 5, 7; expansion 3, 4, 6; two to four blocks in each of five stages.

    resolution: side of the square input in pixels, or several to choose from. num_classes: outputs of the classifier.
    width_mult: 1.0 and 1.2 are the published ones.

    Raises:
        InputError: an argument out of range.
    """
    definition = Definition(
        name="mobilenetv3",
        resolution=resolution,
        num_classes=num_classes,
        act="h_swish",
        stem=Stem(width=16),
        fixed=[Fixed(width=16, act="relu")],
        ops=mbconvs((3, 5, 7), (3, 4, 6)),
        stages=list(_STAGES),
        head=Head(width=960, classifier="mixed_classifier", hidden=1280),
    )
    args = {"resolution": resolution, "num_classes": num_classes, "width_mult": width_mult}
    return build(definition, args, width_mult)
