# SPDX-License-Identifier: Apache-2.0
#
# Races with what the hook cannot hold still: the container's process dies, or another one gets its number, and the hub
# is taken away or replaced, while the hook is at work. The hook is run by hand and stopped between two of its system
# calls, so that each race is lost for certain. Whatever happens: sealed or refused, and nothing is left.

source "$BATS_TEST_DIRNAME/hook.bash"

PIN=/run/netns/sallyport-$NETWORK

setup_file()
{
    small_stage_up
    bundle c agent /bin/echo started
    container_waits
}

teardown_file()
{
    small_stage_down
}

teardown()
{
    exec 8>&-
    end_stopped_hook
}

# dead PID: it is gone, or whoever traces it has not been told yet.
dead()
{
    ! grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"
}

container_dies()
{
    kill -KILL "$(<"$WORK/c.pid")"
    eventually dead "$(<"$WORK/c.pid")"
}

poststop()
{
    state '.status = "stopped" | .pid = 0' | "$HOOK"
}

# One line of ours, and not a member.
refused_in_one_line()
{
    [[ $(<"$WORK/hook.status") -eq 1 ]] || fail "exit status $(<"$WORK/hook.status"): $(<"$WORK/hook.said")"
    [[ $(grep -c '^sallyport: ' "$WORK/hook.said") -eq 1 ]] || fail "expected one line: $(<"$WORK/hook.said")"
    eventually no_hub_links
}

# hook_ends: with $WORK/hook.status.
hook_ended()
{
    [[ -s $WORK/hook.status ]]
}

# stopped_hook SYSCALL N: starts the hook, which stops when its N-th such call has been made. Returns 1 if it makes fewer,
# and has ended.
stopped_hook()
{
    rm -f "$WORK/hook.status" "$WORK/hook.trace"
    state >"$WORK/state.json"
    {
        local status=0
        strace -f -qq -o "$WORK/hook.trace" -e "trace=$1" -e "inject=$1:signal=STOP:when=$2" "$HOOK" \
            <"$WORK/state.json" >"$WORK/hook.said" 2>&1 || status=$?
        echo "$status" >"$WORK/hook.status"
    } 3>&- &
    disown
    eventually stopped_or_ended
    is_stopped
}

is_stopped()
{
    grep -qs -e '--- stopped by SIGSTOP ---' "$WORK/hook.trace"
}

stopped_or_ended()
{
    is_stopped || hook_ended
}

hook_goes_on()
{
    kill -CONT "$(sed -n 's/^\([0-9]*\) .*--- stopped by SIGSTOP ---.*/\1/p' "$WORK/hook.trace")"
    eventually hook_ended
}

# After a test that failed meanwhile.
end_stopped_hook()
{
    if [[ -e $WORK/hook.trace ]] && is_stopped && ! hook_ended; then
        hook_goes_on
    fi
}

# process_of_number PID: starts a container of somebody else whose process has this number. Numbers are given out in turn,
# and nobody else is on this machine: until that process is there nothing may be forked here.
process_of_number()
{
    local attempt child end
    for ((attempt = 1; attempt <= 20; attempt++)); do
        echo $(($1 - 2)) >/proc/sys/kernel/ns_last_pid
        unshare --mount --net --pid --ipc --uts --fork --kill-child sleep 600 </dev/null >/dev/null 2>&1 3>&- 8>&- &
        child=
        end=$((SECONDS + 10))
        until read -r child _ <"/proc/$!/task/$!/children" || ((SECONDS > end)); do :; done
        echo $! >>"$WORK/witnesses"
        disown
        [[ $child != "$1" ]] || return 0
    done
    fail "no process got the number $1"
}

# The hook has been started, and reads the state, when the container's process dies and its number
# becomes another's.
hook_of_reused_pid()
{
    local pid hook
    pid=$(<"$WORK/c.pid")
    rm -f "$WORK/hook.status" "$WORK/fifo"
    mkfifo "$WORK/fifo"
    state >"$WORK/state.json"
    {
        local status=0
        "$HOOK" <"$WORK/fifo" >"$WORK/hook.said" 2>&1 || status=$?
        echo "$status" >"$WORK/hook.status"
    } 3>&- &
    disown
    exec 8>"$WORK/fifo"
    head -c 20 "$WORK/state.json" >&8
    container_dies
    eventually internet_gone "$pid"
    sleep 0.05 # a process's start is known in steps of 10 ms
    process_of_number "$pid"
    tail -c +21 "$WORK/state.json" >&8
    exec 8>&-
    eventually hook_ended
}

