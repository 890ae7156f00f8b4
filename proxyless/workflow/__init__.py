"""The whole path from Python: what the commands do, as functions."""

from latency.profile import profile
from latency.settings import BenchSettings, ProfileSettings
from proxyless.workflow.bench import bench
from proxyless.workflow.compare import compare
from proxyless.workflow.derive import derive_networks
from proxyless.workflow.export import export
from proxyless.workflow.gallery import derive_gallery, save_gallery
from proxyless.workflow.predict import predict
from proxyless.workflow.rank import rank
from proxyless.workflow.report import report
from proxyless.workflow.search import search
from proxyless.workflow.train import train

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
    "rank",
    "report",
    "save_gallery",
    "search",
    "train",
]
