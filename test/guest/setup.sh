#!/usr/bin/env bash
# Makes this machine ready for `npm run test:guest`: installs the Debian packages that are missing, and no others, and
# builds the guest's kernel once. `setup.sh --check` changes nothing: it prints the kernel's path, or what is missing.
set -euo pipefail
. "$(dirname "$0")/lab.sh"

if ! command -v dpkg-query >/dev/null; then
  echo "setup.sh: the guest's kernel is made of Debian's package $source_package; this machine has no dpkg." >&2
  exit 1
fi
mapfile -t missing < <(missing_packages "${run_packages[@]}" "${build_packages[@]}")

check() {
  # A machine whose kernel is built needs no compiler, but the source package names the kernel's version.
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
    echo "setup.sh: not root; install these and run it again:" >&2
    echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "setup.sh: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # A source list of somebody else's may be unreachable: what counts is whether the packages come.
  apt-get update -q || echo "setup.sh: apt-get update failed in part; trying with the lists there are" >&2
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
