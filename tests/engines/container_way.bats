# SPDX-License-Identifier: Apache-2.0
#
# The guarded way out: a container of a bundle that `sallyport bundle` edited reaches what its role may reach, through a
# real squid, and nothing else; and it is so when its first instruction runs.

source "$BATS_TEST_DIRNAME/common.bash"

setup_file()
{
    stage_up
    sleeper other agent
    sleeper gateway gateway
    witness gateway-8642 gateway "$PROBE" listen tcp 0.0.0.0 8642
    witness gateway-9000 gateway "$PROBE" listen tcp 0.0.0.0 9000
    witness other-8642 other "$PROBE" listen tcp 0.0.0.0 8642
    witness host-2222 "" "$PROBE" listen tcp 0.0.0.0 2222
    sleeper agent agent
}

teardown_file()
{
    stage_down
}

# https URL: curl's own exit status, from inside the sealed namespace through the proxy that the container's
# environment names.
https()
{
    network_of agent curl --silent --show-error --max-time 10 --cacert "$WORK/internet/ca.pem" \
        --proxy "http://$PROXY:3128" --output /dev/null --write-out '%{http_connect} %{http_code}\n' "https://$1/"
}

@test "an allow-listed host is reached through squid, over TLS" {
    run https api.openai.com
    [ "$status" -eq 0 ]
    says "200 200"
    grep -q "^203.0.113.10 443 " "$WORK/internet/arrivals"
}

@test "a host that is not allow-listed is refused by squid" {
    run https attacker.example
    [ "$status" -ne 0 ]
    says "403 000"
    ! grep -q "^203.0.113.66 " "$WORK/internet/arrivals"
}

@test "a host of another role is refused by squid: the allow-list goes by source address" {
    run https api.telegram.org
    [ "$status" -ne 0 ]
    says "403 000"
}

@test "a member's allowed port is reached, by the name in its hosts file" {
    run inside agent /bin/nc -w 2 gateway 8642
    [ "$status" -eq 0 ]
    says hello
}

# refused_at_once PROBE-COMMAND...: fails with an error of the kernel's, not a timeout, in under 50 ms.
refused_at_once()
{
    member_is_refused_at_once agent "$@"
}

# member_is_refused_at_once ID PROBE-COMMAND...
member_is_refused_at_once()
{
    local id=$1 attempt
    shift
    for attempt in {1..5}; do
        run inside "$id" /probe "$@"
        [ "$status" -eq 1 ] || fail "reached: $*: $output"
        says result=failed
        [[ $output != *ETIMEDOUT* ]] || fail "hangs: $*: $output"
        # On a busy machine a process may wait that long for its turn, but not each time.
        (($(milliseconds) >= 50)) || return 0
    done
    fail "slow: $*: $output"
}

@test "everything else fails, each TCP connect within 50 ms" {
    other=$(address_of other)
    refused_at_once tcp "$PROXY" 22
    refused_at_once tcp "$PROXY" 2222
    refused_at_once tcp "$HOST" 2222
    refused_at_once tcp "$HOST" 3128
    refused_at_once tcp "$GATEWAY" 9000
    refused_at_once tcp "$other" 8642
    refused_at_once tcp 203.0.113.10 443
    refused_at_once tcp 198.51.100.1 2222
    refused_at_once tcp 169.254.169.254 80
    refused_at_once tcp 169.254.0.1 80
    refused_at_once tcp 192.168.0.1 80
    refused_at_once tcp 127.0.0.11 53
    refused_at_once tcp 2001:db8::1 443
    refused_at_once tcp fe80::1%sp0 443
    refused_at_once udp "$PROXY" 53
    refused_at_once udp "$GATEWAY" 53
    refused_at_once udp 198.51.100.53 53
    refused_at_once udp 127.0.0.11 53
}

@test "members that are not there fail as fast, whether they may be reached or not" {
    refused_at_once tcp "$DASHBOARD" 9119
    refused_at_once tcp 10.209.0.99 8642
    member_is_refused_at_once gateway tcp "$DASHBOARD" 9119
}

