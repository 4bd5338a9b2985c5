# SPDX-License-Identifier: Apache-2.0
#
# What cannot be sealed is not started: `docker run` fails with one line of ours on the user's terminal, which says which
# option to drop, and leaves nothing behind. What can be taken away (NET_RAW, NET_ADMIN, a weaker seccomp profile) is.

source "$BATS_TEST_DIRNAME/docker_stage.bash"

setup_file()
{
    breaking_runtime >"$WORK/breaking-runtime"
    chmod 755 "$WORK/breaking-runtime"
    docker_stage_up ".runtimes.breaking.path = \"$WORK/breaking-runtime\""
    plain_sleeper unsealed
    sealed_sleeper first --network none
    docker run --detach --name dashboard --network none --runtime "sallyport.$NETWORK.dashboard" image sleep 600 >/dev/null
    things_left >"$WORK/things"
}

teardown_file()
{
    docker_stage_down
}

# A runtime with which somebody takes the link out of the container between create and start.
breaking_runtime()
{
    cat <<SH
#!/bin/bash
id=\${!#}
if [[ " \$* " == *" start "* ]]; then
    nsenter --target "\$(jq .init_process_pid "\$2/\$id/state.json")" --net ip link delete sp0
fi
exec $DOCKER/runtimes/sallyport-runtime.$NETWORK.agent "\$@"
SH
}

# Whatever a container consists of on the host, one thing a line.
things_left()
{
    ip -n "sallyport-$NETWORK" -o link show | awk -F': ' '{ print "hub link " $2 }' | sed 's/@.*//'
    ip -o link show | awk -F': ' '{ print "link " $2 }' | sed 's/@.*//'
    find /run/docker/runtime-* -mindepth 1 -maxdepth 2 | sort
    awk '$2 ~ "/docker/" && $2 !~ "/netns/default$" { print "mount " $2 }' /proc/self/mounts | sort
    find /sys/fs/cgroup/*"$DOCKER_CGROUPS" -mindepth 1 -type d 2>/dev/null | sort
    docker ps --all --format '{{.Names}} {{.State}}' | sort
    ps -e -o comm= | grep -E 'sallyport|runc|containerd-shim' | sort
}

as_before()
{
    things_left | cmp - "$WORK/things"
}

# docker_refuses TEXT DOCKER-RUN-ARGUMENT...: nothing ran, one line of ours says why, and nothing is left of it.
docker_refuses()
{
    local text=$1 ours
    shift
    run sealed "$@" image echo started
    [[ $status -ne 0 ]] || fail "started: $output"
    [[ $output != *started* ]] || fail "ran: $output"
    ours=$(grep -c 'sallyport: ' <<<"$output" || true)
    [[ $ours -eq 1 ]] || fail "expected one line of ours: $output"
    says "$text"
    [[ $output == *"$NETWORK/agent "* ]] || fail "expected network and role in: $output"
    eventually as_before || fail "left behind: $(things_left | diff "$WORK/things" -)"
}

@test "--privileged is refused" {
    docker_refuses "--privileged" --privileged
}

@test "--cap-add of what cannot be contained is refused, by name" {
    docker_refuses "ALL" --cap-add ALL
    docker_refuses "SYS_ADMIN" --cap-add SYS_ADMIN
    docker_refuses "SYS_PTRACE" --cap-add SYS_PTRACE
    docker_refuses "SYS_MODULE" --cap-add SYS_MODULE
}

@test "the host's namespaces are refused" {
    docker_refuses "--network host" --network host
    docker_refuses "--pid host" --pid host
    docker_refuses "--ipc host" --ipc host
}

@test "the network of a container that is not sealed is refused, and so is that of another role" {
    docker_refuses "--network container:" --network container:unsealed
    docker_refuses "dashboard" --network container:dashboard
}

@test "another container's pid namespace is refused unless that one is sealed" {
    docker_refuses "pid namespace" --pid container:unsealed
    sealed --network container:first --pid container:first image true
}

@test "the network of a sealed container of the same role can be shared" {
    run sealed --network container:first image /attempts shared 131 sp0
    all_tried
    nothing_arrived shared 131
    https_works sealed --network container:first image
    run docker exec first ip -o link show dev sp0
    [ "$status" -eq 0 ]
}

@test "an engine's socket is refused, and so is a directory above one" {
    docker_refuses "/var/run/docker.sock" --volume /var/run/docker.sock:/var/run/docker.sock
    docker_refuses "docker.sock" --volume /run:/host
    docker_refuses "docker.sock" --volume /var/run:/host:ro
    docker_refuses "way out" --volume /:/host:ro
    docker_refuses "docker.sock" --mount type=bind,source=/run,target=/host
    docker_refuses "containerd" --volume /run/docker/containerd:/host
}

@test "what Docker and proxies decide by is refused, wherever the data-root is" {
    docker_refuses "holds /etc/docker," --volume /etc/docker:/host:ro
    mkdir -p "/etc/squid/sallyport-$NETWORK"
    docker_refuses "holds /etc/squid/sallyport-$NETWORK," --volume /etc/squid:/host
    rmdir "/etc/squid/sallyport-$NETWORK"
    docker_refuses "holds $DOCKER/data," --volume "$DOCKER/data:/host"
    # A volume that is a part of it by another name.
    mkdir -p "$POLICIES/part"
    docker volume create --opt type=none --opt o=bind --opt "device=$POLICIES/part" part >/dev/null
    docker_refuses "is in $POLICIES, a way out" --volume part:/host
    docker volume rm part >/dev/null
    rmdir "$POLICIES/part"
    # A symbolic link of an agent's, in a workspace that it has mounted, when the next start knows its id.
    : >"$WORK/harmless"
    ln -sfn "$WORK/harmless" "$WORK/link"
    docker create --name own --network none --runtime "sallyport.$NETWORK.agent" --volume "$WORK/link:/own.json" \
        image echo started >"$WORK/own"
    ln -sfn "$DOCKER/data/containers/$(<"$WORK/own")/hostconfig.json" "$WORK/link"
    run docker start --attach own
    docker rm own >/dev/null
    [[ $status -ne 0 && $output != *started* ]] || fail "ran: $output"
    says "is in $DOCKER/data, a way out"
}

@test "a directory and a volume without sockets are not" {
    mkdir -p "$WORK/desk"
    echo content >"$WORK/desk/file"
    run sealed --volume "$WORK/desk:/desk" --volume named:/data --tmpfs /scratch image cat /desk/file
    [ "$status" -eq 0 ]
    [ "$output" = content ]
    docker volume rm named >/dev/null
}

@test "devices that carry packets are refused" {
    [ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
    docker_refuses "/dev/net/tun" --device /dev/net/tun
    docker_refuses "/dev/net/tun" --volume /dev/net/tun:/dev/other
}

@test "what is found only at start is refused as well, and leaves nothing behind" {
    docker_refuses "not attached" --runtime breaking
}

@test "unprotected /proc and /sys are refused" {
    docker_refuses "systempaths=unconfined" --security-opt systempaths=unconfined
}

@test "what is not installed or not defined is refused" {
    run docker run --rm --runtime sallyport.nowhere image echo started
    [ "$status" -ne 0 ]
    says nowhere.json
    [[ $output != *started* ]]
    run docker run --rm --runtime "sallyport.$NETWORK.undefined" image echo started
    [ "$status" -ne 0 ]
    says undefined
    [[ $output != *started* ]]
}

@test "a pinned role is not changed by labels, environment or image" {
    run sealed --label io.sallyport.role=gateway --env SALLYPORT_ROLE=gateway --env io.sallyport.role=gateway image \
        ip -4 -o address show dev sp0
    [ "$status" -eq 0 ]
    address=$(awk '{ sub("/.*", "", $4); print $4 }' <<<"$output")
    [[ ${address##*.} -ge 64 && ${address##*.} -lt 128 ]] || fail "not of the agents' pool: $address"
}

@test "without Sallyport NET_RAW and NET_ADMIN are there, and raw sockets" {
    run plain --cap-add NET_ADMIN image cat /proc/self/status
    (((16#$(sed -n 's/^CapEff:\s*//p' <<<"$output") & 3 << 12) == 3 << 12))
    run plain image /probe socket 17 3 0x0300
    [ "$status" -eq 0 ]
}

@test "NET_ADMIN and NET_RAW are taken away, whoever asks for them" {
    run sealed --cap-add NET_ADMIN --cap-add NET_RAW image cat /proc/self/status
    [ "$status" -eq 0 ]
    no_network_capabilities
    run sealed --cap-add NET_ADMIN image ip link set sp0 down
    [ "$status" -ne 0 ]
}

# raw_closed DOCKER-RUN-ARGUMENT...: up to and with the image.
raw_closed()
{
    local socket
    for socket in "17 3 0x0300" "2 3 1" "40 1 0"; do
        # shellcheck disable=SC2086 # three words
        run sealed "$@" image /probe socket $socket
        [[ $status -eq 1 && $output == *error=EPERM* ]] || fail "socket $socket: $output"
    done
}

@test "a weaker seccomp profile does not weaken ours" {
    raw_closed --security-opt seccomp=unconfined
    raw_closed --security-opt seccomp=unconfined --cap-add NET_RAW
    echo '{"defaultAction": "SCMP_ACT_ALLOW"}' >"$WORK/allow.json"
    raw_closed --security-opt seccomp="$WORK/allow.json"
    https_works sealed --security-opt seccomp=unconfined image
}

@test "nothing gets out with any of the options that are taken" {
    local n=140 options
    for options in "--cap-add NET_ADMIN --cap-add NET_RAW" "--security-opt seccomp=unconfined" "--init" \
        "--read-only" "--user nobody" "--security-opt no-new-privileges" "--userns host" "--ipc shareable" \
        "--uts host" "--sysctl net.ipv4.ip_forward=1 --sysctl net.ipv6.conf.all.disable_ipv6=0"; do
        n=$((n + 1))
        # shellcheck disable=SC2086 # several words
        run sealed $options image /attempts "options$n" "$n" eth0 sp0
        all_tried
        nothing_arrived "options$n" "$n"
        # shellcheck disable=SC2086
        https_works sealed $options image
    done
}

@test "a container that runs cannot be given the host's network: Docker refuses" {
    run docker network connect host first
    [ "$status" -ne 0 ]
    says "host network"
}
