# SPDX-License-Identifier: Apache-2.0
#
# Attacks from inside, judged at the far ends: a witness on every link of the host (its uplink, a LAN, a bridge), in
# another agent and in the gateway writes down each frame that arrives. Three attackers: root with what the container was
# given; root who in addition got CAP_NET_RAW and no seccomp; root who got CAP_NET_ADMIN without a user namespace.
#
# A witness that sees nothing proves nothing. So each test ends with a connection that the policy allows, sees its
# packet arrive, and only then looks for what came before it.

source "$BATS_TEST_DIRNAME/common.bash"

LAN_HOST=192.0.2.1
LAN_CLIENT=192.0.2.2

setup_file()
{
    rootfs_make
    network_up
    # A machine of the LAN, and a bridge with another engine's container; the host forwards, as with Docker.
    echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 # no chatter of the links themselves
    ip netns add spt-lan
    ip netns exec spt-lan sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
    ip link add spt-lan type veth peer name eth0 netns spt-lan
    ip address add "$LAN_HOST/24" dev spt-lan
    ip link set spt-lan up
    ip -n spt-lan address add "$LAN_CLIENT/24" dev eth0
    ip -n spt-lan link set eth0 up
    ip -n spt-lan route add default via "$LAN_HOST"
    ip netns add spt-bridged
    ip netns exec spt-bridged sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
    ip link add spt-br0 type bridge
    ip address add 192.168.77.1/24 dev spt-br0
    ip link set spt-br0 up
    ip link add spt-port type veth peer name eth0 netns spt-bridged
    ip link set spt-port master spt-br0 up
    ip -n spt-bridged address add 192.168.77.2/24 dev eth0
    ip -n spt-bridged link set eth0 up
    ip -n spt-bridged route add default via 192.168.77.1
    echo 1 >/proc/sys/net/ipv4/ip_forward
    nft add table ip spt-nat
    nft add chain ip spt-nat postrouting '{ type nat hook postrouting priority srcnat; }'
    nft add rule ip spt-nat postrouting ip saddr 192.168.77.0/24 masquerade

    sleeper victim agent
    sleeper gateway gateway
    sleeper attacker agent
    witness host "" "$PROBE" capture
    witness victim victim "$PROBE" capture
    witness gateway gateway "$PROBE" capture
    witness proxy "" "$PROBE" listen tcp "$PROXY" 3128
    witness any-tcp "" "$PROBE" listen tcp 0.0.0.0 2222
    witness any-udp "" "$PROBE" listen udp 0.0.0.0 53
    witness victim-tcp victim "$PROBE" listen tcp 0.0.0.0 8642
    witness gateway-tcp gateway "$PROBE" listen tcp 0.0.0.0 9119
    address_of attacker >"$WORK/attacker.address"
    address_of victim >"$WORK/victim.address"
}

teardown_file()
{
    nft delete table ip spt-nat
    ip netns delete spt-lan
    ip netns delete spt-bridged
    ip link delete spt-br0
    ip link delete spt-lan 2>/dev/null || true
    small_stage_down
}

setup()
{
    ATTACKER=$(<"$WORK/attacker.address")
    VICTIM=$(<"$WORK/victim.address")
    # The gateway of the attacker's only route, and what stands for the hub there.
    HUB_MAC=$(network_of attacker ip neigh show dev sp0 | awk '{ print $3; exit }')
    for name in host victim gateway; do
        wc -l <"$WORK/$name.seen" >"$WORK/$name.before"
    done
}

# since NAME: what the witness has seen since the test began.
since()
{
    tail -n "+$(($(<"$WORK/$1.before") + 1))" "$WORK/$1.seen"
}

seen_since()
{
    since "$1" | grep -Eq -- "$2"
}

# fence: an allowed connection; when the witness has seen it, it has seen what was sent before.
fence()
{
    local port=$((20000 + RANDOM % 10000))
    network_of attacker "$PROBE" tcp "$PROXY" 3128 --source-port "$port"
    eventually seen_since host "link=$UPLINK dir=in .*src=$ATTACKER .*sport=$port dport=3128"
}

