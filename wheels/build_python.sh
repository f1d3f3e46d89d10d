#!/bin/sh
# A CPython built from Debian's source package: for a kind of Python that Debian has no package of.
#
#   build_python.sh FOLDER SUITE SOURCE [OPTION...]    build/freethreaded trixie python3.13 --disable-gil
#
# It is installed into FOLDER/python, once, without pip; the options go to configure. The sources are CPython's own, for
# Debian's patches move site-packages. Needs a Debian with dpkg-dev, gcc, make, libffi-dev, libssl-dev and zlib1g-dev.
# Environment: JOBS, and MIRROR, another mirror of Debian.
set -eu
. "$(dirname "$0")/apt.sh"
: "${JOBS:=2}"
[ $# -ge 3 ] || { sed -n '4p' "$0" >&2; exit 2; }
[ ! -x "$1/python/bin/python3" ] || exit 0
for tool in cc dpkg-source make; do
    command -v $tool > /dev/null || { echo "build_python.sh: there is no $tool here" >&2; exit 1; }
done
for header in ffi.h openssl/ssl.h zlib.h; do
    echo "#include <$header>" | cc -E - > /dev/null 2>&1 ||
        { echo "build_python.sh: no $header (packages: libffi-dev libssl-dev zlib1g-dev)" >&2; exit 1; }
done
mkdir -p "$1"
folder=$(cd "$1" && pwd) suite=$2 source=$3
shift 3
use_apt "$folder/apt" deb-src "$suite" "$(dpkg --print-architecture)"
rm -rf "$folder/source"
(cd "$folder/apt" && own_apt source --download-only "$source" && dpkg-source --no-check --skip-patches -x ./*.dsc "$folder/source")
cd "$folder/source"
./configure -q --disable-test-modules --without-ensurepip --prefix="$folder/python" "$@"
make -s -j"$JOBS"
make -s install
rm -rf "$folder/source" "$folder/apt"
