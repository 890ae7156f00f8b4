"""The whole path from Python: what the commands do, as functions."""

from latency.profile import profile
from latency.settings import BenchSettings, ProfileSettings
from proxyless.api.bench import bench
from proxyless.api.compare import compare
from proxyless.api.derive import derive_networks
from proxyless.api.export import export
from proxyless.api.gallery import derive_gallery, save_gallery
from proxyless.api.predict import predict
from proxyless.api.report import report
from proxyless.api.search import search
from proxyless.api.train import train

__all__ = [
    "BenchSettings",
    "ProfileSettings",
    "bench",
    "compare",
    "derive_gallery",
    "derive_networks",
    "export",
    "predict",
    "profile",
    "report",
    "save_gallery",
    "search",
    "train",
]