# Nothing arrived but TCP from the attacker to the proxy's port, and at the other members nothing at all.
nothing_arrived()
{
    local stray
    fence
    stray=$(since host | grep "dir=in" | grep -v 'link=lo ' |
        grep -Ev "link=$UPLINK dir=in type=0x0800 src=$ATTACKER dst=$PROXY protocol=6 sport=[0-9]+ dport=3128 flags=[SAR]* marker=-$" || true)
    [[ -z $stray ]] || fail "reached the host: $stray"
    stray=$(since host | grep 'link=spt-.* dir=out type=0x0800' | grep -v 'dst=224.0.0.22 protocol=2 ' || true)
    [[ -z $stray ]] || fail "forwarded by the host: $stray"
    stray=$(since victim | grep -v 'link=lo ' || true)
    [[ -z $stray ]] || fail "reached another agent: $stray"
    stray=$(since gateway | grep -v 'link=lo ' || true)
    [[ -z $stray ]] || fail "reached the gateway: $stray"
}

# As the container's root.
inside_tries()
{
    run inside attacker /probe "$@"
    [[ $status -ne 0 ]] || fail "succeeded: $*: $output"
}

# With every capability and without seccomp; whether the call succeeds does not matter.
tries()
{
    run network_of attacker "$PROBE" "$@"
    [[ $status -ne 2 ]] || fail "not tried: $*: $output"
}

# sends ...: a frame that the kernel took.
sends()
{
    tries packet sp0 "$@"
    says result=ok
}

@test "as the container's root: ordinary sockets, bound to devices and forged sources" {
    for target in "$PROXY 22" "$PROXY 53" "$HOST 2222" "$HOST 3128" "$VICTIM 8642" "$GATEWAY 9119" "169.254.0.1 2222" \
        "$LAN_HOST 2222" "$LAN_CLIENT 22" "192.168.77.1 2222" "127.0.0.11 53"; do
        read -r address port <<<"$target"
        for option in "" "--device sp0" "--unicast-if sp0" "--source $VICTIM" "--source $PROXY" "--source $HOST" \
            "--source 203.0.113.9 --device sp0"; do
            # shellcheck disable=SC2086
            inside_tries tcp "$address" "$port" --timeout-ms 60 $option
            # shellcheck disable=SC2086
            inside_tries udp "$address" "$port" --timeout-ms 1 $option
        done
    done
    nothing_arrived
}

@test "as the container's root: broadcast, multicast, fragments, echo, IPv6" {
    for address in 255.255.255.255 10.209.0.255 10.209.0.0 224.0.0.1 239.1.2.3; do
        inside_tries udp "$address" 53 --broadcast --timeout-ms 1
        inside_tries udp "$address" 53 --broadcast --timeout-ms 1 --device sp0
        inside_tries udp "$address" 53 --broadcast --timeout-ms 1 --unicast-if sp0
    done
    inside_tries udp "$PROXY" 3128 --size 5000 --timeout-ms 1
    inside_tries udp "$PROXY" 3128 --size 5000 --timeout-ms 1 --device sp0
    inside_tries icmp "$PROXY" --timeout-ms 1
    inside_tries icmp "$VICTIM" --timeout-ms 1
    for address in ff02::1%sp0 ff02::fb%sp0 fe80::1%sp0 2001:db8::1; do
        inside_tries udp "$address" 53 --timeout-ms 1
        inside_tries tcp "$address" 2222 --timeout-ms 60
    done
    nothing_arrived
}

@test "as the container's root: raw and packet sockets by every door" {
    inside_tries packet sp0 udp --dest-ip "$PROXY"
    inside_tries raw "$PROXY" udp --source-ip "$VICTIM"
    inside_tries socket 17 2 0x0300
    inside_tries socket 2 10 0x0300
    inside_tries socket 2 3 255
    inside_tries socket 10 3 255
    inside_tries socket 0x100000011 0x100000003 0x0300
    inside_tries socket 40 1 0
    inside_tries socket 0x100000028 1 0
    inside_tries socket 38 5 0
    inside_tries socket 44 3 0
    inside_tries socket 16 3 12
    inside_tries io-uring-socket 17 3 0x0300
    inside_tries int80-socket 17 3 0x0300
    inside_tries int80-socketcall 17 3 0x0300
    inside_tries x32-socket 17 3 0x0300
    inside_tries unshare user
    inside_tries unshare net
    inside_tries clone user,net
    inside_tries clone3 user
    inside_tries setns /proc/self/ns/net
    nothing_arrived
}

@test "every port of the proxy's address but one, and of the host's and the hub's" {
    run inside attacker /probe ports "$PROXY"
    [ "$status" -eq 0 ]
    says "open=1 refused=65534 hung=0 last-open=3128"
    run inside attacker /probe ports "$HOST"
    [ "$status" -eq 1 ]
    says "open=0 refused=65535 hung=0"
    nothing_arrived
}

