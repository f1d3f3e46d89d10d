#!/bin/sh
# Packages: catboost 1.2.10, numpy 2.4.6.
#
# Guessed: when an objective of one's own raises, fit() raises CatBoostError,
# and after the except block nothing is being handled any more.
# Seen: the objective's error stays what sys.exc_info() gives, for the thread
# and for good.  Each exception raised later, whatever it is of, has that error
# as its __context__: tracebacks say "During handling of the above exception,
# another exception occurred" of what has nothing to do with it, and the error
# with its arrays in the frames of its traceback is kept alive.
#
# Why it matters: a label that is out of range is what an objective refuses. A
# notebook or a service that goes on then reads misleading tracebacks.  In a
# thread of its own the error is gone with the thread.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check \
    catboost==1.2.10 numpy==2.4.6
"$dir/venv/bin/python" -W ignore - <<'PY'
import sys
import threading

import catboost
import numpy as np

print("catboost", catboost.__version__, "numpy", np.__version__,
      "Python", sys.version.split()[0])


class Refusing:
    def calc_ders_range(self, approxes, targets, weights):
        raise ValueError("label[0] is refused")


def fit():
    x = np.arange(40.0).reshape(20, 2)
    model = catboost.CatBoostClassifier(
        iterations=1, loss_function=Refusing(), eval_metric="Logloss",
        allow_writing_files=False, verbose=0)
    try:
        model.fit(x, (x[:, 0] > 20).astype(int))
    except catboost.CatBoostError:
        return
    raise AssertionError("fit() did not raise")


def context_of_another():
    try:
        {}["key"]
    except KeyError as error:
        return error.__context__


thread = threading.Thread(target=fit)
thread.start()
thread.join()
print("after fit() in a thread:", sys.exc_info()[1], "and", context_of_another())
assert context_of_another() is None, "the error went from one thread to another"
fit()
print("after fit() here:       ", repr(sys.exc_info()[1]), "and",
      repr(context_of_another()))
assert isinstance(sys.exc_info()[1], ValueError), "nothing is handled any more"
assert isinstance(context_of_another(), ValueError), "another error has no context"
print("as described: the objective's error stays the one being handled")
PY
