#!/usr/bin/env bash
# Executes a command on this machine with the restrictions of compose.yaml: as the account `nobody`,
# without capabilities, and with a read-only file system, including /tmp. Usage, as root:
# unprivileged.sh MEMORY_GROUP COMMAND…
# MEMORY_GROUP is the directory of the cgroup that limits the memory; '' means no limit.
set -euo pipefail

if [[ $1 != --in-namespace ]]; then
  # Neither `exec` nor `unshare` forks: the command keeps the process id of this script.
  exec unshare --mount --propagation private "$0" --in-namespace "$@"
fi
memory_group=$2
shift 2

[[ -z $memory_group ]] || echo $$ > "$memory_group/cgroup.procs"
while read -r _ _ _ _ mount_point _; do
  mount -o remount,bind,ro "$mount_point"
done < /proc/self/mountinfo

exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
