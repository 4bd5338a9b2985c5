# SPDX-License-Identifier: Apache-2.0
#
# sallyport verify, the group `arrivals`: what gets out is seen outside, whatever the probe saw inside; a witness that
# sees nothing is no proof. Each wall is taken away from the throw-away container alone, by a hook behind ours.

source "$BATS_TEST_DIRNAME/common.bash"

BEHIND=$(readlink -f "$(command -v "$RUNTIME")")
INTRUDER=$WORK/intruder

setup_file()
{
    stage_up
    sleeper gateway gateway
    witness gateway-8642 gateway "$PROBE" listen tcp 0.0.0.0 8642 --keep
    # From now on the runtime is one that gives the container of a verify one more hook, if there is one.
    cp "$BEHIND" "$WORK/behind"
    cat >"$WORK/between" <<END
#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
for bundle; do
    if [[ \$bundle == */verify-* && -e "$INTRUDER" && -e \$bundle/config.json ]]; then
        jq --arg path "$INTRUDER" '.hooks.createRuntime += [{path: \$path}]' <"\$bundle/config.json" >"$WORK/config.json"
        cat "$WORK/config.json" >"\$bundle/config.json"
    fi
done
exec "$WORK/behind" "\$@"
END
    chmod 755 "$WORK/between"
    mount --bind "$WORK/between" "$BEHIND"
}

teardown_file()
{
    umount "$BEHIND"
    stage_down
}

teardown()
{
    rm -f "$INTRUDER"
}

# The port at which verify listens.
verify_port()
{
    ss -Hltnp | sed -n '/"sallyport"/s/.*:\([0-9]*\) .*:.*/\1/p' | grep .
}

# intrude: standard input is what the hook does, in bash, when the member is attached. $pid is the container's process,
# $link the hub's end of its link, $mac what that listens to; network_of, hub and verify_port as here.
intrude()
{
    {
        cat <<END
#!/bin/bash
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec >>"$WORK/intruder.log" 2>&1
state=\$(cat)
pid=\$(jq -r .pid <<<"\$state")
network_of() { nsenter --target "\$pid" --net "\$@"; }
hub=sallyport-$NETWORK
hub() { ip netns exec "\$hub" "\$@"; }
$(declare -f verify_port)
link=\$(ip -n "sallyport-$NETWORK" -o link show dev "c-\$(jq -r .id <<<"\$state")" | awk -F'[ :@]+' '{ print \$2 }')
mac=\$(ip -n "sallyport-$NETWORK" -j link show dev "\$link" | jq -r .[0].address)
END
        cat
    } >"$INTRUDER"
    chmod 755 "$INTRUDER"
}

# verify ARGUMENT...: in JSON, to $WORK/verify.json; its exit status is $status.
verify()
{
    status=0
    "$SALLYPORT" verify --network "$NETWORK" --engine "$RUNTIME" --cgroup-parent "$CGROUPS" --json "$@" \
        >"$WORK/verify.json" 2>"$WORK/verify.log" || status=$?
    [[ -s $WORK/verify.json ]] || fail "$(cat "$WORK/verify.log" "$WORK/intruder.log")"
}

# at_fault: the names of all lines that are not as the policy says, in one.
at_fault()
{
    jq -r '[.groups[].attempts[] | select(.verdict == "leak" or .verdict == "broken") | "\(.verdict):\(.name)"]
        | unique | join(" ")' "$WORK/verify.json"
}

# unanswered: as at_fault names them, the attempts at the uplink's addresses and at nobody's: what the hub lets pass and
# the host drops is refused by nobody.
unanswered()
{
    jq -r '[.groups[].attempts[] | select(.name | test("^tcp-10[.]209[.]0[.][012]-[0-9]{5}$")) | "leak:\(.name)"] | sort | join(" ")' \
        "$WORK/verify.json"
}

# detail NAME: of the line of the group.
detail()
{
    jq -r --arg name "$1" '.groups[] | select(.name == "arrivals").attempts[] | select(.name == $name).detail' \
        "$WORK/verify.json"
}

# tells NAME PATTERN
tells()
{
    grep -Eq -- "$2" <<<"$(detail "$1")" || fail "$1: $(detail "$1")"
}

