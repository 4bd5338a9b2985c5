# SPDX-License-Identifier: Apache-2.0
#
# Programs that know no proxy, in Podman's containers: with the proxy's variables and without, through a pass-through on
# the host and through one in a container beside squid's.

source "$BATS_TEST_DIRNAME/direct.bash"
source "$BATS_TEST_DIRNAME/podman.bash"

MEMBER_POLICY=$DIRECT_POLICY' | .proxy.at = "member"'
MEMBER_CONFIG=$WORK/member

setup_file()
{
    direct_internet_up
    mkdir -p "$MEMBER_CONFIG"
    policy_write "$NETWORK" "$DIRECT_POLICY"
    "$SALLYPORT" network up "$NETWORK"
    chmod 711 "$BATS_RUN_TMPDIR" "$WORK"
    podman_configure
    cat "$WORK/internet/resolv.conf" >"$(readlink -m /etc/resolv.conf)"
    "$SALLYPORT" install podman --network "$NETWORK"
    direct_rootfs_make
    tar -C "$USR_ROOTFS" --numeric-owner --owner=0 --group=0 -c . | podman import --quiet - localhost/direct
    podman network create named
}

teardown_file()
{
    podman_down
    direct_proxies_down
    small_stage_down
    internet_down spt "$WORK/internet" ""
}

# with_usr ROLE PODMAN-RUN-ARGUMENT...
with_usr()
{
    local role=$1
    shift
    podman --runtime "sallyport-$NETWORK-$role" run --cgroup-parent "$PODMAN_CGROUPS" --volume /usr:/usr:ro --tmpfs /tmp \
        --tmpfs /var "$@"
}

both_ways()
{
    # shellcheck disable=SC2016 # for the container's shell
    run with_usr agent --rm --network none localhost/direct sh -c '
        unset $(env | grep -i proxy | cut -d = -f 1) JAVA_TOOL_OPTIONS
        exec sh /programs "$@"' sh $SITE_NAME "$PAGE"
    all_ok
    run with_usr agent --rm --network none localhost/direct sh /programs $SITE_NAME "$PAGE" "${WITH_VARIABLES[@]}"
    all_ok "${#WITH_VARIABLES[@]}"
}

@test "a pass-through on the host" {
    direct_proxies_up
    both_ways
    direct_proxies_down
}

@test "a pass-through in a container, in the network of squid's" {
    policy_write "$NETWORK" "$MEMBER_POLICY"
    "$SALLYPORT" network down "$NETWORK"
    "$SALLYPORT" network up "$NETWORK"
    "$SALLYPORT" install podman --network "$NETWORK"
    "$SALLYPORT" proxy-config haproxy "$NETWORK" --install --config "$MEMBER_CONFIG/haproxy.cfg"
    with_usr proxy --detach --name egress-proxy --network named --sysctl net.ipv4.ip_unprivileged_port_start=80 \
        --user 13:13 --cap-drop all --volume "$MEMBER_CONFIG:/etc/squid:ro" localhost/direct squid -N -f /etc/squid/squid.conf
    with_usr proxy --detach --name pass-through --network container:egress-proxy --user "$(id -u haproxy)" --cap-drop all \
        --volume "$MEMBER_CONFIG:/etc/squid:ro" localhost/direct haproxy -f /etc/squid/haproxy.cfg
    passes()
    {
        nsenter --net --target "$(podman inspect --format '{{.State.Pid}}' egress-proxy)" ss -Hltn | grep -F "$PROXY:443 "
    }
    internet_poll 20 passes || fail "$(podman logs pass-through 2>&1; podman logs egress-proxy 2>&1)"
    both_ways
    [[ $(podman logs pass-through 2>/dev/null | grep -c "TCP_TUNNEL/200 .* TLS $SITE_NAME:443") -ge 10 ]]
    podman_rm pass-through
    podman_rm egress-proxy
}
