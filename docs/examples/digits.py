"""Handwritten digits, read by a small network: `python docs/examples/digits.py`.

1,797 images of 8 by 8 pixels (E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
Learning Repository, 1998). The training, stochastic gradient descent with momentum, is one function in plain Python:
its loops over epochs and batches become loops of one compiled function, with the gradient in their midst.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import graphad

DATA = Path(__file__).with_name("digits.csv.gz")
EPOCHS, BATCH, HIDDEN = 60, 32, 48


def load(seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """Images between 0 and 1 and their digits to learn from, and a quarter of them to test with."""
    table = np.loadtxt(DATA, delimiter=",")
    np.random.default_rng(seed).shuffle(table)
    x, y = table[:, :-1] / 16, table[:, -1].astype(int)
    learn = 3 * len(x) // 4
    return x[:learn], y[:learn], x[learn:], y[learn:]


def start(seed: int = 0, hidden: int = HIDDEN) -> list[Any]:
    """Random weights, of a variance that keeps that of what goes through a layer."""
    rng = np.random.default_rng(seed)
    w1, w2 = rng.normal(size=(64, hidden)) / 8, rng.normal(size=(hidden, 10)) / np.sqrt(hidden)
    return [w1, np.zeros(hidden), w2, np.zeros(10)]


def scores(weights: Any, x: Any) -> Any:
    """One row an image, one column a digit."""
    w1, b1, w2, b2 = weights
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


def loss(weights: Any, x: Any, y: Any) -> Any:
    """The mean negative logarithm of the probability given to the right digit."""
    z = scores(weights, x)
    z = z - np.max(z, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(z), axis=1)) - z[np.arange(len(y)), y])


def train(weights: Any, x: Any, y: Any, order: Any, rate: Any = 0.1, momentum: Any = 0.9) -> tuple[Any, Any]:
    """The weights after going through `order`, which holds indices of images by epoch and batch; and each epoch's loss.

    The rate falls linearly to zero.
    """
    slope = graphad.value_and_grad(loss)
    velocity = [np.zeros_like(w) for w in weights]
    losses = np.zeros(len(order))
    for epoch, batches in enumerate(order):
        for batch in batches:
            value, g = slope(weights, x[batch], y[batch])
            velocity = [momentum * v - rate * (1 - epoch / len(order)) * d for v, d in zip(velocity, g, strict=True)]
            weights = [w + v for w, v in zip(weights, velocity, strict=True)]
            losses[epoch] += value / len(batches)
    return weights, losses


def shuffled(images: int, epochs: int = EPOCHS, batch: int = BATCH, seed: int = 0) -> Any:
    """An order of images for each epoch, cut into batches."""
    rng = np.random.default_rng(seed)
    whole = images // batch * batch
    return np.stack([rng.permutation(images)[:whole].reshape(-1, batch) for _ in range(epochs)])


def accuracy(weights: Any, x: Any, y: Any) -> Any:
    return np.mean(np.argmax(scores(weights, x), axis=1) == y)


def main() -> None:
    x, y, test_x, test_y = load()
    weights, losses = graphad.jit(train)(start(), x, y, shuffled(len(x)))
    for epoch in (0, 4, 19, EPOCHS - 1):
        print(f"epoch {epoch + 1:3}: mean loss {losses[epoch]:.5f}")
    print(f"accuracy on digits it has not seen: {accuracy(weights, test_x, test_y):.3f}")


if __name__ == "__main__":
    main()
