# SPDX-License-Identifier: Apache-2.0
#
# For each wall: with it the leak is closed, and when it is taken away (and where two close the same leak, the other one
# too) the leak is there. In a real container; the same is tried rule by rule in tests/kernel/rules.c and member.c.
#
#   topology, hub filter, reverse path, routes, guard,       here
#   subnet's own routing table, seccomp in the config,
#   capabilities
#   seccomp injected by the hook                             container_hooks.bats, tests/kernel/inject.c
#   uplink's table on the host                               container_escape.bats

source "$BATS_TEST_DIRNAME/common.bash"

setup_file()
{
    small_stage_up
    witness proxy "" "$PROBE" listen tcp "$PROXY" 3128
    witness host "" "$PROBE" capture
}

teardown_file()
{
    small_stage_down
}

setup()
{
    sleeper attacker agent
    ATTACKER=$(address_of attacker)
    HUB_MAC=$(network_of attacker ip neigh show dev sp0 | awk '{ print $3; exit }')
}

teardown()
{
    ip netns delete spt-outside 2>/dev/null || true
    ip link delete spt-wan 2>/dev/null || true
    containers_delete_all
    eventually no_hub_links
    "$SALLYPORT" network reload "$NETWORK"
}

# A way out as an engine would add it after the seal: eth0 in the attacker, a server at its far end.
add_engine_link()
{
    ip netns add spt-outside
    ip -n spt-outside link add eth0 type veth peer name eth0 netns "$(<"$WORK/attacker.pid")"
    ip -n spt-outside address add 192.0.2.1/24 dev eth0
    ip -n spt-outside link set eth0 up
    network_of attacker ip address add 192.0.2.2/24 dev eth0
    network_of attacker ip link set eth0 up
    network_of attacker ip route add default via 192.0.2.1
    ip netns exec spt-outside "$PROBE" listen tcp 192.0.2.1 443 </dev/null >"$WORK/outside.seen" 2>&1 3>&- &
    echo $! >>"$WORK/witnesses"
    disown
    eventually grep -q ready "$WORK/outside.seen"
}

@test "hub filter: closes what the policy does not allow between members" {
    sleeper gateway gateway
    witness gateway-9000 gateway "$PROBE" listen tcp 0.0.0.0 9000
    run inside attacker /probe tcp "$GATEWAY" 9000
    [ "$status" -eq 1 ]
    hub nft flush ruleset
    run inside attacker /probe tcp "$GATEWAY" 9000 --greeting
    [ "$status" -eq 0 ]
    "$SALLYPORT" network reload "$NETWORK"
    run inside attacker /probe tcp "$GATEWAY" 9000
    [ "$status" -eq 1 ]
}

# forge: a connection's first packet from the gateway's address, which may use the proxy, but is not the attacker's.
forge()
{
    network_of attacker "$PROBE" packet sp0 tcp --dest-mac "$HUB_MAC" --dest-ip "$PROXY" --port 3128 \
        --source-ip "$GATEWAY" --marker "$1"
    network_of attacker "$PROBE" packet sp0 tcp --dest-mac "$HUB_MAC" --dest-ip "$PROXY" --port 3128 --marker "$1-true"
    eventually saw host "src=$ATTACKER .*marker=$1-true"
}

@test "reverse path: closes forged sources that the filter would let through" {
    forge strict
    run ! saw host "marker=strict$"
    hub sh -c 'for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >"$file"; done'
    forge loose
    saw host "link=$UPLINK .*src=$GATEWAY .*marker=loose$"
    hub sh -c 'for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 >"$file"; done'
    forge again
    run ! saw host "marker=again$"
}

@test "routes: what is not the subnet's does not even leave the namespace, guard or not" {
    ip netns exec "sallyport-$NETWORK" "$PROBE" capture </dev/null >"$WORK/hub.seen" 2>&1 3>&- &
    echo $! >>"$WORK/witnesses"
    disown
    eventually grep -q ready "$WORK/hub.seen"
    network_of attacker nft flush ruleset
    run network_of attacker "$PROBE" udp 203.0.113.10 53 --marker routed --timeout-ms 1
    says EHOSTUNREACH
    network_of attacker "$PROBE" tcp "$PROXY" 3128
    eventually saw hub "dst=$PROXY"
    run ! saw hub "marker=routed"
    network_of attacker ip route replace default via 169.254.0.1 dev sp0 onlink
    run network_of attacker "$PROBE" udp 203.0.113.10 53 --marker unrouted --timeout-ms 1
    eventually saw hub "marker=unrouted"
}

@test "guard: a link that an engine adds after the seal leads nowhere" {
    add_engine_link
    run inside attacker /probe tcp 192.0.2.1 443
    [ "$status" -eq 1 ]
    run inside attacker /probe tcp 192.0.2.1 443 --device eth0
    [ "$status" -eq 1 ]
    run ! saw outside arrived
    network_of attacker nft flush ruleset
    run inside attacker /probe tcp 192.0.2.1 443 --greeting
    [ "$status" -eq 0 ]
    saw outside arrived
}

@test "guard: an engine's resolver inside the namespace is not reached" {
    witness resolver attacker "$PROBE" listen udp 127.0.0.11 53
    run inside attacker /probe udp 127.0.0.11 53
    [ "$status" -eq 1 ]
    run ! saw resolver arrived
    network_of attacker nft flush ruleset
    run inside attacker /probe udp 127.0.0.11 53
    [ "$status" -eq 0 ]
    saw resolver arrived
}

