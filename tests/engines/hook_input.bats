# SPDX-License-Identifier: Apache-2.0
#
# The hook run by hand: bad input of every kind ends in one clear line and exit status 1, and leaves nothing; a config
# on standard input comes out edited.

source "$BATS_TEST_DIRNAME/hook.bash"

setup_file()
{
    small_stage_up
    bundle c agent /bin/echo started
    container_waits
}

# What a runtime does at a container's end: the processes first, then poststop. Another one waits then.
container_ends()
{
    local pid
    pid=$(<"$WORK/c.pid")
    kill -KILL "$pid"
    eventually internet_gone "$pid"
    INPUT=$(state '.status = "stopped" | .pid = 0')
    run feed
    [[ $status -eq 0 && -z $output ]] || fail "$output"
    eventually no_hub_links || fail "poststop left a link"
    container_waits
}

teardown_file()
{
    small_stage_down
}

# feed [COMMAND...]: the hook, with `$INPUT` on standard input.
feed()
{
    printf '%s' "$INPUT" | "$@" "$HOOK"
}

# refused_input TEXT [COMMAND...]
refused_input()
{
    local text=$1
    shift
    refused feed "$@"
    [[ $output == "sallyport: "* ]] || fail "$output"
    says "$text"
    no_hub_links || fail "a link is left"
}

@test "the good state that the bad ones are made of seals, and its poststop unseals" {
    INPUT=$(state)
    run feed
    [ "$status" -eq 0 ] || fail "$output"
    [ -z "$output" ]
    [ "$(hub_links)" -eq 1 ]
    container_ends
}

@test "poststop leaves the link of a container that lives" {
    INPUT=$(state)
    run feed
    [ "$status" -eq 0 ] || fail "$output"
    INPUT=$(state '.status = "stopped"')
    refused feed
    says "where process "
    [ "$(hub_links)" -eq 1 ]
    container_ends
}

@test "a state that is empty, truncated or no JSON" {
    INPUT=
    refused_input "standard input"
    INPUT=$(state | head -c 40)
    refused_input "standard input"
    INPUT="hello"
    refused_input "standard input"
    INPUT="$(state)$(state)"
    refused_input "standard input"
    INPUT='[]'
    refused_input ""
    INPUT='{"id": "c", "id": "d"}'
    refused_input ""
}

@test "a state of more than 1 MiB" {
    INPUT=$(printf '{"id": "%*s"}' 1100000 x | tr ' ' x)
    refused_input ""
    state '.annotations = {a: ("x" * 1100000)}' >"$WORK/huge.json"
    run "$HOOK" <"$WORK/huge.json"
    [ "$status" -eq 1 ]
    [ "${#lines[@]}" -eq 1 ]
}

@test "a state without pid, bundle, id or status, or with odd ones" {
    INPUT=$(state 'del(.pid)')
    refused_input "\`pid\`"
    INPUT=$(state 'del(.bundle)')
    refused_input "\`bundle\`"
    INPUT=$(state 'del(.id)')
    refused_input "\`id\`"
    INPUT=$(state 'del(.status)')
    refused_input "\`status\`"
    for filter in '.pid = 0' '.pid = 1' '.pid = -5' '.pid = "7"' '.pid = 99999999999' '.pid = 1.5' '.bundle = "relative"' \
        '.id = "../c"' '.id = ""' '.id = "a\nb"' '.status = "running"' '.annotations = []'; do
        INPUT=$(state "$filter")
        refused_input "state"
    done
}

@test "a bundle or a config.json that is missing" {
    INPUT=$(state '.bundle = "/nonexistent/bundle"')
    refused_input "/nonexistent/bundle"
    mkdir -p "$WORK/empty"
    INPUT=$(state ".bundle = \"$WORK/empty\"")
    refused_input "config.json"
}

@test "a pid that is gone, or now another process" {
    sleep 0 3>&- &
    wait $!
    INPUT=$(state ".pid = $!")
    refused_input "$!"
    # Reused: a process of the machine itself, in none of the container's namespaces.
    sleep 600 3>&- &
    INPUT=$(state ".pid = $!")
    refused_input "namespace"
    kill $!
    wait $! || true
}

