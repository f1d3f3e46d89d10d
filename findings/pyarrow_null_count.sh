#!/bin/sh
# Packages: pyarrow 26.0.1.
#
# Guessed: null_count of an Arrow array is 0 only where no entry of it is null.
# Seen: for a run-end encoded array null_count is 0 although entries are null.
# (Such an array has no validity bitmap of its own, and only that is counted.)
# Reading the entries gives None, is_null() says True for them, and the decoded
# array has a null_count of 2.
#
# Why it matters: "null_count == 0" is the usual cheap test before a column is
# read as plain numbers.  Here it lets missing labels or logits through to the
# loss.  Decode the array, or test the entries, before trusting the count.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check pyarrow==26.0.1
"$dir/venv/bin/python" - <<'PY'
import pyarrow as pa
import pyarrow.compute as pc

print("pyarrow", pa.__version__)
a = pa.RunEndEncodedArray.from_arrays([1, 3], [0.5, None])
a.validate(full=True)
decoded = pc.run_end_decode(a)
flags = a.is_null()
print("type                  ", a.type)
print("entries               ", a.to_pylist())
print("null_count            ", a.null_count)
print("is_null()             ", flags.type, flags.to_pylist())
print("values.null_count     ", a.values.null_count)
print("decoded null_count    ", decoded.null_count)
print("in a table, null_count", pa.table({"a": a}).column("a").null_count)

assert a.to_pylist() == [0.5, None, None], "the entries read otherwise now"
assert a.null_count == 0, "null_count now counts the nulls"
assert flags.to_pylist() == [False, True, True], "is_null() differs"
assert decoded.null_count == 2, "decoding no longer shows two nulls"
print("as described: null_count is 0 and two of the three entries are null")
PY
