# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What it takes to give a container that is being created its network: one process, from exec to exit.

SUITE_TITLE="Attach: the network of one container, from exec to exit"
SUITE_ROUNDS=100
SUITE_PACKAGES="quickstart tests bench"

CNI=/usr/lib/cni
NETAVARK=/usr/lib/podman/netavark

suite_up()
{
    metric attach us "One attach" floor
    metric attach-work us "Of it, a processor's work" floor
    peer hook "sallyport-hook, the filter in the config's profile"
    peer inject "sallyport-hook, which injects the filter"
    peer floor "floor: the same kernel objects and nothing else"
    peer empty "empty process, linked as the hook is"
    peer script "ip and nft, from a shell script"
    peer cni "CNI ptp with host-local, no masquerading" "$CNI/ptp"
    peer netavark "netavark, its bridge already up" "$NETAVARK"
    peer pasta "pasta, until it is in the background" pasta
    metric step us "Steps of the hook, the filter in the config's profile"
    metric step-inject us "Steps of the hook that injects"
    local each
    for each in attach attach-work; do
        goal "$each" hook floor "<=" 1.5
        goal "$each" cni hook ">=" 5
        goal "$each" netavark hook ">=" 4
    done

    rootfs_as_of_an_engine
    bench_network_up
    bundle_as_of_an_engine edited
    bundle_as_of_an_engine plain
    seal edited
    hub_quiet=$(hub ip -o link show | wc -l)
    witness server "" "$TRAFFIC" serve 3128
    pasta_host
    script_text >"$WORK/script"
    attached=0
}

suite_measure()
{
    rounds attach_round
}

attach_round()
{
    local peer
    for peer in $(turns) "step edited step" "step plain step-inject"; do
        sandbox
        attached=$((attached + 1))
        # shellcheck disable=SC2086 # a step has arguments
        attach_$peer
    done
    attach_settle
}

# All sandboxes of a round live until its end: the kernel's clearing up is nobody's time.
attach_settle()
{
    pasta_end
    sandboxes_end
    eventually attach_settled
}

attach_settled()
{
    [[ $(hub ip -o link show | wc -l) -eq $hub_quiet && -z $(ip -o link show type veth | grep -v "$UPLINK") ]]
}

attach_hook()
{
    state edited >"$WORK/state"
    timed attach hook "$HOOK" <"$WORK/state"
    answered hook in_sandbox "$TRAFFIC" ask "$PROXY" 3128 1
}

attach_inject()
{
    state plain >"$WORK/state"
    timed attach inject "$HOOK" --network "$NETWORK" --role agent <"$WORK/state"
    answered inject in_sandbox "$TRAFFIC" ask "$PROXY" 3128 1
}

attach_floor()
{
    timed attach floor "$PROGRAMS/floor" "$SANDBOX" "$NETWORK" "$attached"
    answered floor in_sandbox "$TRAFFIC" ask "$PROXY" 3128 1
}

attach_empty()
{
    timed attach empty "$PROGRAMS/floor"
}

attach_cni()
{
    local config='{"cniVersion": "0.4.0", "name": "bench", "type": "ptp",
        "ipam": {"type": "host-local", "subnet": "10.212.0.0/16", "dataDir": "/run/cni"}}'
    CNI_COMMAND=ADD CNI_CONTAINERID=bench-$SANDBOX CNI_NETNS=/proc/$SANDBOX/ns/net CNI_IFNAME=eth0 CNI_PATH=$CNI \
        timed attach cni "$CNI/ptp" <<<"$config" >"$WORK/cni"
    answered cni in_sandbox "$TRAFFIC" ask 10.212.0.1 3128 1
}

attach_netavark()
{
    local id
    id=$(printf '%064d' "$attached")
    jq -n --arg id "$id" --arg address "10.213.$((attached / 200)).$((attached % 200 + 2))" '{
        container_id: $id, container_name: "bench", networks: {bench: {interface_name: "eth0", static_ips: [$address]}},
        network_info: {bench: {name: "bench", id: $id, driver: "bridge", network_interface: "spt-netavark",
            subnets: [{subnet: "10.213.0.0/16", gateway: "10.213.0.1"}], ipv6_enabled: false, internal: false,
            dns_enabled: false, ipam_options: {driver: "host-local"}}}}' >"$WORK/netavark"
    timed attach netavark "$NETAVARK" --config /run/netavark setup "/proc/$SANDBOX/ns/net" \
        <"$WORK/netavark" >"$WORK/netavark.said"
    answered netavark in_sandbox "$TRAFFIC" ask 10.213.0.1 3128 1
}

attach_pasta()
{
    pasta_command
    timed attach pasta "${PASTA[@]}"
    answered pasta in_sandbox "$TRAFFIC" ask "$PASTA_GATEWAY" 3128 1
}

# What one would write by hand: the floor's objects, by the tools.
script_text()
{
    cat <<'SH'
set -e
pid=$1 number=$2
address=10.214.$((number / 200)).$((number % 200 + 2))
nsenter --target "$pid" --net nft -f - <<NFT
table inet guard {
    chain output {
        type filter hook output priority 0; policy drop
        ip daddr 127.0.0.11 reject
        oifname "lo" accept
        oifname "sp0" ip daddr 10.214.0.0/16 meta l4proto tcp accept
        reject with icmpx admin-prohibited
    }
    chain input {
        type filter hook input priority 0; policy drop
        iifname "lo" accept
        iifname "sp0" ip saddr 10.214.0.0/16 meta l4proto { tcp, icmp } accept
    }
}
NFT
ip -batch - <<IP
link add spt-s$number type veth peer name sp0 netns $pid
address add 10.214.0.1/32 dev spt-s$number
link set spt-s$number up
route add $address/32 dev spt-s$number
IP
nsenter --target "$pid" --net ip -batch - <<IP
link set lo up
link set sp0 up
address add $address/32 dev sp0
route add 10.214.0.1 dev sp0
route add 10.214.0.0/16 via 10.214.0.1
route add unreachable default metric 4278198272
route add unreachable ::/0 metric 4278198272
IP
SH
}

attach_script()
{
    timed attach script /bin/sh "$WORK/script" "$SANDBOX" "$attached"
    answered script in_sandbox "$TRAFFIC" ask 10.214.0.1 3128 1
}

# The hook's own steps, with a clock between them: attach_step BUNDLE METRIC
attach_step()
{
    local microseconds name
    state "$1" | "$PROGRAMS/steps" "$NETWORK" >"$WORK/steps" || die "the steps of an attach failed"
    while read -r microseconds name; do
        record "$2" "$name" "$microseconds"
    done <"$WORK/steps"
}

suite_down()
{
    attach_settle || true
    bench_network_down || true
}
