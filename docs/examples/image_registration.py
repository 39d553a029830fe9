"""How one image is shifted and rotated against another: `python docs/examples/image_registration.py`.

The moved image is read by SciPy's cubic splines (`scipy.ndimage.affine_transform`), with derivatives in the motion.
SciPy's BFGS finds it, first for smoothed images, which agree from further away, then for sharper ones. The Jacobian of
the differences gives the uncertainties. The scene is invented; both images are drawn from its formula.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.optimize import minimize

import graphad

SIZE, NOISE = 64, 0.02
TRUE = np.array([4.3, -2.7, 12.0])  # pixels down, pixels to the right, degrees
WIDTHS = [4.0, 2.0, 1.0]  # of the smoothing, coarse to fine


def rotation(degrees: Any) -> Any:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, -s], [s, c]])


def scene(y: Any, x: Any, seed: int = 0) -> Any:
    """The brightness at places in units of the image's extent, with the middle at zero: some spots of light."""
    rng = np.random.default_rng(seed)
    image = np.zeros(np.broadcast_shapes(y.shape, x.shape))
    for _ in range(25):
        v, u, width, height = rng.uniform([-0.25, -0.25, 0.03, 0.3], [0.25, 0.25, 0.07, 1.0])
        image += height * np.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * width**2))
    return image


def photographs(motion: Any = TRUE, size: int = SIZE, seed: int = 1) -> tuple[Any, Any]:
    """The scene, and the scene moved; both with noise."""
    places = np.mgrid[:size, :size].reshape(2, -1) - (size - 1) / 2
    moved = rotation(motion[2]) @ (places - np.reshape(motion[:2], (2, 1)))
    noise = NOISE * np.random.default_rng(seed).normal(size=(2, size, size))
    first, second = (scene(*(at / size)).reshape(size, size) for at in (places, moved))
    return first + noise[0], second + noise[1]


def moved(motion: Any, image: Any) -> Any:
    """The image rotated about its middle, then shifted."""
    matrix, middle = rotation(motion[2]), (np.array(image.shape) - 1) / 2
    return affine_transform(image, matrix, middle - matrix @ (middle + motion[:2]), mode="nearest")


def residuals(motion: Any, first: Any, second: Any) -> Any:
    """The differences between the first image, moved, and the second one."""
    return (moved(motion, first) - second).ravel()


def loss(motion: Any, first: Any, second: Any) -> Any:
    return 0.5 * np.sum(residuals(motion, first, second) ** 2)


def register(first: Any, second: Any) -> tuple[Any, Any]:
    """The motion and its uncertainties: those of differences with the noise that they have in the end."""
    both = graphad.jit(graphad.value_and_grad(loss))
    motion = np.zeros(3)
    for width in WIDTHS:
        smooth = gaussian_filter(first, width), gaussian_filter(second, width)
        motion = minimize(both, motion, smooth, "BFGS", jac=True).x
    motion = minimize(both, motion, (first, second), "BFGS", jac=True).x
    off = residuals(motion, first, second)
    slopes = graphad.jit(graphad.jacfwd(residuals))(motion, first, second)
    return motion, np.sqrt(np.mean(off**2) * np.diag(np.linalg.inv(slopes.T @ slopes)))


def main() -> None:
    first, second = photographs()
    motion, errors = register(first, second)
    for name, unit, x, error, true in zip(
        ["down", "right", "turned"], ["pixels", "pixels", "degrees"], motion, errors, TRUE, strict=True
    ):
        print(f"{name:7}{x:8.3f} ± {error:.3f} {unit:8} (image made with {true})")
    for name, at in ("before", np.zeros(3)), ("after", motion):
        off = np.sqrt(np.mean(residuals(at, first, second) ** 2))
        print(f"{name:7}the images differ by {off:.4f}, and each has a noise of {NOISE}")


if __name__ == "__main__":
    main()
