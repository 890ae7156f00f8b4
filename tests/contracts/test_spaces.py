"""Every space of ours, and the one that a file begins with."""

from pathlib import Path

from proxyless.space import SPACES, Space
from proxyless.space.declared import TEMPLATE
from proxyless.testing.spaces import SpaceContract


class TestMobile(SpaceContract):
    space = "mobile"


class TestMobileFixed(SpaceContract):
    space = "mobile-fixed"


class TestTiny(SpaceContract):
    space = "tiny"


class TestTinyFixed(SpaceContract):
    space = "tiny-fixed"


class TestMobilenetv3(SpaceContract):
    space = "mobilenetv3"


class TestFbnet(SpaceContract):
    space = "fbnet"


class TestMnasnet(SpaceContract):
    space = "mnasnet"


class TestNasbench201(SpaceContract):
    space = "nasbench201"


class TestTemplate(SpaceContract):
    space = "template.yaml"

    def build(self, folder: Path) -> Space:
        path = folder / "template.yaml"
        path.write_text(TEMPLATE)
        return self.load(str(path))


_MODULES = """
name: modules
resolution: 32
num_classes: 10
act: relu6
stem: {width: 16}
ops:
  k3e3: {kernel: 3, expand: 3}
  ghost: {op: "proxyless.testing.modules:Ghost", expand: 3}
  residual: {op: "proxyless.testing.modules:Residual", kernel: 5, se: 0.25, act: relu}
stages:
  - {width: [24, 32], depth: 2, stride: 2}
  - width: 40
    depth: 3
    stride: 2
    min_depth: 2
    ops: {k5e6: {kernel: 5, expand: 6}, shuffle: {op: "proxyless.testing.modules:ShuffleUnit"}}
head: {width: 64}
"""
"""Operations of ours, and torch modules as users have them."""


class TestModules(SpaceContract):
    space = "modules.yaml"

    def build(self, folder: Path) -> Space:
        path = folder / self.space
        path.write_text(_MODULES)
        return self.load(str(path))


def test_every_space_has_its_tests() -> None:
    files = {"template.yaml", "modules.yaml"}
    assert {contract.space for contract in SpaceContract.__subclasses__()} == {*SPACES, *files}