@test "with all walls up nothing arrives, and the witness has seen what it had to see" {
    verify --only members --only proxy --only host
    [[ $status -eq 0 && -z $(at_fault) ]] || fail "$(cat "$WORK/verify.log"): $(at_fault)"
    tells witness-in '^[1-9][0-9]* packets, 0 lost$'
    tells witness-out '^[1-9][0-9]* packets$'
    tells witness-host '^by TCP and UDP$'
    tells into-hub '^nothing arrived$'
    tells out-of-hub '^nothing arrived$'
    tells on-host '^nothing arrived$'
    # The listeners were tried: at the host's addresses in the network, at another one, and in both protocols.
    jq -e --arg host "$HOST" '[.groups[] | select(.name == "arrivals").attempts[].name]
        | any(startswith("tcp-\($host)-")) and any(startswith("udp-198.51.100.1-"))' "$WORK/verify.json"
}

@test "a hub that lets everything pass is a leak although nobody answered" {
    hub nft insert rule inet sallyport forward accept
    verify --only members
    hub nft delete rule inet sallyport forward handle \
        "$(hub nft -a list chain inet sallyport forward | sed -n '/^\t\taccept # handle/s/.* //p')"
    [[ $status -eq 1 && $(at_fault) == "broken:walls leak:out-of-hub $(unanswered)" ]] || fail "$status: $(at_fault)"
    # What the probe saw of it was refused, as by the hub.
    jq -e --arg name "tcp-$GATEWAY-22" '[.groups[].attempts[] | select(.name == $name)]
        | length == 1 and .[0].saw == "closed"' "$WORK/verify.json"
    tells out-of-hub "TCP 10\.209\.0\.[0-9]+ -> ${GATEWAY//./\\.}:22"
    verify --only members
    [[ $status -eq 0 ]] || fail "$(at_fault)"
}

@test "without the guard something comes into the hub, and the marker tells whose attempt it was" {
    intrude <<'END'
network_of nft delete table inet sallyport
END
    verify --only arrivals
    [[ $status -eq 1 && $(at_fault) == *leak:into-hub* && $(at_fault) != *out-of-hub* ]] || fail "$status: $(at_fault)"
    tells into-hub 'UDP 10\.209\.0\.[0-9]+ -> 10\.209\.0\.0:[0-9]+ \(arrivals udp-10\.209\.0\.0-[0-9]+\)'
}

# What a container with NET_RAW could send: from addresses that are not its own, in both versions, and no IP at all.
forge()
{
    cat <<END
network_of python3 - "$GATEWAY" "\$mac" <<'PYTHON'
import socket, struct, sys
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def ip(source, protocol, payload):
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, socket.inet_aton(source),
                       socket.inet_aton(sys.argv[1])) + payload
syn = struct.pack("!HHIIBBHHH", 40000, 22, 1, 0, 5 << 4, 2, 512, 0, 0)
raw.sendto(ip("192.0.2.7", 6, syn), (sys.argv[1], 0))
frames = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
mac = bytes.fromhex(sys.argv[2].replace(":", ""))
six = struct.pack("!IHBB16s16s", 6 << 28, 0, 59, 64, socket.inet_pton(socket.AF_INET6, "fe80::7"),
                  socket.inet_pton(socket.AF_INET6, "2001:db8::80"))
frames.sendto(six, ("sp0", 0x86dd, 0, 0, mac))
frames.sendto(b"x" * 60, ("sp0", 0x88b5, 0, 0, mac))
PYTHON
END
}

@test "a forged source does not leave the hub, unless strict reverse path is off" {
    intrude < <(echo 'network_of nft delete table inet sallyport'; forge)
    verify --only arrivals
    [[ $status -eq 1 && $(at_fault) != *out-of-hub* ]] || fail "$status: $(at_fault)"
    tells into-hub 'TCP 192\.0\.2\.7 -> 10\.209\.0\.3:22, with a forged source'
    tells into-hub 'IPv6 fe80::7 -> 2001:db8::80'
    tells into-hub 'a frame of ethertype 0x88b5'
    hub nft insert rule inet sallyport forward accept
    hub sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
    verify --only arrivals
    hub sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1
    hub nft delete rule inet sallyport forward handle \
        "$(hub nft -a list chain inet sallyport forward | sed -n '/^\t\taccept # handle/s/.* //p')"
    [[ $status -eq 1 ]] || fail "$status"
    tells out-of-hub 'TCP 192\.0\.2\.7 -> 10\.209\.0\.3:22, with a forged source'
}

