# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# An agent that lacks some of its walls, for container_battery_walls.bats. Each wall has up to three functions here:
#
#   config_WALL     takes it out of the config that `sallyport bundle` made
#   lift_WALL       takes it away from the running agent, from outside
#   restore_WALL    puts back what is not the agent's own
#
# Others decide how the battery is started, see attempt_all: "capabilities", "devices", "refusals". The seccomp filter
# that the hook injects is init's and its descendants': "injected" is away for a process that joins, which is how all
# attempts are made but those without the config's profile.

# In the order in which they are taken away.
WALLS=(seccomp paths names refusals topology guard routes4 routes6 link6 hub hub6 reverse uplink proxy capabilities devices
    injected)

config_seccomp()
{
    configure agent 'del(.linux.seccomp)'
}

config_names()
{
    configure agent '.mounts |= map(select(.destination != "/etc/resolv.conf" and .destination != "/etc/hosts"))'
}

# The hook refuses a config without them.
lift_paths()
{
    nsenter --target "$(<"$WORK/agent.pid")" --mount --pid /bin/busybox sh -ec '
        busybox=/bin/busybox
        $busybox umount /proc/sys
        $busybox umount /proc/sysrq-trigger 2>/dev/null || true # not every kernel has one
        while read -r _ path _; do
            case $path in /sys/fs/cgroup*) $busybox mount -o remount,bind,rw "$path" ;; esac
        done </proc/mounts'
}

lift_refusals()
{
    sockets_beside agent
}

lift_topology()
{
    outside_link agent
}

lift_guard()
{
    network_of agent nft flush ruleset
}

# has_outside: the agent's topology is gone, too.
has_outside()
{
    ip link show dev spt-outside >/dev/null 2>&1
}

lift_routes4()
{
    if has_outside; then
        network_of agent ip route add default via 192.168.77.1
    else
        network_of agent ip route add default via 169.254.0.1 dev sp0 onlink
    fi
}

lift_routes6()
{
    if has_outside; then
        network_of agent ip -6 route add default via fd00:5a1::1
    else
        network_of agent ip -6 route delete unreachable default
    fi
}

# IPv6 on every link between agent and host, with all that it needs: what is left is what refuses it.
lift_link6()
{
    local own near far mac
    own=$(hub_link "$(address_of agent)")
    far=$(hub_link "$PROXY")
    near=$(mac_of "$UPLINK")
    network_of agent sh -ec 'echo 0 >/proc/sys/net/ipv6/conf/sp0/disable_ipv6'
    mac=$(mac_of sp0 network_of agent)
    network_of agent ip -6 address add fd00:66::2/64 dev sp0 nodad
    network_of agent ip -6 neigh replace fd00:66::1 dev sp0 nud permanent lladdr "$(mac_of "$own" hub)"
    hub sh -ec 'echo 0 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6"; echo 0 >"/proc/sys/net/ipv6/conf/$2/disable_ipv6"
        echo 1 >/proc/sys/net/ipv6/conf/all/forwarding' sh "$own" "$far"
    hub ip -6 route add fd00:66::2 dev "$own"
    hub ip -6 route add fd00:66::1 dev "$far"
    hub ip -6 neigh replace fd00:66::2 dev "$own" nud permanent lladdr "$mac"
    hub ip -6 neigh replace fd00:66::1 dev "$far" nud permanent lladdr "$near"
    echo 0 >"/proc/sys/net/ipv6/conf/$UPLINK/disable_ipv6"
    ip -6 address add fd00:66::1/64 dev "$UPLINK" nodad
    ip -6 neigh replace fd00:66::2 dev "$UPLINK" nud permanent lladdr "$(mac_of "$far" hub)"
}

restore_link6()
{
    hub sh -ec 'echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6"; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding' \
        sh "$(hub_link "$PROXY")"
    echo 1 >"/proc/sys/net/ipv6/conf/$UPLINK/disable_ipv6"
}

# hub_link ADDRESS: the hub's end of the member's link.
hub_link()
{
    printf 'sp%02x%02x%02x%02x' ${1//./ }
}

# mac_of LINK [COMMAND...]: the command runs another one where the link is.
mac_of()
{
    "${@:2}" ip -o link show dev "$1" | sed -n 's/.*link\/ether \([0-9a-f:]*\).*/\1/p'
}

lift_hub()
{
    hub nft insert rule inet sallyport forward meta nfproto ipv4 accept
}

lift_hub6()
{
    hub nft insert rule inet sallyport forward meta nfproto ipv6 accept
}

restore_rules()
{
    local handle
    for handle in $(hub nft -a list chain inet sallyport forward | sed -n 's/^\t\tmeta nfproto ipv[46] accept # handle //p'); do
        hub nft delete rule inet sallyport forward handle "$handle"
    done
}

restore_hub()
{
    restore_rules
}

restore_hub6()
{
    restore_rules
}

reverse_path()
{
    hub sh -ec 'for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo "$1" >"$file"; done' sh "$1"
}

lift_reverse()
{
    reverse_path 0
}

restore_reverse()
{
    reverse_path 1
}

lift_uplink()
{
    nft list table inet "sallyport-$NETWORK" >"$WORK/uplink-table"
    nft delete table inet "sallyport-$NETWORK"
}

restore_uplink()
{
    nft -f "$WORK/uplink-table"
}

lift_proxy()
{
    internet_squid_stop "$WORK/internet"
    sed 's/^http_access deny.*//; 0,/^http_access/s/^http_access/http_access allow all\n&/' "$WORK/squid.conf" >"$WORK/open.conf"
    internet_squid "$WORK/internet" "$WORK/open.conf" "" "$PROXY" 3128
}

restore_proxy()
{
    internet_squid_stop "$WORK/internet"
    internet_squid "$WORK/internet" "$WORK/squid.conf" "" "$PROXY" 3128
}

# Not in the agent's cgroup any more: its rules for devices do not hold. The battery waits for that.
leave_cgroup()
{
    local directory=/sys/fs/cgroup
    [[ ! -d $directory/devices ]] || directory+=/devices
    eventually test -s "$WORK/joined.pid"
    echo "$(<"$WORK/joined.pid")" >"$directory/cgroup.procs"
    : >"/proc/$(<"$WORK/agent.pid")/root/tmp/go"
}

# attempt_all SET ARGUMENT...: the battery in the running agent, as the walls that are missing say.
attempt_all()
{
    local set=$1 capability options=() command=(/probe battery "${@:2}") leaving=
    if [[ $set == *+capabilities+* ]]; then
        for capability in CHOWN DAC_OVERRIDE SETUID SETGID KILL NET_BIND_SERVICE SYS_CHROOT MKNOD SETFCAP \
            NET_RAW NET_ADMIN SYS_ADMIN SYS_PTRACE SYS_MODULE SYS_RAWIO BPF PERFMON; do
            options+=(--cap "CAP_$capability")
        done
    fi
    if [[ $set == *+devices+* ]]; then
        rm -f "$WORK/joined.pid"
        leave_cgroup >/dev/null 3>&- &
        leaving=$!
        options+=(--pid-file "$WORK/joined.pid")
        # shellcheck disable=SC2016
        command=(sh -c 'until [ -e /tmp/go ]; do sleep 0.02; done; exec "$@"' sh "${command[@]}")
    fi
    if [[ $set == *+refusals+* ]]; then
        "$RUNTIME" exec "${options[@]}" --preserve-fds 1 agent "${command[@]}" 3<>"/dev/tcp/$FAR/80"
    else
        "$RUNTIME" exec "${options[@]}" agent "${command[@]}"
    fi
    [[ -z $leaving ]] || wait "$leaving"
}
