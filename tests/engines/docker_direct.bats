# SPDX-License-Identifier: Apache-2.0
#
# Programs that know no proxy, in Docker's containers: with the proxy's variables and without, through a pass-through on
# the host and through one in a container beside squid's.

source "$BATS_TEST_DIRNAME/direct.bash"
source "$BATS_TEST_DIRNAME/docker_stage.bash"

MEMBER_POLICY=$DIRECT_POLICY' | .proxy.at = "member"'
MEMBER_CONFIG=$WORK/member

setup_file()
{
    direct_internet_up
    host_up
    mkdir -p "$DOCKER" "$MEMBER_CONFIG"
    policy_write "$NETWORK" "$DIRECT_POLICY"
    "$SALLYPORT" network up "$NETWORK"
    docker_role "$DOCKER" "$NETWORK" agent
    docker_role "$DOCKER" "$NETWORK" proxy
    docker_up "$DOCKER"
    direct_rootfs_make
    tar -C "$USR_ROOTFS" --numeric-owner --owner=0 --group=0 -c . | docker import - direct >/dev/null
    docker network create lab >/dev/null
}

teardown_file()
{
    docker_down "$DOCKER"
    internet_stop "$WORK/host"
    ip route delete local "$HOST_NET.0/24" dev lo
    direct_proxies_down
    small_stage_down
    internet_down spt "$WORK/internet" ""
}

# with_usr ROLE DOCKER-RUN-ARGUMENT...
with_usr()
{
    local role=$1
    shift
    docker run --runtime "sallyport.$NETWORK.$role" --volume /usr:/usr:ro --tmpfs /tmp --tmpfs /var "$@"
}

# programs [PROGRAM...]: in an agent's container, with the proxy's variables; programs_alone: without.
programs()
{
    run with_usr agent --rm --network none direct sh /programs $SITE_NAME "$PAGE" "$@"
}

programs_alone()
{
    # shellcheck disable=SC2016 # for the container's shell
    run with_usr agent --rm --network none direct sh -c '
        unset $(env | grep -i proxy | cut -d = -f 1) JAVA_TOOL_OPTIONS
        exec sh /programs "$@"' sh $SITE_NAME "$PAGE" "$@"
}

both_ways()
{
    programs_alone
    all_ok
    programs "${WITH_VARIABLES[@]}"
    all_ok "${#WITH_VARIABLES[@]}"
}

@test "a pass-through on the host" {
    direct_proxies_up
    both_ways
    # What joins a container has its hosts file.
    with_usr agent --detach --name joined --network none direct sleep 600 >/dev/null
    run docker exec joined sh /programs $SITE_NAME "$PAGE" curl_alone python_websockets
    all_ok 2
    docker rm --force joined >/dev/null
    direct_proxies_down
}

@test "a pass-through in a container, in the network of squid's" {
    policy_write "$NETWORK" "$MEMBER_POLICY"
    "$SALLYPORT" network down "$NETWORK"
    "$SALLYPORT" network up "$NETWORK"
    "$SALLYPORT" proxy-config squid "$NETWORK" --install --config "$MEMBER_CONFIG/squid.conf"
    with_usr proxy --detach --name egress-proxy --network lab --sysctl net.ipv4.ip_unprivileged_port_start=80 \
        --user 13:13 --cap-drop ALL --volume "$MEMBER_CONFIG:/etc/squid:ro" direct squid -N -f /etc/squid/squid.conf
    with_usr proxy --detach --name pass-through --network container:egress-proxy \
        --user "$(id -u haproxy)" --cap-drop ALL --volume "$MEMBER_CONFIG:/etc/squid:ro" direct haproxy -f /etc/squid/haproxy.cfg
    passes()
    {
        nsenter --net --target "$(docker inspect --format '{{.State.Pid}}' egress-proxy)" ss -Hltn | grep -F "$PROXY:443 "
    }
    internet_poll 20 passes || fail "$(docker logs pass-through 2>&1; docker logs egress-proxy 2>&1)"
    both_ways
    [[ $(docker logs pass-through 2>/dev/null | grep -c "TCP_TUNNEL/200 .* TLS $SITE_NAME:443") -ge 10 ]]
    docker logs pass-through 2>/dev/null | "$SALLYPORT" log --network "$NETWORK" --proxy-log -
    # A host that is revoked: the container reads it again, and refuses.
    policy_write "$NETWORK" "$MEMBER_POLICY"' | .roles.agent.hosts = ["other.example"]'
    run "$SALLYPORT" proxy-config squid "$NETWORK" --install --config "$MEMBER_CONFIG/squid.conf"
    says "docker kill --signal USR2"
    docker kill --signal USR2 pass-through >/dev/null
    refused_now()
    {
        # A hosts file of before: the name is given by hand.
        ! with_usr agent --rm --network none direct curl --silent --noproxy '*' --resolve "$SITE_NAME:443:$PROXY" "https://$SITE_NAME/page"
    }
    eventually refused_now
    docker rm --force pass-through egress-proxy >/dev/null
}
