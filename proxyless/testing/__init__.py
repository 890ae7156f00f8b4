"""What every sampler, strategy, space, runtime, device and format must do, as classes of tests to inherit from.

from proxyless.testing.strategies import StrategyContract

class TestMine(StrategyContract):
    strategy = "mine"

They need pytest (`pip install "proxyless[testing]"`), and nothing else here needs them. Some tests are marked `slow` or
`timing`: names to register in a project that is strict about markers.
"""

import sys

if "pytest" in sys.modules:  # before they are imported: only then do their failed assertions show the values
    for _part in ("devices", "formats", "runtimes", "samplers", "spaces", "strategies"):
        sys.modules["pytest"].register_assert_rewrite(f"{__name__}.{_part}")
