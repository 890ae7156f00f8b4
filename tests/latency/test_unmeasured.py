"""Rows that were not measured, predicted from published ones whose truth is known."""

import numpy as np
import pytest

from latency.fit.unmeasured import predict_rows
from latency.table import LatencyTable
from latency.tables import load_table
from proxyless.errors import InputError
from proxyless.space import mobile_fixed


def _without_kernel(table: LatencyTable, kernel: int) -> LatencyTable:
    return table.changed(
        fixed=[row for row in table.fixed if row.kernel != kernel],
        rows=[row for row in table.rows if row.kernel != kernel],
    )


@pytest.mark.slow
def test_published_latencies_of_a_kernel_are_predicted_from_the_others() -> None:
    published = load_table("pixel1")
    table = predict_rows(_without_kernel(published, 7), mobile_fixed())
    rows = [*table.fixed, *table.rows]
    predicted = [row for row in rows if row.source == "predicted"]
    assert {row.kernel for row in predicted} == {7}
    errors = np.array([row.ms / published.lookup(row.spec) - 1 for row in predicted])
    assert table.prediction is not None and table.prediction.rows == len(predicted)
    error_pct = 100 * np.sqrt(np.mean(errors**2))
    assert error_pct < min(15, 2 * table.prediction.rmse_pct)
    assert table.prediction.rmse_pct == table.prediction.left_out_pct["kernel"]
    assert all(row.ms == published.lookup(row.spec) for row in rows if row.source != "predicted")
    assert table.covers(mobile_fixed()) and not published.covers(mobile_fixed(resolution=192))
    costs = table.costs(mobile_fixed())
    assert costs.margin == pytest.approx(2 * table.prediction.rmse_pct / 100)


def test_nothing_is_predicted_without_need_or_from_too_little() -> None:
    published = load_table("pixel1")
    with pytest.raises(InputError, match="has all layers of space 'mobile-fixed'; there is nothing to predict"):
        predict_rows(published, mobile_fixed())
    with pytest.raises(
        InputError, match=r"move \d+\.\d times more or less memory .* .at most 2.5 times.; profile this"
    ):
        predict_rows(published, mobile_fixed(resolution=448))
    few = published.changed(rows=published.rows[:3])
    with pytest.raises(InputError, match=r"has \d+ rows that were measured, predicting others needs at least 12"):
        predict_rows(few, mobile_fixed())
