"""The evaluation of networks that a strategy proposes once the shared weights are trained."""

from collections.abc import Callable

from proxyless.progress import Record, Reporter
from proxyless.search.config import SearchSettings
from proxyless.search.problem import Problem
from proxyless.search.samplers import Path
from proxyless.search.shared import Worth
from proxyless.search.strategies import Strategy

_TRIALS_PER_SAVE = 10


def run_trials(
    strategy: Strategy,
    settings: SearchSettings,
    evaluate: Callable[[Path], Worth],
    save: Callable[[], None],
    reporter: Reporter,
) -> None:
    """Evaluate what the strategy proposes until it proposes nothing, saving every few networks."""
    while (path := strategy.propose(settings.seed)) is not None:
        worth = evaluate(path)
        strategy.record(path, worth.loss, worth.accuracy)
        done, total = len(strategy.evaluations), settings.evaluations
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
