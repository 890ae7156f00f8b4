"""The report: everything that the folder of a run holds, on one page."""

from proxyless.workflow.report.collect import collect
from proxyless.workflow.report.write import PAGE, report, require_report

__all__ = ["PAGE", "collect", "report", "require_report"]