@test "with NET_RAW and no seccomp: true and forged sources, addresses and link addresses" {
    for kind in udp tcp icmp; do
        for dest in "$PROXY" "$HOST" "$VICTIM" "$GATEWAY" "$DASHBOARD" 10.209.0.255 169.254.0.1 127.0.0.1 \
            "$LAN_HOST" "$LAN_CLIENT" 192.168.77.2 203.0.113.10; do
            for source in "$ATTACKER" "$VICTIM" "$GATEWAY" "$PROXY" "$HOST" 127.0.0.1 203.0.113.9 0.0.0.0; do
                sends "$kind" --dest-mac "$HUB_MAC" --dest-ip "$dest" --source-ip "$source" --port 53 \
                    --source-port 3128 --marker "forged-$kind"
            done
        done
    done
    nothing_arrived
}

@test "with NET_RAW and no seccomp: a forged source to the proxy's own port" {
    for source in "$VICTIM" "$GATEWAY" "$DASHBOARD" "$HOST" "$PROXY" 10.209.0.99 203.0.113.9; do
        for flags in syn synack ack rst; do
            sends tcp --dest-mac "$HUB_MAC" --dest-ip "$PROXY" --port 3128 --source-ip "$source" --flags "$flags" \
                --marker forged-proxy
        done
    done
    nothing_arrived
    # The same frame with the true source does arrive: it is the source that was refused.
    sends tcp --dest-mac "$HUB_MAC" --dest-ip "$PROXY" --port 3128 --marker true-source
    eventually seen_since host "link=$UPLINK .*src=$ATTACKER dst=$PROXY .*flags=S marker=true-source"
}

@test "with NET_RAW and no seccomp: forged link addresses, broadcast, multicast, ARP, fragments, IPv6" {
    for mac in ff:ff:ff:ff:ff:ff 01:00:5e:00:00:01 33:33:00:00:00:01 02:00:00:00:00:99 "$HUB_MAC"; do
        for kind in udp tcp icmp arp udp6 neighbour6; do
            for dest in "$PROXY" "$VICTIM" 255.255.255.255 224.0.0.1; do
                sends "$kind" --dest-mac "$mac" --dest-ip "$dest" --marker broad
                sends "$kind" --dest-mac "$mac" --dest-ip "$dest" --source-mac 02:00:00:00:00:01 --marker broad
            done
        done
        sends udp6 --dest-mac "$mac" --dest-ip6 ff02::1 --marker six
        sends udp6 --dest-mac "$mac" --dest-ip6 fe80::1 --marker six
        sends udp6 --dest-mac "$mac" --dest-ip6 ::ffff:10.209.0.2 --source-ip6 2001:db8::9 --marker six
    done
    for fragment in first later; do
        for kind in udp tcp icmp; do
            sends "$kind" --dest-mac "$HUB_MAC" --dest-ip "$PROXY" --port 3128 --fragment "$fragment" \
                --marker fragment
        done
    done
    nothing_arrived
}

@test "with NET_RAW and no seccomp: raw sockets, past the member's routes" {
    for dest in "$PROXY" "$HOST" "$VICTIM" "$LAN_CLIENT"; do
        for source in "$ATTACKER" "$VICTIM" "$PROXY"; do
            tries raw "$dest" udp --source-ip "$source" --device sp0 --marker raw
            tries raw "$dest" tcp --source-ip "$source" --device sp0 --port 2222 --marker raw
            tries raw "$dest" icmp --source-ip "$source" --marker raw
        done
    done
    nothing_arrived
}

@test "with NET_RAW and no seccomp: a member does not open a connection back through an answer's port" {
    # The gateway may be reached at 8642 by agents: its answers from there may not open anything.
    run network_of gateway "$PROBE" tcp "$VICTIM" 8642 --source-port 8642 --timeout-ms 100
    [ "$status" -eq 1 ]
    run network_of gateway "$PROBE" packet sp0 tcp --dest-mac "$HUB_MAC" --dest-ip "$VICTIM" --port 8642 \
        --source-port 8642 --flags syn --marker back
    [ "$status" -eq 0 ]
    fence
    run ! seen_since victim "marker=back"
    run ! saw victim-tcp arrived
}

@test "nobody outside reaches the proxy's address, a member or a published port" {
    outside_is_refused
}

