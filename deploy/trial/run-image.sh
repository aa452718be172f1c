#!/usr/bin/env bash
# Runs what build-image.ts has built, as compose.yaml would: the image's files and nothing else of this machine but its
# programs, all read-only, /tmp in memory, the image's user, no capabilities, 256 MiB.
# Usage, as root: run-image.sh FOLDER TARGET command|healthCheck SECRETS_FOLDER [NAME=VALUE ...]
set -euo pipefail

if [[ ${1:-} != --in-namespace ]]; then
  # No fork on the way to the process: its id is this script's.
  exec unshare --mount --propagation private "$0" --in-namespace "$@"
fi
shift
folder=$1 target=$2 entry=$3 secrets=$4
shift 4

read_image() { node -p "const image = JSON.parse(fs.readFileSync('$folder/$target.json', 'utf8')); $1"; }
mapfile -t command < <(read_image "image.$entry.join('\n')")
mapfile -t environment < <(read_image "Object.entries(image.environment).map((pair) => pair.join('=')).join('\n')")
user=$(read_image 'image.user')
directory=$(read_image 'image.workingDirectory')

bind_read_only() { mount --bind "$1" "$2" && mount -o remount,bind,ro "$2"; }

root=$folder/root
mkdir -p "$root"
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir -p "$root"{"$directory",/usr,/node,/dev,/proc,/tmp,/run/secrets}
cp --no-dereference /bin /lib "$root"
[[ ! -L /lib64 ]] || cp --no-dereference /lib64 "$root"
bind_read_only /usr "$root/usr"
bind_read_only "$folder/$target$directory" "$root$directory"
bind_read_only "$secrets" "$root/run/secrets"
touch "$root/node/node"
bind_read_only "$(node -p process.execPath)" "$root/node/node"
mount --bind /dev "$root/dev"
mount -t proc -o ro proc "$root/proc"
mount -t tmpfs -o mode=1777,noexec,nosuid,nodev tmpfs "$root/tmp"
mount -o remount,ro "$root"

[[ -z ${MEMORY_GROUP:-} ]] || echo $$ > "$MEMORY_GROUP/cgroup.procs"
exec chroot "$root" /usr/bin/setpriv "--reuid=${user%:*}" "--regid=${user#*:}" --clear-groups \
  --no-new-privs --bounding-set=-all --inh-caps=-all \
  /usr/bin/env -i -C "$directory" PATH=/node:/usr/bin HOME=/nonexistent "${environment[@]}" "$@" "${command[@]}"
