# Sourced: apt with lists, cache and package database of its own, under a folder. What this machine installs from, and
# what it has installed, is left alone; signatures are checked as ever.
#
#   use_apt FOLDER TYPE SUITE ARCHITECTURE    TYPE is deb or deb-src; then call own_apt as apt-get

# MIRROR, if it is not set, is the mirror of Debian that this machine has.
know_mirror() {
    command -v apt-get > /dev/null || { echo "this needs a Debian: there is no apt-get" >&2; exit 1; }
    : "${MIRROR:=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' 'Label: Debian' |
        head -n 1)}"
    [ "$MIRROR" ] || { echo "no mirror of Debian is known here: apt-get update, or set MIRROR" >&2; exit 1; }
}

use_apt() {
    know_mirror
    apt_folder=$1 apt_architecture=$4
    rm -rf "$1"
    mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
    : > "$1/status"
    echo "$2 [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $MIRROR $3 main" > "$1/sources.list"
    own_apt update
}

own_apt() {
    apt-get -q -y -o Dir::Etc::SourceList="$apt_folder/sources.list" -o Dir::Etc::SourceParts=- \
        -o Dir::State="$apt_folder" -o Dir::State::status="$apt_folder/status" -o Dir::Cache="$apt_folder/cache" \
        -o APT::Architecture="$apt_architecture" -o APT::Architectures="$apt_architecture" -o APT::Sandbox::User=root "$@"
}
