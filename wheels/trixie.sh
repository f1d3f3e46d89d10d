#!/bin/sh
# Build the package on Debian trixie, whose Python is 3.13, and run the tests there, in a chroot.
#
#   trixie.sh PYTHON FOLDER [ARGUMENT...]    the arguments go to pytest
#
# PYTHON, of this machine, has pip and build: what is to be installed is downloaded here, and the chroot needs no
# network. Needs root and debootstrap. MIRROR names another mirror of Debian.
set -eu
[ $# -ge 2 ] || { sed -n '4p' "$0" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "trixie.sh: only root can chroot" >&2; exit 1; }
command -v debootstrap > /dev/null || { echo "trixie.sh: there is no debootstrap here" >&2; exit 1; }
python=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
shift 2
cd "$(dirname "$0")/.."
. wheels/apt.sh
know_mirror
root=$folder/root
if [ ! -e "$root/done" ]; then
    rm -rf "$root"
    debootstrap --variant=minbase --include=python3-pip,python3-dev,python3-venv,gcc,libc6-dev trixie "$root" "$MIRROR"
    touch "$root/done"
fi

"$python" -c 'import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))
extras = project["project"]["optional-dependencies"]
print(*project["build-system"]["requires"], *project["project"]["dependencies"], *extras["cli"], *extras["test"], sep="\n")
' > "$folder/requirements.txt"
"$python" -m pip download -q -d "$root/house" -r "$folder/requirements.txt" --only-binary=:all: --python-version=3.13 \
    --platform="manylinux_2_28_$(uname -m)" --platform="manylinux_2_27_$(uname -m)" --platform="manylinux_2_17_$(uname -m)"
rm -rf "$root/source" "$folder/sdist"
"$python" -m build -q --sdist --no-isolation --outdir "$folder/sdist"
mkdir "$root/source"
tar -xzf "$folder"/sdist/*.tar.gz --strip-components=1 -C "$root/source"

# The mounts are gone when the command is done.
unshare --mount sh -eu -c '
    root=$1
    shift
    mount -t proc proc "$root/proc"
    mount -t tmpfs shm "$root/dev/shm"
    mount --bind /dev/pts "$root/dev/pts"
    exec chroot "$root" env -i HOME=/root PATH=/usr/bin:/bin LANG=C.UTF-8 PIP_NO_INDEX=1 PIP_FIND_LINKS=/house \
        PIP="python3 -m pip" sh /source/wheels/test_on.sh python3 /root/venv "$@"
' sh "$root" "$@"
