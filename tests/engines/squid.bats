#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The configuration that `sallyport proxy-config squid` makes, in the real squid, as it stands, on the stage of rules.bash.
#
# A second squid, "control", has the same configuration without the walls behind the lists of hosts. What the
# first one denies has to pass there, or the denial proves nothing.

load rules

CLIENT=proxy_client.py

# The lists stay, everything behind them goes.
without_walls()
{
    sed -e "s/^http_port .*/http_port $CONTROL:3128/" -e 's/^pid_filename .*/pid_filename none/' \
        -e 's/^http_access deny !tunnel note-method$/http_access allow manager/' -e '/^http_access deny forbidden/d' \
        -e '/^http_access deny subnet note-subnet$/d' -e '/^http_access deny !resolved note-name$/d' \
        -e 's/^http_access allow tunnel permitted$/http_access allow permitted/' "$1"
}

setup_file()
{
    rules_up
    proxies_up squid 3128
}

teardown_file()
{
    proxies_down squid
    rules_down
}

@test "squid parses the configuration without a warning" {
    local network
    for network in test default; do
        make_config $network >"$DIRECTORY/parsed.conf"
        run squid -k parse -f "$DIRECTORY/parsed.conf"
        expect "$status" 0
        expect "$(grep -cE 'WARNING|ERROR|FATAL' <<<"$output")" 0
    done
    # The check can fail: an entry that is covered by another one is warned about.
    (make_config test && echo "acl hosts-agent-443 dstdomain -n deep.sub.example") >"$DIRECTORY/parsed.conf"
    run squid -k parse -f "$DIRECTORY/parsed.conf"
    grep -qE 'WARNING|ERROR|FATAL' <<<"$output"
}

@test "an allowed host works end to end, its certificate verified" {
    run ip netns exec $MEMBERS curl -sS --interface $AGENT --proxy http://$PROXY:3128 --cacert "$DIRECTORY/ca.pem" \
        https://allowed.example/
    expect "$output" "hello from allowed.example"
    expect "$(arrivals)" "203.0.113.10 443"
    run ip netns exec $MEMBERS curl -sS --interface $GATEWAY --proxy http://$PROXY:3128 --cacert "$DIRECTORY/ca.pem" \
        https://gateway.example/
    expect "$output" "hello from gateway.example"
    run ip netns exec $MEMBERS curl -sS --interface $AGENT --proxy http://$PROXY:3128 --cacert "$DIRECTORY/ca.pem" \
        https://other.example:8443/
    expect "$output" "hello from other.example"
}

@test "the whole pool of a role is that role" {
    expect "$(request $AGENT_LAST $PROXY allowed.example:443)" "200 allowed.example:443"
}

@test "an IPv6 host works" {
    expect "$(request $AGENT $PROXY v6.example:443 | codes)" 200
    expect "$(arrivals)" "2001:db8::10 443"
}

@test "a leading dot means the name and its subdomains, and nothing that only ends like it" {
    expect "$(request $AGENT $PROXY {sub,one.sub,deep.sub,deeper.sub,x.deeper.sub}.example:443 | codes)" 200
    expect "$(request $AGENT $PROXY {xsub,example,sub.example.denied}.example:443 | codes)" 403
    expect "$(request $AGENT $PROXY one.allowed.example:443 | codes)" 403
}

@test "a host that is on no list is denied" {
    expect "$(request $AGENT $PROXY denied.example:443 | codes)" 403
    expect "$(arrivals)" ""
}

@test "each role has its own hosts" {
    expect "$(request $AGENT $PROXY gateway.example:443 allowed.example:443)" "403 gateway.example:443
200 allowed.example:443"
    expect "$(request $GATEWAY $PROXY gateway.example:443 allowed.example:443)" "200 gateway.example:443
403 allowed.example:443"
    expect "$(request $DASHBOARD $PROXY gateway.example:443 allowed.example:443 | codes)" 403
}

@test "a host is allowed at its own port only" {
    expect "$(request $AGENT $PROXY allowed.example:8443 other.example:443 allowed.example:80 allowed.example:22 | codes)" \
        403
    expect "$(arrivals)" ""
    expect "$(request $GATEWAY $PROXY allowed.example:8443)" "200 allowed.example:8443"
    expect "$(request $AGENT $PROXY other.example:8443)" "200 other.example:8443"
}

