#!/bin/sh
# Packages: pyarrow 26.0.1.
#
# Guessed: casting a decimal128 column to float64 gives, for each number, the
# double nearest to it, the one that float("2.937") gives.
# Seen: the cast is sometimes one step off: 2.937 becomes 2.9370000000000003.
# Casting the same text straight to float64, and converting the same
# decimal.Decimal by float(), both give 2.937.
#
# Why it matters: logits or probabilities kept as decimals do not give
# bit-for-bit the loss that the same numbers give as text or as Python floats,
# so an exact comparison of two pipelines fails.  Cast by way of strings (or
# Decimal) where the last bit counts.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check pyarrow==26.0.1
"$dir/venv/bin/python" - <<'PY'
from decimal import Decimal

import pyarrow as pa

print("pyarrow", pa.__version__)
d = Decimal("2.937")
a = pa.array([d], type=pa.decimal128(10, 3))
cast = a.cast(pa.float64())[0].as_py()
via_text = pa.array(["2.937"]).cast(pa.float64())[0].as_py()
print("entry                  ", a[0].as_py())
print("cast decimal -> float64", repr(cast))
print("cast string -> float64 ", repr(via_text))
print("float(Decimal)         ", repr(float(d)))

every = [Decimal(i).scaleb(-3) for i in range(10000)]
got = pa.array(every, type=pa.decimal128(10, 3)).cast(pa.float64()).to_pylist()
off = sum(g != float(e) for g, e in zip(got, every))
print("of 0.000 ... 9.999, cast to another double than the nearest:", off)

assert a[0].as_py() == d, "the decimal itself is not kept"
assert via_text == float(d) == 2.937, "the nearest double is not found otherwise"
assert cast != 2.937, "the cast now gives the nearest double"
assert cast == 2.9370000000000003, "the cast gives another wrong double now"
print("as described: the cast gives 2.9370000000000003 for 2.937")
PY
