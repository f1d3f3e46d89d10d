#!/bin/sh
# Build the package with some Python, and run the tests on it.
#
#   test_on.sh PYTHON VENV [ARGUMENT...]    the arguments go to pytest
#
# PIP in the environment is the pip to install with: that of another Python, if this one has none.
set -eu
[ $# -ge 2 ] || { sed -n '4p' "$0" >&2; exit 2; }
python=$1 venv=$2
shift 2
cd "$(dirname "$0")/.."
[ -x "$venv/bin/python" ] || "$python" -m venv --without-pip "$venv"
# Not the newest NumPy compiled for an hour, where an older one has a wheel.
export PIP_PREFER_BINARY=1
${PIP:-python3 -m pip} --python "$venv/bin/python" install -q '.[cli,test]'
"$venv/bin/python" -VV
CI=true "$venv/bin/python" -m pytest -p no:cacheprovider "$@"
