"""How steady a device was while it was measured, and the summary of its timings that suits it."""

import numpy as np

from latency.drift import machine_slowness
from latency.measurement import Measurements, repeatability_pct
from latency.table import Stability
from latency.timing import Samples

_COURSE_POINTS = 200


def find_stability(samples: Samples) -> tuple[Stability, Measurements]:
    """The device's stability, and every item's measurement in the way that repeats better on this device."""
    summary, measured = samples.steadiest()
    slowness = machine_slowness(samples.visits)
    steps = np.array_split(slowness, min(_COURSE_POINTS, len(slowness)))
    median, slowest = np.percentile(slowness, [50, 95])
    stability = Stability(
        summary=summary,
        repeatability_pct=repeatability_pct(measured),
        slowness_median=round(float(median), 3),
        slowness_p95=round(float(slowest), 3),
        course=[round(float(np.median(step)), 3) for step in steps],
    )
    return stability, measured
