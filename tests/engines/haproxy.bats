#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The configuration that `sallyport proxy-config haproxy` makes, in the real haproxy, as it stands, on the stage of
# rules.bash: for members that send what they like to ports 443 and 80 of the proxy's address.
#
# A second haproxy, "control", has the same configuration without the walls behind the lists of hosts. What the first one
# refuses has to pass there, or the refusal proves nothing.

load rules

CLIENT=tls_client.py

# The lists stay, everything behind them goes.
without_walls()
{
    sed -e "s/^bind $PROXY:/bind $CONTROL:/" -e 's/^pidfile .*//' -e '/set-var(sess.denied) str([0-9a-f:./]*) if/d' \
        -e '/set-var(sess.denied) str(subnet) if/d' "$1"
}

# Wildcards are for CONNECT: each name by itself.
exact_names()
{
    local i
    names_of "${FORBIDDEN[@]}" "${UNREACHABLE[@]}"
    for ((i = 0; i < 20; i++)); do
        echo "r$i.rebind.example"
    done
    echo control.rebind.example
}

setup_file()
{
    rules_up '.proxy.sni = 443 | .proxy.http = 80
        | .roles.agent.hosts -= ["localhost", ".forbidden.example", ".rebind.example"]
        | .roles.agent.hosts += ["allowed.example:80", "impostor.example"]
        | .roles.agent.hosts += '"$(exact_names | jq --raw-input . | jq --slurp --compact-output .)"
    proxies_up haproxy 443
}

teardown_file()
{
    proxies_down haproxy
    rules_down
}

# A line of the log, behind time and client.
LOG_LINE='(TCP_DENIED/403|TCP_TUNNEL/200) [0-9]+ HIER_DIRECT/[0-9a-f:.-]+ [a-z0-9:./-]+ (TLS|HTTP) [!-~]+:(443|80)$'

