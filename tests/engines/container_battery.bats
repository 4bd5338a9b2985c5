# SPDX-License-Identifier: Apache-2.0
#
# The battery of the probe (`probe battery`): in a sealed agent every line says what it expects; in a container with
# every capability and an ordinary network of its own, the same attempts get out. An attempt that is closed in both
# proves nothing, and its name is then printed.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/container_battery.bash"

setup_file()
{
    stage_up
    # From now on an allowed name leads inward.
    internet_stop "$WORK/internet"
    sed -i 's/^openrouter.ai .*/openrouter.ai 10.0.0.1/' "$WORK/internet/zone"
    internet_serve "$WORK/internet" spt-internet
    bundle agent agent sleep 600
    writable agent
    capability agent CAP_SETFCAP
    seal agent
    container_start agent
    unsealed_up
}

teardown_file()
{
    outside_down
    stage_down
}

# advertise: a router on the control's link says that it is one.
advertise()
{
    python3 -c '
import socket
router = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
# RFC 4861, 4.2: type, code, checksum; hop limit, flags, lifetime; two timers.
router.sendto(bytes([134, 0, 0, 0, 64, 0, 7, 8]) + bytes(8), ("ff02::1", 0, 0, socket.if_nametoindex("spt-outside")))'
    network_of unsealed ip -6 route show proto ra | grep -q default
}

# The control: everything that a container can be given, on a link to a host that forwards. Whatever it sends to the
# internet or to the host finds a listener there.
unsealed_up()
{
    local pid
    bundle unsealed agent sleep 600
    writable unsealed
    configure unsealed --argjson all "$(capsh --print | sed -n 's/^Bounding set =//p' | jq -R 'ascii_upcase | split(",")')" '
        del(.annotations) | .process.capabilities |= with_entries(.value = $all)
        | .process.capabilities.inheritable = $all | .process.capabilities.ambient = $all
        | .mounts |= map(.options = (.options // []) - ["ro"])
        | .linux.readonlyPaths = [] | .linux.maskedPaths = []
        | .linux.resources.devices = [{allow: true, access: "rwm"}]'
    container_start unsealed
    pid=$(<"$WORK/unsealed.pid")
    # Somebody else whom it can see.
    nsenter --target "$pid" --net --pid unshare --net --mount --ipc --uts --cgroup sleep 600 </dev/null >/dev/null 2>&1 3>&- &
    echo $! >>"$WORK/unsealed.witnesses"
    disown
    outside_up
    outside_link unsealed
    network_of unsealed sh -ec '
        echo "0 0" >/proc/sys/net/ipv4/ping_group_range
        ip link set lo up
        ip route add default via 192.168.77.1
        ip -6 route add default via fd00:5a1::1'
    eventually advertise
    sockets_beside unsealed
    witness resolver-tcp unsealed "$PROBE" listen tcp 0.0.0.0 53
    witness resolver-udp unsealed "$PROBE" listen udp 0.0.0.0 53
}

# battery ID KEY=VALUE...: what it prints is in $WORK/ID.battery, and well formed.
battery()
{
    local id=$1
    shift
    # Into the control somebody hands a connection.
    if [[ $id == unsealed ]]; then
        "$RUNTIME" exec --preserve-fds 1 "$id" /probe battery "marker=$id" "$@" \
            >"$WORK/$id.battery" 3<>"/dev/tcp/$FAR/80"
    else
        inside "$id" /probe battery "marker=$id" "$@" >"$WORK/$id.battery"
    fi
    jq -es '(.[:-1] | all(has("group") and has("name") and has("tried") and (.expect | IN("open", "closed", "either"))
            and (.saw | IN("open", "closed", "impossible")) and .detail != "" and .ms >= 0))
        and (.[:-1] | map([.group, .name]) | length == (unique | length))
        and .[-1] == {attempts: (length - 1)}' <"$WORK/$id.battery" >/dev/null || fail "not as promised: $(cat "$WORK/$id.battery")"
}

# those ID FILTER: "GROUP NAME: DETAIL" of the lines for which it holds.
those()
{
    jq -r "select(.group != null) | select($2) | \"\(.group) \(.name): \(if .saw == \"impossible\" then \"impossible: \" else \"\" end)\(.detail)\"" <"$WORK/$1.battery"
}

battery_sealed()
{
    battery agent proxy="$PROXY:3128" subnet="$SUBNET" uplink="$HOST" host="$HOST" host="$PROXY" host=198.51.100.1 \
        host=2001:db8:ffff::1 far="$FAR" far="$FAR6" open="$PROXY:3128" closed="$GATEWAY:9119" closed="$DASHBOARD:9119" \
        allowed=api.openai.com:443 denied=attacker.example:443 inward=openrouter.ai:443 other=api.telegram.org:443 listener="$HOST:2223" \
        listener="[2001:db8:ffff::1]:2223" link=sp0
}

