# Sourced by the scripts beside it: what the guest needs on this machine, and where its kernel is kept.
lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_package=linux-source-6.12

# What booting needs, and what building the kernel needs on top of it.
run_packages=(qemu-system-x86 busybox-static cpio)
build_packages=("$source_package" gcc make libc6-dev xz-utils flex bison bc libelf-dev libssl-dev)

# Prints those of its arguments that are not installed.
missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

cache_dir() {
  echo "${XDG_CACHE_HOME:-$HOME/.cache}/vfio-engine"
}

# The folder of the kernel that this checkout's options and the installed source make: a change of either is another
# kernel, and the old one stays for the checkouts that still want it.
kernel_dir() {
  local version key
  version=$(dpkg-query -W -f '${Version}' "$source_package") || return
  key=$({ cat "$lab_dir/kernel.config" && echo "$source_package $version"; } | sha256sum | cut -c1-16)
  echo "$(cache_dir)/kernel-$key"
}
