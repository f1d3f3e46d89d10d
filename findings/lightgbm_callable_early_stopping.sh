#!/bin/sh
# Packages: lightgbm 4.7.0, scikit-learn 1.9.1, numpy 2.4.6 (lightgbm needs the
# system's libgomp).
#
# Guessed: LGBMClassifier(objective=a_function) with an eval set reports, as
# "binary_logloss", the log loss of a probability, and early stopping acts on it.
# Seen: with a function as the objective, the library has no link from raw score
# to probability, but the classifier still asks for binary_logloss, and the raw
# score itself is put where the probability belongs.  A raw score of 0 or less
# for a positive label costs 34.5 (minus the log of the smallest allowed value,
# 1e-15), a raw score above 1 for a positive label costs less than nothing.  The
# reported numbers are thus no log loss of any probabilities.  Early stopping by
# them picks another round than the log loss of sigmoid(raw score) would.
#
# Why it matters: a loss of one's own for binary labels is the ordinary use of a
# function as objective.  Training runs, the metric has the right name, and the
# number of rounds is chosen by a number that is not the loss.  Set metric="None"
# and pass an eval_metric function that takes the sigmoid itself; the program
# below shows that this gives the right numbers.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check \
    lightgbm==4.7.0 scikit-learn==1.9.1 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import lightgbm as lgb
import numpy as np
import sklearn

print("lightgbm", lgb.__version__, "scikit-learn", sklearn.__version__,
      "numpy", np.__version__)
rng = np.random.default_rng(0)
x = rng.normal(size=(600, 3))
y = (x[:, 0] * 4 + rng.normal(size=600) * 0.5 > 0).astype(int)
xt, yt, xv, yv = x[:400], y[:400], x[400:], y[400:]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def logistic(label, raw):
    p = sigmoid(raw)
    return p - label, p * (1 - p)


def by_hand(label, p):
    eps = 1e-15
    own = np.where(label > 0, p, 1 - p)
    return float(np.mean(-np.log(np.maximum(own, eps))))


def own_metric(label, raw):
    return "logloss", by_hand(label, sigmoid(raw)), False


def fit(objective, *callbacks, eval_metric=None, **more):
    m = lgb.LGBMClassifier(objective=objective, n_estimators=60, num_leaves=7,
                           n_jobs=1, verbose=-1, **more)
    m.fit(xt, yt, eval_X=xv, eval_y=yv, eval_metric=eval_metric,
          callbacks=list(callbacks))
    return m


own = fit(logistic)
reported = own.evals_result_["valid_0"]
assert list(reported) == ["binary_logloss"], "another metric is reported now"
reported = reported["binary_logloss"]
raws = [own.booster_.predict(xv, raw_score=True, num_iteration=k + 1)
        for k in range(60)]
of_raw = [by_hand(yv, r) for r in raws]
of_prob = [by_hand(yv, sigmoid(r)) for r in raws]
print("round  reported  by hand, raw score as p  by hand, sigmoid(raw score)")
for k in (0, 9, 29, 59):
    print(f"{k + 1:5}  {reported[k]:8.4f}  {of_raw[k]:23.4f}  {of_prob[k]:27.4f}")

named = fit("binary")
ref = named.evals_result_["valid_0"]["binary_logloss"]
named_prob = [by_hand(yv, named.predict_proba(xv, num_iteration=k + 1)[:, 1])
              for k in range(60)]
print("objective='binary': reported", round(ref[59], 4), "by hand", round(named_prob[59], 4))

cured = fit(logistic, eval_metric=own_metric, metric="None")
good = cured.evals_result_["valid_0"]["logloss"]
print("with an eval_metric of one's own: reported", round(good[59], 4),
      "by hand", round(of_prob[59], 4))

stopped = fit(logistic, lgb.early_stopping(5, verbose=False))
best = int(np.argmin(of_prob)) + 1
print("early stopping kept round", stopped.best_iteration_,
      "- the log loss of the probabilities is least at round", best)

assert np.allclose(named_prob, ref, atol=1e-5), "'binary' is not a plain log loss"
assert np.allclose(reported, of_raw, rtol=1e-3, atol=1e-3), \
    "the reported numbers are no longer those of the raw scores"
assert min(reported) < -0.1, "the reported numbers no longer go below nothing"
assert not np.allclose(reported, of_prob, atol=0.1), \
    "the reported numbers are now the log loss of the probabilities"
assert np.allclose(good, of_prob, atol=1e-5), "a metric of one's own differs"
assert list(cured.evals_result_["valid_0"]) == ["logloss"], "more metrics are reported"
assert stopped.best_iteration_ != best, "early stopping now finds the best round"
print("as described: binary_logloss is computed from raw scores")
PY
