# SPDX-License-Identifier: Apache-2.0
#
# The runtime behind us: which one it is, that every verb that is not ours is its own, and that one which is not there,
# fails, dies or hangs ends in one clear line, or in its own exit status, and never in a container that is not sealed.

source "$BATS_TEST_DIRNAME/runtime.bash"

setup_file()
{
    small_stage_up
    behind_us "$BEHIND"
    engine_sleeper rt-long agent
}

teardown_file()
{
    small_stage_down
}

setup()
{
    behind_us "$BEHIND"
}

teardown()
{
    container_delete rt-b
}

# same ARGUMENT...: through us and directly: the same output, on both streams, and the same exit status.
same()
{
    run --separate-stderr "$PROGRAM" "$@"
    local ours=$status out=$output err=$stderr
    run --separate-stderr "$BEHIND" "$@"
    [[ $ours -eq $status ]] || fail "$*: exit status $ours, without us $status: $err $stderr"
    [[ $out == "$output" ]] || fail "$*: $out, without us: $output"
    # Times of day apart.
    [[ ${err//time=\"*\" level/} == "${stderr//time=\"*\" level/}" ]] || fail "$*: $err, without us: $stderr"
}

@test "verbs that change nothing: the same output and exit status as without us" {
    same features
    same list
    same list --format json
    same list -q
    same state rt-long
    same ps --format json rt-long
    same ps rt-long -o pid,args
    same state rt-nobody
    same ps rt-nobody
    same kill rt-nobody KILL
    same delete rt-nobody
    same delete --force rt-nobody
    same pause rt-nobody
    same help
    same state --help
    same --root "$WORK/other-root" list -q
    if [[ $RUNTIME == runc ]]; then
        run "$PROGRAM" events --stats rt-long
        ours=$(jq -c 'paths | map(select(type == "string"))' <<<"$output" | sort -u)
        run "$RUNTIME" events --stats rt-long
        [[ -n $ours && $ours == "$(jq -c 'paths | map(select(type == "string"))' <<<"$output" | sort -u)" ]]
    fi
}

@test "the version: ours first, then the runtime's own lines as they are" {
    run "$PROGRAM" --version
    [[ $status -eq 0 && ${lines[0]} == "sallyport-runtime "*", runs $BEHIND" ]] || fail "$output"
    [ "$(tail -n +2 <<<"$output")" = "$("$RUNTIME" --version)" ]
    run "$PROGRAM" --help
    [[ $status -eq 0 && $output == "Usage: sallyport-runtime "* ]]
}

@test "a whole life with a state directory of the engine's own: create, start, exec, pause, update, kill, delete" {
    root=$WORK/state
    bundle rt-b agent sleep 600
    engine --root "$root" create --bundle "$WORK/bundles/rt-b" --pid-file "$WORK/rt-b.pid" rt-b >"$WORK/rt-b.log" 2>&1
    engine --root="$root" start rt-b
    process_file rt-b /bin/echo joined
    run engine --root "$root" exec --process "$WORK/rt-b.process" rt-b
    [[ $status -eq 0 && $output == joined ]] || fail "$output"
    engine --root "$root" pause rt-b
    [ "$("$RUNTIME" --root "$root" state rt-b | jq -r .status)" = paused ]
    engine --root "$root" resume rt-b
    [ "$("$RUNTIME" --root "$root" state rt-b | jq -r .status)" = running ]
    engine --root "$root" update --pids-limit 77 rt-b
    [ "$(cat /sys/fs/cgroup/pids$CGROUPS/rt-b/pids.max)" = 77 ]
    engine --root "$root" kill rt-b KILL
    internet_poll 10 eval '[[ $("$RUNTIME" --root "$root" state rt-b | jq -r .status) == stopped ]]'
    run engine --root "$root" delete rt-b
    [ "$status" -eq 0 ] || fail "$output"
    run ! "$RUNTIME" --root "$root" state rt-b
    [ "$(hub_links)" -eq 1 ] # rt-long's
}

@test "delete --force of what runs, and of what only waits" {
    bundle rt-b agent sleep 600
    engine_create rt-b
    engine delete --force rt-b
    run ! "$RUNTIME" state rt-b
    engine_create rt-b
    engine start rt-b
    engine delete --force rt-b
    run ! "$RUNTIME" state rt-b
    eventually eval '[[ $(hub_links) -eq 1 ]]'
}

@test "a verb that nobody knows is not passed on" {
    engine_refuses "verb \`mounts\`" engine mounts rt-long
    engine_refuses "verb \`\`" engine ""
    engine_refuses "option \`--unheard-of\` of create" engine create --unheard-of --bundle "$WORK" rt-b
}

# each_refuses TEXT [OPTION...]: every verb, ours and others.
each_refuses()
{
    local text=$1 verb
    shift
    for verb in "create --bundle $WORK/bundles/rt-b" "run --bundle $WORK/bundles/rt-b" start exec state delete kill; do
        rm -f "$ENGINE_LOG"
        # shellcheck disable=SC2086 # the verb's words
        run "$PROGRAM" "$@" --log "$ENGINE_LOG" --log-format json $verb rt-b </dev/null
        told "$text"
    done
    run "$PROGRAM" "$@" --version
    [[ $status -eq 1 && ${#lines[@]} -eq 1 ]] || fail "$output"
}

@test "a runtime that is not there, no program, or ourselves" {
    bundle rt-b agent /bin/echo started
    mkdir -p "$WORK/programs"
    : >"$WORK/programs/plain"
    ln -sf "$PROGRAM" "$WORK/programs/ourselves"
    each_refuses "runtime /nonexistent: No such file" --runtime /nonexistent
    each_refuses "not a file" --runtime "$WORK/programs"
    each_refuses "Permission denied" --runtime "$WORK/programs/plain"
    each_refuses "leads to sallyport-runtime itself" --runtime "$PROGRAM"
    each_refuses "leads to sallyport-runtime itself" --runtime "$WORK/programs/ourselves"
    each_refuses "is not an absolute path" --runtime runc
    each_refuses "is not an absolute path" --runtime ""
}

@test "the administrator's link: where it leads, nowhere, to ourselves, in a circle; without it runc" {
    bundle rt-b agent /bin/echo started
    behind_us /nonexistent
    each_refuses "follow /etc/sallyport/runtime: No such file"
    behind_us "$PROGRAM"
    each_refuses "leads to sallyport-runtime itself"
    behind_us /etc/sallyport/runtime
    each_refuses "follow /etc/sallyport/runtime: Too many levels"
    # --runtime goes before it.
    run "$PROGRAM" --runtime "$BEHIND" --version
    [[ $status -eq 0 && ${lines[0]} == *"runs $BEHIND" ]] || fail "$output"
    rm /etc/sallyport/runtime
    run "$PROGRAM" --version
    [[ $status -eq 0 && ${lines[0]} == *"runs /usr/"*"/runc" ]] || fail "$output"
    # Never by PATH.
    ln -sf /bin/false "$WORK/programs/runc"
    PATH=$WORK/programs:$PATH run "$PROGRAM" --version
    [[ $status -eq 0 && ${lines[0]} == *"runs /usr/"*"/runc" ]] || fail "$output"
}

# failing SCRIPT: a runtime that is this shell script, behind us.
failing()
{
    printf '#!/bin/sh\n%s\n' "$1" >"$WORK/failing"
    chmod 755 "$WORK/failing"
    behind_us "$WORK/failing"
}

@test "a runtime that fails, dies, or talks nonsense when it is asked for the state" {
    bundle rt-b agent /bin/echo started
    process_file rt-b /bin/echo joined
    while read -r script text; do
        failing "${script//_/ }"
        engine_refuses "$text" engine start rt-b
        engine_refuses "$text" engine exec --process "$WORK/rt-b.process" rt-b
    done <<'EXPECTED'
exit_3 failing state: exit status 3
kill_-9_$$ failing state: killed by signal 9
echo_no_such_thing_>&2;exit_1 exit status 1: no such thing
echo_garbage parse the runtime's state
true the runtime's state: it is empty
echo_{} `bundle` is missing or not an absolute path
echo_'{"bundle":"bundles/rt-b"}' `bundle` is missing or not an absolute path
echo_'{"bundle":7}' `bundle` is missing or not an absolute path
echo_'{"bundle":"/nonexistent"}' open bundle /nonexistent: No such file
EXPECTED
}

# lying FILTER: the state of rt-long, changed by the filter; whatever is to be done then is done by the real runtime.
lying()
{
    "$RUNTIME" state rt-long | jq "$1" >"$WORK/lie"
    failing "for each; do [ \"\$each\" = state ] && exec cat '$WORK/lie'; done; echo reached >>'$WORK/reached'"
}

@test "a state that does not fit together starts nothing" {
    rm -f "$WORK/reached"
    while read -r filter text; do
        lying "$filter"
        engine_refuses "$text" engine start rt-long
    done <<'EXPECTED'
. the container is running, not created
.status="stopped" the container is stopped, not created
del(.status) the container is nothing, not created
.status="created"|.pid=0 `pid` cannot be
.status="created"|.pid=1 `pid` cannot be
.status="created"|del(.pid) `pid` is missing
.status="created"|.pid=4194300 process
.status="created"|.id="../x" `id` is missing or not
EXPECTED
    [ ! -e "$WORK/reached" ]
    # A process of this machine in place of the container's.
    sleep 600 3>&- &
    other=$!
    disown
    lying ".status = \"created\" | .pid = $other"
    engine_refuses "has CAP_NET_ADMIN or CAP_NET_RAW" engine start rt-long
    [ ! -e "$WORK/reached" ]
    kill -KILL "$other" 2>/dev/null || true
}

@test "a runtime that fails or is killed at create: its own exit status and words" {
    bundle rt-b agent /bin/echo started
    failing 'echo "its own words" >&2; exit 3'
    run engine_create rt-b
    [ "$status" -eq 1 ] # engine_create's own
    says "its own words"
    run engine create --bundle "$WORK/bundles/rt-b" rt-b
    [[ $status -eq 3 && $output == "its own words" ]] || fail "$status: $output"
    failing 'kill -9 $$'
    run engine create --bundle "$WORK/bundles/rt-b" rt-b
    [ "$status" -eq 137 ]
    failing 'exit 255'
    run engine delete rt-b
    [ "$status" -eq 255 ]
    # What was edited by then does no harm: the same bundle starts with a runtime that works.
    behind_us "$BEHIND"
    run engine_run rt-b
    [[ $status -eq 0 && $output == started ]] || fail "$output"
}

@test "a runtime that hangs at create has taken our place: an engine's signals reach it" {
    bundle rt-b agent /bin/echo started
    failing 'trap "exit 9" TERM; echo "$$" >"${0%/*}/hangs"; while :; do sleep 0.05; done'
    for verb in "create --bundle $WORK/bundles/rt-b rt-b" "delete rt-b" "kill rt-b TERM"; do
        rm -f "$WORK/hangs"
        # shellcheck disable=SC2086
        "$PROGRAM" $verb </dev/null >/dev/null 2>&1 3>&- &
        pid=$!
        eventually test -s "$WORK/hangs"
        [ "$(<"$WORK/hangs")" = "$pid" ]
        kill -TERM "$pid"
        status=0
        wait "$pid" || status=$?
        [ "$status" -eq 9 ]
    done
}

@test "signals to a run in the foreground reach the container: we are the runtime by then" {
    bundle rt-b agent /bin/sh -c 'trap "echo heard; exit 9" TERM; echo waiting; while :; do sleep 0.1; done'
    "$PROGRAM" run --bundle "$WORK/bundles/rt-b" rt-b </dev/null >"$WORK/rt-b.log" 2>&1 3>&- &
    pid=$!
    eventually grep -q waiting "$WORK/rt-b.log"
    [ "$(readlink "/proc/$pid/exe")" -ef "$BEHIND" ] || [[ $(tr '\0' ' ' <"/proc/$pid/cmdline") == "$BEHIND run "* ]]
    kill -TERM "$pid"
    status=0
    wait "$pid" || status=$?
    [ "$status" -eq 9 ]
    grep -q heard "$WORK/rt-b.log"
}

@test "without the hook beside it, nothing is created" {
    mkdir -p "$WORK/alone"
    cp "$PROGRAM" "$WORK/alone/sallyport-runtime"
    bundle rt-b agent /bin/echo started
    ENGINE=$WORK/alone/sallyport-runtime engine_refuses "install it beside this program" engine_create rt-b
    run ! "$RUNTIME" state rt-b
}
