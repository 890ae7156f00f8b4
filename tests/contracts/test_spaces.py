"""Every space of ours, and the one that a file begins with."""

from pathlib import Path

from proxyless.space import SPACES, Space
from proxyless.space.declared import TEMPLATE
from proxyless.testing.spaces import SpaceContract


class TestMobile(SpaceContract):
    space = "mobile"


class TestTiny(SpaceContract):
    space = "tiny"


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


def test_every_space_has_its_tests() -> None:
    """One of fixed widths has those of the space that it is a part of."""
    names = {name.removesuffix("-fixed") for name in SPACES}
    assert {contract.space for contract in SpaceContract.__subclasses__()} == {*names, "template.yaml"}
