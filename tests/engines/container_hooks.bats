# SPDX-License-Identifier: Apache-2.0
#
# Hooks alone: a config that nobody edited, but for an entry in createRuntime or prestart. And the container's whole
# life: what start, stop, failure and restart leave behind.

source "$BATS_TEST_DIRNAME/common.bash"

setup_file()
{
    small_stage_up
    witness proxy "" "$PROBE" listen tcp "$PROXY" 3128
}

teardown_file()
{
    small_stage_down
}

teardown()
{
    containers_delete_all
    eventually no_hub_links
}

ATTEMPTS='/probe tcp 10.209.0.2 3128; /probe tcp 10.209.0.1 3128; /probe socket 17 3 0x0300; /probe socket 2 3 1
    /probe socket 0x100000028 1 0; /probe io-uring-socket 17 3 0; /probe int80-socketcall 17 3 0; /probe unshare user,net
    /probe socket 2 1 0; /probe socket 16 3 0'

# sealed_by STAGE...: the config grants CAP_NET_RAW, and the process has it; the filter came from the hook.
sealed_by()
{
    bundle plain agent /bin/sh -c "grep CapEff /proc/self/status; $ATTEMPTS"
    hook plain "$@"
    [ "$(jq '.linux.seccomp' "$WORK/bundles/plain/config.json")" = null ]
    run container_run plain
    effective=$((16#$(sed -n 's/^CapEff:\s*//p' <<<"$output")))
    ((effective & 1 << 13)) || fail "the container was not given CAP_NET_RAW: $output"
    [[ ${lines[1]} == "tcp result=ok "* ]]
    [[ ${lines[2]} == "tcp result=failed "* ]]
    [[ ${lines[3]} == "socket result=failed error=EPERM "* ]]
    [[ ${lines[4]} == "socket result=failed error=EPERM "* ]]
    [[ ${lines[5]} == "socket result=failed error=EPERM "* ]]
    [[ ${lines[6]} == "io-uring-socket result=failed error=ENOSYS "* ]]
    [[ ${lines[7]} == "int80-socketcall result=failed "* ]]
    [[ ${lines[8]} == "unshare result=failed error=EPERM "* ]]
    [[ ${lines[9]} == "socket result=ok "* ]]
    [[ ${lines[10]} == "socket result=ok "* ]]
}

@test "createRuntime alone seals, and no raw socket opens although CAP_NET_RAW is there" {
    sealed_by createRuntime
}

@test "prestart alone seals as well" {
    sealed_by prestart
}

@test "both stages together seal once" {
    sealed_by createRuntime prestart poststop
}

@test "without the hook all of that is open: the wall is the hook's" {
    bundle open agent /bin/sh -c "$ATTEMPTS"
    run container_run open
    [[ ${lines[0]} == "tcp result=failed "* ]]
    [[ ${lines[2]} == "socket result=ok "* ]]
    [[ ${lines[3]} == "socket result=ok "* ]]
    [[ ${lines[5]} == "io-uring-socket result=ok "* ]]
    [[ ${lines[7]} == "unshare result=ok "* ]]
}

@test "CAP_NET_ADMIN in a config that nobody edited is refused" {
    bundle admin agent /bin/echo started
    capability admin CAP_NET_ADMIN
    refused_start admin "CAP_NET_ADMIN"
    eventually no_hub_links
}

@test "sallyport bundle takes CAP_NET_ADMIN and CAP_NET_RAW out of every set" {
    bundle edited agent /bin/cat /proc/self/status
    capability edited CAP_NET_ADMIN
    seal edited
    run container_run edited
    [ "$status" -eq 0 ]
    for set in CapInh CapPrm CapEff CapBnd CapAmb; do
        value=$((16#$(sed -n "s/^$set:\s*//p" <<<"$output")))
        (((value & 1 << 12) == 0 && (value & 1 << 13) == 0)) || fail "$set: $output"
    done
}

@test "a user namespace changes nothing: sealed all the same" {
    bundle mapped agent /bin/sh -c "$ATTEMPTS"
    configure mapped '.linux.namespaces += [{type: "user"}]
        | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
        | .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
    chmod -R go+rX "$WORK" "$BATS_RUN_TMPDIR"
    hook mapped createRuntime
    run container_run mapped
    [[ ${lines[0]} == "tcp result=ok "* ]] || fail "$output"
    [[ ${lines[1]} == "tcp result=failed "* ]]
    [[ ${lines[2]} == "socket result=failed error=EPERM "* ]]
}

@test "poststop takes the link away, also while somebody holds the namespace" {
    bundle held agent sleep 600
    hook held createRuntime poststop
    container_start held
    [ "$(hub_links)" -eq 1 ]
    # A descriptor of the namespace in a process of the machine keeps its links alive (fact 16).
    exec 7<"/proc/$(<"$WORK/held.pid")/ns/net"
    container_delete held
    run hub_links
    exec 7<&-
    [ "$output" -eq 0 ]
}

@test "without poststop the link lives on in a held namespace: the hook is what takes it away" {
    bundle held agent sleep 600
    hook held createRuntime
    container_start held
    exec 7<"/proc/$(<"$WORK/held.pid")/ns/net"
    container_delete held
    run hub_links
    exec 7<&-
    [ "$output" -eq 1 ]
}

@test "a hook after ours that fails leaves nothing of ours" {
    bundle failing agent /bin/echo started
    hook failing createRuntime poststop
    configure failing '.hooks.createRuntime += [{path: "/bin/false"}]'
    run container_run failing
    [ "$status" -ne 0 ]
    [[ $output != *started* ]]
    container_delete failing
    eventually no_hub_links
}

@test "a command that does not exist leaves nothing of ours" {
    bundle missing agent /bin/no-such-program
    hook missing createRuntime poststop
    run container_run missing
    [ "$status" -ne 0 ]
    container_delete missing
    eventually no_hub_links
}

# runc runs poststop for the container that it failed to start: that is not the end of the first one.
@test "a second container of the same id, in another state directory, is refused, and the first keeps its link" {
    bundle same agent sleep 600
    hook same createRuntime poststop
    container_start same
    configure same --arg cgroups "$CGROUPS" \
        '.process.args = ["/bin/echo", "started"] | .linux.cgroupsPath = "\($cgroups)/same-too"'
    rm -f "$WORK/same.hook"
    run "$RUNTIME" --root "$WORK/other-root" run --bundle "$WORK/bundles/same" same </dev/null 3>&-
    [ "$status" -ne 0 ]
    [[ $output != *started* ]]
    grep -q same "$WORK/same.hook"
    "$RUNTIME" --root "$WORK/other-root" delete --force same || true
    [ "$(hub_links)" -eq 1 ]
}

@test "a fixed address is there again at once when its container restarts" {
    for round in 1 2 3 4 5; do
        bundle "fixed$round" gateway /probe tcp "$PROXY" 3128 --source "$GATEWAY"
        hook "fixed$round" createRuntime
        run container_run "fixed$round"
        [ "$status" -eq 0 ] || fail "round $round: $output $(cat "$WORK/fixed$round.hook")"
    done
}

@test "a fixed address that a live container holds is refused, naming it" {
    bundle holder gateway sleep 600
    hook holder createRuntime
    container_start holder
    bundle second gateway /bin/echo started
    refused_start second holder
}

@test "an exhausted pool is refused in one line, and serves again when a member is gone" {
    bundle one pair sleep 600
    bundle two pair sleep 600
    bundle three pair /bin/echo started
    hook one createRuntime poststop
    hook two createRuntime poststop
    container_start one
    container_start two
    [ "$(address_of one)" != "$(address_of two)" ]
    refused_start three "pair"
    container_delete one
    run container_run three
    [ "$status" -eq 0 ]
    says started
}
