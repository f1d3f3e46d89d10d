#!/bin/sh
# Packages: xgboost-cpu 3.2.0, numpy 2.4.6.
#
# Guessed: base_score=list(a) works for a numpy float64 array a of one starting
# value per output, since base_score takes a list of numbers and a numpy float64
# is a Python float.
# Seen: training stops with an error from the JSON reader.  The list goes to the
# library as its printed text, and numpy 2 prints an entry of it as
# "np.float64(0.2)", which is not JSON.  The same numbers as plain Python floats
# (a.tolist()) work.
#
# Why it matters: the starting value of a log loss is usually the mean of the
# labels of each output, computed with numpy.  The error speaks of JSON and not
# of base_score's type, so the cause is hard to see.  Use tolist().
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check \
    xgboost-cpu==3.2.0 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import numpy as np
import xgboost as xgb

print("xgboost", xgb.__version__, "numpy", np.__version__)
rng = np.random.default_rng(0)
x = rng.normal(size=(40, 3))
y = (rng.uniform(size=(40, 2)) < [0.3, 0.6]).astype(float)
data = xgb.DMatrix(x, label=y)
mean = y.mean(axis=0)


def train(base_score):
    return xgb.train(
        {"objective": "binary:logistic", "base_score": base_score,
         "max_depth": 2, "nthread": 1, "verbosity": 0},
        data, num_boost_round=2)


print("all entries are floats:", all(isinstance(v, float) for v in list(mean)))
print("tolist():", mean.tolist())
p = train(mean.tolist()).predict(data)
print("  trained, predictions of shape", p.shape)
said = None
print("list():  ", list(mean))
try:
    train(list(mean))
except Exception as e:
    said = e
    lines = [t.strip() for t in str(e).splitlines() if t.strip()]
    print("  raised", type(e).__name__ + ":", lines[0].split("] ")[-1])
    for t in lines[1:]:
        if t.startswith("Stack trace"):
            break
        print("   ", t)

assert p.shape == (40, 2) and np.isfinite(p).all(), "plain floats no longer work"
assert said is not None, "list() of a numpy array now works"
assert isinstance(said, (ValueError, xgb.core.XGBoostError)), "another kind of error now"
print("as described: list() of a numpy array is refused, tolist() works")
PY
