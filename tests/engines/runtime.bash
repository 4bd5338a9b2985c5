# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# sallyport-runtime, driven by hand as engines do it: create, start, exec with a process file, kill, delete, each with
# --log. For container_runtime*.bats, on the stage of common.bash; the runtime behind is $RUNTIME, by the link that an
# administrator makes.

source "$BATS_TEST_DIRNAME/common.bash"

PROGRAM=$SALLYPORT_BUILD_DIRECTORY/sallyport-runtime
BEHIND=$(command -v "$RUNTIME")
ENGINE_LOG=$WORK/engine.log

# behind_us PATH: which runtime stands behind.
behind_us()
{
    mkdir -p /etc/sallyport
    ln -sfn "$1" /etc/sallyport/runtime
}

# engine ARGUMENT...: sallyport-runtime as an engine calls it. ENGINE is another name of the program.
engine()
{
    "${ENGINE:-$PROGRAM}" --log "$ENGINE_LOG" --log-format json "$@" </dev/null 3>&-
}

# engine_create ID [OPTION...]: what the container or the runtime prints is in $WORK/ID.log: a container holds the
# streams that it was created with.
engine_create()
{
    local id=$1
    shift
    engine create "$@" --bundle "$WORK/bundles/$id" --pid-file "$WORK/$id.pid" "$id" >"$WORK/$id.log" 2>&1 ||
        { cat "$WORK/$id.log" >&2; return 1; }
}

# engine_run ID: created and started; prints what the container printed.
engine_run()
{
    engine run --bundle "$WORK/bundles/$1" "$1"
}

# engine_sleeper ID ROLE [COMMAND...]: a container that runs, by default one that does nothing.
engine_sleeper()
{
    local id=$1 role=$2
    shift 2
    (($# > 0)) || set -- sleep 600
    bundle "$id" "$role" "$@"
    engine_create "$id"
    engine start "$id"
}

container_status()
{
    "$RUNTIME" state "$1" | jq -r .status
}

# ended ID: the container has run to its end.
ended()
{
    [[ $(container_status "$1") == stopped ]]
}

# told TEXT: `$output` is one line of ours with the text, and the engine's log says the same once, as runc writes it.
told()
{
    local line=${lines[0]-}
    [[ $status -eq 1 ]] || fail "exit status $status, expected 1: $output"
    [[ ${#lines[@]} -eq 1 && $line == "sallyport: "* ]] || fail "expected one line of ours: $output"
    says "$1"
    [[ $(wc -l <"$ENGINE_LOG") -eq 1 ]] || fail "the log: $(cat "$ENGINE_LOG")"
    jq -e --arg line "$line" '.level == "error" and .msg == $line and (.time | fromdate > 1e9)' \
        "$ENGINE_LOG" >/dev/null || fail "the log: $(cat "$ENGINE_LOG")"
}

# engine_refuses TEXT COMMAND...: the command, which calls the engine, fails and tells why.
engine_refuses()
{
    local text=$1
    shift
    rm -f "$ENGINE_LOG"
    run "$@"
    told "$text"
}

# create_refused ID TEXT...: neither create nor run makes a container; the line has all the texts, nothing is left.
create_refused()
{
    local id=$1 verb text before
    shift
    before=$(cksum <"$WORK/bundles/$id/config.json")
    for verb in engine_create engine_run; do
        engine_refuses "$1" "$verb" "$id"
        for text in "$@"; do
            says "$text"
        done
        run "$RUNTIME" state "$id"
        [[ $status -ne 0 ]] || fail "there is a container: $output"
        [[ ! -e /sys/fs/cgroup/pids$CGROUPS/$id ]] || fail "a cgroup is left"
    done
    [[ $before == "$(cksum <"$WORK/bundles/$id/config.json")" ]] || fail "the bundle was edited"
    no_hub_links || fail "a link is left"
}

# start_refused ID TEXT: the container is created and is not started, and its init does not wait for somebody else to
# start it. It is removed.
start_refused()
{
    engine_refuses "$2" engine start "$1"
    eventually ended "$1"
    ! grep -q started "$WORK/$1.log" || fail "it ran: $(cat "$WORK/$1.log")"
    container_delete "$1"
}

# process_file ID COMMAND...: $WORK/ID.process, made as Docker makes one, from its own idea of the container: with
# CAP_NET_RAW, without the proxy's environment.
process_file()
{
    local id=$1
    shift
    jq -n '$ARGS.positional' --args -- "$@" >"$WORK/$id.arguments"
    jq --slurpfile command "$WORK/$id.arguments" '.process | .args = $command[0] | .terminal = false
        | .env = ["PATH=/bin"]
        | .capabilities |= with_entries(.value = ["CAP_CHOWN", "CAP_NET_RAW", "CAP_SETUID"])' \
        "$WORK/spec.json" >"$WORK/$id.process"
}

# process_change ID JQ-ARGUMENT...
process_change()
{
    local file=$WORK/$1.process
    shift
    jq "$@" <"$file" >"$file.new"
    mv "$file.new" "$file"
}

# engine_exec ID: the process of that file.
engine_exec()
{
    engine exec --process "$WORK/$1.process" "$1"
}

# capability_sets: the sets of `$output`, as runtimes order them, without leading zeros: "INH PRM EFF BND AMB".
capability_sets()
{
    local set all=()
    for set in $(sed -n 's/^Cap[A-Z][a-z]*:\s*//p' <<<"$output"); do
        all+=("$(printf '%x' $((16#$set)))")
    done
    echo "${all[*]}"
}
