#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# `sallyport explain`: its answers against what really happens to a member, with a hub, a guard and a squid. Whoever is
# asked about listens, so that "refused" is a wall's doing and not an empty port.

source "$BATS_TEST_DIRNAME/common.bash"

setup_file()
{
    local roles='.roles.agent.hosts = ["api.openai.com", ".openrouter.ai", "git.example:8443", "private.example"]'
    mkdir -p "$WORK/internet"
    internet_up spt "$WORK/internet" "" api.openai.com=203.0.113.10 openrouter.ai=203.0.113.11 \
        a.openrouter.ai=203.0.113.11 api.telegram.org=203.0.113.12 git.example=203.0.113.13 \
        attacker.example=203.0.113.66 private.example=10.66.0.1
    rootfs_make
    policy_write "$NETWORK" "$roles"
    "$SALLYPORT" network up "$NETWORK"
    "$SALLYPORT" proxy-config squid "$NETWORK" >"$WORK/squid.conf"
    internet_squid "$WORK/internet" "$WORK/squid.conf" "" "$PROXY" 3128
    sleeper agent agent
    sleeper other agent
    sleeper gateway gateway
    witness host-2222 "" "$PROBE" listen tcp 0.0.0.0 2222
    witness gateway-8642 gateway "$PROBE" listen tcp 0.0.0.0 8642
    witness gateway-9000 gateway "$PROBE" listen tcp 0.0.0.0 9000
    witness other-8642 other "$PROBE" listen tcp 0.0.0.0 8642
    witness agent-7000 agent "$PROBE" listen tcp 127.0.0.1 7000
    witness agent-53 agent "$PROBE" listen tcp 127.0.0.11 53
}

teardown_file()
{
    rm -f "$POLICIES"/quiet.json
    stage_down
}

# directly ID HOST PORT: a member connects by itself, to an address or a name that its hosts file has.
directly()
{
    local address
    address=$(inside "$1" /bin/cat /etc/hosts | awk -v name="$2" '$2 == name { print $1; exit }')
    inside "$1" /probe tcp "${address:-$2}" "$3" >/dev/null 2>&1
}

# through_proxy ID HOST PORT: squid makes the tunnel that it asks for.
through_proxy()
{
    local code
    code=$(network_of "$1" curl --silent --insecure --max-time 10 --noproxy '' --proxy "http://$PROXY:3128" \
        --output /dev/null --write-out '%{http_connect}' "https://$2:$3/") || true
    [[ $code == 200 ]]
}

# happens ID HOST PORT: "allowed" if a program in the member gets through, one way or the other.
happens()
{
    if directly "$1" "$(tr -d '[]' <<<"$2")" "$3" || through_proxy "$@"; then
        echo allowed
    else
        echo refused
    fi
}

# agree ROLE HOST PORT EXPECTED: the answer and what happens are both as expected; the member has its role's name.
agree()
{
    local status=0 answer expected_status=0 happened
    [[ $4 == allowed ]] || expected_status=2
    answer=$("$SALLYPORT" explain --network "$NETWORK" "$1" "$2:$3") || status=$?
    [[ $status -eq $expected_status && $answer == "$4: "* ]] || fail "$1 $2:$3: expected $4: $status, $answer"
    happened=$(happens "$1" "$2" "$3")
    [[ $happened == "$4" ]] || fail "$1 $2:$3: is $happened, but: $answer"
}

@test "names: what explain says is what the proxy does" {
    agree agent api.openai.com 443 allowed
    agree agent API.OpenAI.com 443 allowed
    agree agent openrouter.ai 443 allowed
    agree agent a.openrouter.ai 443 allowed
    agree agent git.example 8443 allowed
    agree agent api.openai.com 8443 refused
    agree agent git.example 443 refused
    agree agent attacker.example 443 refused
    agree agent api.telegram.org 443 refused
    agree gateway api.telegram.org 443 allowed
    agree gateway api.openai.com 443 refused
}

@test "members and the proxy: what explain says is what the hub does" {
    agree agent proxy 3128 allowed
    agree agent "$PROXY" 2222 refused
    agree agent "$HOST" 2222 refused
    agree agent gateway 8642 allowed
    agree agent "$GATEWAY" 8642 allowed
    agree agent gateway 9000 refused
    agree agent "$(address_of other)" 8642 refused
    agree gateway "$(address_of other)" 8642 refused
}

@test "addresses outside and loopback: what explain says is what routes and guard do" {
    agree agent 203.0.113.10 443 refused
    agree agent '[2001:db8::10]' 443 refused
    agree agent 198.51.100.1 2222 refused
    agree agent 127.0.0.1 7000 allowed
    agree agent 127.0.0.11 53 refused
}

