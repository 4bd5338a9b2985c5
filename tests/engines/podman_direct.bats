# SPDX-License-Identifier: Apache-2.0
#
# Programs that know no proxy, in Podman's containers: with the proxy's variables and without, through a pass-through on
# the host and through one in a container beside squid's.

source "$BATS_TEST_DIRNAME/direct.bash"
source "$BATS_TEST_DIRNAME/podman.bash"
source "$BATS_TEST_DIRNAME/direct_engine.bash"

DIRECT_IMAGE=localhost/direct

setup_file()
{
    direct_internet_up
    direct_network_up
    chmod 711 "$BATS_RUN_TMPDIR" "$WORK"
    podman_configure
    cat "$WORK/internet/resolv.conf" >"$(readlink -m /etc/resolv.conf)"
    "$SALLYPORT" install podman --network "$NETWORK"
    direct_image podman import --quiet - $DIRECT_IMAGE
    podman network create named
}

teardown_file()
{
    podman_down
    direct_down
}

with_usr()
{
    local role=$1
    shift
    podman --runtime "sallyport-$NETWORK-$role" run --cgroup-parent "$PODMAN_CGROUPS" --volume /usr:/usr:ro --tmpfs /tmp \
        --tmpfs /var "$@"
}

@test "a pass-through on the host" {
    direct_proxies_up
    both_ways
    direct_proxies_down
}

@test "a pass-through in a container, in the network of squid's" {
    member_network_up
    "$SALLYPORT" install podman --network "$NETWORK"
    "$SALLYPORT" proxy-config haproxy "$NETWORK" --install --config "$MEMBER_CONFIG/haproxy.cfg"
    member_proxies_up podman named
    both_ways
    member_passed podman
    podman_rm pass-through
    podman_rm egress-proxy
}