# fetch SOURCE URL [OPTION...]: with curl, by way of the pass-through.
fetch()
{
    local source=$1 url=$2 name
    shift 2
    name=${url#*://}
    name=${name%%/*}
    ip netns exec $MEMBERS curl -sS --max-time 10 --interface "$source" --cacert "$DIRECTORY/ca.pem" \
        --resolve "$name:443:$PROXY" --resolve "$name:80:$PROXY" "$@" "$url"
}

@test "haproxy reads the configuration without a warning" {
    run ip netns exec $HOST haproxy -c -f "$DIRECTORY/haproxy.conf"
    expect "$output" "Configuration file is valid"
    # The check can fail: a frontend that waits for ever is warned about.
    sed '/^timeout client /d' "$DIRECTORY/haproxy.conf" >"$DIRECTORY/parsed.cfg"
    run ip netns exec $HOST haproxy -c -f "$DIRECTORY/parsed.cfg"
    [[ $output == *"[WARNING]"* ]]
}

@test "an allowed host works end to end, its certificate verified" {
    expect "$(fetch $AGENT https://allowed.example/)" "hello from allowed.example"
    expect "$(fetch $GATEWAY https://gateway.example/)" "hello from gateway.example"
    expect "$(fetch $AGENT_LAST https://v6.example/)" "hello from v6.example"
    expect "$(arrivals)" "2001:db8::10 443
203.0.113.10 443
203.0.113.11 443"
}

# A host that is allowed, behind which somebody else answers, with a good certificate for another name.
impostor_up()
{
    mkdir "$DIRECTORY/impostor"
    openssl x509 -req -days 2 -in "$DIRECTORY/server.csr" -CA "$DIRECTORY/ca.pem" -CAkey "$DIRECTORY/ca.key" -set_serial 2 \
        -extfile <(echo "subjectAltName=DNS:denied.example") -out "$DIRECTORY/impostor/server.crt" 2>/dev/null
    cat "$DIRECTORY/impostor/server.crt" "$DIRECTORY/server.key" >"$DIRECTORY/impostor/server.pem"
    ip netns exec $PREFIX-internet "$PYTHON" "$BATS_TEST_DIRNAME/site.py" "$DIRECTORY/impostor" 8444 \
        "$DIRECTORY/impostor/server.pem" >"$DIRECTORY/impostor/seen" 2>&1 3>&- &
    echo $! >"$DIRECTORY/impostor.pid"
    disown
    internet_poll 10 grep -q ready "$DIRECTORY/impostor/seen"
    ip netns exec $PREFIX-internet nft 'add table ip impostor
        add chain ip impostor prerouting { type nat hook prerouting priority dstnat; }
        add rule ip impostor prerouting ip daddr 203.0.113.12 tcp dport 443 redirect to :8444'
}

impostor_down()
{
    ip netns exec $PREFIX-internet nft delete table ip impostor
    internet_end "$DIRECTORY/impostor.pid"
}

@test "an allowed name with another host's certificate fails in the client" {
    impostor_up
    run fetch $AGENT https://impostor.example/seen
    [ "$status" -eq 60 ] || { echo "$output"; impostor_down; false; }
    [[ $output == *"no alternative certificate subject name matches"* ]]
    # It is the certificate that the client does not like: whoever looks away is answered.
    expect "$(fetch $AGENT https://impostor.example/seen --insecure)" ready
    impostor_down
}

@test "each role has its own hosts, and only exact names" {
    expect "$(request $AGENT $PROXY gateway.example denied.example sub.example one.sub.example xallowed.example \
        allowed.example.denied.example other.example | codes)" closed
    expect "$(request $GATEWAY $PROXY allowed.example | codes)" closed
    expect "$(request $DASHBOARD $PROXY allowed.example gateway.example | codes)" closed
    expect "$(arrivals)" ""
    # One that is named exactly, below a wildcard.
    expect "$(request $AGENT $PROXY deep.sub.example ALLOWED.Example | codes)" hello
}

@test "a source that is no role's is refused, the host's own address too" {
    expect "$(request $NOBODY $PROXY allowed.example gateway.example | codes)" closed
    expect "$(request $SUBNET_HOST $PROXY allowed.example gateway.example | codes)" closed
    expect "$(arrivals)" ""
}

@test "what is no ClientHello with a server name is closed without an answer, at once" {
    run request $AGENT $PROXY - 'raw=GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n' 'raw=SSH-2.0-OpenSSH_9.2\r\n' \
        'raw=CONNECT allowed.example:443 HTTP/1.1\r\n\r\n' 'raw=\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10' \
        'raw=PROXY TCP4 203.0.113.131 203.0.113.130 1 443\r\n' 'raw=\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00' \
        203.0.113.10 '[2001:db8::10]'
    expect "$(codes <<<"$output")" closed
    expect "$(grep -cv ' 0$' <<<"$output")" 0
    expect "$(arrivals)" ""
}

@test "names with other bytes in them are other names" {
    expect "$(request $AGENT $PROXY 'allowed.example\0.denied.example' 'denied.example\0allowed.example' \
        'allowed.example\n' 'allowed.example.' ' allowed.example' 'allowed.example,' 'allowed.example:443' '\0' '*' \
        '*.example' 'allowed.example\0' | codes)" closed
    expect "$(arrivals)" ""
    expect "$(grep -cv '^#' "$DIRECTORY/queries")" 0
}

@test "a ClientHello may come in pieces, of every version of TLS" {
    run request $AGENT $PROXY bytes=allowed.example version:1.0=allowed.example version:1.1=allowed.example \
        version:1.2=allowed.example version:1.3=allowed.example wait:2=allowed.example
    expect "$(codes <<<"$output")" hello
    expect "$(request $AGENT $PROXY bytes=denied.example version:1.0=denied.example version:1.3=denied.example | codes)" \
        closed
    arrivals | expect_lines "203.0.113.10 443"
}

@test "split into two TLS records: passed on by the name that is read, or refused" {
    local cut requests=()
    for cut in 1 4 40 80 120 200 300; do
        requests+=("records:$cut=allowed.example" "records:$cut=denied.example")
    done
    run request $AGENT $PROXY "${requests[@]}"
    echo "$output"
    expect "$(grep denied <<<"$output" | codes)" closed
    # With the name in the first record.
    grep -q '^hello records:300=allowed' <<<"$output"
    arrivals | expect_lines "203.0.113.10 443"
}

@test "an encrypted ClientHello goes by its outer name" {
    expect "$(request $AGENT $PROXY ech=allowed.example | codes)" hello
    expect "$(request $AGENT $PROXY ech=denied.example ech=gateway.example | codes)" closed
    arrivals | expect_lines "203.0.113.10 443"
}

@test "what follows a ClientHello goes to the host that was named, and nowhere else" {
    request $AGENT $PROXY second:denied.example=allowed.example second:gateway.example=allowed.example
    expect "$(arrivals)" "203.0.113.10 443"
    expect "$(grep -cE 'denied|gateway' "$DIRECTORY/queries")" 0
}

@test "an allowed name that resolves to a forbidden address is refused" {
    local names
    mapfile -t names < <(names_of "${FORBIDDEN[@]}" "${UNREACHABLE[@]}")
    expect "$(request $AGENT $PROXY "${names[@]}" | codes)" closed
    expect "$(arrivals)" ""
}

@test "without the walls each of them is reached" {
    local names reached
    mapfile -t names < <(names_of "${FORBIDDEN[@]}")
    request $AGENT $CONTROL "${names[@]}"
    # haproxy does not connect to unspecified addresses, at the proxy's own the first haproxy refuses, and mapped
    # addresses arrive as IPv4, which are in the list, too.
    reached=$(arrivals)
    expect "$reached" "$(printf '%s 443\n' "${FORBIDDEN[@]}" | grep -vE "^(0\.0\.0\.0|::|::ffff:.*|$PROXY) " | sort -u)"
}

@test "the address that was looked at is the one that is connected to" {
    # One of several, and which is haproxy's choice.
    request $AGENT $PROXY mixed.example mixed.example mixed.example mixed.example mixed.example mixed.example
    arrivals | expect_lines "203.0.113.10 443"
    request $AGENT $CONTROL mixed.example mixed.example mixed.example mixed.example mixed.example mixed.example
    grep -qxF "10.1.2.3 443" <<<"$(arrivals)"
}

@test "slow, halting and oversized greetings are bounded, and an answer that changes leads nowhere meanwhile" {
    local i names=() slow
    for ((i = 0; i < 20; i++)); do
        names+=("r$i.rebind.example" "later:11=r$i.rebind.example")
    done
    request $AGENT $PROXY half=allowed.example drip=allowed.example raw= 'raw=\x16\x03\x01\x00' \
        "raw=\\x16\\x03\\x01\\x40\\x00\\x01\\x00\\x3f\\xfc\\x03\\x03$(printf 'A%.0s' {1..20000})" >"$DIRECTORY/slow" 3>&- &
    slow=$!
    # haproxy keeps an answer for 10 s: what waits that long is looked up again.
    request $AGENT $CONTROL control.rebind.example later:11=control.rebind.example >"$DIRECTORY/rebind-control" 3>&- &
    request $AGENT $PROXY "${names[@]}" >"$DIRECTORY/rebind"
    wait "$slow"
    cut -c 1-60 "$DIRECTORY/slow"
    expect "$(codes <"$DIRECTORY/slow")" closed
    expect "$(grep -cvE ' (0|9|10|11)$' "$DIRECTORY/slow")" 0
    wait
    expect "$(arrivals)" "10.67.0.1 443
203.0.113.20 443"
    expect "$(codes <"$DIRECTORY/rebind")" "closed hello"
}

@test "a refused name asks no name server, an allowed one that does not exist is refused" {
    request $AGENT $PROXY secret1.denied.example allowed.example.secret2.example secret3.gateway.example \
        secret4.sub.example 'http=GET / HTTP/1.1\r\nHost: secret5.example\r\n\r\n'
    request $NOBODY $PROXY secret6.example
    # The queries would be written down by now: this one, which is permitted, is.
    expect "$(request $AGENT $PROXY missing.example | codes)" closed
    expect "$(grep -c secret "$DIRECTORY/queries")" 0
    grep -q '^missing.example 1$' "$DIRECTORY/queries"
}

@test "plain HTTP goes by the Host header, to the hosts of port 80" {
    expect "$(fetch $AGENT http://allowed.example/)" "hello from port 80"
    expect "$(fetch $AGENT http://allowed.example/ --header 'Host: Allowed.Example:80')" "hello from port 80"
    expect "$(arrivals)" "203.0.113.10 80"
}

@test "plain HTTP to anything else is refused, however it is asked for" {
    local form requests=()
    for form in 'GET / HTTP/1.1\r\nHost: denied.example' 'GET / HTTP/1.1\r\nHost: v6.example' 'GET / HTTP/1.1' 'GET / HTTP/1.0' \
        'GET / HTTP/1.1\r\nHost: allowed.example:443' 'GET / HTTP/1.1\r\nHost: allowed.example\r\nHost: denied.example' \
        'GET / HTTP/1.1\r\nHost: denied.example, allowed.example' 'CONNECT allowed.example:80 HTTP/1.1\r\nHost: allowed.example' \
        'GET http://denied.example/ HTTP/1.1\r\nHost: allowed.example' 'GET http://allowed.example/ HTTP/1.1\r\nHost: allowed.example' \
        'GET / HTTP/1.1\r\nHost: denied.example\r\nX-Forwarded-Host: allowed.example' 'OPTIONS * HTTP/1.1\r\nHost: allowed.example' \
        'GET / HTTP/1.1\r\n Host: allowed.example' 'PRI * HTTP/2.0' 'GET / HTTP/1.1\r\nHost: allowed.example\tdenied.example'; do
        requests+=("http=$form\\r\\n\\r\\n")
    done
    run request $AGENT $PROXY "${requests[@]}"
    echo "$output"
    expect "$(grep -cvE '^(40[03]|closed) ' <<<"$output")" 0
    expect "$(request $GATEWAY $PROXY 'http=GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n' | codes)" 403
    # One that follows an allowed one on the same connection.
    request $AGENT $PROXY 'http=GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\nGET / HTTP/1.1\r\nHost: denied.example\r\n\r\n'
    expect "$(arrivals)" "203.0.113.10 80"
}

@test "one member cannot take all connections" {
    run ip netns exec $MEMBERS "$PYTHON" -c '
import select, socket, sys, time
limit, agent, other, proxy = int(sys.argv[1]), *sys.argv[2:]
def connect(source):
    return socket.create_connection((proxy, 443), 5, (source, 0))
def ended(connections):
    poll = select.poll()
    for connection in connections:
        poll.register(connection)
    return sum(bool(events & select.POLLIN) for _, events in poll.poll(0))
held = [connect(agent) for _ in range(limit + 20)]
held.append(connect(agent))
deadline = time.monotonic() + 8 # before those that are let in have said nothing for too long
while ended(held) < 21 and time.monotonic() < deadline:
    time.sleep(0.05)
print(ended(held), ended([connect(other)]))' \
        512 $AGENT $AGENT_LAST $PROXY
    expect "$output" "21 0"
}

@test "the log tells who asked for what, which rule refused it, and is a line whatever is asked for" {
    local log=$DIRECTORY/squid/haproxy
    logged()
    {
        grep -qE -- "^[0-9]{10}\.[0-9]{3} [0-9]+ $AGENT $1$" "$log"
    }
    request $AGENT $PROXY allowed.example denied.example missing.example "$(name_of 10.1.2.3)" "$(name_of ::ffff:10.1.2.3)" \
        "$(name_of fd00:ec2::254)" "$(name_of 203.0.113.129)" 'a b\n\x1b[31m%41' - \
        'http=GET / HTTP/1.1\r\nHost: denied.example\r\n\r\n' 'http=\x16\x03'
    internet_poll 5 logged "TCP_TUNNEL/200 [0-9]+ HIER_DIRECT/203.0.113.10 - TLS allowed.example:443"
    internet_poll 5 logged "TCP_DENIED/403 0 HIER_DIRECT/- hosts TLS denied.example:443"
    internet_poll 5 logged "TCP_DENIED/403 0 HIER_DIRECT/- name TLS missing.example:443"
    internet_poll 5 logged "TCP_DENIED/403 0 HIER_DIRECT/- 10.0.0.0/8 TLS .*forbidden.example:443"
    internet_poll 5 logged "TCP_DENIED/403 0 HIER_DIRECT/- ::/3 TLS .*forbidden.example:443"
    internet_poll 5 logged "TCP_DENIED/403 0 HIER_DIRECT/- 8000::/1 TLS .*forbidden.example:443"
    internet_poll 5 logged "TCP_DENIED/403 0 HIER_DIRECT/- subnet TLS .*forbidden.example:443"
    internet_poll 5 logged "TCP_DENIED/403 0 HIER_DIRECT/- hosts TLS a%20b%0A%1B%5B31m%2541:443"
    internet_poll 5 logged "TCP_DENIED/403 0 HIER_DIRECT/- unnamed TLS -:443"
    internet_poll 5 logged "TCP_DENIED/403 [0-9]+ HIER_DIRECT/- hosts HTTP denied.example:80"
    internet_poll 5 logged "TCP_DENIED/403 [0-9]+ HIER_DIRECT/- unnamed HTTP -:80"
    # Every line of this whole file is one.
    expect "$(grep -vE "^[0-9]{10}\.[0-9]{3} [0-9]+ [0-9.]+ $LOG_LINE" "$log")" ""
}

@test "it listens at the proxy's address and nowhere else, as a user without capabilities in an empty directory" {
    local pid worker
    pid=$(<"$DIRECTORY/haproxy.pid")
    worker=$(<"/proc/$pid/task/$pid/children")
    worker=${worker%% *}
    expect "$(ip netns exec $HOST ss -Hltnp | grep "pid=$worker," | awk '{print $4}' | sort)" "$PROXY:443
$PROXY:80"
    expect "$(stat -c %U "/proc/$worker")" haproxy
    expect "$(sed -n 's/^Cap\(Prm\|Eff\|Inh\|Amb\):\t//p' "/proc/$worker/status" | sort -u)" 0000000000000000
    expect "$(readlink "/proc/$worker/root")" /var/lib/haproxy
}
