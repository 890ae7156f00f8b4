"""Charts of courses that a short run does not have: many epochs, several bounds."""

import pytest

from proxyless.report.content import BoundState, Course, SearchEpoch
from proxyless.report.course_charts import course_charts
from proxyless.report.figure import Chart

_DECISIONS = ["block1", "block2"]
_OPS = [["k3e3", "skip"], ["k3e3", "k5e3"]]


def _charts(epochs: list[SearchEpoch]) -> dict[str, Chart]:
    return {chart.name: chart for chart in course_charts(Course(decisions=_DECISIONS, ops=_OPS, epochs=epochs))}


def test_the_slider_of_a_long_search_has_its_first_and_last_epoch_and_few_between() -> None:
    epochs = [SearchEpoch(epoch=n, probabilities=[[n / 500, 1 - n / 500], [0.5, 0.5]]) for n in range(1, 501)]
    figure = _charts(epochs)["probabilities"].figure
    numbers = [int(frame.name) for frame in figure.frames]
    assert (numbers[0], numbers[-1], len(numbers)) == (1, 500, 80) and numbers == sorted(set(numbers))
    for number, frame in zip(numbers, figure.frames, strict=True):
        assert [list(row) for row in frame.data[0].z] == [
            [number / 500, round(1 - number / 500, 4), None],
            [0.5, None, 0.5],
        ]


def test_several_bounds_share_an_axis_relative_to_their_limits() -> None:
    bounds = [
        BoundState(name="latency", unit="ms", expected=1.5, limit=2, multiplier=0.1),
        BoundState(name="parameters", unit="", expected=3e6, limit=4e6, multiplier=0.2),
    ]
    charts = _charts([SearchEpoch(epoch=1, bounds=bounds)])
    assert set(charts) == {"bounds", "multiplier"}  # and no chart of what was not logged
    assert [line.y[0] for line in charts["bounds"].figure.data] == [75, 75, 100]
    assert [line.y[0] for line in charts["multiplier"].figure.data] == [0.1, 0.2]


@pytest.mark.parametrize("limit", [2.0, 3.0])
def test_one_bound_is_shown_in_its_unit(limit: float) -> None:
    bound = BoundState(name="latency", unit="ms", expected=1.5, limit=limit)
    figure = _charts([SearchEpoch(epoch=1, bounds=[bound])])["bounds"].figure
    assert [line.y[0] for line in figure.data] == [1.5, limit]
    assert figure.layout.yaxis.title.text == "ms"
