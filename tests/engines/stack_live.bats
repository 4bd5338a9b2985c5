# SPDX-License-Identifier: Apache-2.0
#
# The stack while things change: the proxy's container is restarted and replaced, the policy is changed, and somebody
# else wants to be the proxy. All but the last test leave the stack as they found it.

source "$BATS_TEST_DIRNAME/stack.bash"

setup_file()
{
    stack_up
    docker exec --detach "$(container_of agent)" talk
}

teardown_file()
{
    stack_down
}

# Milliseconds of the monotonic clock.
now()
{
    local up
    read -r up _ </proc/uptime
    echo "$((10#${up/./} * 10))"
}

# talks: the connection between agent and gateway that setup_file made goes on.
talks()
{
    local before
    before=$(said)
    eventually said_more "$before" || fail "$(on agent tail -n 3 /tmp/talk)"
}

said()
{
    on agent wc -l /tmp/talk | cut -d' ' -f1
}

said_more()
{
    (($(said) > $1))
}

# What must stay of a member when the proxy does not: its process, namespace and link.
member_state()
{
    local pid
    pid=$(pid_of "$1")
    echo "$pid $(stat -L -c %i "/proc/$pid/ns/net") $(netns_of "$1" ip -o link show sp0 | cut -d: -f1)"
}

members_state()
{
    local service
    for service in agent dashboard gateway; do
        member_state "$service"
    done
}

# member_tries SERVICE ADDRESS PORT
member_tries()
{
    local service=$1
    shift
    netns_of "$service" "$PROBE" tcp "$@"
}

# told_at_once COMMAND...: it fails, and within 2 s.
told_at_once()
{
    local begun
    begun=$(now)
    run "$@"
    [[ $status -ne 0 ]] || fail "worked: $output"
    (($(now) - begun < 2000)) || fail "took $(($(now) - begun)) ms: $output"
}

@test "the proxy is restarted: no link is interrupted, and the next request works" {
    before=$(members_state)
    talks
    compose restart --timeout 1 egress-proxy
    proxy_ready
    [ "$(members_state)" = "$before" ]
    talks
    allowed agent api.openai.com
    allowed gateway api.telegram.org
}

@test "the proxy is replaced: likewise" {
    before=$(members_state)
    proxy=$(container_of egress-proxy)
    compose up --detach --force-recreate --timeout 1 egress-proxy
    proxy_ready
    [ "$(container_of egress-proxy)" != "$proxy" ]
    [ "$(members_state)" = "$before" ]
    talks
    allowed agent api.openai.com
    allowed gateway api.telegram.org
}

@test "while there is no proxy, agents are told so at once, and work with members goes on" {
    compose stop --timeout 1 egress-proxy
    told_at_once on agent curl --silent https://api.openai.com/
    run on agent curl --silent http://gateway:8642/cgi-bin/dashboard
    says "the dashboard"
    talks
    compose start egress-proxy
    proxy_ready
    allowed agent api.openai.com
}

@test "a permission that is added works within a second, one that is taken away ends at once" {
    run member_tries agent "$DASHBOARD" 9119
    says ECONNREFUSED
    stack_policy '.roles.agent.reach += ["dashboard:9119"]'
    begun=$(now)
    "$SALLYPORT" network reload "$NETWORK"
    eventually member_tries agent "$DASHBOARD" 9119
    echo "# added: $(($(now) - begun)) ms" >&3
    run on agent curl --silent http://dashboard:9119/
    says "the dashboard"
    stack_policy
    "$SALLYPORT" network reload "$NETWORK"
    told_at_once on agent curl --silent http://dashboard:9119/
    talks
}

@test "a permission that is taken away ends its established connections, at both ends" {
    talks
    stack_policy '.roles.agent.reach = ["proxy"]'
    begun=$(now)
    "$SALLYPORT" network reload "$NETWORK"
    eventually no_connection agent "dport = :8642"
    echo "# ended at the agent: $(($(now) - begun)) ms" >&3
    eventually no_connection gateway "sport = :8642"
    eventually on agent grep -qx ended /tmp/talk
    told_at_once on agent curl --silent http://gateway:8642/
    allowed agent api.openai.com
    stack_policy
    "$SALLYPORT" network reload "$NETWORK"
    docker exec --detach "$(container_of agent)" talk
    eventually on agent grep -q tock /tmp/talk
}

no_connection()
{
    [[ -z $(netns_of "$1" ss -Htn state established "$2") ]]
}

# What the policy in force consists of.
in_force()
{
    hub nft --stateless list ruleset
    cksum /etc/squid/sallyport-hermes/squid.conf
}

@test "a policy that is not valid changes nothing and says why" {
    local broken before
    before=$(in_force)
    [[ $before == *forward* ]]
    while IFS='|' read -r broken reason; do
        stack_policy "$broken"
        refused "$SALLYPORT" network reload "$NETWORK"
        says "$POLICIES/$NETWORK.json"
        says "$reason"
        refused "$SALLYPORT" proxy-config squid "$NETWORK" --install
        [ "$(in_force)" = "$before" ]
    done <<'FILTERS'
.roles.agent.reach += ["nobody:80"]|nobody
.roles.agent.reachh = []|reachh
.roles.gateway.addresses = "10.209.0.70"|10.209.0.70
FILTERS
    echo '{ "version": 1' >"$POLICIES/$NETWORK.json"
    refused "$SALLYPORT" network reload "$NETWORK"
    [ "$(in_force)" = "$before" ]
    talks
    allowed agent api.openai.com
    stack_policy
}

