"""Train ten labels at once: a linear model of handwritten digits, with scipy.optimize.

The data are the 1,797 images of scikit-learn's digits, which need no download. Label j says whether
the image shows the digit j, so that each row has ten targets; one of ten is positive, and
``pos_weight`` makes up for it. ``bcelogits.value_and_grad`` gives the loss of all of them and its
derivative by the logits in one pass; the chain rule takes that to the coefficients.

Run::

    pip install bcelogits scikit-learn scipy
    python examples/multi_label.py
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from bcelogits import balanced_pos_weight, binary_cross_entropy_with_logits, value_and_grad

FloatArray = NDArray[np.float64]


def load() -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return images with a column of ones, shape (rows, 65), and labels, shape (rows, 10)."""
    images, digits = load_digits(return_X_y=True)
    features = np.column_stack([images / 16, np.ones(digits.size)])
    return features, digits[:, None] == np.arange(10)


def objective(
    params: FloatArray,
    features: FloatArray,
    labels: NDArray[np.bool_],
    pos_weight: FloatArray,
    l2: float,
) -> tuple[float, FloatArray]:
    """Penalised mean loss of all labels, and its gradient.

    Parameters
    ----------
    params : ndarray, shape (n_features * n_labels,)
    features : ndarray, shape (rows, n_features)
    labels : ndarray of bool, shape (rows, n_labels)
    pos_weight : ndarray, shape (n_labels,)
    l2 : float
        Strength of the penalty ``l2 / 2 * sum(params**2)``.

    Returns
    -------
    value : float
    gradient : ndarray, shape (n_features * n_labels,)
    """
    coefficients = params.reshape(features.shape[1], labels.shape[1])
    loss, grad = value_and_grad(features @ coefficients, labels, pos_weight=pos_weight)
    value = float(loss) + 0.5 * l2 * float(params @ params)
    return value, (features.T @ grad).ravel() + l2 * params


def fit(features: FloatArray, labels: NDArray[np.bool_], l2: float = 1e-4) -> FloatArray:
    """Return the coefficients, shape (n_features, n_labels), by L-BFGS-B."""
    result = minimize(
        objective,
        np.zeros(features.shape[1] * labels.shape[1]),
        args=(features, labels, balanced_pos_weight(labels), l2),
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": 1000, "maxfun": 2000},
    )
    if not result.success:
        raise RuntimeError(f"L-BFGS-B did not converge: {result.message}")
    params: FloatArray = result.x
    return params.reshape(features.shape[1], labels.shape[1])


def main() -> None:
    """Train, and report the held-out loss of each label."""
    features, labels = load()
    parts: list[Any] = train_test_split(features, labels, test_size=0.25, random_state=0)
    train, held_out, train_labels, held_out_labels = parts
    logits = held_out @ fit(train, train_labels)
    each = binary_cross_entropy_with_logits(logits, held_out_labels, axis=0)
    rate = train_labels.mean(axis=0)
    odds = np.broadcast_to(np.log(rate / (1 - rate)), logits.shape)
    base = binary_cross_entropy_with_logits(odds, held_out_labels, axis=0)
    print("digit   held-out loss   of the base rate")
    for digit, (loss, of_rate) in enumerate(zip(each, base, strict=True)):
        print(f"{digit:5} {loss:15.4f} {of_rate:18.4f}")
    right = np.mean(logits.argmax(axis=1) == held_out_labels.argmax(axis=1))
    print(f"largest logit is the digit in {right:.1%} of {len(logits)} images")


if __name__ == "__main__":
    main()
