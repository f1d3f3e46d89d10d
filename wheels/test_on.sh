#!/bin/sh
# Build the package with some Python, and run the tests on it.
#
#   test_on.sh PYTHON VENV [ARGUMENT...]    the arguments go to pytest
#
# Environment: PIP_NO_INDEX and PIP_FIND_LINKS, where there is no network.
set -eu
[ $# -ge 2 ] || { sed -n '4p' "$0" >&2; exit 2; }
python=$1 venv=$2
shift 2
cd "$(dirname "$0")/.."
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install -q '.[cli,test]'
"$venv/bin/python" -VV
CI=true "$venv/bin/python" -m pytest -p no:cacheprovider "$@"
