#!/bin/sh
# Packages: catboost 1.2.10, numpy 2.4.6.
#
# Guessed: a model fitted as fit(x, y, baseline=b) gives, by predict_proba(x),
# the probabilities it was trained to: sigmoid(b + trees).
# Seen: predict_proba(x) leaves the baseline out and gives sigmoid(trees), with
# no error and no warning.  Only with Pool(x, baseline=b) is b in the result.
# The two raw scores differ by b but for less than 1e-5.
#
# Why it matters: baseline is how a known logit (an earlier model, an exposure)
# enters the fit.  The log loss of predict_proba(x) is then far from the one that
# was minimised in training, and nothing says so.  Predict on a Pool that has
# the baseline.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check \
    catboost==1.2.10 numpy==2.4.6
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import warnings

import catboost
import numpy as np
from catboost import CatBoostClassifier, Pool

print("catboost", catboost.__version__, "numpy", np.__version__)
rng = np.random.default_rng(0)
x = rng.normal(size=(300, 2))
b = 2.0 * rng.normal(size=300) + 1.0
y = (rng.uniform(size=300) < 1 / (1 + np.exp(-b - x[:, 0]))).astype(int)
m = CatBoostClassifier(iterations=20, depth=3, thread_count=1, random_seed=0,
                       verbose=False, allow_writing_files=False)
m.fit(x, y, baseline=b)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def logloss(p):
    return float(np.mean(-np.log(np.where(y == 1, p, 1 - p))))


pool = Pool(x, baseline=b)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    bare = m.predict_proba(x)[:, 1]
    full = m.predict_proba(pool)[:, 1]
    raw_bare = m.predict(x, prediction_type="RawFormulaVal")
    raw_full = m.predict(pool, prediction_type="RawFormulaVal")
trained = m.get_best_score()["learn"]["Logloss"]
gap = float(np.max(np.abs(raw_full - raw_bare - b)))
print("log loss that training reports       ", round(trained, 6))
print("log loss of predict_proba(Pool with b)", round(logloss(full), 6))
print("log loss of predict_proba(x)          ", round(logloss(bare), 6))
print("largest |raw(Pool) - raw(x) - b|      ", gap, "warnings:", len(said))

assert gap < 1e-5, "the raw scores no longer differ by the baseline"
assert np.allclose(full, sigmoid(raw_full)), "Pool: not the sigmoid of the raw score"
assert np.allclose(bare, sigmoid(raw_bare)), "x: not the sigmoid of the raw score"
assert abs(logloss(full) - trained) < 1e-3, "the Pool does not give the trained loss"
assert abs(logloss(bare) - trained) > 0.05, "predict_proba(x) now has the baseline"
assert not said, "predict_proba(x) now warns"
print("as described: predict_proba(x) leaves the baseline out")
PY
