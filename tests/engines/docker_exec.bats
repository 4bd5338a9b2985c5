# SPDX-License-Identifier: Apache-2.0
#
# Processes that join a container later are as confined as its first: those of `docker exec`, with whatever options, and
# those of health checks. Docker makes them from its own idea of the container, which knows nothing of Sallyport.

source "$BATS_TEST_DIRNAME/docker_stage.bash"

setup_file()
{
    docker_stage_up
    sealed_sleeper agent
    sealed_sleeper granted --cap-add NET_ADMIN --cap-add NET_RAW
    plain_sleeper plain --cap-add NET_ADMIN --dns 198.51.100.53
}

teardown_file()
{
    docker_stage_down
}

# raw_sockets_closed OPTION...: of docker exec, the container's name the last.
raw_sockets_closed()
{
    local socket
    for socket in "17 3 0x0300" "2 3 1" "10 3 58" "40 1 0" "2 10 0x0300"; do
        # shellcheck disable=SC2086 # three words
        run docker exec "$@" /probe socket $socket
        [[ $status -eq 1 && $output == *error=EPERM* ]] || fail "socket $socket: $output"
    done
}

@test "without Sallyport exec gets raw sockets, and the container's links" {
    run docker exec plain /probe socket 17 3 0x0300
    [ "$status" -eq 0 ]
    run docker exec plain ip link set eth0 mtu 1400
    [ "$status" -eq 0 ]
    run docker exec plain sed -n /CapEff/p /proc/self/status
    (((16#${output##*$'\t'} & 3 << 12) == 3 << 12))
}

@test "exec has neither NET_RAW nor NET_ADMIN in any set, also where the container was to have them" {
    run docker exec agent cat /proc/self/status
    no_network_capabilities
    says $'Seccomp:\t2'
    run docker exec granted cat /proc/self/status
    no_network_capabilities
}

@test "exec --privileged has no capability that the container has not" {
    run docker exec agent sed -n /CapBnd/p /proc/1/status
    bounding=${output##*$'\t'}
    run docker exec --privileged agent cat /proc/self/status
    no_network_capabilities
    says $'Seccomp:\t2'
    local set
    for set in $(sed -n 's/^Cap[A-Z][a-z]*:\s*//p' <<<"$output"); do
        (((16#$set & ~16#$bounding) == 0)) || fail "more than $bounding: $output"
    done
}

@test "exec gets no raw, packet or vsock socket, as anybody" {
    raw_sockets_closed agent
    raw_sockets_closed --privileged agent
    raw_sockets_closed --user nobody agent
    raw_sockets_closed --privileged granted
}

@test "exec cannot leave by new namespaces" {
    run docker exec --privileged agent /probe unshare user,net
    [ "$status" -eq 1 ]
    run docker exec --privileged agent /probe setns /proc/1/ns/net
    [ "$status" -eq 1 ]
}

@test "exec finds the proxy in its environment, in both cases" {
    local options
    for options in "" --privileged "--user nobody" "--workdir /tmp" "--env OTHER=1" "--env https_proxy="; do
        # shellcheck disable=SC2086 # several words
        run docker exec $options agent env
        [ "$status" -eq 0 ]
        says "HTTPS_PROXY=http://$PROXY:3128"
        says "https_proxy=http://$PROXY:3128"
        says "NO_PROXY="
    done
}

@test "exec reaches an allowed host through the proxy" {
    https_works docker exec agent
    https_works docker exec --privileged agent
    https_works docker exec --user nobody agent
}

@test "nothing else gets out of an exec" {
    run docker exec agent /attempts exec 121 sp0
    all_tried
    nothing_arrived exec 121
    run docker exec --privileged agent /attempts privileged 122 sp0
    all_tried
    nothing_arrived privileged 122
    docker exec plain /attempts plainexec 123 eth0
    [[ $(arrived plainexec 123) == *'internet 8443'* ]] || fail "$(arrived plainexec 123)"
}

@test "exec cannot undo the walls: links, routes and rules stay" {
    run docker exec --privileged granted ip link set sp0 down
    [ "$status" -ne 0 ]
    run docker exec --privileged granted ip route add default dev sp0
    [ "$status" -ne 0 ]
    run docker exec --privileged granted /probe nft-flush
    [ "$status" -eq 1 ]
}

@test "exec passes exit status, streams, directory and user through" {
    run docker exec agent sh -c 'exit 7'
    [ "$status" -eq 7 ]
    run docker exec agent /no-such-program
    [ "$status" -eq 126 ] || [ "$status" -eq 127 ]
    run docker exec --workdir /tmp --user nobody --env COLOUR=blue agent sh -c 'pwd; id -u; echo $COLOUR'
    [ "$output" = $'/tmp\n65534\nblue' ]
    run bash -c 'echo from outside | docker exec --interactive agent cat'
    [ "$output" = "from outside" ]
    run bash -c 'docker exec agent sh -c "echo out; echo error >&2" 2>/dev/null'
    [ "$output" = out ]
    docker exec --detach agent sh -c 'echo detached >/tmp/detached'
    eventually docker exec agent test -s /tmp/detached
}

@test "exec --tty has a terminal" {
    run script --quiet --return --command 'docker exec --interactive --tty agent sh -c "tty; exit 3"' /dev/null </dev/null
    [ "$status" -eq 3 ]
    says /dev/pts/
}

@test "a health check is as confined, and finds the proxy" {
    # Once: the next check would write the files anew while they are read.
    sealed_sleeper checked --health-interval 300ms --health-cmd 'test -e /tmp/answer || { cat /proc/self/status >/tmp/status
        env >/tmp/environment; curl --silent https://api.openai.com/ >/tmp/answer.new && mv /tmp/answer.new /tmp/answer; }'
    eventually healthy checked
    run docker exec checked cat /tmp/status
    no_network_capabilities
    says $'Seccomp:\t2'
    run docker exec checked cat /tmp/environment
    says "https_proxy=http://$PROXY:3128"
    run docker exec checked cat /tmp/answer
    says "hello from api.openai.com"
}

healthy()
{
    [[ $(docker inspect --format '{{.State.Health.Status}}' "$1") == healthy ]]
}
