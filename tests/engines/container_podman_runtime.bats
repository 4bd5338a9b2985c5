# SPDX-License-Identifier: Apache-2.0
#
# Podman with sallyport-runtime in front of runc and crun, without any hook in hooks.d: what comes after create is found
# at start, exec is as confined as init, and Podman prints our reason.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/podman.bash"

BOX_GLOBAL=(--runtime sallyport)

setup_file()
{
    stage_up
    cp "$WORK/internet/resolv.conf" /etc/resolv.conf
    podman_up --network "$NETWORK"
    podman_no_hooks
}

teardown_file()
{
    podman_down
    stage_down
}

teardown()
{
    podman_after_test
}

@test "the default network: the allowed way and nothing else" {
    walled
}

@test "a network with a name server of Podman's own: no query leaves" {
    walled --network named
}

@test "no network at all, but for ours" {
    sealed --network none
}

@test "a user namespace, whose network comes after create: gone at start" {
    walled --uidmap 0:100000:65536
    run box --uidmap 0:100000:65536 --network named "$IMAGE" ip -o link show
    [[ $output == *sp0* && $output != *": eth"* ]] || fail "$output"
}

@test "an init, a read-only root and another user" {
    walled --init --read-only --user nobody
}

@test "raw sockets that --cap-add and seccomp=unconfined would open stay closed" {
    open=(--cap-add NET_RAW,NET_ADMIN --security-opt seccomp=unconfined)
    sealed "${open[@]}"
    run box "${open[@]}" "$IMAGE" grep CapBnd /proc/self/status
    lacks_network_capabilities
}

@test "exec is as confined as init, with the proxy's environment, and so is exec --privileged" {
    keep agent
    run podman exec agent sh -c "$(attempts 201)"
    says_sealed 201
    run podman exec --privileged agent sh -c "$(attempts 202)"
    says_sealed 202
    run podman exec --privileged agent grep CapBnd /proc/self/status
    lacks_network_capabilities
}

@test "stop, start and restart: sealed again" {
    keep agent
    podman stop --time 0 agent
    eventually no_hub_links
    podman start agent
    podman restart --time 0 agent
    [ "$(hub_links)" -eq 1 ]
    run podman exec agent sh -c "$(attempts 203)"
    says_sealed 203
}

@test "a network that is connected to a running container is of no use to it, and gone after a restart" {
    keep agent --network named
    podman network connect podman agent
    network_of agent ip -o link show eth1
    run podman exec agent sh -c "$(attempts 204)"
    says_sealed 204
    podman restart --time 0 agent
    run podman exec agent ip -o link show
    [[ $output == *sp0* && $output != *": eth"* ]] || fail "$output"
}

@test "run --rm and rm --force leave nothing" {
    rules=$(podman_traces)
    box --network named "$IMAGE" true
    eventually no_hub_links
    keep agent --network named
    podman_rm agent
    eventually no_hub_links
    [[ $(podman_traces) == "$rules" ]] || fail "was: $rules is: $(podman_traces)"
}

@test "the runtime's name pins network and role, and annotations choose nothing" {
    BOX_GLOBAL=(--runtime sallyport-hermes-gateway) BOX=(--annotation io.sallyport.role=agent)
    run box "$IMAGE" ip -4 -o address show dev sp0
    says "$GATEWAY/32"
    BOX=(--annotation io.sallyport.network=nowhere)
    run box "$IMAGE" ip -4 -o address show dev sp0
    says "$GATEWAY/32"
}

@test "what cannot be sealed does not start, and Podman says which option to drop" {
    refused_everything
    refused_box "role \`nobody\` is not in the policy" --annotation io.sallyport.role=nobody
    refused_box "annotation \`io.sallyport.netwrok\` is unknown" --annotation io.sallyport.netwrok=hermes
    podman run --detach --name plain --cgroup-parent "$PODMAN_CGROUPS" "$IMAGE"
    refused_box "joins a network namespace" --network container:plain
    never_starts --pid container:plain
    never_starts --network ns:/proc/1/ns/net
    refused_box "has put interface eth0" --annotation io.sallyport.role=strict
}

@test "a pod is sealed from its first container on" {
    podman --runtime sallyport-hermes-agent pod create --name pod --cgroup-parent "$PODMAN_CGROUPS" --infra-image "$IMAGE"
    BOX_GLOBAL=(--runtime sallyport-hermes-agent) BOX=(--pod pod)
    run box "$IMAGE" sh -c "$(attempts 205)"
    says_sealed 205
    BOX_GLOBAL=(--runtime sallyport-hermes-gateway)
    run box "$IMAGE" echo started
    [[ $status -ne 0 && $output != *started* ]] || fail "$output"
}

@test "hook and runtime together seal once" {
    podman_hooks
    sealed
    keep agent
    [ "$(hub_links)" -eq 1 ]
    podman_no_hooks
}
