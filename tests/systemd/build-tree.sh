#!/usr/bin/env bash
# Build a small Debian tree with systemd, Python and everything that pixd depends on, but not pixd.
#
#   build-tree.sh TREE LOCK PYTHON
#
# TREE    the folder to make; it appears when it is complete, so that a broken build is no tree
# LOCK    requirements.lock
# PYTHON  a Python of this machine with pip, which fetches the wheels under pip's own settings
#
# The release and the mirror are those of this machine's apt, so that the tree needs nothing that
# the machine has not, and its C library and Python are of an age with the wheels.
set -euo pipefail

tree=$1 lock=$2 python=$3
partial=$tree.partial
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT

. /etc/os-release
mirror=$(apt-get indextargets --format '$(CODENAME)|$(COMPONENT)|$(IDENTIFIER)|$(REPO_URI)' |
    awk -F'|' -v release="$VERSION_CODENAME" \
        '$1 == release && $2 == "main" && $3 == "Packages" { print $4; exit }')
[ -n "$mirror" ] || { echo "apt knows no mirror of $VERSION_CODENAME; run: apt-get update" >&2; exit 1; }
eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
export http_proxy="${http_proxy:-}"

# acl: setfacl, which install advises. procps: kill and pgrep. libpam-systemd and dbus-user-session:
# a systemd for each user.
echo "debootstrap $VERSION_CODENAME into $tree"
rm -rf "$partial"
mkdir -p "$(dirname "$tree")"
debootstrap --variant=minbase \
    --include=systemd,systemd-sysv,dbus,libpam-systemd,dbus-user-session,acl,procps,python3,python3-venv \
    "$VERSION_CODENAME" "$partial" "$mirror" >"$wheels/debootstrap.log" 2>&1 ||
    { tail -n 20 "$wheels/debootstrap.log" >&2; exit 1; }

# The tree has no network: what it installs is fetched here, against the hashes in the lock.
version=$(chroot "$partial" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
echo "wheels for Python $version"
"$python" -m pip download --quiet --no-deps --require-hashes --only-binary=:all: \
    --python-version "$version" --dest "$wheels" --requirement "$lock" 2>"$wheels/pip.log" ||
    { tail -n 20 "$wheels/pip.log" >&2; exit 1; }

# pip picks from the wheels what pixd needs to run, which leaves out what only its tests need.
needs=$("$python" - "$(dirname "$lock")/pyproject.toml" <<'PYTHON'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)["project"]
# Extras too: the page and the parts of a cluster are units.
extras = project["optional-dependencies"]
needs = [*project["dependencies"], *extras["web"], *extras["ray"]]
print(" ".join(needs).replace(", ", ","))
PYTHON
)
echo "a virtual environment in /opt/pixd"
mkdir "$partial/run/wheels"
cp "$wheels"/*.whl "$partial/run/wheels"
chroot "$partial" python3 -m venv /opt/pixd
# shellcheck disable=SC2086 - one word a requirement
chroot "$partial" /opt/pixd/bin/pip --isolated install --quiet --no-index --find-links /run/wheels $needs
rm -rf "$partial/run/wheels"
mv "$partial" "$tree"
