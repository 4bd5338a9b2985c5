# SPDX-License-Identifier: Apache-2.0
#
# The administrator's command: networks made, shown, reloaded and taken down; wrong words end in one line.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/help.bash"

setup()
{
    mkdir -p "$POLICIES"
    policy_text >"$POLICIES/$NETWORK.json"
    chmod 0644 "$POLICIES/$NETWORK.json"
}

teardown()
{
    rm -f "$POLICIES"/*.json
    "$SALLYPORT" network down "$NETWORK"
}

# changed FILTER: the policy file rewritten by jq.
changed()
{
    policy_text | jq "$1" >"$POLICIES/$NETWORK.json"
}

@test "up makes hub and uplink, twice is once, down leaves nothing" {
    "$SALLYPORT" network up "$NETWORK"
    "$SALLYPORT" network up "$NETWORK"
    ip link show "$UPLINK"
    ip netns exec "sallyport-$NETWORK" ip link show sp0ad10002
    nft list table inet "sallyport-$NETWORK"
    run "$SALLYPORT" network down "$NETWORK"
    [[ $status -eq 0 && -z $output ]] || fail "$output"
    run ip link show "$UPLINK"
    [ "$status" -ne 0 ]
    run nft list table inet "sallyport-$NETWORK"
    [ "$status" -ne 0 ]
    [[ ! -e /run/netns/sallyport-$NETWORK ]]
    run ip rule show
    [[ $output != *10.209.0.0* ]] || fail "$output"
    run "$SALLYPORT" network down "$NETWORK"
    [[ $status -eq 0 && $output == "sallyport: $NETWORK: the network was not up; "* ]] || fail "$output"
}

@test "list names what is up and what has a policy file, as text and as JSON" {
    run "$SALLYPORT" network list
    [ "$status" -eq 0 ]
    [[ ${#lines[@]} -eq 2 && ${lines[1]} =~ ^$NETWORK\ +no\  ]] || fail "$output"
    "$SALLYPORT" network up "$NETWORK"
    run "$SALLYPORT" network list
    [[ ${#lines[@]} -eq 2 && ${lines[1]} =~ ^$NETWORK\ +yes\  ]] || fail "$output"
    [[ $("$SALLYPORT" network list --json | jq -r '.[] | "\(.network) \(.up)"') == "$NETWORK true" ]]
    rm "$POLICIES/$NETWORK.json"
    [[ $("$SALLYPORT" network list --json | jq -r '.[] | "\(.network) \(.policy)"') == "$NETWORK gone" ]]
    "$SALLYPORT" network down "$NETWORK"
    run "$SALLYPORT" network list
    [[ $status -eq 0 && -z $output ]] || fail "$output"
}

@test "show reads the kernel: the host's own end, and whether the policy file is in force" {
    "$SALLYPORT" network up "$NETWORK"
    run "$SALLYPORT" network show "$NETWORK"
    says "10.209.0.2"
    says "policy: in force"
    "$SALLYPORT" network show "$NETWORK" --json | jq -e '
        .network == "hermes" and .refused.packets == 0 and .policy == "in force" and
        (.members | length) == 1 and .members[0].host and .members[0].up and .members[0].address == "10.209.0.2"'
    changed '.roles.dashboard.reach = []'
    run "$SALLYPORT" network show "$NETWORK"
    says "reload it"
    "$SALLYPORT" network reload "$NETWORK"
    run "$SALLYPORT" network show "$NETWORK"
    says "policy: in force"
}

@test "what needs the network down and up again is refused by reload" {
    "$SALLYPORT" network up "$NETWORK"
    changed '.proxy.address = "10.209.0.9"'
    refused "$SALLYPORT" network reload "$NETWORK"
    says "network down $NETWORK"
}

@test "a network that is not up, or has no policy, or overlaps another" {
    refused "$SALLYPORT" network show "$NETWORK"
    says "sallyport network up $NETWORK"
    refused "$SALLYPORT" network reload "$NETWORK"
    says "sallyport network up $NETWORK"
    refused "$SALLYPORT" network up nowhere
    says "nowhere"
    policy_text >"$POLICIES/other.json"
    refused "$SALLYPORT" network up "$NETWORK"
    says "overlap"
    rm "$POLICIES/other.json"
    ip link add spt-lan type veth peer name spt-lan1
    ip address add 10.209.0.77/16 dev spt-lan
    ip link set spt-lan up
    refused "$SALLYPORT" network up "$NETWORK"
    says "overlaps"
    ip link delete spt-lan
    [[ ! -e /run/netns/sallyport-$NETWORK ]]
}

@test "wrong words end in one line, exit status 1 and where help is found" {
    local verb
    for verb in $(help_verbs); do
        refused "$SALLYPORT" "$verb" --frobnicate
        says "sallyport $verb --help"
    done
    refused "$SALLYPORT" explain --network
    says "--network needs a value"
    refused "$SALLYPORT" frobnicate
    says "--help"
    refused "$SALLYPORT" network
    says "--help"
    refused "$SALLYPORT" network up
    says "--help"
    refused "$SALLYPORT" network up one two
    refused "$SALLYPORT" network up ../etc
    says "is not a name"
    refused "$SALLYPORT" proxy-config nginx "$NETWORK"
    says "known: squid, haproxy"
    refused "$SALLYPORT" proxy-config haproxy "$NETWORK"
    says "has no pass-through"
    refused "$SALLYPORT" bundle
    refused "$SALLYPORT" bundle /nonexistent
    says "/nonexistent"
    refused "$SALLYPORT" seccomp-profile more
}

@test "help and version, of every program and verb" {
    for words in "$SALLYPORT --help" "$SALLYPORT network --help" "$SALLYPORT network show --help" "$SALLYPORT bundle --help" \
        "$SALLYPORT proxy-config --help" "$SALLYPORT seccomp-profile --help" "$HOOK --help"; do
        # shellcheck disable=SC2086
        run $words
        [ "$status" -eq 0 ]
        says "Usage: sallyport"
    done
    run "$SALLYPORT" --version
    [[ $output =~ ^sallyport\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
    run "$HOOK" --version
    [[ $output =~ ^sallyport-hook\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "seccomp-profile prints a profile that has the rule, and less of it where asked" {
    "$SALLYPORT" seccomp-profile >"$WORK/profile.json"
    "$SALLYPORT" seccomp-profile --nested >"$WORK/nested.json"
    jq -e '.defaultAction == "SCMP_ACT_ERRNO" and ([.syscalls[] | select(.names | index("socket"))] | length) > 0' \
        "$WORK/profile.json"
    setns='[.syscalls[] | select((.names | index("setns")) and .action == "SCMP_ACT_ALLOW")] | length'
    [[ $(jq "$setns" "$WORK/profile.json") == 0 ]]
    [[ $(jq "$setns" "$WORK/nested.json") != 0 ]]
}

@test "who is not root is told to be, where it is for want of that that something fails" {
    local verb
    "$SALLYPORT" network up "$NETWORK"
    for verb in "network up $NETWORK" "network show $NETWORK" "network list" "log --network $NETWORK" \
        "log -f --network $NETWORK" "verify --network $NETWORK" "proxy-config squid $NETWORK --install"; do
        # shellcheck disable=SC2086
        refused setpriv --reuid 65534 --regid 65534 --clear-groups "$SALLYPORT" $verb
        [[ $output == *"; run it as root" ]] || fail "$verb: $output"
    done
    "$SALLYPORT" network down "$NETWORK"
}

@test "the schema of what is printed knows each key, and which must be there" {
    local good='[{"group":"host","level":"ok","what":"a","text":""}]' bad
    of_schema check <<<"$good"
    for bad in "${good/\"ok\"/\"good\"}" "${good/,\"text\":\"\"/}" "${good/\"text\"/\"text\":\"\",\"more\"}"; do
        run of_schema check <<<"$bad"
        [[ $status -eq 1 && $output == "check: "* ]] || fail "$bad: $output"
    done
}

@test "output that cannot be written is an error" {
    refused bash -c "'$SALLYPORT' proxy-config squid $NETWORK >/dev/full"
    says "No space left"
    refused bash -c "'$SALLYPORT' network list --json >/dev/full"
}