@test "the state names a pid that is somebody else's by now: refused, and his network is as it was" {
    hook_of_reused_pid
    refused_in_one_line
    grep -q "process $(<"$WORK/c.pid"): it is younger than the container" "$WORK/hook.said" || fail "$(<"$WORK/hook.said")"
    run nsenter --target "$(<"$WORK/c.pid")" --net nft list ruleset
    [[ $status -eq 0 && -z $output ]] || fail "$output"
    # Told of by a runtime that started it, the same process is sealed: nothing else was wrong with it.
    state >"$WORK/state.json"
    "$HOOK" <"$WORK/state.json"
    [ "$(hub_links)" -eq 1 ]
    container_dies
    poststop
    eventually no_hub_links
    container_waits
}

# dies_at SYSCALL: the container's process is killed while the hook has just made the 1st, 2nd, ... such call. The hook
# then fails; or it had seen all that it needs, and poststop ends what it made. Counts into `points` and `refusals`.
dies_at()
{
    local n
    for ((n = 1; ; n++)); do
        if ! stopped_hook "$1" "$n"; then
            [[ $(<"$WORK/hook.status") -eq 0 ]] || fail "$1 $n: $(<"$WORK/hook.said")"
            break
        fi
        container_dies
        hook_goes_on
        if [[ $(<"$WORK/hook.status") -ne 0 ]]; then
            refused_in_one_line || fail "after $1 $n"
            refusals=$((refusals + 1))
        fi
        poststop
        eventually no_hub_links || fail "after $1 $n: a link is left"
        points=$((points + 1))
        container_waits
    done
    # No point is left: this time it lived, and was sealed.
    [ "$(hub_links)" -eq 1 ]
    container_dies
    poststop
    eventually no_hub_links
    container_waits
}

@test "the container dies in the middle of attach or injection, at every point: refused or cleaned up, nothing left" {
    points=0 refusals=0
    dies_at setns
    dies_at sendmsg
    dies_at ptrace
    echo "# $points points, $refusals of them refused" >&3
    # It was told of the death wherever it still had something to do there.
    ((points > 20 && refusals > points / 2))
    run "$SALLYPORT" network show "$NETWORK"
    says "nothing found that is not as it should be"
}

# hub_exchanged COMMAND...: the hook has opened the hub and waits for the lock that keeps everybody else from changing it;
# but an administrator's command asks for no lock.
hub_exchanged()
{
    stopped_hook flock 1
    "$@"
    hook_goes_on
    refused_in_one_line
    grep -q 'network hermes was taken down meanwhile; try again' "$WORK/hook.said" || fail "$(<"$WORK/hook.said")"
    # As it says.
    "$SALLYPORT" network down "$NETWORK"
    "$HOOK" <"$WORK/state.json"
    [ "$(hub_links)" -eq 1 ]
    run nsenter --target "$(<"$WORK/c.pid")" --net ip -brief link show dev sp0
    says UP
    container_dies
    poststop
    eventually no_hub_links
    container_waits
}

another_bound()
{
    ip netns add spt-other
    mount --bind /run/netns/spt-other "$PIN"
    ip netns delete spt-other
}

unbound_and_another_bound()
{
    umount --lazy "$PIN"
    another_bound
}

@test "the hub is deleted, unbound, or another namespace is bound there, between its opening and its use: refused" {
    hub_exchanged ip netns delete "sallyport-$NETWORK"
    hub_exchanged umount --lazy "$PIN"
    hub_exchanged unbound_and_another_bound
    hub_exchanged another_bound
    # Not exchanged it is used: it is not the stop that is refused.
    stopped_hook flock 1
    hook_goes_on
    [[ $(<"$WORK/hook.status") -eq 0 && $(hub_links) -eq 1 ]] || fail "$(<"$WORK/hook.said")"
    container_dies
    poststop
    eventually no_hub_links
    container_waits
}
