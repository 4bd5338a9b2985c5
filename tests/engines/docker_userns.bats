# SPDX-License-Identifier: Apache-2.0
#
# dockerd with userns-remap: root of the container is another user of the host. It is sealed in the same way, and cannot
# step out of the remapping.

source "$BATS_TEST_DIRNAME/docker_stage.bash"

setup_file()
{
    chmod 711 "$BATS_RUN_TMPDIR" # root of a container has its files below
    remap_ids
    docker_stage_up '."userns-remap" = "dockremap"'
    sealed_sleeper agent
}

teardown_file()
{
    docker_stage_down
}

# The user that dockerd would create. /etc is the machine's own copy.
remap_ids()
{
    grep -q ^dockremap: /etc/passwd || {
        echo 'dockremap:x:64000:64000::/nonexistent:/usr/sbin/nologin' >>/etc/passwd
        echo 'dockremap:x:64000:' >>/etc/group
    }
    echo dockremap:300000:65536 >/etc/subuid
    echo dockremap:300000:65536 >/etc/subgid
}

@test "root of the container is another user of the host" {
    pid=$(docker inspect --format '{{.State.Pid}}' agent)
    [ "$(stat --format %u "/proc/$pid")" -eq 300000 ]
}

@test "the agent reaches what it may, by proxy and by name" {
    https_works sealed image
    https_works docker exec agent
    run docker exec agent nc -w 2 gateway 8642
    says hello
}

@test "without Sallyport everything gets out" {
    plain --network lab image /attempts plainuserns 161 eth0
    [[ $(arrived plainuserns 161) == *embedded*'internet 8443'* ]] || fail "$(arrived plainuserns 161)"
}

@test "nothing else gets out, of any network" {
    local n=162 network
    for network in none bridge lab; do
        run sealed --network "$network" image /attempts "userns$n" "$n" eth0 sp0
        all_tried
        nothing_arrived "userns$n" "$n"
        n=$((n + 1))
    done
    run docker exec agent /attempts usernsexec 165 sp0
    all_tried
    nothing_arrived usernsexec 165
}

@test "NET_ADMIN and NET_RAW are taken away, also from exec" {
    run sealed --cap-add NET_ADMIN image cat /proc/self/status
    no_network_capabilities
    run docker exec agent cat /proc/self/status
    no_network_capabilities
    run docker exec agent /probe socket 17 3 0x0300
    says error=EPERM
}

@test "docker network connect leads nowhere" {
    docker network connect lab agent
    run docker exec agent /attempts usernsconnect 166 eth0 eth1 sp0
    all_tried
    nothing_arrived usernsconnect 166
    https_works docker exec agent
}

@test "what Docker keeps is refused, in the part of its data-root for remapped users" {
    run sealed --volume "$DOCKER/data/300000.300000:/host" image echo started
    [[ $status -ne 0 && $output != *started* ]] || fail "ran: $output"
    says "holds $DOCKER/data/300000.300000,"
}

@test "--userns host is refused where Docker then mounts cgroups writable, and so is --privileged" {
    run sealed --userns host image echo started
    [ "$status" -ne 0 ]
    [[ $output != *started* ]]
    says "drop --userns host"
    run sealed --userns host --privileged image echo started
    [ "$status" -ne 0 ]
    [[ $output != *started* ]]
    says "no --privileged"
}
