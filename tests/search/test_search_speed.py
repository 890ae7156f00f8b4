"""The benchmark of speed runs, and what it compares with computes the gradient of the gates."""

import json
import sys
from pathlib import Path

import pytest
import torch

_BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_it_prints_both_speeds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(_BENCHMARKS))
    import search_speed

    arguments = ["--space", "tiny-fixed", "--device", "cpu", "--batch", "4", "--resolution", "16", "--cycles", "1"]
    monkeypatch.setattr(sys, "argv", ["search_speed.py", *arguments])
    search_speed.main()
    document = json.loads(capsys.readouterr().out)
    speeds = [document[name]["images_per_s"] for name in ("search", "paper")]
    assert min(speeds) > 0 and document["ratio"] == pytest.approx(speeds[0] / speeds[1], rel=0.05)


def test_the_papers_gates_get_the_exact_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(_BENCHMARKS))
    from paper_loop import MixedEdge
    from proxyless.space import tiny_fixed

    torch.manual_seed(0)
    slot = tiny_fixed(resolution=16).searched[0][1]
    edge = MixedEdge(slot).double()
    height, width, channels = slot.layers[0].in_shape
    x = torch.randn(4, channels, height, width, dtype=torch.double)
    edge.binarize()
    torch.autograd.backward(edge(x).square().mean())
    ours = edge.gates.grad
    gates = edge.gates.detach().clone().requires_grad_()
    out = torch.stack([gate * op(x) for gate, op in zip(gates, edge.candidates, strict=True)]).sum(0)
    torch.autograd.backward(out.square().mean())
    torch.testing.assert_close(ours, gates.grad)