@test "the proxy's lists follow the policy, by the commands of docker-compose.yml" {
    denied agent attacker.example
    stack_policy '.roles.agent.hosts = ["attacker.example"]'
    follow docker-compose.yml 2
    eventually allowed agent attacker.example
    denied agent api.openai.com
    allowed gateway api.openai.com
    stack_policy
    follow docker-compose.yml 2
    eventually denied agent attacker.example
    allowed agent api.openai.com
    talks
}

# tunnel: opens one to api.openai.com, and keeps it.
tunnel()
{
    docker exec --detach "$(container_of agent)" sh -c \
        '{ printf "CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n"; sleep 60; } | nc proxy 3128 >/tmp/tunnel'
    eventually on agent grep -q ' 200 ' /tmp/tunnel
}

@test "a host that is taken away: open tunnels stay until the proxy is restarted, as docker-compose.yml says" {
    tunnel
    stack_policy '.roles.agent.hosts = ["openrouter.ai"]'
    follow docker-compose.yml 2
    eventually denied agent api.openai.com
    run ! no_connection agent "dport = :3128"
    compose restart --timeout 1 egress-proxy
    eventually no_connection agent "dport = :3128"
    proxy_ready
    denied agent api.openai.com
    allowed agent openrouter.ai
    stack_policy
    follow docker-compose.yml 2
    eventually allowed agent api.openai.com
    talks
}

@test "nobody becomes the proxy by annotation, label or environment" {
    bundle impostor proxy /bin/true
    refused seal impostor
    says "cannot be had by annotation"
    run docker run --rm --network none --runtime sallyport-hermes-agent --label io.sallyport.role=proxy \
        --env io.sallyport.role=proxy --hostname proxy hermes-agent ip -4 -o address show dev sp0
    [ "$status" -eq 0 ]
    [[ $output =~ 10\.209\.0\.([0-9]+)/32 ]] || fail "$output"
    ((BASH_REMATCH[1] >= 64)) || fail "no agent: $output"
}

@test "there is one proxy: a second one is refused while the first lives" {
    run docker run --rm --runtime sallyport-hermes-proxy hermes-agent true
    [ "$status" -ne 0 ]
    says "$PROXY"
    allowed agent api.openai.com
}

# Somebody on the proxy's own Docker network, who sends to its address in the subnet by way of its engine's link.
@test "the proxy serves members only: neither its neighbours on Docker's network nor the host" {
    local address
    address=$(docker inspect --format '{{.NetworkSettings.Networks.compose_egress.IPAddress}}' \
        "$(container_of egress-proxy)")
    docker run --detach --name neighbour --network compose_egress --cap-add NET_ADMIN hermes-agent >/dev/null
    docker exec neighbour ip route add "$PROXY" via "$address"
    run docker exec neighbour /probe tcp "$address" 3128
    says ECONNREFUSED
    # Bridged packets pass the host's rules where br_netfilter says so, and then end there: not in this test.
    nft delete table inet "sallyport-$NETWORK"
    run docker exec neighbour /probe tcp "$PROXY" 3128 --timeout-ms 500
    says ETIMEDOUT
    told_at_once "$PROBE" tcp "$PROXY" 3128
    # Without the guard it is squid's list of sources that refuses.
    netns_of egress-proxy nft delete table inet sallyport
    run docker exec neighbour curl --silent --max-time 5 --output /dev/null --write-out '%{http_connect}' \
        --proxy "http://$PROXY:3128" https://api.openai.com/
    [ "$output" = 403 ]
    docker rm --force neighbour
    "$SALLYPORT" network reload "$NETWORK"
    compose up --detach --force-recreate --timeout 1 egress-proxy
    proxy_ready
    allowed agent api.openai.com
}

@test "after a boot, when Docker starts and nothing of the network is there yet, the stack is back" {
    docker_stop
    "$SALLYPORT" network down "$NETWORK"
    docker_start "$DOCKER"
    proxy_ready
    eventually allowed agent api.openai.com
    eventually on agent curl --silent --fail http://gateway:8642/cgi-bin/dashboard
    run member_tries agent "$DASHBOARD" 9119
    says ECONNREFUSED
}

# The walls on the way are taken down one by one until a packet of the agent's to the internet gets to the proxy's
# container; that drops it, whether it forwards or not. Then this wall falls, too, and the packet leaves.
@test "the proxy's container forwards nothing" {
    local far=203.0.113.177
    netns_of agent nft delete table inet sallyport
    netns_of agent ip route replace "$far" via 169.254.0.1 dev sp0 onlink
    hub nft flush ruleset
    hub ip route add "$far" via "$PROXY" dev sp0ad10002 onlink
    netns_of egress-proxy sysctl -q -w net.ipv4.ip_forward=1
    witness at-proxy "" nsenter --target "$(pid_of egress-proxy)" --net "$PROBE" capture
    witness at-host "" "$PROBE" capture
    member_tries agent "$far" 443 --timeout-ms 300 || true
    eventually saw at-proxy "dst=$far .*dport=443"
    run ! saw at-host "dst=$far"
    netns_of egress-proxy nft delete table inet sallyport
    member_tries agent "$far" 444 --timeout-ms 300 || true
    eventually saw at-host "dst=$far .*dport=444"
    run ! saw at-host "dst=$far .*dport=443"
}