@test "topology: without a way out in the hub, no filter at all still leads nowhere outside" {
    ip netns add spt-outside
    ip link add spt-wan type veth peer name eth0 netns spt-outside
    ip address add 198.51.100.1/24 dev spt-wan
    ip link set spt-wan up
    echo 1 >/proc/sys/net/ipv4/ip_forward
    hub nft flush ruleset
    network_of attacker nft flush ruleset
    network_of attacker ip route replace default via 169.254.0.1 dev sp0 onlink
    run inside attacker /probe udp 198.51.100.9 53 --marker topology --timeout-ms 50
    run inside attacker /probe tcp 198.51.100.1 3128 --timeout-ms 50
    [ "$status" -eq 1 ]
    network_of attacker "$PROBE" tcp "$PROXY" 3128
    run ! saw host "marker=topology"
    run ! saw host "dst=198.51.100"
    # Give the hub a default route to the host, and the host its table away: then there is a way.
    nft list table inet "sallyport-$NETWORK" >"$WORK/uplink-table"
    nft delete table inet "sallyport-$NETWORK"
    uplink=$(hub ip -o link show | sed -n 's/^[0-9]*: \(sp0ad10002\)@.*/\1/p')
    hub ip neigh replace 198.51.100.9 dev "$uplink" nud permanent \
        lladdr "$(ip -o link show dev "$UPLINK" | sed -n 's/.*link\/ether \([0-9a-f:]*\).*/\1/p')"
    hub ip route add default dev "$uplink"
    run inside attacker /probe udp 198.51.100.9 53 --marker topology-open --timeout-ms 50
    hub ip route delete default
    hub ip neigh delete 198.51.100.9 dev "$uplink"
    nft -f "$WORK/uplink-table"
    eventually saw host "marker=topology-open"
}

@test "subnet's own routing table: what the host forwards finds no member, even with every firewall flushed" {
    sleeper gateway gateway
    witness published gateway "$PROBE" listen tcp 0.0.0.0 9119
    ip netns add spt-outside
    ip link add spt-wan type veth peer name eth0 netns spt-outside
    ip address add 192.0.2.1/24 dev spt-wan
    ip link set spt-wan up
    ip -n spt-outside address add 192.0.2.2/24 dev eth0
    ip -n spt-outside link set eth0 up
    ip -n spt-outside route add default via 192.0.2.1
    echo 1 >/proc/sys/net/ipv4/ip_forward
    nft list table inet "sallyport-$NETWORK" >"$WORK/uplink-table"
    nft flush ruleset
    # Every engine that writes ip_forward opens this, the answers' way back.
    echo 1 >"/proc/sys/net/ipv4/conf/$UPLINK/forwarding"
    # As an engine may do: what goes out of the link gets an address of that link.
    nft add table ip spt-nat
    nft add chain ip spt-nat postrouting '{ type nat hook postrouting priority srcnat; }'
    nft add rule ip spt-nat postrouting oifname "$UPLINK" snat to "$HOST"
    run ip netns exec spt-outside "$PROBE" tcp "$GATEWAY" 9119 --timeout-ms 200
    [ "$status" -eq 1 ]
    run ! saw published arrived
    # The route where everybody looks: the leak that the separate table closes.
    ip route add "$SUBNET" via 169.254.0.1 dev "$UPLINK" onlink src "$HOST"
    run ip netns exec spt-outside "$PROBE" tcp "$GATEWAY" 9119 --greeting --timeout-ms 1000
    reached=$status
    # ... and which the uplink's table closes as well.
    nft -f "$WORK/uplink-table"
    run ip netns exec spt-outside "$PROBE" tcp "$GATEWAY" 9119 --timeout-ms 200
    with_table=$status
    ip route delete "$SUBNET"
    nft delete table ip spt-nat
    [ "$reached" -eq 0 ]
    [ "$with_table" -eq 1 ]
}

@test "seccomp in the config: holds for exec, even one that is given CAP_NET_RAW" {
    run "$RUNTIME" exec --cap CAP_NET_RAW attacker /probe socket 17 3 0x0300
    [ "$status" -eq 1 ]
    says EPERM
    # With the hook alone the filter is init's: an exec has none (docs: hooks alone are the weaker way).
    bundle hooked agent sleep 600
    hook hooked createRuntime poststop
    container_start hooked
    run "$RUNTIME" exec --cap CAP_NET_RAW hooked /probe socket 17 3 0x0300
    [ "$status" -eq 0 ]
}

@test "seccomp in the config: without it, and without the hook, the same process opens everything" {
    bundle bare agent /probe socket 0x100000028 1 0
    seal bare
    run container_run bare
    [ "$status" -eq 1 ]
    says EPERM
    configure bare 'del(.linux.seccomp) | del(.hooks)'
    run container_run bare
    [ "$status" -eq 0 ]
}

@test "capabilities: taken out of the config they close raw sockets where no filter does" {
    bundle bare agent /probe socket 17 3 0x0300
    seal bare
    configure bare 'del(.linux.seccomp) | del(.hooks)'
    run container_run bare
    [ "$status" -eq 1 ]
    says EPERM
    capability bare CAP_NET_RAW
    run container_run bare
    [ "$status" -eq 0 ]
}
