#!/bin/sh
# Packages: netCDF4 1.7.5.1.post1, numpy 2.4.6.
#
# Guessed: np.asarray(variable) of a netCDF4 variable marks the entries that
# the file says are missing (as NaN), or refuses, because variable[:] of the
# same variable gives a masked array.
# Seen: np.asarray(variable) gives the fill value as an ordinary number, with
# no error and no warning, both for a fill value the file names itself (-999.0)
# and for the library's default one (about 9.97e36).  variable[:] has these
# entries masked.
#
# Why it matters: a variable can be handed straight to any function that calls
# np.asarray() on its arguments.  A loss that does so counts the fill value as
# a logit (9.97e36 alone settles the mean) or a label.  Read variable[:] first
# and deal with its mask.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check \
    netCDF4==1.7.5.1.post1 numpy==2.4.6
"$dir/venv/bin/python" - "$dir/small.nc" <<'PY'
import sys
import warnings

import netCDF4
import numpy as np

print("netCDF4", netCDF4.__version__, "numpy", np.__version__)
with netCDF4.Dataset(sys.argv[1], "w") as f:
    f.createDimension("n", 3)
    named = f.createVariable("named", "f8", ("n",), fill_value=-999.0)
    named[:] = np.ma.masked_array([0.2, 0.0, 0.7], mask=[False, True, False])
    default = f.createVariable("default", "f8", ("n",))
    default[0] = 0.2
    default[2] = 0.7

with netCDF4.Dataset(sys.argv[1]) as f:
    for name, fill in (("named", -999.0), ("default", netCDF4.default_fillvals["f8"])):
        v = f.variables[name]
        sliced = v[:]
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            plain = np.asarray(v)
        print(f"{name:8} variable[:]           {type(sliced).__name__} {sliced}")
        print(f"{name:8} np.asarray(variable)  {type(plain).__name__} {plain} warnings: {len(said)}")
        assert np.ma.getmaskarray(sliced).tolist() == [False, True, False], \
            name + ": slicing no longer masks the missing entry"
        assert not isinstance(plain, np.ma.MaskedArray), name + ": asarray keeps a mask"
        assert plain.tolist() == [0.2, fill, 0.7], \
            name + ": np.asarray no longer gives the fill value"
        assert not said, name + ": np.asarray now warns"
print("as described: variable[:] is masked, np.asarray(variable) gives the fill value")
PY