@test "a network without policy, a role that is unknown, names that are none" {
    INPUT=$(state)
    refused_input nowhere env_arguments --network nowhere
    refused_input nobody env_arguments --role nobody
    refused_input "is not a name" env_arguments --network ../hermes
}

# Puts options behind the hook's name: feed COMMAND... calls "$@" "$HOOK".
env_arguments()
{
    local hook=${!#}
    "$hook" "${@:1:$#-1}"
}

# What a kernel without netfilter netlink, without veth, or out of memory answers: at each of the first calls in turn.
@test "netlink, nftables and the kernel saying no" {
    for fault in socket:error=EPROTONOSUPPORT sendmsg:error=EOPNOTSUPP sendmsg:error=EPERM recvmsg:error=ENOBUFS; do
        for occasion in 1 2 3 4; do
            INPUT=$(state)
            run feed strace -f -qq -o "$WORK/faults" -e "inject=$fault:when=$occasion+"
            if ! grep -q INJECTED "$WORK/faults"; then
                ((occasion > 1)) || fail "$fault was never injected"
                [[ $status -eq 0 ]] || fail "$output"
                container_ends
                break
            fi
            [[ $status -eq 1 ]] || fail "$fault at $occasion: status $status: $output"
            [[ $(grep -c '^sallyport: ' <<<"$output") -eq 1 ]] || fail "$fault at $occasion: $output"
            eventually no_hub_links
        done
    done
}

@test "no permission" {
    chmod -R go+rX "$WORK" "$BATS_RUN_TMPDIR"
    INPUT=$(state)
    refused_input "" setpriv --reuid 65534 --regid 65534 --clear-groups --
}

@test "a hub that is gone: a leftover file is remade, and a state without network up is served" {
    "$SALLYPORT" network down "$NETWORK"
    : >"/run/netns/sallyport-$NETWORK"
    INPUT=$(state)
    run feed
    [ "$status" -eq 0 ] || fail "$output"
    [ "$(hub_links)" -eq 1 ]
    container_ends
}

@test "a hub whose rules are gone" {
    hub nft flush ruleset
    INPUT=$(state)
    refused_input "network reload"
    "$SALLYPORT" network reload "$NETWORK"
    run feed
    [ "$status" -eq 0 ] || fail "$output"
    container_ends
}

@test "poststop of a container that nobody knows is no error" {
    INPUT=$(state '.status = "stopped" | .id = "unknown" | .bundle = "/nonexistent"')
    run feed
    [ "$status" -eq 0 ] || fail "$output"
}

@test "poststop does not guess the network where it cannot read the config" {
    mkdir -p "$WORK/unreadable"
    echo '{' >"$WORK/unreadable/config.json"
    INPUT=$(state ".status = \"stopped\" | .bundle = \"$WORK/unreadable\"")
    refused feed
    says "config.json"
}

@test "precreate: a config on standard input comes out edited, on standard output" {
    bundle precreated agent /bin/echo started
    capability precreated CAP_NET_ADMIN
    "$HOOK" <"$WORK/bundles/precreated/config.json" >"$WORK/edited.json"
    run jq -r '.process.capabilities[][]' "$WORK/edited.json"
    says CAP_CHOWN
    [[ $output != *NET_RAW* && $output != *NET_ADMIN* ]]
    [ "$(jq '.linux.seccomp.syscalls | length > 0' "$WORK/edited.json")" = true ]
    jq -e '.process.env | index("HTTPS_PROXY=http://10.209.0.2:3128")' "$WORK/edited.json"
    for key in .process.args .mounts .root .linux.namespaces .annotations; do
        [ "$(jq -c "$key" "$WORK/edited.json")" = "$(jq -c "$key" "$WORK/bundles/precreated/config.json")" ]
    done
    "$HOOK" <"$WORK/edited.json" >"$WORK/again.json"
    cmp "$WORK/edited.json" "$WORK/again.json"
}

@test "precreate: what cannot be sealed is refused, and nothing is printed" {
    bundle precreated agent /bin/echo started
    configure precreated '.linux.namespaces |= map(select(.type != "network"))'
    run --separate-stderr "$HOOK" <"$WORK/bundles/precreated/config.json"
    [ "$status" -eq 1 ]
    [ -z "$output" ]
    [[ $stderr == *"host's network"* ]]
}
