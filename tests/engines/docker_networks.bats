# SPDX-License-Identifier: Apache-2.0
#
# Whatever network Docker gives a container, the agent in it reaches what its role may reach, and nothing else; neither by
# the engine's links nor by its name server inside the container, before and after `docker network connect`.

source "$BATS_TEST_DIRNAME/docker_stage.bash"

setup_file()
{
    docker_stage_up
    sealed_sleeper on-none --network none
    sealed_sleeper on-bridge --hostname workstation
    sealed_sleeper on-lab --network lab
    plain_sleeper plain-bridge
    plain_sleeper plain-lab --network lab
}

teardown_file()
{
    docker_stage_down
}

@test "an allowed host is reached through the proxy" {
    local network
    for network in none bridge lab; do
        https_works sealed --network "$network" image
    done
}

@test "another proxy in the container's environment does not count" {
    https_works sealed --env HTTPS_PROXY=http://203.0.113.107:8443 --env https_proxy=http://203.0.113.107:8443 image
    nothing_arrived proxy 107
}

@test "a host that is not allowed is refused by the proxy" {
    run sealed image curl --silent --output /dev/null --write-out '%{http_connect}' https://attacker.example/
    [ "$status" -ne 0 ]
    [ "$output" = 403 ]
}

# Counter-test of all that follow: what the attempts do where nothing stops them.
@test "without Sallyport everything gets out of the default bridge and of a user-defined network" {
    plain --dns 198.51.100.53 image /attempts plainbridge 101 eth0
    [ "$(arrived plainbridge 101)" = "$(printf '%s\n' configured curl direct 'host 443' 'host 8443' \
        'internet 443' 'internet 80' 'internet 8443' wanted)" ] || fail "$(arrived plainbridge 101)"
    plain --network lab image /attempts plainlab 102 eth0
    [ "$(arrived plainlab 102)" = "$(printf '%s\n' configured curl direct embedded 'host 443' 'host 8443' \
        'internet 443' 'internet 80' 'internet 8443' wanted)" ] || fail "$(arrived plainlab 102)"
}

@test "nothing gets out of a container with --network none" {
    run sealed --network none image /attempts none 103 sp0
    all_tried
    nothing_arrived none 103
}

@test "nothing gets out of a container on the default bridge" {
    run sealed image /attempts bridge 104 eth0 sp0
    all_tried
    nothing_arrived bridge 104
}

@test "nothing gets out of a container on a user-defined network, and its name server is not asked" {
    run sealed --network lab image /attempts lab 105 eth0 sp0
    all_tried
    nothing_arrived lab 105
}

@test "options about names open nothing: --dns, --dns-search, --add-host, --link" {
    run sealed --dns 198.51.100.53 --dns-search attacker.example --add-host "api.openai.com:203.0.113.106" \
        --link plain-bridge image /attempts options 106 sp0
    all_tried
    nothing_arrived options 106
}

@test "the container has one link, and no route but to its subnet" {
    run docker exec on-bridge ls /sys/class/net
    [ "$output" = $'lo\nsp0' ]
    run docker exec on-lab ls /sys/class/net
    [ "$output" = $'lo\nsp0' ]
    run docker exec plain-lab ls /sys/class/net
    [ "$output" = $'eth0\nlo' ]
    run docker exec on-bridge ip route
    [[ $(grep -vc unreachable <<<"$output") -eq 1 ]] || fail "$output"
    says "$SUBNET via 169.254.0.1"
}

@test "a member's allowed port is reached by the name of its role, on any network" {
    local container
    for container in on-none on-bridge on-lab; do
        run docker exec "$container" nc -w 2 gateway 8642
        [ "$status" -eq 0 ]
        says hello
    done
}

@test "the container's own name resolves" {
    run docker exec on-bridge hostname -i
    [ "$status" -eq 0 ]
    says 127.
    run docker exec on-bridge nc -w 2 workstation 9
    says "Connection refused"
    run docker exec on-lab hostname -i
    [ "$status" -eq 0 ]
}

@test "docker network connect to a running sandbox adds a link that leads nowhere" {
    docker network connect lab on-bridge
    docker network connect lab plain-bridge
    run docker exec on-bridge ls /sys/class/net
    says eth1
    docker exec plain-bridge /attempts plainconnect 111 eth0 eth1
    [[ $(arrived plainconnect 111) == *embedded* ]] || fail "$(arrived plainconnect 111)"
    run docker exec on-bridge /attempts connect 112 eth1 sp0
    all_tried
    nothing_arrived connect 112
    https_works docker exec on-bridge
    run docker exec on-bridge nc -w 2 gateway 8642
    says hello
    run docker exec on-bridge nc -w 2 workstation 9
    says "Connection refused"
    docker network disconnect lab on-bridge
    https_works docker exec on-bridge
}

@test "docker network connect to a sandbox on a user-defined network adds none either" {
    docker network connect bridge on-lab
    run docker exec on-lab ls /sys/class/net
    says eth
    run docker exec on-lab /attempts connectlab 113 eth0 eth1 sp0
    all_tried
    nothing_arrived connectlab 113
    https_works docker exec on-lab
}

@test "docker network connect to a sandbox with --network none is refused by Docker" {
    run docker network connect lab on-none
    [ "$status" -ne 0 ]
    says "private (none) mode"
    https_works docker exec on-none
}

@test "what is sent to a connected sandbox from its new network gets no answer" {
    docker network connect lab on-bridge
    address=$(docker inspect --format '{{.NetworkSettings.Networks.lab.IPAddress}}' on-bridge)
    docker exec --detach on-bridge /probe listen tcp 0.0.0.0 8000 --keep
    eventually docker exec on-bridge /probe tcp 127.0.0.1 8000
    run docker exec plain-lab /probe tcp "$address" 8000 --timeout-ms 500
    [ "$status" -eq 1 ]
    docker network disconnect lab on-bridge
}

@test "a role with links: refuse does not start on a bridge, and says so; with --network none it does" {
    run docker run --rm --runtime "sallyport.$NETWORK.strict" image true
    [ "$status" -ne 0 ]
    says eth0
    docker run --rm --network none --runtime "sallyport.$NETWORK.strict" image true
}

@test "with no policy and nothing pinned the built-in network applies, which reaches nothing" {
    run docker run --rm --runtime sallyport image sh -c 'ip -4 -o address show dev sp0; /attempts builtin 115 sp0 eth0'
    [ "$status" -eq 0 ]
    says " 10.208."
    [ "${lines[-1]}" = tried ]
    nothing_arrived builtin 115
    "$SALLYPORT" network down default
}
