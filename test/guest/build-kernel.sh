#!/usr/bin/env bash
# Builds the guest's kernel from Debian's source and kernel.config, once. One rename at the end puts it into the cache.
set -euo pipefail
. "$(dirname "$0")/lab.sh"

target=$(kernel_dir)
mkdir -p "$(cache_dir)"
exec 9>"$(cache_dir)/lock"
if ! flock -n 9; then
  echo 'build-kernel.sh: another run builds a kernel; waiting'
  flock -w 3600 9 || { echo 'build-kernel.sh: the other run did not end within an hour' >&2; exit 1; }
fi
if [ -f "$target/bzImage" ]; then
  echo "build-kernel.sh: the kernel exists: $target/bzImage"
  exit 0
fi

# This run has the lock, so any other build folder belongs to a killed run.
rm -rf "$(cache_dir)"/build-*

# In the cache, so that the rename stays on one file system. A tmpfs on /tmp can be too small for 2 GB.
work=$(mktemp -d "$(cache_dir)/build-XXXXXX")
build_pid=
# A background job does not receive Ctrl-C: end it before its folder is removed.
clean_up() {
  if [ -n "$build_pid" ]; then
    kill "$build_pid" 2>/dev/null || true
    wait "$build_pid" || true
  fi
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
log=$work/log
SECONDS=0

# Runs a step with its output in the log. Prints the end of the log if the step fails.
step() {
  local name=$1
  shift
  echo "build-kernel.sh: $name (at ${SECONDS} s)"
  "$@" >>"$log" 2>&1 || { tail -n 40 "$log" >&2; echo "build-kernel.sh: $name failed" >&2; exit 1; }
}

# Prints make's progress every 15 seconds, so that CI does not look like it hangs.
with_progress() {
  local status=0
  "$@" &
  build_pid=$!
  while kill -0 "$build_pid" 2>/dev/null; do
    sleep 1
    [ $((SECONDS % 15)) = 0 ] && echo "  $(grep -cE '^  (CC|AS|LD|AR) ' "$log") objects, ${SECONDS} s" >&3
  done
  wait "$build_pid" || status=$?
  build_pid=
  return "$status"
}

# olddefconfig silently drops an option whose dependencies are not met: check each option by name.
verify_config() {
  local option value lost=()
  while IFS='=' read -r option value; do
    case "$value" in
      n) if grep -q "^$option=" .config; then lost+=("$option=n"); fi ;;
      *) grep -qx "$option=$value" .config || lost+=("$option=$value") ;;
    esac
  done < <(grep -E '^CONFIG_' "$lab_dir/kernel.config")
  [ ${#lost[@]} = 0 ] && return
  echo "the kernel's configuration does not have: ${lost[*]}"
  return 1
}

exec 3>&1
echo "build-kernel.sh: building $target/bzImage, about 4 minutes on 2 cores"
step "extracting $source_package" tar -C "$work" -xf "/usr/src/$source_package.tar.xz"
cd "$work/$source_package"
step 'starting from the smallest configuration' make tinyconfig
step 'merging kernel.config' scripts/kconfig/merge_config.sh -m .config "$lab_dir/kernel.config"
step 'completing the configuration' make olddefconfig
step 'verifying the configuration' verify_config
step 'compiling' with_progress make "-j$(nproc)" bzImage

mkdir "$work/done"
cp arch/x86/boot/bzImage .config "$work/done/"
rm -rf "$target"
mv -T "$work/done" "$target"
echo "build-kernel.sh: done in ${SECONDS} s: $target/bzImage ($(stat -c %s "$target/bzImage") bytes)"
