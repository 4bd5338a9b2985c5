# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The hook run by hand, on the stage of common.bash: what it seals is a process that waits as a container's init does, of
# the bundle $WORK/bundles/c.

source "$BATS_TEST_DIRNAME/common.bash"

# container_waits: a process with namespaces of its own; its number is in $WORK/c.pid. Descriptor 8 is a test's own.
container_waits()
{
    unshare --mount --net --pid --ipc --uts --fork --kill-child sleep 600 </dev/null >/dev/null 2>&1 3>&- 8>&- &
    local parent=$!
    disown
    echo "$parent" >>"$WORK/witnesses"
    eventually pgrep --parent "$parent"
    pgrep --parent "$parent" >"$WORK/c.pid"
}

# state [JQ FILTER]: of the waiting process, changed by the filter.
state()
{
    jq -n --arg bundle "$WORK/bundles/c" --argjson pid "$(<"$WORK/c.pid")" \
        '{ociVersion: "1.0.2", id: "c", status: "creating", pid: $pid, bundle: $bundle} | '"${1:-.}"
}
