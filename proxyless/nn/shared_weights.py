"""Weights that the candidates of a layer have in common, while a search warms up or to its end.

Of n candidates a sampled path trains one. While all of them are parts of the largest one, its first channels and the
centres of its kernels, every step trains all: the kernels are those of Stamoulis et al., "Single-Path NAS" (ECML PKDD
2019), the channels those of Cai et al., "Once-for-All" (ICLR 2020). Where probabilities are
learned, each goes on by itself after the warm-up.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

import torch
from torch import nn

from proxyless.nn.align import alike
from proxyless.nn.mixed import Choice, MixedLayer, Mixture
from proxyless.nn.parts import common_part

_Part = tuple[nn.Parameter, nn.Parameter, tuple[slice, ...]]
"""A parameter, the one of the largest candidate that it is a part of, and which part."""


class SharedWeights:
    """Lends candidates their parts of the largest one, and collects the gradients for it.

    Candidates of a kind, with the same parts, share with each other; those that no candidate of their kind has room for
    share nothing.
    """

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        self._parts = [(layer, _parts(layer)) for layer in layers if isinstance(layer, MixedLayer)]

    @torch.no_grad()
    def lend(self, choices: Sequence[Choice | Mixture]) -> None:
        """Before a step: give the active candidates their weights."""
        _copy(self._active(choices))

    @torch.no_grad()
    def lend_all(self) -> None:
        """At the end of an epoch: give all candidates weights, so that each can be evaluated or go on by itself."""
        _copy(chain.from_iterable(part for _, parts in self._parts for part in parts.values()))

    def collect(self, choices: Sequence[Choice | Mixture]) -> None:
        """After a backward pass: add the gradients to those of the weights that were lent; of the rest they are zero
        there."""
        for part, whole, where in self._active(choices):
            if part.grad is not None:
                if whole.grad is None:
                    whole.grad = torch.zeros_like(whole)
                whole.grad[where] += part.grad
                part.grad = None

    def _active(self, choices: Sequence[Choice | Mixture]) -> Iterable[_Part]:
        for layer, parts in self._parts:
            if (name := layer.active(choices)) is not None:
                yield from parts.get(name, ())


def _copy(parts: Iterable[_Part]) -> None:
    for part, whole, where in parts:
        part.copy_(whole[where])


def _parts(layer: MixedLayer) -> dict[str, list[_Part]]:
    """By candidate, but for the largest of every kind; what has other parts, as no expansion, is of another."""
    names = {block: name for name, block in layer.candidates.items()}
    kinds: dict[tuple[int, tuple[str, ...]], dict[str, dict[str, nn.Parameter]]] = {}
    for kind, blocks in enumerate(alike(layer)):
        for block in blocks:
            parameters = dict(block.named_parameters())
            kinds.setdefault((kind, tuple(parameters)), {})[names[block]] = parameters
    return {name: parts for members in kinds.values() for name, parts in _of_the_largest(members).items()}


def _of_the_largest(members: dict[str, dict[str, nn.Parameter]]) -> dict[str, list[_Part]]:
    for largest, wholes in members.items():
        if all(_has_room(wholes, others) for others in members.values()):
            return {
                name: [(parts[key], wholes[key], common_part(wholes[key], parts[key].shape)) for key in parts]
                for name, parts in members.items()
                if name != largest
            }
    return {}


def _has_room(wholes: dict[str, nn.Parameter], parts: dict[str, nn.Parameter]) -> bool:
    return all(
        all(there >= here for there, here in zip(wholes[key].shape, part.shape, strict=True))
        for key, part in parts.items()
    )
