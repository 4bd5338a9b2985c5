# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A way out as an engine would make it, for the tests of the battery: a link of the machine's into a container, and
# behind it every address that the battery tries, with somebody who answers at every port.

FAR=203.0.113.66
FAR6=2001:db8::66

# outside_up: of stage_up's internet; the machine forwards to it what comes by a link spt-outside. On the machine itself
# somebody answers at every port, too, to all links but the loopback.
outside_up()
{
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    ip -n spt-internet -6 route add fd00:5a1::/64 via 2001:db8:ffff::1
    internet_route "${INTERNET_PLACES[@]}" "${INTERNET_PLACES6[@]}" 172.17.0.1 10.88.0.1
    ip -n spt-internet address add "$FAR6/128" dev lo nodad
    nft -f - <<'NFT'
table inet spt-battery {
    chain prerouting {
        type nat hook prerouting priority dstnat
        ip daddr 10.209.0.2 accept # the proxy itself
        iifname { "spt-outside", "sp-hermes" } fib daddr type local meta l4proto tcp redirect to :2222
        iifname { "spt-outside", "sp-hermes" } fib daddr type local meta l4proto udp redirect to :2222
    }
    chain postrouting {
        type nat hook postrouting priority srcnat
        oifname "spt-wan" ip saddr 192.168.77.0/24 masquerade
    }
}
NFT
    ip netns exec spt-internet nft -f - <<'NFT'
table inet spt-any-port {
    chain prerouting {
        type nat hook prerouting priority dstnat
        tcp dport != 443 dnat to :80
        meta nfproto ipv4 meta l4proto udp dnat to :53
        meta nfproto ipv6 meta l4proto udp dnat ip6 to [2001:db8::66]:53
    }
}
NFT
    witness any-tcp "" "$PROBE" listen tcp :: 2222
    witness any-udp "" "$PROBE" listen udp 0.0.0.0 2222
    cp "$WORK/internet/server.pid" "$WORK/far.pid"
    witness far-udp6 far "$PROBE" listen udp "$FAR6" 53
}

outside_down()
{
    nft delete table inet spt-battery 2>/dev/null || true
    ip -n spt-internet -6 route delete fd00:5a1::/64 2>/dev/null || true
}

# outside_link ID: the container's end is eth0.
outside_link()
{
    ip link add spt-outside type veth peer name eth0 netns "$(<"$WORK/$1.pid")"
    ip address add 192.168.77.1/24 dev spt-outside
    ip address add fd00:5a1::1/64 dev spt-outside nodad
    ip address add fe80::a9fe:a9fe/64 dev spt-outside nodad
    echo 0 >/proc/sys/net/ipv6/conf/spt-outside/accept_dad
    ip link set spt-outside up
    network_of "$1" sh -ec '
        echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
        echo 2 >/proc/sys/net/ipv6/conf/eth0/accept_ra
        ip link set eth0 up
        ip address add 192.168.77.2/24 dev eth0
        ip address add fd00:5a1::2/64 dev eth0 nodad'
}

# writable ID: a place of its own for programs and devices, so that it is not for want of one that they are refused.
writable()
{
    configure "$1" '.mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1777"]}]'
}

# sockets_beside ID: an abstract socket in the container's network, and one by name in its file system.
sockets_beside()
{
    witness "names-$1" "$1" python3 -c '
import socket, sys, time
def listen(name):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    listener.listen(64)
    return listener
listeners = [listen("\0spt-battery"), listen(sys.argv[1])]
print("ready", flush=True)
time.sleep(600)' "/proc/$(<"$WORK/$1.pid")/root/dev/spt.sock"
}