battery_unsealed()
{
    battery unsealed proxy="$FAR:80" subnet=192.168.77.0/24 uplink=192.168.77.1 host=192.168.77.1 \
        host=198.51.100.1 far="$FAR" far="$FAR6" open="$FAR:443" closed="$FAR:9119" \
        allowed=api.openai.com:443 denied=attacker.example:443 inward=openrouter.ai:443 other=api.telegram.org:443 listener=192.168.77.1:2223 \
        listener="$FAR:2223" link=sp0
}

@test "in a sealed agent every attempt sees what it expects, and nothing of it arrives outside" {
    local wrong before
    before=$(wc -l <"$WORK/internet/arrivals")
    battery_sealed
    wrong=$(those agent '.saw != .expect and .saw != "impossible" and .expect != "either"')
    [[ -z $wrong ]] || fail "$wrong"
    [[ $(jq -s '.[-1].attempts' <"$WORK/agent.battery") -ge 80 ]]
    # Not by far are the most of them impossible, and what must work is among what was tried.
    [[ $(those agent '.saw == "closed"' | wc -l) -ge 80 ]] || fail "$(those agent '.saw == "impossible"')"
    those agent '.saw == "open"' | grep -q '^proxy allowed: HTTP 200'
    # What squid makes of requests that name two hosts: it goes by the one that it connects to.
    diff <(those agent '.expect == "either"') - <<'END'
proxy allowed-host-header: HTTP 200
proxy plain-http-host-header: HTTP 403
proxy server-name: carried, and answered by a record of type 22
END
    # The proxy's connections to the allowed host: asked for as it should be, with another Host, with another name in it.
    run tail -n "+$((before + 1))" "$WORK/internet/arrivals"
    [[ ${#lines[@]} -eq 3 && $(cut -d' ' -f1,2 <<<"$output" | sort -u) == "203.0.113.10 443" ]] || fail "arrived: $output"
    grep -q '^openrouter.ai ' "$WORK/internet/queries" # it was the address that was refused
    ! grep -q 'agent-[0-9][0-9][0-9]' "$WORK/internet/queries" || fail "asked for a name with the marker"
}

# Lines of the control that may not be open, as patterns: what a kernel may have been built without; what cannot be
# asked here; and a disk, where the machine itself may not open it.
NOT_OPEN='^(raw (family-[0-9]+-[a-z0-9]+|alg-high-family|vsock-high-family|l2tp6?|smc): impossible
|plain (sctp|dccp|udplite|mptcp)-[^ ]+: impossible
|(abi|uring) [^ ]+: impossible
|netlink family-[0-9]+: impossible
|surfaces (sysrq-trigger|modprobe|device-[a-z-]+|cgroup-[a-z-]+): impossible
|surfaces device-disk: open in /tmp/: EPERM)'

@test "in a container with every capability and a network of its own the same attempts get out" {
    local rest
    battery_unsealed
    those unsealed '.saw != "open"' # for the reader of a failure
    rest=$(those unsealed '.expect != "either" and (.saw != "open" or .expect == "open")' | grep -Ev "${NOT_OPEN//$'\n'/}" || true)
    [[ $(those unsealed '.saw == "open"' | wc -l) -ge 150 ]]
    diff <(echo "$rest") - <<END
members tcp-$FAR-443: connected
proxy tcp-$FAR-80: connected
proxy allowed: HTTP 200
END
    # That it is said to be open is true: it arrived.
    eventually grep -q "^$FAR " "$WORK/internet/arrivals"
}

# descriptors REDIRECTION: what the battery says of those that it is given with descriptor 7. Not in the machine's file
# system, in all of which it would look for sockets.
descriptors()
{
    (eval "exec 7$1" && chroot "$ROOTFS" /probe battery --only surfaces </dev/null 2>/dev/null) |
        jq -r 'select(.name == "descriptors") | "\(.saw): \(.detail)"'
}

@test "a descriptor that leads somewhere is told, whatever it is" {
    mount --bind /proc "$ROOTFS/proc"
    [[ $(descriptors ">/dev/null") == "closed: "* ]]
    [[ $(descriptors "</") == "open: descriptor 7 is a directory" ]]
    [[ $(descriptors "</proc/self/ns/net") == "open: descriptor 7 is a namespace" ]]
    [[ $(descriptors "<>/dev/net/tun") == "open: descriptor 7 is /dev/net/tun" ]]
    [[ $(descriptors "<>/dev/tcp/$PROXY/3128") == "open: descriptor 7 is a socket" ]]
    umount "$ROOTFS/proc"
}

@test "a wrong command line tries nothing" {
    local arguments
    for arguments in --only=x "--only x" "proxy=1.2.3.4" "far=x" "marker=a.b" "proxy=1.2.3.4:5 proxy=1.2.3.4:6" "nested=no" "what=1" "link=" "link=a-name-that-no-link-has" far; do
        # shellcheck disable=SC2086
        run "$PROBE" battery $arguments
        [[ $status -eq 2 && $output != *'"group"'* ]] || fail "$arguments: $status: $output"
    done
}
