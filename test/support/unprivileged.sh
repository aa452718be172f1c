#!/usr/bin/env bash
# Becomes a command as compose.yaml runs it, but for its files, which are this machine's: nobody, no
# capabilities, everything read-only, even /tmp. Usage, as root: unprivileged.sh MEMORY_GROUP
# COMMAND…; the group's folder may be empty for no limit.
set -euo pipefail

if [[ $1 != --in-namespace ]]; then
  # No fork on the way to the command: its id is this script's.
  exec unshare --mount --propagation private "$0" --in-namespace "$@"
fi
memory_group=$2
shift 2

[[ -z $memory_group ]] || echo $$ > "$memory_group/cgroup.procs"
while read -r _ _ _ _ place _; do
  mount -o remount,bind,ro "$place"
done < /proc/self/mountinfo

exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