@test "loopback works" {
    bundle loopback agent /bin/sh -c '/probe listen tcp 127.0.0.1 7000 --milliseconds 3000 & i=0
        while [ $i -lt 50 ] && ! /probe tcp 127.0.0.1 7000 --greeting; do sleep 0.05; i=$((i + 1)); done'
    seal loopback
    run container_run loopback
    [ "$status" -eq 0 ]
    says greeting=hello
}

@test "names resolve from the hosts file and nowhere else" {
    run inside agent /bin/nslookup attacker.example
    [ "$status" -ne 0 ]
    run ! grep -q attacker "$WORK/internet/queries"
    run inside agent /bin/cat /etc/hosts
    says "$GATEWAY"
    says "$PROXY"
    run inside agent /bin/cat /etc/resolv.conf
    [ -z "$(grep nameserver <<<"$output")" ]
}

# The container's process 1 is the attempt itself: nothing of ours can come after it.
@test "the first instruction is too late for a packet" {
    witness first-host "" "$PROBE" capture
    bundle first agent /probe tcp 203.0.113.66 443
    seal first
    run container_run first
    [ "$status" -eq 1 ]
    says "result=failed"
    [[ $output != *ETIMEDOUT* ]]
    run inside agent /probe tcp "$PROXY" 3128
    eventually saw first-host 'dst=10\.209\.0\.2 .* dport=3128'
    run ! saw first-host 'dst=203\.0\.113\.66'
}

@test "the first instruction is too late for a raw socket, and may use the way out" {
    bundle firstraw agent /probe socket 17 3 0x0300
    seal firstraw
    run container_run firstraw
    [ "$status" -eq 1 ]
    says "error=EPERM"
    bundle firstproxy agent /probe tcp "$PROXY" 3128
    seal firstproxy
    run container_run firstproxy
    [ "$status" -eq 0 ]
    says "result=ok"
}

@test "the environment names the proxy" {
    bundle environment agent /bin/sh -c 'echo "$HTTPS_PROXY $https_proxy $NO_PROXY"'
    seal environment
    run container_run environment
    [ "$status" -eq 0 ]
    says "http://$PROXY:3128 http://$PROXY:3128"
    says "$SUBNET"
}

@test "sealing a bundle twice changes nothing" {
    bundle twice agent /bin/true
    seal twice
    cp "$WORK/bundles/twice/config.json" "$WORK/once.json"
    seal twice
    cmp "$WORK/once.json" "$WORK/bundles/twice/config.json"
}

@test "exec gets no raw socket either" {
    run inside agent /probe socket 17 3 0x0300
    [ "$status" -eq 1 ]
    says "error=EPERM"
    run inside agent /bin/cat /proc/self/status
    says "CapEff:"
    effective=$((16#$(sed -n 's/^CapEff:\s*//p' <<<"$output")))
    (((effective & 1 << 13) == 0 && (effective & 1 << 12) == 0))
}

@test "a published port leads in from the host's loopback, and the member has no other way out by it" {
    witness dashboard-ui gateway "$PROBE" listen tcp 0.0.0.0 9119
    run "$PROBE" tcp "$GATEWAY" 9119 --greeting
    [ "$status" -eq 0 ]
    run "$PROBE" tcp "$GATEWAY" 8642
    [ "$status" -eq 1 ]
    run inside gateway /probe tcp "$HOST" 2222 --source-port 9119
    [ "$status" -eq 1 ]
}

@test "network show has the members, their roles, ids and traffic, and what was refused" {
    refused_at_once tcp "$GATEWAY" 9000
    "$SALLYPORT" network show "$NETWORK" --json | jq -e --arg address "$(address_of agent)" --arg gateway "$GATEWAY" '
        .refused.packets > 0 and
        ([.members[] | select(.id == "agent" and .role == "agent" and .address == $address and .up and
            .sent.packets > 0 and .received.bytes > 0)] | length) == 1 and
        ([.members[] | select(.id == "gateway" and .role == "gateway" and .address == $gateway)] | length) == 1'
    run "$SALLYPORT" network show "$NETWORK"
    says "$(address_of agent)"
    says "refused by the hub: "
}
