"""An image sharpened that a telescope and the air have blurred: `python docs/examples/deconvolution.py`.

The blur is a product of Fourier transforms, by `np.fft`. The sharp image is the one of most likelihood that has no
negative light and little total variation (L. Rudin, S. Osher and E. Fatemi, Physica D 60, 1992), found by SciPy's
L-BFGS-B with a gradient in 4,096 pixels. The scene is invented.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

import graphad

SIZE, WIDTH, NOISE, SMOOTH = 64, 1.2, 0.5, 0.05


def scene(size: int = SIZE, seed: int = 0) -> Any:
    """A disc, a bar across it, and some stars."""
    y, x = np.mgrid[:size, :size] / size
    image = 40.0 * ((x - 0.45) ** 2 + (y - 0.5) ** 2 < 0.04)
    image[size // 2 : size // 2 + 3, size // 6 : 5 * size // 6] = 80.0
    rng = np.random.default_rng(seed)
    image[rng.integers(size, size=20), rng.integers(size, size=20)] += 300.0
    return image


def blur(image: Any, width: Any) -> Any:
    """Convolved with a Gaussian of this standard deviation in pixels; the image goes on periodically."""
    fy, fx = np.fft.fftfreq(image.shape[0]), np.fft.rfftfreq(image.shape[1])
    transfer = np.exp(-2 * (np.pi * width) ** 2 * (fy[:, None] ** 2 + fx**2))
    return np.fft.irfft2(np.fft.rfft2(image) * transfer, s=image.shape)


def variation(image: Any) -> Any:
    """The sum of the lengths of the gradient, rounded where it is zero."""
    return np.sum(np.sqrt((np.roll(image, 1, 0) - image) ** 2 + (np.roll(image, 1, 1) - image) ** 2 + 1e-2))


def loss(pixels: Any, seen: Any, width: Any) -> Any:
    """The negative log-likelihood of what was seen, and the variation weighed with it."""
    image = pixels.reshape(seen.shape)
    residual = (blur(image, width) - seen) / NOISE
    return 0.5 * np.sum(residual**2) + SMOOTH * variation(image)


def photograph(size: int = SIZE, seed: int = 1) -> Any:
    """The scene, blurred, with noise."""
    return blur(scene(size), WIDTH) + NOISE * np.random.default_rng(seed).normal(size=(size, size))


def sharpen(seen: Any, width: float = WIDTH, iterations: int = 500) -> Any:
    """The sharp image."""
    both = graphad.jit(graphad.value_and_grad(loss))
    guess, bounds = np.maximum(seen, 0).ravel(), [(0, None)] * seen.size
    options = {"maxiter": iterations, "maxfun": 2 * iterations}
    found = minimize(both, guess, (seen, width), "L-BFGS-B", jac=True, bounds=bounds, options=options)
    return found.x.reshape(seen.shape)


def main() -> None:
    seen, true = photograph(), scene()
    for name, image in ("blurred", seen), ("sharpened", sharpen(seen)):
        print(f"{name:9} image: off by {np.sqrt(np.mean((image - true) ** 2)):.2f}, ", end="")
        print(f"brightest pixel {np.max(image):.0f} where {np.max(true):.0f} is right")


if __name__ == "__main__":
    main()