@test "a source that is no role's is denied, the host's own address too" {
    expect "$(request $NOBODY $PROXY allowed.example:443 gateway.example:443 | codes)" 403
    expect "$(request $SUBNET_HOST $PROXY allowed.example:443 gateway.example:443 | codes)" 403
    expect "$(ip netns exec $HOST "$PYTHON" "$BATS_TEST_DIRNAME/proxy_client.py" $PROXY $PROXY allowed.example:443 | codes)" \
        403
    expect "$(arrivals)" ""
    expect "$(request $AGENT $PROXY allowed.example:443 | codes)" 200
}

@test "no header changes who asks" {
    local header
    for header in X-Forwarded-For Forwarded X-Real-IP Client-IP Via True-Client-IP; do
        expect "$(request $AGENT $PROXY \
            "CONNECT gateway.example:443 HTTP/1.1\\r\\nHost: gateway.example\\r\\n$header: $GATEWAY\\r\\n\\r\\n" | codes)" 403
    done
    run request $AGENT $PROXY "PROXY TCP4 $GATEWAY $PROXY 1 3128\\r\\nCONNECT gateway.example:443 HTTP/1.1\\r\\n\\r\\n"
    [[ $output != 200* ]]
    expect "$(arrivals)" ""
}

@test "addresses are denied, however they are written" {
    expect "$(request $AGENT $PROXY 203.0.113.10:443 '[2001:db8::10]:443' '[::ffff:203.0.113.10]:443' 3405803786:443 \
        0xcb00710a:443 0xcb.0.0x71.10:443 0313.0.0161.012:443 203.0.28938:443 127.0.0.1:443 '[::1]:443' 0:443 \
        169.254.169.254:443 "$SUBNET_HOST:443" "$PROXY:3128" | codes)" 403
    expect "$(arrivals)" ""
}

@test "everything but CONNECT is denied" {
    local method requests=()
    for method in GET HEAD POST PUT DELETE OPTIONS TRACE PATCH PURGE PROPFIND X; do
        requests+=("$method http://allowed.example:443/ HTTP/1.1\\r\\nHost: allowed.example:443\\r\\n\\r\\n")
    done
    requests+=("TRACE http://allowed.example:443/ HTTP/1.1\\r\\nMax-Forwards: 0\\r\\n\\r\\n"
        "GET http://allowed.example/ HTTP/1.1\\r\\nHost: allowed.example\\r\\n\\r\\n"
        "GET https://allowed.example/ HTTP/1.1\\r\\nHost: allowed.example\\r\\n\\r\\n"
        "GET ftp://allowed.example:443/ HTTP/1.1\\r\\nHost: allowed.example\\r\\n\\r\\n"
        "GET http://allowed.example:443/ HTTP/1.0\\r\\n\\r\\n")
    expect "$(request $AGENT $PROXY "${requests[@]}" | codes)" 403
    # Squid answers this one itself.
    expect "$(request $AGENT $PROXY 'OPTIONS http://allowed.example:443/ HTTP/1.1\r\nMax-Forwards: 0\r\n\r\n' | codes)" 501
    expect "$(arrivals)" ""
    # Without that wall the same request arrives.
    request $AGENT $CONTROL "${requests[0]}"
    expect "$(arrivals)" "203.0.113.10 443"
}