@test "the uplink's rules keep from the host what the hub lets pass" {
    local port
    hub nft insert rule inet sallyport forward accept
    verify --only arrivals
    [[ $status -eq 1 && $(at_fault) == "broken:walls leak:out-of-hub $(unanswered)" ]] || fail "$status: $(at_fault)"
    tells out-of-hub "TCP 10\.209\.0\.[0-9]+ -> ${HOST//./\\.}:[0-9]+"
    nft delete table inet "sallyport-$NETWORK"
    verify --only arrivals
    "$SALLYPORT" network reload "$NETWORK"
    port=$(detail on-host | sed -n 's/.*arrivals tcp-[0-9.]*-\([0-9]*\)).*/\1/p')
    [[ $status -eq 1 && $(at_fault) == "broken:walls leak:on-host leak:out-of-hub $(unanswered)" ]] ||
        fail "$status: $(at_fault)"
    tells on-host "TCP from 10\.209\.0\.[0-9]+ at port $port of this host \(arrivals tcp-${HOST//./\\.}-$port\)"
    verify --only arrivals
    [[ $status -eq 0 ]] || fail "$(at_fault)"
}

@test "a link past the hub is a leak at the host's own sockets" {
    ip address add 192.0.2.1/32 dev spt-wan
    intrude <<'END'
network_of nft delete table inet sallyport
ip link add spt-past type veth peer name eth0 netns "$pid"
ip link set spt-past up
network_of sh -ec 'ip link set eth0 up; ip address add 192.0.2.2/32 dev eth0; ip route add 192.0.2.1 dev eth0'
ip route add 192.0.2.2 dev spt-past
END
    verify --only arrivals
    ip address delete 192.0.2.1/32 dev spt-wan
    [[ $status -eq 1 && $(at_fault) == *leak:on-host* ]] || fail "$status: $(at_fault) $(cat "$WORK/intruder.log")"
    tells on-host 'TCP from 192\.0\.2\.2 at port [0-9]+ of this host \(arrivals tcp-192\.0\.2\.1-[0-9]+\)'
    tells on-host 'UDP from 192\.0\.2\.2 at port [0-9]+ of this host \(arrivals udp-192\.0\.2\.1-[0-9]+\)'
}

@test "a link past the hub on which nothing answers: what nobody refuses has got out" {
    intrude <<'END'
network_of nft delete table inet sallyport
ip link add spt-past type veth peer name eth0 netns "$pid"
ip link set spt-past up
network_of sh -ec 'ip link set eth0 up; ip address add 192.0.2.2/32 dev eth0; ip route add 198.51.100.1 dev eth0'
ip route add 192.0.2.2 dev spt-past
nft 'add table inet spt-silent; add chain inet spt-silent input { type filter hook input priority 0; }
    add rule inet spt-silent input iifname spt-past meta l4proto tcp drop
    add rule inet spt-silent input iifname spt-past reject'
END
    verify --only arrivals --only netlink
    nft delete table inet spt-silent
    [[ $status -eq 1 && $(at_fault) == *leak:other-links* && $(at_fault) == *leak:tcp-198.51.100.1-* ]] ||
        fail "$status: $(at_fault) $(cat "$WORK/intruder.log")"
    [[ $(at_fault) != *leak:udp-198.51.100.1-* && $(at_fault) != *on-host* ]] || fail "$(at_fault)"
    jq -e '[.groups[].attempts[] | select(.name | startswith("tcp-198.51.100.1-")).detail]
        == ["sent, and nobody refused it"]' "$WORK/verify.json"
}

