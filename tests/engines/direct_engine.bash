# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What docker_direct.bats and podman_direct.bats have in common: containers of an engine that run direct_programs, with
# the proxy's variables and without, and a pass-through that is a container beside squid's. After direct.bash and the
# engine's library; the file defines
#
#   with_usr ROLE OPTION... COMMAND...    a container of the role that has the machine's /usr; its image is $DIRECT_IMAGE

MEMBER_POLICY=$DIRECT_POLICY' | .proxy.at = "member"'
MEMBER_CONFIG=$WORK/member

direct_network_up()
{
    mkdir -p "$MEMBER_CONFIG"
    policy_write "$NETWORK" "$DIRECT_POLICY"
    "$SALLYPORT" network up "$NETWORK"
}

# direct_image IMPORT...: the image, by the engine's command that reads it as a tar archive.
direct_image()
{
    direct_rootfs_make
    tar -C "$USR_ROOTFS" --numeric-owner --owner=0 --group=0 -c . | "$@"
}

direct_down()
{
    direct_proxies_down
    small_stage_down
    internet_down spt "$WORK/internet" ""
}

both_ways()
{
    # shellcheck disable=SC2016 # for the container's shell
    run with_usr agent --rm --network none "$DIRECT_IMAGE" sh -c '
        unset $(env | grep -i proxy | cut -d = -f 1) JAVA_TOOL_OPTIONS
        exec sh /programs "$@"' sh $SITE_NAME "$PAGE"
    all_ok
    run with_usr agent --rm --network none "$DIRECT_IMAGE" sh /programs $SITE_NAME "$PAGE" "${WITH_VARIABLES[@]}"
    all_ok "${#WITH_VARIABLES[@]}"
}

# member_network_up: the network once more, with the proxy in a container.
member_network_up()
{
    policy_write "$NETWORK" "$MEMBER_POLICY"
    "$SALLYPORT" network down "$NETWORK"
    "$SALLYPORT" network up "$NETWORK"
}

# member_proxies_up ENGINE NETWORK: squid in a container on that network of the engine's, and the pass-through in another
# one that joins it.
member_proxies_up()
{
    with_usr proxy --detach --name egress-proxy --network "$2" --sysctl net.ipv4.ip_unprivileged_port_start=80 \
        --user 13:13 --cap-drop all --volume "$MEMBER_CONFIG:/etc/squid:ro" "$DIRECT_IMAGE" squid -N -f /etc/squid/squid.conf
    with_usr proxy --detach --name pass-through --network container:egress-proxy --user "$(id -u haproxy)" --cap-drop all \
        --volume "$MEMBER_CONFIG:/etc/squid:ro" "$DIRECT_IMAGE" haproxy -f /etc/squid/haproxy.cfg
    internet_poll 20 member_passes "$1" || fail "$("$1" logs pass-through 2>&1; "$1" logs egress-proxy 2>&1)"
}

member_passes()
{
    nsenter --net --target "$("$1" inspect --format '{{.State.Pid}}' egress-proxy)" ss -Hltn | grep -F "$PROXY:443 "
}

# member_passed ENGINE: both ways have come by there.
member_passed()
{
    [[ $("$1" logs pass-through 2>/dev/null | grep -c "TCP_TUNNEL/200 .* TLS $SITE_NAME:443") -ge 10 ]]
}
