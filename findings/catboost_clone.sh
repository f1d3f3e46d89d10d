#!/bin/sh
# Packages: catboost 1.2.10, scikit-learn 1.9.1, numpy 2.4.6.
#
# Guessed: sklearn.base.clone() of a CatBoostClassifier works whatever
# sequence class_weights is, as cross-validation and grid search need.
# Seen: with a list it raises RuntimeError.  get_params() of catboost gives deep
# copies of the arguments, so the list that a new classifier hands back is not
# the one it was given, and clone() takes this for an argument that was altered.
# With a tuple of the same numbers clone() works, since a deep copy of a tuple
# of numbers is the tuple itself.
#
# Why it matters: class weights are the usual way to weigh the positive labels
# in a log loss.  The list works in fit() and fails in cross-validation, with a
# message that blames the constructor.  Give a tuple.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check \
    catboost==1.2.10 scikit-learn==1.9.1 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import catboost
import numpy as np
import sklearn
from catboost import CatBoostClassifier
from sklearn.base import clone

print("catboost", catboost.__version__, "scikit-learn", sklearn.__version__,
      "numpy", np.__version__)
as_list = CatBoostClassifier(class_weights=[1, 5])
as_tuple = CatBoostClassifier(class_weights=(1, 5))


def same(model):
    return model.get_params()["class_weights"] is model.get_params()["class_weights"]


print("get_params() gives the same object each time: list", same(as_list),
      "tuple", same(as_tuple))
said = None
try:
    clone(as_list)
except RuntimeError as e:
    said = e
print("clone with a list: ", type(said).__name__, "-", said)
copy = clone(as_tuple)
print("clone with a tuple:", type(copy).__name__, copy.get_params())

assert not same(as_list), "get_params() now gives the list itself"
assert same(as_tuple), "get_params() now copies a tuple"
assert said is not None, "clone() now works with a list"
assert copy.get_params() == {"class_weights": (1, 5)}, "clone() of a tuple differs"
print("as described: clone() fails for a list of class weights, works for a tuple")
PY