# limited LIMIT: the probe has it as soon as it runs, and its attempts with it.
limited()
{
    intrude <<END
setsid bash -c 'until [[ \$(</proc/\$0/comm) == probe ]]; do :; done
prlimit "\$1" --pid "\$0"' "\$pid" "$1" </dev/null >/dev/null 2>&1 &
END
}

@test "an attempt that has no room, or is killed, proves nothing, and is broken" {
    limited --nofile=3:3
    verify
    [[ $status -eq 1 && $(at_fault) == *broken:* && $(at_fault) != *leak:* ]] || fail "$status: $(at_fault)"
    [[ $(failed | grep -cx 'broken: EMFILE: no room for it') -ge 20 && -z $(failed | grep -v ^broken) ]] ||
        fail "$(failed | sort | uniq -c)"
    limited --fsize=0:0
    verify --only plain --only raw --only capabilities
    [[ $status -eq 1 && $(failed | sort -u) == "broken: killed by SIGXFSZ" ]] || fail "$status: $(failed | sort | uniq -c)"
}

# failed: of the attempts that failed, verdict and detail.
failed()
{
    jq -r '.groups[].attempts[] | select(.saw == "failed") | "\(.verdict): \(.detail)"' "$WORK/verify.json"
}

@test "what a stranger sends to the host's port is no leak" {
    intrude <<END
port=\$(verify_port)
for word in "sallyport-probe:guessed-001" "" "\$(head -c 2000 /dev/zero | tr '\\0' x)"; do
    echo "\$word" >"/dev/tcp/198.51.100.1/\$port"
    echo "\$word" >"/dev/udp/198.51.100.1/\$port"
done
echo "\$port" >"$WORK/stranger"
END
    verify --only arrivals
    [[ -s $WORK/stranger && $status -eq 0 ]] || fail "$status: $(at_fault) $(cat "$WORK/intruder.log")"
}

@test "what other members do in the meantime is theirs" {
    intrude <<END
gateway() { nsenter --target $(<"$WORK/gateway.pid") --net "\$@"; }
gateway bash -c 'exec 5<>/dev/tcp/$PROXY/3128; echo "GET / HTTP/1.0" >&5; echo >&5; cat <&5' | grep -q ^HTTP
gateway bash -c '! : </dev/tcp/10.209.0.99/22' # the hub answers it, from an address that is nobody's
echo done >"$WORK/others"
END
    verify --only arrivals
    [[ -s $WORK/others && $status -eq 0 ]] || fail "$status: $(at_fault) $(cat "$WORK/intruder.log")"
}

@test "a stranger who sends more than the listeners can take is told: something of the container's may be lost in it" {
    local protocol
    for protocol in tcp udp; do
        intrude <<END
verify=\$(pgrep -x sallyport)
port=\$(verify_port)
kill -STOP "\$verify"
setpriv --reuid 65534 --clear-groups python3 -c '
import socket, sys
sockets = []
for i in range(5000):
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM)] + sockets[:900]
    sockets[0].setblocking(False)
    sockets[0].connect_ex(("127.0.0.1", int(sys.argv[2])))
    if sys.argv[1] == "udp":
        sockets[0].send(b"x" * 400)' $protocol "\$port"
kill -CONT "\$verify"
END
        verify --only arrivals
        [[ $status -eq 1 && $(at_fault) == broken:witness-host ]] || fail "$status: $(at_fault) $(cat "$WORK/intruder.log")"
        tells witness-host '^[1-9][0-9]* lost, somebody sends too much: so nothing'
    done
}

@test "a stranger who takes all places and says nothing is told, too: who had to go for him was not heard" {
    rm -f "$WORK/silent"
    # Not a child of the hook, whose end crun would wait for.
    {
        eventually verify_port
        exec setpriv --reuid 65534 --clear-groups /usr/bin/python3 -c '
import signal, socket, sys
sockets = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for i in range(40)]
print("connected", flush=True)
signal.pause()' "$(verify_port)"
    } </dev/null >"$WORK/silent" 2>&1 3>&- &
    echo $! >"$WORK/silent.pid"
    intrude <<END
for ((i = 0; i < 500; i++)); do
    grep -q connected "$WORK/silent" && break
    sleep 0.02
