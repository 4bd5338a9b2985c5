# SPDX-License-Identifier: Apache-2.0
#
# The stack as packaging/compose/docker-compose.yml has it: each role reaches exactly what the policy says, and nothing
# but the proxy has a way out.

source "$BATS_TEST_DIRNAME/stack.bash"

PORTS=(22 80 3128 8642 9119)
MEMBERS=(agent agent.2 dashboard gateway egress-proxy)

setup_file()
{
    stack_up
    compose up --detach --scale agent=2
    members_listen
}

teardown_file()
{
    stack_down
}

# Every member listens at every port: where its own service does not, a witness does, and so on the host.
members_listen()
{
    local member port pid
    for member in "${MEMBERS[@]}"; do
        pid=$(pid_of "$member")
        for port in "${PORTS[@]}"; do
            [[ $member:$port != @(gateway:8642|dashboard:9119|egress-proxy:3128) ]] || continue
            witness "$member-$port" "" nsenter --target "$pid" --net "$PROBE" listen tcp 0.0.0.0 "$port"
        done
    done
    for port in 22 3128 8642 9119; do # at 80 it has a web server
        witness "host-$port" "" "$PROBE" listen tcp "$HOST" "$port"
    done
}

# targets_of SOURCE: the members and the host, without the source itself, as NAME=ADDRESS.
targets_of()
{
    {
        echo "host=$HOST"
        for member in "${MEMBERS[@]}"; do
            echo "$member=$(address_of_service "$member")"
        done
    } | grep -v "^$1="
}

address_of_service()
{
    netns_of "$1" ip -4 -o address show dev sp0 | awk '{ sub("/.*", "", $4); print $4 }'
}