@test "what only a resolver knows is told as a condition" {
    run "$SALLYPORT" explain --network "$NETWORK" agent private.example
    [ "$status" -eq 0 ]
    says "the proxy still refuses it while an address of the name is not public"
    [[ $(happens agent private.example 443) == refused ]]
}

# What is refused above does listen: from where no wall is, it is reached.
@test "without the walls all of it is reached" {
    "$PROBE" tcp 203.0.113.10 443
    "$PROBE" tcp 203.0.113.13 443
    "$PROBE" tcp 203.0.113.10 8443
    "$PROBE" tcp 2001:db8::10 443
    "$PROBE" tcp "$HOST" 2222
    network_of gateway "$PROBE" tcp 127.0.0.1 9000
    network_of other "$PROBE" tcp 127.0.0.1 8642
    network_of agent nft delete table inet sallyport
    network_of agent "$PROBE" tcp 127.0.0.11 53
}

# The file is what explain reads: where it is ahead of the walls, the comparison has to fail.
@test "the comparison sees a difference" {
    jq '.roles.gateway.hosts += ["attacker.example"]' "$POLICIES/$NETWORK.json" >"$WORK/changed.json"
    cp "$POLICIES/$NETWORK.json" "$WORK/before.json"
    cp "$WORK/changed.json" "$POLICIES/$NETWORK.json"
    run agree gateway attacker.example 443 allowed
    cp "$WORK/before.json" "$POLICIES/$NETWORK.json"
    [ "$status" -eq 1 ]
    says "is refused, but: allowed: gateway to attacker.example:443"
}

@test "the answer names the line, the wall and what would allow it" {
    run "$SALLYPORT" explain --network "$NETWORK" agent a.openrouter.ai
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 1 ]
    says 'allowed: agent to a.openrouter.ai:443, through the proxy: $.roles.agent.hosts[1] ".openrouter.ai"; '
    run "$SALLYPORT" explain agent attacker.example:22 --network "$NETWORK"
    [ "$status" -eq 2 ]
    [ "${#lines[@]}" -eq 1 ]
    says 'refused: agent to attacker.example:22, by the proxy: $.roles.agent.hosts does not have the name'
    says 'add "attacker.example:22" to $.roles.agent.hosts, then run `sallyport proxy-config squid hermes --install`'
    run "$SALLYPORT" explain --network "$NETWORK" agent gateway:9000
    [ "$status" -eq 2 ]
    says 'by the hub: $.roles.agent.reach does not have "gateway:9000"; add "gateway:9000" to $.roles.agent.reach, then run `sallyport network reload hermes`'
}

@test "the same as JSON" {
    "$SALLYPORT" explain --network "$NETWORK" --json agent gateway:8642 | of_schema explain
    "$SALLYPORT" explain --network "$NETWORK" --json agent gateway:8642 | jq -e '. == {network: "hermes", role: "agent",
        target: "gateway:8642", allowed: true, pass_through: false, way: "direct", wall: null, line: "$.roles.agent.reach \"gateway:8642\"",
        reason: null, advice: null}'
    run --separate-stderr "$SALLYPORT" explain --network "$NETWORK" --json agent 169.254.169.254:80
    [ "$status" -eq 2 ]
    of_schema explain <<<"$output"
    jq -e '(.allowed | not) and .way == null and .wall == "routes and guard" and (.advice | length) > 0' <<<"$output"
}

@test "a network that is not up, and the built-in one, have answers too" {
    policy_write quiet '.subnet = "10.209.0.0/24"'
    run "$SALLYPORT" explain --network quiet agent api.openai.com
    [ "$status" -eq 0 ]
    run "$SALLYPORT" explain agent api.openai.com
    [ "$status" -eq 2 ]
    says "write /etc/sallyport/networks.d/default.json and add"
}

@test "a question without an answer ends in one line and exit status 1" {
    refused "$SALLYPORT" explain --network "$NETWORK" nobody api.openai.com
    says "its roles are: agent dashboard gateway"
    refused "$SALLYPORT" explain --network "$NETWORK" agent gateway
    says "say which port"
    refused "$SALLYPORT" explain --network "$NETWORK" agent 'https://api.openai.com/'
    refused "$SALLYPORT" explain --network nowhere agent api.openai.com
    refused "$SALLYPORT" explain agent
    says "--help"
    refused bash -c "'$SALLYPORT' explain --network $NETWORK agent gateway:8642 >/dev/full"
    says "No space left"
    run "$SALLYPORT" explain --help
    [ "$status" -eq 0 ]
    says "Usage: sallyport explain"
}
