# SPDX-License-Identifier: Apache-2.0
#
# Programs that know no proxy, in Docker's containers: with the proxy's variables and without, through a pass-through on
# the host and through one in a container beside squid's.

source "$BATS_TEST_DIRNAME/direct.bash"
source "$BATS_TEST_DIRNAME/docker_stage.bash"
source "$BATS_TEST_DIRNAME/direct_engine.bash"

DIRECT_IMAGE=direct

setup_file()
{
    direct_internet_up
    host_up
    mkdir -p "$DOCKER"
    direct_network_up
    docker_role "$DOCKER" "$NETWORK" agent
    docker_role "$DOCKER" "$NETWORK" proxy
    docker_up "$DOCKER"
    direct_image docker import - $DIRECT_IMAGE >/dev/null
    docker network create lab >/dev/null
}

teardown_file()
{
    docker_down "$DOCKER"
    internet_stop "$WORK/host"
    ip route delete local "$HOST_NET.0/24" dev lo
    direct_down
}

with_usr()
{
    local role=$1
    shift
    docker run --runtime "sallyport.$NETWORK.$role" --volume /usr:/usr:ro --tmpfs /tmp --tmpfs /var "$@"
}

@test "a pass-through on the host" {
    direct_proxies_up
    both_ways
    # What joins a container has its hosts file.
    with_usr agent --detach --name joined --network none $DIRECT_IMAGE sleep 600 >/dev/null
    run docker exec joined sh /programs $SITE_NAME "$PAGE" curl_alone python_websockets
    all_ok 2
    docker rm --force joined >/dev/null
    direct_proxies_down
}

@test "a pass-through in a container, in the network of squid's" {
    member_network_up
    "$SALLYPORT" proxy-config squid "$NETWORK" --install --config "$MEMBER_CONFIG/squid.conf"
    member_proxies_up docker lab
    both_ways
    member_passed docker
    docker logs pass-through 2>/dev/null | "$SALLYPORT" log --network "$NETWORK" --proxy-log -
    # A host that is revoked: the container reads it again, and refuses.
    policy_write "$NETWORK" "$MEMBER_POLICY"' | .roles.agent.hosts = ["other.example"]'
    run "$SALLYPORT" proxy-config squid "$NETWORK" --install --config "$MEMBER_CONFIG/squid.conf"
    says "docker kill --signal USR2"
    docker kill --signal USR2 pass-through >/dev/null
    refused_now()
    {
        # A hosts file of before: the name is given by hand.
        ! with_usr agent --rm --network none $DIRECT_IMAGE curl --silent --noproxy '*' --resolve "$SITE_NAME:443:$PROXY" \
            "https://$SITE_NAME/page"
    }
    eventually refused_now
    docker rm --force pass-through egress-proxy >/dev/null
}