# reaches SOURCE "TARGET PORT"...: of all targets and ports, exactly these answer; the others say at once that they do not.
reaches()
{
    local source=$1 targets tried seen
    shift
    targets=$(targets_of "$source")
    if [[ $source == host ]]; then
        try_all_script >"$WORK/try-all"
        tried=$(env PROBE="$PROBE" sh "$WORK/try-all" "$targets" "${PORTS[*]}")
    else
        tried=$(on "$source" try-all "$targets" "${PORTS[*]}")
    fi
    [[ $(wc -l <<<"$tried") -eq $(($(wc -l <<<"$targets") * ${#PORTS[@]})) ]] || fail "not all was tried: $tried"
    [[ $tried != *ETIMEDOUT* ]] || fail "was not told at once: $tried"
    seen=$(awk '/result=ok/ { print $1, $2 }' <<<"$tried")
    [[ $seen == "$(printf '%s\n' "$@")" ]] || fail "$source reaches: $seen"
}

@test "each role reaches what the policy says, of all members and ports, and the host" {
    reaches agent "gateway 8642" "egress-proxy 3128"
    reaches agent.2 "gateway 8642" "egress-proxy 3128"
    reaches gateway "dashboard 9119" "egress-proxy 3128"
    reaches dashboard "gateway 8642"
}

@test "the proxy reaches no member" {
    reaches egress-proxy ""
}

@test "the host reaches the published ports of members, and nothing else of them" {
    reaches host "dashboard 9119" "gateway 8642"
}

# Counter-test of the three above: at every port somebody was there to be reached.
@test "no member was reached where only a witness listens, and all of these answer" {
    local member port address pid
    run grep -h arrived "$WORK"/{agent,agent.2,gateway,dashboard,egress-proxy,host}-*.seen
    [ -z "$output" ] || fail "$output"
    for member in "${MEMBERS[@]}"; do
        address=$(address_of_service "$member")
        pid=$(pid_of "$member")
        for port in "${PORTS[@]}"; do
            nsenter --target "$pid" --net "$PROBE" tcp "$address" "$port"
        done
    done
    for port in "${PORTS[@]}"; do
        "$PROBE" tcp "$HOST" "$port"
    done
}

@test "members find each other by name, and work together" {
    run on agent curl --silent http://gateway:8642/cgi-bin/dashboard
    says "the dashboard"
    run on agent curl --silent http://gateway:8642/cgi-bin/chat
    says "hello from api.telegram.org"
    run on dashboard curl --silent http://gateway:8642/cgi-bin/chat
    says "hello from api.telegram.org"
    run on agent.2 curl --silent --show-error https://api.openai.com/
    says "hello from api.openai.com"
}

@test "each role has its own list at the proxy" {
    allowed agent api.openai.com
    allowed agent openrouter.ai
    denied agent api.telegram.org
    denied agent attacker.example
    allowed gateway api.openai.com
    allowed gateway api.telegram.org
    denied gateway openrouter.ai
    denied gateway attacker.example
    [ "$(proxy_answers dashboard api.openai.com)" = 000 ]
}

# follow_log: what docker-compose.yml says of it, with its last words.
follow_log()
{
    docker logs --follow --tail 0 "$(container_of egress-proxy)" 2>/dev/null 3>&- |
        "$SALLYPORT" log -f --json --network "$NETWORK" --proxy-log - >"$WORK/follow.log" 2>&1 3>&-
}

@test "what the proxy refuses is told by role, from its container's log, by the commands of docker-compose.yml" {
    local reader
    denied gateway attacker.example
    run follow docker-compose.yml 3
    [ "$status" -eq 0 ] || fail "$output"
    says "gateway: CONNECT attacker.example:443; proxy: \$.roles.gateway.hosts does not have the name; to allow it: add "
    [[ $output != *"not of the proxy's format"* ]] || fail "$output"
    follow_log &
    reader=$!
    eventually grep -q '"event":"begin"' "$WORK/follow.log"
    eventually follow_sees
    pkill -TERM -P "$reader" # the engine does not notice that nobody reads
    wait "$reader"
    grep -q '"event":"end"' "$WORK/follow.log"
}

# The engine begins to follow in its own time.
follow_sees()
{
    denied agent followed.example
    jq -e --arg id "$(docker inspect --format '{{.Id}}' "$(container_of agent)")" \
        'select(.target == "followed.example:443" and .role == "agent" and .id == $id)' "$WORK/follow.log"
}

@test "published ports answer on 127.0.0.1 of the host and at no other address" {
    local address port
    [ "$(curl --silent --noproxy '*' http://127.0.0.1:9119/)" = "the dashboard" ]
    run curl --silent --noproxy '*' http://127.0.0.1:8642/cgi-bin/dashboard
    says "the dashboard"
    for address in 127.0.0.2 198.51.100.1 172.17.0.1 192.0.2.1 ::1; do
        for port in 8642 9119; do
            run "$PROBE" tcp "$address" "$port"
            [[ $status -eq 1 ]] || fail "$address port $port: $output"
        done
    done
}

@test "the dashboard is healthy" {
    internet_poll 20 healthy
}

healthy()
{
    [[ $(docker inspect --format '{{.State.Health.Status}}' "$(container_of dashboard)") == healthy ]]
}

@test "nothing gets out of any member, with the walls around routes tried" {
    local number=131 service
    for service in agent gateway dashboard; do
        run on "$service" /attempts "$service" $number sp0
        all_tried
        nothing_arrived "$service" $number
        number=$((number + 1))
    done
}

@test "the same attempts arrive from the proxy's container, which has a way out" {
    run on egress-proxy /attempts egress 140 eth0
    [ "$(arrived egress 140)" = "$(printf '%s\n' configured curl direct embedded 'host 443' 'host 8443' \
        'internet 443' 'internet 80' 'internet 8443' wanted)" ] || fail "$(arrived egress 140)"
}

@test "the proxy's container is as confined as others, but for its links" {
    run on egress-proxy ls /sys/class/net
    [ "$output" = $'eth0\nlo\nsp0' ]
    for socket in "17 3 0x0300" "2 3 1" "40 1 0"; do
        # shellcheck disable=SC2086 # three words
        run on egress-proxy /probe socket $socket
        says EPERM
    done
    run docker exec --privileged "$(container_of egress-proxy)" cat /proc/self/status
    no_network_capabilities
    run on egress-proxy env
    [[ $output != *3128* ]] || fail "$output"
}

@test "a name that is not allowed is never asked for; only the proxy asks" {
    denied agent secret.attacker.example
    run on agent nslookup secret.attacker.example
    [ "$status" -ne 0 ]
    allowed agent api.openai.com
    run grep -h secret "$WORK"/{host,internet}/queries
    [ -z "$output" ]
    grep -q '^api.openai.com 1$' "$WORK/host/queries"
    # Everything but the attempts of the proxy's own container:
    run ! grep -hv -e '^api\.openai\.com ' -e '^openrouter\.ai ' -e '^api\.telegram\.org ' \
        -e '^egress\.[a-z]*\.attacker\.example' "$WORK"/{host,internet}/queries
}

@test "a member's own hostname resolves" {
    local service
    for service in agent gateway dashboard; do
        run on "$service" hostname -i
        [ "$status" -eq 0 ]
        says 127.
    done
}
