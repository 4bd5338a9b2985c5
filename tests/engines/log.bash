# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Readers of `sallyport log`. For bats files that have sourced common.bash; their teardown calls log_kill.

LOGS=()

# log_start NAME OPTION...: follows the network; what is printed is in $WORK/NAME.log, errors in $WORK/NAME.errors.
log_start()
{
    local name=$1
    shift
    "$SALLYPORT" log -f --network "$NETWORK" "$@" </dev/null >"$WORK/$name.log" 2>"$WORK/$name.errors" 3>&- &
    LOGS+=($!)
    eventually grep -q begin "$WORK/$name.log" || fail "$name: $(cat "$WORK/$name.errors")"
}

# log_end: every reader is interrupted and ends well.
log_end()
{
    local pid
    for pid in "${LOGS[@]}"; do
        kill -INT "$pid"
        wait "$pid"
    done
    LOGS=()
}

# lines NAME JQ-FILTER: how many of the JSON lines pass the filter.
lines()
{
    jq -s "map(select($2)) | length" "$WORK/$1.log"
}

log_kill()
{
    local pid
    for pid in "${LOGS[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
}
