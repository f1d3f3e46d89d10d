"""Choose the penalty of a logistic regression by the loss of its logits, with scikit-learn.

The data are the 569 tumours of scikit-learn's breast cancer data, which need no download. Each
penalty is judged by the mean loss of held-out folds, once from ``decision_function`` by
``bcelogits.metrics.log_loss_from_logits`` and once from ``predict_proba`` by scikit-learn's own
"neg_log_loss". The weaker the penalty, the larger the logits, and the more the two part: a
probability of 1 - 1e-20 is 1 in double precision, so that the loss of a wrong one is lost.

Run::

    pip install bcelogits scikit-learn
    python examples/grid_search.py
"""

from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bcelogits.metrics import log_loss_from_logits

SCORER = make_scorer(
    log_loss_from_logits, greater_is_better=False, response_method="decision_function"
)
# C is the inverse of the penalty.
PENALTIES = [1e-2, 1e-1, 1.0, 1e2, 1e8]


def search(features: Any, target: Any) -> GridSearchCV:
    """Judge every penalty by both losses, and refit the best by ours.

    Parameters
    ----------
    features : ndarray, shape (rows, n_features)
    target : ndarray, shape (rows,)
        0 or 1.

    Returns
    -------
    GridSearchCV
        Fitted.
    """
    model = make_pipeline(
        StandardScaler(), LogisticRegression(solver="newton-cholesky", max_iter=1000)
    )
    grid = GridSearchCV(
        model,
        {"logisticregression__C": PENALTIES},
        scoring={"logits": SCORER, "probabilities": "neg_log_loss"},
        refit="logits",
        cv=5,
    )
    return grid.fit(features, target)


def main() -> None:
    """Search and report."""
    features, target = load_breast_cancer(return_X_y=True)
    grid = search(features, target)
    found = grid.cv_results_
    print("       C   loss of logits   loss of probabilities   difference")
    for i, penalty in enumerate(PENALTIES):
        logits, probabilities = (-found[f"mean_test_{s}"][i] for s in ("logits", "probabilities"))
        difference = logits - probabilities
        print(f"{penalty:8g} {logits:16.6f} {probabilities:23.6f} {difference:12.1e}")
    best = grid.best_params_["logisticregression__C"]
    logits = grid.decision_function(features)
    print(f"best: C = {best:g}, loss on all rows {log_loss_from_logits(target, logits):.6f}")
    assert np.isfinite(logits).all()


if __name__ == "__main__":
    main()
