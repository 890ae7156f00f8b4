"""Accuracy of a network."""

import torch
from torch import nn

from proxyless.data import Batches


@torch.no_grad()
def accuracy(network: nn.Module, batches: Batches) -> float:
    """Share of the images whose highest logit is their label's, from 0 to 1."""
    was_training = network.training
    network.eval()
    correct = sum(int((network(images).argmax(1) == labels).sum()) for images, labels in batches.ordered())
    network.train(was_training)
    return correct / len(batches.labels)