@test "the cache manager and internal pages are denied" {
    local requests=("GET http://$PROXY:3128/squid-internal-mgr/info HTTP/1.1\\r\\nHost: $PROXY:3128\\r\\n\\r\\n"
        "GET /squid-internal-mgr/info HTTP/1.1\\r\\nHost: sallyport-test\\r\\n\\r\\n"
        "GET http://sallyport-test:3128/squid-internal-mgr/info HTTP/1.1\\r\\nHost: sallyport-test:3128\\r\\n\\r\\n"
        "GET cache_object://$PROXY/info HTTP/1.0\\r\\n\\r\\n"
        "GET http://sallyport-test:3128/squid-internal-static/icons/silk/image.png HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
        "GET http://sallyport-test:3128/squid-internal-periodic/store_digest HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    run request $AGENT $PROXY "${requests[@]}"
    expect "$(codes <<<"$output")" 403
    run request $AGENT $CONTROL "${requests[2]}"
    expect "${output%% *}" 200
}

@test "requests that two readers might read differently do not reach another host" {
    local target variants=()
    for target in allowed.example:443@denied.example:443 allowed.example@denied.example:443 denied.example:443@allowed.example \
        'denied.example:443#allowed.example:443' 'denied.example:443/allowed.example:443' \
        'denied.example:443?allowed.example:443' 'denied.example%00.sub.example:443' 'denied.example\\x00.sub.example:443' \
        'denied.example\\\\.sub.example:443' 'denied.example,allowed.example:443' 'http://denied.example:443/' \
        https://denied.example https://allowed.example:443@denied.example:443/ allowed.example:443:8443 \
        allowed.example:65979 allowed.example:-443 '[allowed.example]:443:8443' allowed.example:443,8443 \
        'denied.example\\t.sub.example:443' 'denied.example;.sub.example:443' 'denied.example&.sub.example:443'; do
        variants+=("CONNECT $target HTTP/1.1\\r\\nHost: allowed.example:443\\r\\n\\r\\n")
    done
    variants+=("CONNECT denied.example:443 HTTP/1.1\\r\\nHost: allowed.example:443\\r\\n\\r\\n"
        "CONNECT denied.example:443 HTTP/1.1\\r\\nHost: denied.example\\r\\nHost: allowed.example\\r\\n\\r\\n"
        "CONNECT  denied.example:443 allowed.example:443 HTTP/1.1\\r\\n\\r\\n"
        "CONNECT denied.example:443\\r\\nCONNECT allowed.example:443 HTTP/1.1\\r\\n\\r\\n"
        "CONNECT denied.example:443 HTTP/1.1\\nHost: allowed.example\\n\\n"
        "connect denied.example:443 HTTP/1.1\\r\\n\\r\\n")
    run request $AGENT $PROXY "${variants[@]}"
    # Some are read as the allowed host, which is then where they lead.
    echo "$output"
    arrivals | expect_lines "203.0.113.10 443"
    expect "$(grep -c denied "$DIRECTORY/queries")" 0
    request $AGENT $PROXY allowed.example:443
    expect "$(arrivals)" "203.0.113.10 443"
}

@test "other spellings of an allowed host lead to that host" {
    local target
    for target in ALLOWED.EXAMPLE:443 allowed.example.:443 allowed.example:0443; do
        request $AGENT $PROXY "$target"
    done
    request $AGENT $PROXY "CONNECT allowed.example:443 HTTP/1.1\\r\\nHost: denied.example:443\\r\\n\\r\\n"
    expect "$(arrivals)" "203.0.113.10 443"
    expect "$(grep -c denied "$DIRECTORY/queries")" 0
}

@test "an allowed name that resolves to a forbidden address is denied" {
    local targets
    mapfile -t targets < <(names_of "${FORBIDDEN[@]}" "${UNREACHABLE[@]}" | sed 's/$/:443/')
    run request $AGENT $PROXY "${targets[@]}" localhost:443
    expect "$(grep -v '^403 ' <<<"$output")" ""
    expect "$(arrivals)" ""
}

@test "the log tells which of the rules denied" {
    local log=$DIRECTORY/squid/sallyport-test.access target rule
    noted()
    {
        [[ $(awk -v target="$1" '$9 == target { rule = $7 } END { print rule }' "$log") == "$2" ]]
    }
    while read -r target rule; do
        request $AGENT $PROXY "$target"
        internet_poll 5 noted "$target" "$rule"
    done <<TARGETS
denied.example:443 hosts
allowed.example:22 hosts
missing.example:443 name
$(name_of 203.0.113.129):443 subnet
$(name_of 10.1.2.3):443 10.0.0.0/8
$(name_of 169.254.169.254):443 169.254.0.0/16
$(name_of ::ffff:10.1.2.3):443 10.0.0.0/8
$(name_of fd00:ec2::254):443 8000::/1
$(name_of 2002:a01:203::1):443 2002::/16
mixed.example:443 10.0.0.0/8
allowed.example:443 -
TARGETS
    request $AGENT $PROXY 'GET http://allowed.example/ HTTP/1.1\r\nHost: allowed.example\r\n\r\n'
    internet_poll 5 noted http://allowed.example/ method
}

@test "without the walls each forbidden address is reached" {
    local targets
    mapfile -t targets < <(names_of "${FORBIDDEN[@]}" | sed 's/$/:443/')
    run request $AGENT $CONTROL "${targets[@]}" localhost:443
    expect "$(grep -v '^200 ' <<<"$output")" ""
    # The unspecified addresses arrive at a loopback one and the mapped ones as IPv4, which are both in the list, too.
    expect "$(arrivals)" "$(printf '%s 443\n' "${FORBIDDEN[@]}" | grep -vE '^(0\.0\.0\.0|::|::ffff:.*) ' | sort -u)"
    mapfile -t targets < <(names_of "${UNREACHABLE[@]}" | sed 's/$/:443/')
    expect "$(request $AGENT $CONTROL "${targets[@]}" | codes)" 503
}

@test "one forbidden address among several denies the name" {
    expect "$(request $AGENT $PROXY mixed.example:443 | codes)" 403
    expect "$(arrivals)" ""
    expect "$(request $AGENT $CONTROL mixed.example:443 | codes)" 200
}

@test "an answer that changes between the check and the connection leads nowhere" {
    local i targets=() control
    for ((i = 0; i < 20; i++)); do
        for _ in 1 2 3 4 5 6 7 8; do
            targets+=("r$i.rebind.example:443")
        done
    done
    # Long enough for every name to expire (negative_dns_ttl) while it is being asked for.
    REPEAT=12 request $AGENT $CONTROL control.rebind.example:443 >"$DIRECTORY/rebind-control" 3>&- &
    control=$!
    REPEAT=12 request $AGENT $PROXY "${targets[@]}" >"$DIRECTORY/rebind"
    wait "$control"
    expect "$(arrivals)" "10.67.0.1 443
203.0.113.20 443"
    expect "$(codes <"$DIRECTORY/rebind")" "200 403"
}

@test "a name that does not resolve is denied at once and asked for once" {
    expect "$(request $AGENT $PROXY missing.example:443 | codes)" 503
    expect "$(grep -c '^missing.example 1$' "$DIRECTORY/queries")" 1
}

@test "a denied request asks no name server" {
    request $AGENT $PROXY secret1.denied.example:443 allowed.example.secret2.example:443 secret3.gateway.example:443 \
        secret4.sub.example:8443 'GET http://secret5.sub.example:443/ HTTP/1.1\r\nHost: secret5.sub.example\r\n\r\n'
    request $NOBODY $PROXY secret6.sub.example:443
    request $SUBNET_HOST $PROXY secret7.sub.example:443
    request $DASHBOARD $PROXY secret8.sub.example:443
    # The queries would be written down by now: this one, which is permitted, is.
    expect "$(request $AGENT $PROXY two.sub.example:443 secret9.sub.example:443)" "200 two.sub.example:443
503 secret9.sub.example:443"
    expect "$(grep -o 'secret[0-9]' "$DIRECTORY/queries" | sort -u)" "secret9"
}

@test "no query was a reverse lookup, and each was for a permitted name" {
    expect "$(grep -vE '^((allowed|gateway|other|v6|mixed|missing)\.example|([a-z0-9.-]+\.)?(sub|forbidden|rebind)\.example) (1|28)$' \
        "$DIRECTORY/all-queries")" ""
    grep -q '^allowed.example 1$' "$DIRECTORY/all-queries"
}

@test "one member cannot take all connections" {
    run ip netns exec $MEMBERS "$PYTHON" -c '
import socket, sys
limit, agent, other, proxy = int(sys.argv[1]), *sys.argv[2:]
def connect(source):
    return socket.create_connection((proxy, 3128), 5, (source, 0))
def served(connection):
    try:
        connection.sendall(b"CONNECT denied.example:443 HTTP/1.1\r\n\r\n")
        return connection.recv(12) == b"HTTP/1.1 403"
    except ConnectionError:
        return False
held = [connect(agent) for _ in range(limit + 20)]
print(served(connect(agent)), served(connect(other)), sum(served(connection) for connection in held))' \
        512 $AGENT $AGENT_LAST $PROXY
    # Squid drops a connection when there are more than the limit already.
    expect "$output" "False True 513"
}

@test "squid listens at the proxy's address and nowhere else" {
    local pid
    pid=$(<"$DIRECTORY/squid.pid")
    expect "$(ip netns exec $HOST ss -Hltnp | grep "pid=$pid," | awk '{print $4}')" "$PROXY:3128"
}

@test "the access log says who asked for what" {
    request $AGENT $PROXY allowed.example:443 denied.example:443
    logged()
    {
        grep -q " $AGENT TCP_TUNNEL/200 [0-9]* HIER_DIRECT/203.0.113.10 - CONNECT allowed.example:443$" "$1" &&
            grep -q " $AGENT TCP_DENIED/403 [0-9]* HIER_NONE/- hosts CONNECT denied.example:443$" "$1"
    }
    internet_poll 5 logged "$DIRECTORY/squid/sallyport-test.access"
}

@test "an answer tells nothing of the proxy's machine" {
    run env BODY=1 ip netns exec $MEMBERS "$PYTHON" "$BATS_TEST_DIRNAME/proxy_client.py" $AGENT $PROXY \
        'CONNECT denied.example:443 HTTP/1.1\r\nConnection: close\r\n\r\n'
    [[ $output == *"403 Forbidden"* ]]
    expect "$(grep -cE "$(uname -n)|squid/[0-9]|198\.51\.100\.1" <<<"$output")" 0
}