done
END
    verify --only arrivals
    internet_end "$WORK/silent.pid"
    [[ $status -eq 1 && $(at_fault) == broken:witness-host ]] || fail "$status: $(at_fault) $(cat "$WORK/intruder.log")"
    tells witness-host '^[1-9][0-9]* lost, somebody sends too much: so nothing'
}

@test "who knocks at the container is refused in its name, and that is no packet of its own" {
    intrude <<END
verified=\$((0x\${link#sp}))
verified=\$((verified >> 24)).\$((verified >> 16 & 255)).\$((verified >> 8 & 255)).\$((verified & 255))
setsid nsenter --target $(<"$WORK/gateway.pid") --net bash -c 'while [[ -d /proc/\$1 ]]; do
    : </dev/tcp/\$0/22
done' "\$verified" "\$pid" </dev/null >/dev/null 2>"$WORK/knocked" &
for _ in {1..200}; do
    ! grep -q refused "$WORK/knocked" || break
    sleep 0.05
done
END
    verify --only arrivals --only host
    grep -q refused "$WORK/knocked"
    [[ $status -eq 0 ]] || fail "$status: $(at_fault) $(detail out-of-hub) $(cat "$WORK/intruder.log")"
}

@test "a witness that sees nothing is broken, and not content" {
    intrude <<'END'
hub ip link set "$link" down
END
    verify --only arrivals
    [[ $status -eq 1 && $(at_fault) == "broken:witness-in $(unanswered)" ]] || fail "$status: $(at_fault)"
    tells witness-in '^0 packets, 0 lost: so nothing'
    grep -q "1 broken" "$WORK/verify.log"
}

@test "an allowed connection that does not leave the hub, and a host that hears nothing, are broken" {
    local link
    link=$(ip -n "sallyport-$NETWORK" -o link show | grep -o 'sp0ad1000[12]')
    intrude <<END
hub ip link set "$link" down
END
    verify --only proxy
    hub ip link set "$link" up
    "$SALLYPORT" network reload "$NETWORK"
    [[ $status -eq 1 && $(at_fault) == *broken:allowed* && $(at_fault) == *broken:witness-out* ]] ||
        fail "$status: $(at_fault)"
    rm "$INTRUDER"
    local protocol
    for protocol in tcp udp; do
        nft "add table inet spt-deaf; add chain inet spt-deaf input { type filter hook input priority 0; }
            add rule inet spt-deaf input iifname lo $protocol dport >= 1024 drop"
        verify --only arrivals
        nft delete table inet spt-deaf
        [[ $status -eq 1 && $(at_fault) == broken:witness-host ]] || fail "$status: $(at_fault)"
        tells witness-host "^not by ${protocol^^}"
    done
    verify --only proxy
    [[ $status -eq 0 ]] || fail "$(at_fault)"
}

@test "a container that is gone before anybody looks has been seen" {
    intrude <<'END'
verify=$(pgrep -x sallyport)
kill -STOP "$verify"
setsid bash -c 'for i in {1..500}; do
    ip -n "$1" link show dev "$2" || break
    sleep 0.02
done
kill -CONT "$3"' bash "$hub" "$link" "$verify" </dev/null >/dev/null 2>&1 &
END
    verify --only arrivals
    [[ $status -eq 0 ]] || fail "$status: $(at_fault) $(cat "$WORK/intruder.log")"
    tells witness-in '^[1-9][0-9]* packets, 0 lost$'
}

@test "a flood is told as lost packets, in bounded output" {
    intrude <<'END'
network_of nft delete table inet sallyport
verify=$(pgrep -x sallyport)
kill -STOP "$verify"
network_of python3 -c '
import socket
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(60000):
    sender.sendto(b"x", ("10.209.0.0", 1024 + i))' || true
kill -CONT "$verify"
END
    verify --only arrivals
    [[ $status -eq 1 && $(at_fault) == *broken:witness-in* ]] || fail "$status: $(at_fault) $(cat "$WORK/intruder.log")"
    tells witness-in '^[1-9][0-9]* packets, [1-9][0-9]* lost: so nothing'
    [[ $(detail into-hub | wc -c) -lt 513 ]] || fail "$(detail into-hub)"
}
