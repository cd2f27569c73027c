#!/usr/bin/env bash
# Makes a root with Rust, gcc and nothing else (Debian's smallest), and runs the two commands of the README
# in it, taken from README.md word for word: `tests/fresh-machine.sh [FOLDER]`. A second run with the same
# folder uses its root again. Needs root, debootstrap, and the toolchain and the registry of this machine.
set -euo pipefail
cd "$(dirname "$0")/.."

# Each command ends within this time, or is a failure.
limit=${LIMIT:-3h}
folder=${1:-$(mktemp -d "${TMPDIR:-/tmp}/fresh-machine.XXXXXX")}
root=$folder/root
toolchain=$(rustc --print sysroot)
registry=${CARGO_HOME:-$HOME/.cargo}/registry

for program in debootstrap chroot timeout; do
  command -v "$program" >/dev/null || PATH=$PATH:/usr/sbin
  command -v "$program" >/dev/null || { echo "the program $program is missing: apt-get install debootstrap coreutils" >&2; exit 1; }
done

# The commands of the section "Two commands", one in each block.
mapfile -t commands < <(sed -n '/^## Two commands/,/^## /p' README.md | sed -n '/^```sh$/,/^```$/p' | grep '^cargo xtask')
[ "${#commands[@]}" = 2 ] || { echo "README.md has ${#commands[@]} commands and not two" >&2; exit 1; }

end() {
  mountpoint --quiet "$root/proc" && umount "$root/proc"
  mountpoint --quiet "$root/dev" && umount --lazy "$root/dev"
  return 0
}
trap end EXIT

# The mirror and the release of this machine.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -1)
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
if [ ! -e "$root/made" ]; then
  mkdir -p "$root"
  debootstrap --variant=minbase --include=gcc,libc6-dev "$suite" "$root" "$mirror"
  touch "$root/made"
fi
# How apt on this machine reaches its mirror.
grep --files-with-matches '^Acquire' /etc/apt/apt.conf.d/* 2>/dev/null |
  xargs --no-run-if-empty cp --target-directory="$root/etc/apt/apt.conf.d"
for file in /etc/resolv.conf /etc/hosts; do
  cp --dereference "$file" "$root$file"
done
mkdir -p "$root/rust" "$root/cargo" "$root/work"
[ -e "$root/rust/bin/cargo" ] || cp -a "$toolchain/." "$root/rust/"
[ -e "$root/cargo/registry" ] || cp -a "$registry" "$root/cargo/registry"
[ ! -e "${CARGO_HOME:-$HOME/.cargo}/config.toml" ] || cp "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$root/cargo/"
# What a clone has: committed files, and those that are about to be. What a run before built stays.
find "$root/work" -mindepth 1 -maxdepth 1 ! -name target -exec rm -rf {} +
git ls-files --cached --others --exclude-standard -z |
  while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
  tar --create --null --files-from=- | tar --extract --directory="$root/work"
mountpoint --quiet "$root/proc" || mount -t proc proc "$root/proc"
mountpoint --quiet "$root/dev" || mount --bind /dev "$root/dev"

# Nothing of this machine's environment but what a network behind a proxy needs.
passed=(PATH=/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root CARGO_HOME=/cargo LANG=C.UTF-8 CI="${CI-true}")
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY CARGO_BUILD_JOBS CARGO_NET_OFFLINE \
  CARGO_PROFILE_DEV_DEBUG CARGO_INCREMENTAL; do
  [ -z "${!name-}" ] || passed+=("$name=${!name}")
done
inside() {
  timeout --kill-after=1m "$limit" chroot "$root" /usr/bin/env -i "${passed[@]}" /bin/sh -c "cd /work && $1" </dev/null
}

failed=0
for command in "${commands[@]}"; do
  printf '\n==> %s\n' "$command"
  begin=$SECONDS
  if inside "$command"; then
    verdict=ok
  else
    verdict="FAILED (exit code $?)"
    failed=1
  fi
  printf '==> %s: %s, %s s\n' "$command" "$verdict" "$((SECONDS - begin))"
done
echo "the root is $root"
exit "$failed"
