#!/bin/sh
# Packages: polars 2.1.0.
#
# Guessed: null_count() == 0 says that a column of fixed-width vectors (the
# Array type, one vector of logits or labels a row) has nothing missing in it.
# Seen: it counts only rows that are null as a whole.  A row [0.5, None] counts
# as not null, so null_count() is 0 and has_nulls() is False; taking the vectors
# apart shows the missing number, and to_numpy() gives NaN for it.
#
# Why it matters: a table of several logits or labels a row passes a
# "no nulls" test and still brings NaN into the loss.  Count the nulls after
# taking the vectors apart (explode).
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check \
    polars==2.1.0 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import numpy as np
import polars as pl

print("polars", pl.__version__)
s = pl.Series("logits", [[0.5, None], [0.1, 0.2]], dtype=pl.Array(pl.Float64, 2))
flat = s.explode()
a = s.to_numpy()
print("type               ", s.dtype)
print("rows               ", s.to_list())
print("null_count()       ", s.null_count())
print("has_nulls()        ", s.has_nulls())
print("exploded null_count", flat.null_count())
print("to_numpy()         ", a.tolist())

assert s.to_list() == [[0.5, None], [0.1, 0.2]], "the rows read otherwise now"
assert s.null_count() == 0, "null_count() now counts inner nulls"
assert s.has_nulls() is False, "has_nulls() now sees inner nulls"
assert flat.null_count() == 1, "taken apart, there is no longer one null"
assert int(np.isnan(a).sum()) == 1, "to_numpy() no longer gives NaN"
print("as described: null_count() is 0 with a null inside a row")
PY
