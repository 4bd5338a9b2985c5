# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What lies between an agent and its proxy, which is a server on the host here: throughput and latency from the agent's
# network namespace, on a host with the firewall that Docker makes. A packet between namespaces is the sender's work: a half
# of that for the path is the agent's. What relays and pasta work for it themselves is not counted.

SUITE_TITLE="Path: from the agent to its proxy"
SUITE_ROUNDS=20
SUITE_PACKAGES="quickstart tests bench"

STREAM_MS=200
REQUESTS=1000
CONNECTIONS=200

declare -A ENTER ADDRESS

suite_up()
{
    metric stream-1 Gbit/s "Throughput, 1 stream" veth
    metric stream-8 Gbit/s "Throughput, 8 streams" veth
    metric stream-1-work us "A megabyte, the agent's processor" veth
    metric ask-p50 us "One request, p50" veth
    metric ask-p99 us "One request, p99" veth
    metric ask-work us "One request, the agent's processor" veth
    metric connect-p50 us "Connection and one request, p50" veth
    metric connect-p99 us "Connection and one request, p99" veth
    metric connect-work us "Connection and one request, the agent's processor" veth
    peer veth "bare veth"
    peer sallyport "Sallyport"
    peer docker "Docker's bridge"
    peer pasta "pasta" pasta
    peer relay "relay: socat, a Unix socket, socat" socat
    goal stream-1 sallyport veth ">=" 0.95
    goal stream-8 sallyport veth ">=" 0.95
    goal ask-p50 sallyport veth "<=" 1.1

    rootfs_make
    bench_network_up
    mkdir "$WORK/docker"
    docker_up "$WORK/docker"
    image_busybox image
    witness server "" "$TRAFFIC" serve 3128
    local peer
    for peer in "${PEERS[@]}"; do
        "path_$peer"
        answered "$peer" nsenter --target "${ENTER[$peer]}" --net "$TRAFFIC" ask "${ADDRESS[$peer]}" 3128 1
    done
}

# path NAME ADDRESS: the sandbox has it.
path()
{
    ENTER[$1]=$SANDBOX
    ADDRESS[$1]=$2
}

path_veth()
{
    sandbox
    ip link add spt-bare type veth peer name sp0 netns "$SANDBOX"
    ip address add 192.0.2.1/30 dev spt-bare
    ip link set spt-bare up
    in_sandbox ip address add 192.0.2.2/30 dev sp0
    in_sandbox ip link set sp0 up
    path veth 192.0.2.1
}

path_sallyport()
{
    bundle sealed agent true
    seal sealed
    sandbox
    state sealed | "$HOOK"
    path sallyport "$PROXY"
}

path_docker()
{
    docker run --detach --name path image sleep 3600 >/dev/null
    SANDBOX=$(docker inspect --format '{{.State.Pid}}' path)
    path docker "$(docker inspect --format '{{.NetworkSettings.Gateway}}' path)"
}

path_pasta()
{
    pasta_host
    sandbox
    pasta_command
    "${PASTA[@]}"
    path pasta "$PASTA_GATEWAY"
}

# As sandboxes without a network do it.
path_relay()
{
    sandbox
    in_sandbox ip link set lo up
    socat "UNIX-LISTEN:$WORK/relay.sock,fork,backlog=64" TCP:127.0.0.1:3128 </dev/null >/dev/null 2>&1 &
    echo $! >>"$WORK/witnesses"
    disown
    nsenter --target "$SANDBOX" --net socat TCP-LISTEN:3128,fork,backlog=64 "UNIX-CONNECT:$WORK/relay.sock" \
        </dev/null >/dev/null 2>&1 &
    echo $! >>"$WORK/witnesses"
    disown
    eventually in_sandbox "$TRAFFIC" ask 127.0.0.1 3128 1
    path relay 127.0.0.1
}

suite_measure()
{
    rounds path_round
}

path_round()
{
    local peer
    for peer in $(turns); do
        through stream-1 "$peer" 1
        through stream-8 "$peer" 8
        quantiles ask "$peer" "$REQUESTS"
        quantiles connect "$peer" "$CONNECTIONS"
    done
}

# from PEER KIND ARGUMENT...: the traffic, from the agent's place; its figures are in $WORK/told.
from()
{
    local peer=$1 kind=$2
    shift 2
    nsenter --target "${ENTER[$peer]}" --net "$TRAFFIC" "$kind" "${ADDRESS[$peer]}" 3128 "$@" >"$WORK/told" ||
        die "$peer: $kind does not go through"
}

# through METRIC PEER STREAMS
through()
{
    local rate work
    from "$2" stream "$3" "$STREAM_MS"
    read -r rate work <"$WORK/told"
    record "$1" "$2" "$rate"
    record "$1-work" "$2" "$work"
}

# quantiles KIND PEER COUNT
quantiles()
{
    local p50 p99 work
    from "$2" "$1" "$3"
    read -r p50 p99 work <"$WORK/told"
    record "$1-p50" "$2" "$p50"
    record "$1-p99" "$2" "$p99"
    record "$1-work" "$2" "$work"
}

suite_down()
{
    pasta_end
    docker_down "$WORK/docker" || true
    bench_network_down || true
}
