#!/bin/sh
# Debian's Python for another processor, unpacked and not installed: qemu-user runs it with -L FOLDER.
#
#   unpack_python.sh ARCHITECTURE SUITE FOLDER    arm64 bookworm build/arm64
#
# No root is needed, nor a chroot. MIRROR names another mirror of Debian.
set -eu
. "$(dirname "$0")/apt.sh"
[ $# = 3 ] || { sed -n '4p' "$0" >&2; exit 2; }
[ ! -e "$3/usr/bin/python3" ] || exit 0
rm -rf "$3"
mkdir -p "$3"
folder=$(cd "$3" && pwd)
use_apt "$folder/apt" deb "$2" "$1"
own_apt install --download-only --no-install-recommends python3 libstdc++6 # which every manylinux wheel may count on
for package in "$folder"/apt/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$folder"
done
rm -rf "$folder/apt"
