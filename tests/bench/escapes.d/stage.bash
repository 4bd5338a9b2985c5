# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The same world for every system: an internet in which every address and port answers, a host with services at every
# port and a socket that all its users may connect to (as D-Bus's), and witnesses who write down what arrives at either,
# and at the system's other containers. For tests/bench/escapes, on a machine of its own; needs WORK, SYSTEM, ENGINES,
# HERE (this directory) and SALLYPORT_BUILD_DIRECTORY.
#
#   stage_up                          all of it; makes TARGETS, what the battery is told wherever it runs, and
#                                     $WORK/control, what it finds in a network namespace of the host's
#   stage_witness PLACE [PID]         one more, in the network namespace of the process
#   stage_battery COMMAND...          runs the probe by the command, to which its arguments are added; then $WORK/lines has
#                                     what it printed, $WORK/seen what arrived, RAN the command
#   stage_down

# The engine tests' library is made for bats files; these are all that it wants of bats.
bats_require_minimum_version()
{
    :
}
BATS_TEST_DIRNAME=$ENGINES
BATS_FILE_TMPDIR=$WORK
source "$ENGINES/common.bash"

FAR=203.0.113.66
FAR6=2001:db8::66
LLM=203.0.113.10
HOST_OUTSIDE=198.51.100.1 # the host's own addresses, at its link to the internet
HOST_OUTSIDE6=2001:db8:ffff::1

stage_internet()
{
    mkdir -p "$WORK/internet"
    internet_up spt "$WORK/internet" "" "api.openai.com=$LLM" openrouter.ai=10.0.0.1 "attacker.example=$FAR"
    internet_route "${INTERNET_PLACES[@]}" "${INTERNET_PLACES6[@]}" 10.0.0.1 # where an allowed name may lead to
    ip netns exec spt-internet nft -f - <<'NFT'
table inet spt-any-port {
    chain prerouting {
        type nat hook prerouting priority dstnat
        tcp dport != 443 dnat to :80
        meta nfproto ipv4 meta l4proto udp dnat to :53
    }
}
NFT
}

# The servers of the internet once more, as services of the host; whoever comes to another port is led to one of them.
# Port 3128 is a proxy's, or nobody's.
stage_host()
{
    mkdir -p "$WORK/host"
    cp "$WORK/internet/server.pem" "$WORK/internet/zone" "$WORK/host/"
    internet_serve "$WORK/host" ""
    cp "$WORK/internet/resolv.conf" /etc/resolv.conf
    nft -f - <<'NFT'
table inet spt-any-port {
    chain prerouting {
        type nat hook prerouting priority dstnat
        iifname != { "lo", "spt-wan" } fib daddr type local tcp dport != 3128 redirect to :443
    }
}
NFT
    witness host-socket "" python3 -c '
import os, socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
abstract = socket.socket(socket.AF_UNIX)
abstract.bind("\0spt-host")
listener.listen(64), abstract.listen(64)
print("ready", flush=True)
time.sleep(3600)' /run/host-service.sock
}

stage_witness()
{
    local place=$1 enter=()
    [[ -z ${2-} ]] || enter=(nsenter --target "$2" --net)
    "${enter[@]}" python3 "$HERE/witness.py" "$WORK/seen" "$place" "$SYSTEM" ${3+"$3"} </dev/null 2>>"$WORK/witness.log" &
    echo $! >>"$WORK/witnesses"
    echo "$place $!" >>"$WORK/places"
    disown
    eventually grep -qx "$place ready" "$WORK/seen" || { cat "$WORK/witness.log" >&2; return 1; }
}

stage_up()
{
    stage_internet
    stage_host
    stage_witness internet "$(<"$WORK/internet/server.pid")" everything
    TARGETS=(far="$FAR" far="$FAR6" host="$HOST_OUTSIDE" host="$HOST_OUTSIDE6"
        allowed=api.openai.com:443 denied=attacker.example:443 inward=openrouter.ai:443)
    unshare --net --pid --fork --mount-proc "$PROBE" battery marker=control "${TARGETS[@]}" >"$WORK/control"
}

# Now that the system's links are there: the host's witness is a member of the groups on each. When the battery has ended,
# each witness is asked for the last time.
stage_battery()
{
    local place pid
    RAN=("$@")
    stage_witness host
    "$@" battery "marker=$SYSTEM" "${TARGETS[@]}" <"/dev/null" 2>"$WORK/battery.log" | grep '^{' >"$WORK/lines" || true
    tail -n 1 "$WORK/lines" | grep -q '"attempts"' ||
        { echo "the probe did not come to its end: $(tail -n 3 "$WORK/battery.log" | tr '\n' ' ')" >&2; return 1; }
    while read -r place pid; do
        nsenter --target "$pid" --net bash -c 'echo "sallyport-probe:$1-000" >/dev/udp/127.0.0.1/9' bash "$SYSTEM"
        eventually grep -qx "$place end" "$WORK/seen"
    done <"$WORK/places"
}

stage_down()
{
    witnesses_end
    internet_stop "$WORK/host"
    internet_down spt "$WORK/internet" ""
}