@test "nor after nft flush ruleset: no route for what is forwarded" {
    nft list ruleset >"$WORK/ruleset"
    nft flush ruleset
    outside_cannot_reach_members
    nft -f "$WORK/ruleset"
    outside_is_refused
}

outside_cannot_reach_members()
{
    local namespace target address port
    for namespace in spt-lan spt-bridged; do
        for target in "$VICTIM 8642" "$GATEWAY 9119"; do
            read -r address port <<<"$target"
            run ip netns exec "$namespace" "$PROBE" tcp "$address" "$port" --timeout-ms 200
            [[ $status -eq 1 ]] || fail "$namespace reached $target: $output"
        done
        run ip netns exec "$namespace" "$PROBE" packet eth0 udp --dest-ip "$VICTIM" --marker outside \
            --dest-mac "$(ip netns exec "$namespace" ip neigh show dev eth0 | awk '{ print $3; exit }')"
    done
    run ! seen_since victim "marker=outside"
    run ! saw victim-tcp arrived
    run ! saw gateway-tcp arrived
}

outside_is_refused()
{
    local namespace
    outside_cannot_reach_members
    for namespace in spt-lan spt-bridged; do
        run ip netns exec "$namespace" "$PROBE" tcp "$PROXY" 3128 --timeout-ms 200
        [[ $status -eq 1 ]] || fail "$namespace reached the proxy: $output"
        run ip netns exec "$namespace" "$PROBE" tcp "$HOST" 2222 --timeout-ms 200
        [[ $status -eq 1 ]] || fail "$namespace reached the host's own address: $output"
        # It is not for want of a way: the host itself is reached.
        run ip netns exec "$namespace" "$PROBE" tcp "$LAN_HOST" 2222
        [[ $status -eq 0 ]] || fail "$namespace does not reach the host at all: $output"
    done
}

# Takes over the hub's uplink: a macvlan in the attacker's namespace that sends and receives as the uplink does.
take_uplink()
{
    netnsid=$(network_of attacker "$PROBE" links | sed -n 's/^link name=sp0 .*netnsid=\([0-9]*\) .*/\1/p')
    [[ -n $netnsid ]]
    uplink_index=$(hub ip -o link show | awk -F': ' '$2 ~ /^sp0ad10002/ { print $1 }')
    run network_of attacker "$PROBE" links --netnsid "$netnsid"
    says "index=$uplink_index "
    run network_of attacker "$PROBE" link-macvlan spt-mv --lower "$uplink_index" --netnsid "$netnsid"
    [[ $status -eq 0 ]] || fail "$output"
    network_of attacker ip link set spt-mv up
    uplink_mac=$(ip -o link show dev "$UPLINK" | sed -n 's/.*link\/ether \([0-9a-f:]*\).*/\1/p')
}

return_uplink()
{
    network_of attacker ip link delete spt-mv
}

taken_sends()
{
    run network_of attacker "$PROBE" packet spt-mv "$@" --dest-mac "$uplink_mac"
    [[ $status -eq 0 ]] || fail "$output"
}

send_to_host_from_uplink()
{
    local source
    for source in "$ATTACKER" "$VICTIM" "$GATEWAY" 10.209.0.99 203.0.113.9; do
        taken_sends udp --source-ip "$source" --dest-ip "$PROXY" --port 53 --marker uplink
        taken_sends udp --source-ip "$source" --dest-ip "$LAN_HOST" --port 53 --marker uplink
        taken_sends udp --source-ip "$source" --dest-ip "$HOST" --port 53 --marker uplink
        taken_sends udp --source-ip "$source" --dest-ip "$LAN_CLIENT" --port 53 --marker uplink
    done
}

@test "with NET_ADMIN and no user namespace: through a passthru macvlan over the uplink nothing but the proxy answers" {
    take_uplink
    send_to_host_from_uplink
    eventually seen_since host "link=$UPLINK dir=in .*marker=uplink"
    return_uplink
    fence
    # The frames were on the host's own link, past every rule of the hub; no socket of the host got one ...
    run ! saw any-udp arrived
    # ... and none was forwarded to the LAN or the bridge.
    run ! seen_since host "link=spt-[a-z0-9]+ .*marker=uplink"
}

@test "without the uplink's own table the same frames reach the host: that table is the wall" {
    nft list table inet "sallyport-$NETWORK" >"$WORK/uplink-table"
    nft delete table inet "sallyport-$NETWORK"
    take_uplink
    send_to_host_from_uplink
    eventually saw any-udp arrived
    return_uplink
    nft -f "$WORK/uplink-table"
}
