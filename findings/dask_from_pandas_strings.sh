#!/bin/sh
# Packages: dask 2026.8.0 (its dataframe part), pandas 3.1.1.
#
# Guessed: dask.dataframe.from_pandas() keeps the entries of an object column,
# here the labels True and None.
# Seen: by default the column becomes a string column: the label True is now the
# text "True", and None is a missing string.  With the setting
# dataframe.convert-string off, True and None come back as they were.
#
# Why it matters: labels with gaps are an object column in pandas.  The text
# "False" is true for Python's bool(), so a receiver that applies bool() to each
# label takes every one that is not missing for a positive, and the loss is
# silently wrong.  Turn the setting off, or use the "boolean" type of pandas,
# which stays as it is.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check \
    "dask[dataframe]==2026.8.0" pandas==3.1.1 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import dask
import dask.dataframe as dd
import pandas as pd
import pyarrow

print("dask", dask.__version__, "pandas", pd.__version__, "pyarrow", pyarrow.__version__)


def show(values):
    frame = pd.DataFrame({"label": pd.Series(values, dtype=object)})
    default = dd.from_pandas(frame, npartitions=1)["label"].compute()
    with dask.config.set({"dataframe.convert-string": False}):
        off = dd.from_pandas(frame, npartitions=1)["label"].compute()
    print("pandas           ", frame["label"].dtype, frame["label"].tolist())
    print("dask, default    ", default.dtype, default.tolist())
    print("dask, setting off", off.dtype, off.tolist())
    return default, off


default, off = show([True, None])
assert off.tolist() == [True, None], "with the setting off the entries change"
assert default.tolist()[0] == "True", "True no longer becomes the text 'True'"
assert isinstance(default.tolist()[0], str), "the entry is no longer a text"
assert pd.isna(default.tolist()[1]), "None is no longer a missing string"

default, off = show([False, None])
made = bool(default.tolist()[0])
print("bool() of the first entry that came back for the label False:", made)
assert made is True, "False no longer becomes a text that counts as true"
frame = pd.DataFrame({"label": pd.array([True, None], dtype="boolean")})
kept = dd.from_pandas(frame, npartitions=1)["label"].compute()
print("the same as 'boolean':", kept.dtype, kept.tolist())
assert str(kept.dtype) == "boolean", "a 'boolean' column changes its type too"
assert bool(kept[0]) is True and pd.isna(kept[1]), "'boolean' differs"
print("as described: an object column of True and None becomes strings")
PY
