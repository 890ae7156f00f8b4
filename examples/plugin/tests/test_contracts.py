"""What proxyless asks of everything that is added, for what this package adds."""

from proxyless_example.climber import Climber
from proxyless_example.climbing import ClimbingSettings
from proxyless_example.desk import open_desk
from proxyless_example.onnx_reference import RUNTIME
from proxyless_example.reference_file import FORMAT

from latency.devices import Device
from proxyless.testing.devices import DeviceContract
from proxyless.testing.formats import FormatContract
from proxyless.testing.runtimes import RuntimeContract
from proxyless.testing.samplers import SamplerContract
from proxyless.testing.spaces import SpaceContract
from proxyless.testing.strategies import StrategyContract


class TestBottlenecks(SpaceContract):
    space = "bottlenecks"


class TestClimber(SamplerContract):
    sampler, settings = Climber, ClimbingSettings(patience=5)


class TestClimbing(StrategyContract):
    strategy = "climbing"


class TestOnnxReference(RuntimeContract):
    runtime, threads = RUNTIME, False


class TestDesk(DeviceContract):
    def device(self) -> Device:
        return open_desk("desk:mine")


class TestReferenceFile(FormatContract):
    format = FORMAT
