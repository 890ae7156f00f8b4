"""Every format of ours."""

from export.formats import FORMATS
from proxyless.testing.formats import FormatContract


class TestOnnx(FormatContract):
    format = FORMATS["onnx"]


class TestTflite(FormatContract):
    format = FORMATS["tflite"]


def test_every_format_has_its_tests() -> None:
    assert [contract.format for contract in FormatContract.__subclasses__()] == list(FORMATS.values())
