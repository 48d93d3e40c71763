#!/usr/bin/env bash
# Prepares this machine for `npm run test:guest`: installs the missing Debian packages and builds the guest's kernel once.
# `setup.sh --check` changes nothing: it prints the kernel's path, or what is missing.
set -euo pipefail
. "$(dirname "$0")/lab.sh"

if ! command -v dpkg-query >/dev/null; then
  echo "setup.sh: the guest's kernel is built from Debian's package $source_package, but this machine has no dpkg." >&2
  exit 1
fi
mapfile -t missing < <(missing_packages "${run_packages[@]}" "${build_packages[@]}")

check() {
  # A machine with a built kernel needs no compiler. It needs the source package, whose version is part of the kernel's path.
  mapfile -t missing < <(missing_packages "${run_packages[@]}" "$source_package")
  if [ ${#missing[@]} -gt 0 ]; then
    echo "not installed: ${missing[*]}" >&2
    exit 1
  fi
  local image
  image=$(kernel_dir)/bzImage
  if [ ! -f "$image" ]; then
    echo "the guest's kernel is not built yet ($image)" >&2
    exit 1
  fi
  echo "$image"
}

install_missing() {
  if [ "$(id -u)" != 0 ]; then
    echo "setup.sh: not root. Install these packages and run setup.sh again:" >&2
    echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "setup.sh: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # An unrelated package source can be unreachable. Only the installation decides.
  apt-get update -q || echo "setup.sh: apt-get update failed in part; trying with the existing lists" >&2
  apt-get install -q -y --no-install-recommends "${missing[@]}"
}

case "${1-}" in
  --check) check ;;
  '')
    if [ ${#missing[@]} -gt 0 ]; then install_missing; else echo 'setup.sh: every package is installed'; fi
    exec "$lab_dir/build-kernel.sh"
    ;;
  *)
    echo 'usage: setup.sh [--check]' >&2
    exit 2
    ;;
esac
