# Sourced by setup.sh and build-kernel.sh: the packages that the guest needs, and the path of its kernel.
lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_package=linux-source-6.12

# The packages that booting needs, and those that building the kernel needs in addition.
run_packages=(qemu-system-x86 busybox-static cpio)
build_packages=("$source_package" gcc make libc6-dev xz-utils flex bison bc libelf-dev libssl-dev)

# Prints the packages among its arguments that are not installed.
missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

cache_dir() {
  echo "${XDG_CACHE_HOME:-$HOME/.cache}/vfio-engine"
}

# Prints the kernel's folder. Its name is made from kernel.config and the version of the source, so that checkouts with different
# options have different kernels.
kernel_dir() {
  local version key
  version=$(dpkg-query -W -f '${Version}' "$source_package") || return
  key=$({ cat "$lab_dir/kernel.config" && echo "$source_package $version"; } | sha256sum | cut -c1-16)
  echo "$(cache_dir)/kernel-$key"
}
