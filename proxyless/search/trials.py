"""The evaluation of networks that a strategy proposes once the shared weights are trained."""

from collections.abc import Callable

from proxyless.progress import Record, Reporter
from proxyless.search.problem import Problem
from proxyless.search.samplers import Path
from proxyless.search.strategies.base import Strategy
from proxyless.search.worth import Worth

_TRIALS_PER_SAVE = 10


def run_trials(
    strategy: Strategy,
    total: int,
    seed: int,
    evaluate: Callable[[Path], Worth],
    save: Callable[[], None],
    reporter: Reporter,
) -> None:
    """Evaluate what the strategy proposes until it proposes nothing, saving every few networks. total: of them."""
    while (path := strategy.propose(seed)) is not None:
        worth = evaluate(path)
        strategy.record(path, worth.loss, worth.accuracy)
        done = len(strategy.evaluations)
        lowest = min(evaluation.loss for evaluation in strategy.evaluations)
        reporter.progress(done, total, f"evaluate network {done}/{total}, lowest loss {lowest:.4f}")
        if done % _TRIALS_PER_SAVE == 0 or done == total:
            save()


def evaluation_records(problem: Problem, strategy: Strategy) -> list[Record]:
    """A record of every network that was evaluated, in that order."""
    return [
        {
            "number": number,
            "ops": list(problem.space.path_ops(evaluation.path)),
            "held_out_loss": evaluation.loss,
            "held_out_accuracy": evaluation.accuracy,
            "score": evaluation.score,
            "costs": {bound.name: bound.cost(evaluation.path) for bound in problem.bounds},
        }
        for number, evaluation in enumerate(strategy.evaluations, 1)
    ]
