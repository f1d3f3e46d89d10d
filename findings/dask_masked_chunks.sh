#!/bin/sh
# Packages: dask 2026.8.0 (its array part), numpy 2.4.6.
#
# Guessed: np.asarray() on a dask array whose chunks are numpy masked arrays
# either keeps the missing entries missing (as NaN, say) or refuses.
# Seen: the mask is dropped without an error or a warning and the number that
# lies under it, here the "no data" code -999.0, comes back as an ordinary
# value.  .compute() on the same array gives a masked array with the mask in
# place.  (np.asarray() of a numpy masked array drops the mask in the same way;
# the difference is that a dask array does not look like a masked array: its
# type is plain dask.array.Array, so isinstance(x, np.ma.MaskedArray) cannot
# warn the receiver.)
#
# Why it matters: a loss that begins by turning its input into a numpy array
# takes -999.0 as a logit or a label.  The mean loss is then a plausible-looking
# but wrong number.  Call .compute() first and look at the mask.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check \
    dask==2026.8.0 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import warnings

import dask
import dask.array as da
import numpy as np

print("dask", dask.__version__, "numpy", np.__version__)
x = da.ma.masked_equal(da.from_array(np.array([0.2, -999.0]), chunks=1), -999.0)

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    plain = np.asarray(x)
kept = x.compute()

print("type of the array        ", type(x).__module__, type(x).__name__)
print("np.asarray(x)            ", type(plain).__name__, plain, "warnings:", len(said))
print("x.compute()              ", type(kept).__name__, kept)

assert not isinstance(x, np.ma.MaskedArray), "a dask array now is a MaskedArray"
assert not isinstance(plain, np.ma.MaskedArray), "np.asarray now keeps the mask"
assert plain.tolist() == [0.2, -999.0], "np.asarray now treats the entry otherwise"
assert not said, "np.asarray now warns"
assert np.ma.getmaskarray(kept).tolist() == [False, True], "compute() lost the mask"
print("as described: np.asarray gives -999.0 as a value, compute() keeps the mask")
PY
