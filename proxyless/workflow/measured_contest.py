"""The networks of a comparison where the target can be measured: by the stopwatch, all may use the same budget."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from latency.devices import Device
from proxyless.errors import InputError
from proxyless.space import Architecture
from proxyless.space.registry import can_be_scaled
from proxyless.workflow.contenders import Contender, Contest, numbered_contenders, within_limits
from proxyless.workflow.measure import measure_networks
from proxyless.workflow.refine import MOST, measured_architecture
from proxyless.workflow.uniform import WIDTH_STEPS, scaled, uniform_ops

_DOUBLED = (*(WIDTH_STEPS[0] * 2**power for power in range(6)), WIDTH_STEPS[-1])

_STRIDES = (5, 1)
"""Between two widths, every fifth is measured, and then all that are left between the two around the limit."""

_NEAR = 0.95
"""Random networks take at least this share of the budget, where the space has such networks."""

_TRIES = 3
"""How often random networks are drawn, each time corrected by how much the table errs on the last ones."""


def measured_contenders(contest: Contest, device: Device, nets: int, seed: int) -> list[Contender]:
    """The found networks, the widest uniform ones and `nets` random ones, each as slow as the budget lets it be.

    The found ones are what `derive --measure` gives. What is chosen is measured once more, all in one session.
    device: see `measuring_devices`.

    Raises:
        InputError: there are random networks within the budget, but not so many.
        CheckError: the device failed, or a search has no network within the budget.
    """
    stopwatch = _Stopwatch(contest, device)
    found = [_found(each, device) for each in (contest, *contest.others)]
    contenders = [
        *(numbered_contenders("found", found) if contest.others else [Contender("found", "found", found[0])]),
        *(Contender(f"uniform-{op}", "uniform", network) for op, network in _widest(stopwatch).items()),
        *numbered_contenders("random", _random(stopwatch, nets, seed)),
    ]
    measured_ms = stopwatch.measure({each.name: each.architecture for each in contenders})
    return [replace(each, measured_ms=measured_ms[each.name]) for each in contenders]


@dataclass(frozen=True)
class _Stopwatch:
    """What says whether a network keeps the budget."""

    contest: Contest
    device: Device

    @property
    def limit_ms(self) -> float:
        return MOST * self.contest.budget_ms

    def measure(self, networks: Mapping[str, Architecture]) -> dict[str, float]:
        """Milliseconds by name."""
        if not networks:
            return {}
        return measure_networks(self.contest.table, self.contest.found.space, networks, self.device)


def _found(contest: Contest, device: Device) -> Architecture:
    """Without networks that tell the speed of the device at the time of the profile, what was predicted must do."""
    if not contest.table.anchors:
        return contest.found
    return measured_architecture(contest.result, contest.table, contest.budget_ms, contest.bounds, device)


def _widest(stopwatch: _Stopwatch) -> dict[str, Architecture]:
    """Per operation that all layers have, the widest network that keeps the budget and the limits, where there is one.

    Widths are doubled until one does not fit; between the last two, some are measured, then all near the widest of
    those that fits: latency may leap.
    """
    space = stopwatch.contest.found.space
    ops = uniform_ops(space) if can_be_scaled(space) else []
    fits: dict[str, int] = {}
    beyond: dict[str, int] = {}
    for step in _DOUBLED:
        open_ops = [op for op in ops if op not in beyond]
        fitting = _fitting(stopwatch, [(op, step) for op in open_ops])
        fits |= {op: step for op in open_ops if (op, step) in fitting}
        beyond |= {op: step for op in open_ops if (op, step) not in fitting}
    for stride in _STRIDES:
        between = {op: [step for step in WIDTH_STEPS[::stride] if fits[op] < step < beyond.get(op, 0)] for op in fits}
        fitting = _fitting(stopwatch, [(op, step) for op, steps in between.items() for step in steps])
        for op, steps in between.items():
            fits[op] = max([fits[op], *(step for step in steps if (op, step) in fitting)])
            beyond[op] = min([beyond.get(op, 0), *(step for step in steps if step > fits[op])])
    return {op: scaled(space, op, fits[op]) for op in ops if op in fits}


def _fitting(stopwatch: _Stopwatch, widths: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Which operations at which widths keep the budget and the limits."""
    contest = stopwatch.contest
    networks = {(op, step): scaled(contest.found.space, op, step) for op, step in widths}
    allowed = {key: net for key, net in networks.items() if within_limits(net, contest.result.limits)}
    distinct = {(net.space.fingerprint, net.ops): str(number) for number, net in enumerate(allowed.values())}
    names = {key: distinct[net.space.fingerprint, net.ops] for key, net in allowed.items()}
    measured_ms = stopwatch.measure({names[key]: net for key, net in allowed.items()})
    return {key for key, name in names.items() if measured_ms[name] <= stopwatch.limit_ms}


def _random(stopwatch: _Stopwatch, nets: int, seed: int) -> list[Architecture]:
    """The slowest that keep the budget, of twice as many that are predicted to take about that long."""
    error, limit_ms = 1.0, stopwatch.limit_ms
    latency, *others = stopwatch.contest.bounds
    within: dict[tuple[str, ...], tuple[float, Architecture]] = {}
    for attempt in range(_TRIES):
        around = [replace(latency, limit=max(limit_ms / error, latency.min_cost)), *others]
        networks = stopwatch.contest.random(2 * nets, seed + attempt, around)
        drawn = {str(number): network for number, network in enumerate(networks)}
        measured_ms = stopwatch.measure(drawn)
        within |= {drawn[name].ops: (ms, drawn[name]) for name, ms in measured_ms.items() if ms <= limit_ms}
        if sum(ms >= _NEAR * limit_ms for ms, _ in within.values()) >= nets or not drawn:
            break
        error = float(np.median([ms / _predicted_ms(drawn[name]) for name, ms in measured_ms.items()]))
    if 1 < len(within) < nets:
        raise InputError(f"only {len(within)} random networks were found within the budget, not {nets}; ask for fewer")
    if len(within) < nets:  # there is no spread of one
        return []
    return [network for _, network in sorted(within.values(), key=lambda each: -each[0])][:nets]


def _predicted_ms(network: Architecture) -> float:
    assert network.target is not None
    return network.target.predicted_ms
