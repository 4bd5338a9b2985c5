#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# A Kubernetes node: containerd with the handlers that `sallyport install containerd` makes, spoken to as the kubelet
# does, and what packaging/kubernetes says about them. Each pod has a network of the CNI's, with a way to the host; a pod
# of plain runc's shows that it is one.

source "$BATS_TEST_DIRNAME/kubernetes.bash"

KUBERNETES=$BATS_TEST_DIRNAME/../../packaging/kubernetes

setup_file()
{
    network_up
    node_up
    containerd_up
    image_import
    # Where pods that are not sealed get to.
    witness internet "" /usr/bin/python3 -c '
import socket
listener = socket.create_server(("0.0.0.0", 8888))
print("ready", flush=True)
while True:
    print("arrived", listener.accept()[1][0], flush=True)'
}

teardown_file()
{
    local pod
    for pod in $(ctr --namespace k8s.io containers list --quiet); do
        ctr --namespace k8s.io tasks kill --signal SIGKILL "$pod" 2>/dev/null || true
    done
    containerd_down
    witnesses_end
    ip link delete spt-cni
    umount /var/lib/cni
    [[ ! -e $WORK/cni-made ]] || rmdir --ignore-fail-on-non-empty /var/lib/cni
    "$SALLYPORT" install containerd --undo
    network_down
    find /sys/fs/cgroup -depth -type d -path "*$CGROUPS/kubernetes*" -exec rmdir {} + 2>/dev/null || true
    assert_nothing_left
}

setup()
{
    PODS=()
    ATTEMPT=0
}

teardown()
{
    local pod
    for pod in "${PODS[@]}"; do
        pod_delete "$pod"
    done
}

# pod NAME HANDLER [ANNOTATION=VALUE...]: a pod until the end of the test; its id is in $POD.
pod()
{
    POD=$(pod_run "$@")
    PODS+=("$POD")
}

# refused_by TEXT COMMAND...: not started, and the engine passes on what Sallyport says.
refused_by()
{
    local text=$1
    shift
    run "$@"
    [[ $status -ne 0 ]] || fail "started: $output"
    [[ $output == *"sallyport: "*"$text"* ]] || fail "expected \`$text\` in: $output"
}

addresses()
{
    execute "$1" /bin/busybox ip -o -4 address show | awk '$2 != "lo" { print $2, $4 }'
}

# says_hello CONTAINER PORT: to who connects first.
says_hello()
{
    execute "$1" /bin/sh -c "echo hello | nc -l -p $2 >/dev/null 2>&1 &"
    eventually execute "$1" /bin/grep -q ":$(printf %04X "$2") .* 0A " /proc/net/tcp /proc/net/tcp6
}

@test "a pod that is not sealed has the CNI's network; two containers of a sealed one have Sallyport's link alone" {
    local plain one two gateway
    pod plain runc
    plain=$(container_in "$POD" plain one /bin/sleep 1000)
    [[ $(addresses "$plain") == "eth0 10.88.0."* ]]
    execute "$plain" /bin/nc -w 2 10.88.0.1 8888
    eventually saw internet 'arrived 10\.88\.0\.'
    : >"$WORK/internet.seen"

    pod agent "sallyport-$NETWORK-agent"
    one=$(container_in "$POD" agent one /bin/sleep 1000)
    two=$(container_in "$POD" agent two /bin/sleep 1000)
    [[ $(addresses "$one") == "sp0 10.209.0."*/32 && $(addresses "$one") == "$(addresses "$two")" ]]
    [[ $(hub_links) -eq 1 ]]
    for container in "$one" "$two"; do
        run execute "$container" /bin/nc -w 2 10.88.0.1 8888
        [[ $status -ne 0 ]]
    done
    run ! saw internet arrived
    # What the policy allows works, by name.
    pod gateway "sallyport-$NETWORK-gateway"
    gateway=$(container_in "$POD" gateway one /bin/sleep 1000)
    says_hello "$gateway" 8642
    [[ $(execute "$one" /bin/nc -w 2 gateway 8642) == hello ]]
    # They are one pod: what one listens at, the other reaches, and what joins has no more rights.
    says_hello "$one" 4000
    [[ $(execute "$two" /bin/nc -w 2 127.0.0.1 4000) == hello ]]
    output=$(execute "$two" /bin/grep ^Cap /proc/self/status) no_network_capabilities
}

@test "a container is started again in its pod, the pod again in its place, and nothing is left of it" {
    local one two address
    pod gateway "sallyport-$NETWORK-gateway"
    one=$(container_in "$POD" gateway one /bin/sleep 1000)
    two=$(container_in "$POD" gateway two /bin/sleep 1000)
    cri StopContainer "container_id: \"$one\" timeout: 0"
    cri RemoveContainer "container_id: \"$one\""
    [[ $(addresses "$two") == "sp0 $GATEWAY/32" ]]
    one=$(container_in "$POD" gateway one /bin/sleep 1000)
    [[ $(addresses "$one") == "sp0 $GATEWAY/32" ]]
    # The next pod of the role, with the same address, as soon as this one is gone.
    pod_delete "$POD"
    pod again "sallyport-$NETWORK-gateway"
    one=$(container_in "$POD" again one /bin/sleep 1000)
    [[ $(addresses "$one") == "sp0 $GATEWAY/32" ]]
    pod_delete "$POD"
    PODS=()
    eventually no_hub_links
    [[ -z $(ctr --namespace k8s.io containers list --quiet) ]]
}

@test "containerd is started again: the pod goes on, takes containers, and is deleted" {
    local one two
    pod agent "sallyport-$NETWORK-agent"
    one=$(container_in "$POD" agent one /bin/sleep 1000)
    containerd_down
    containerd_up
    two=$(container_in "$POD" agent two /bin/sleep 1000)
    [[ $(addresses "$one") == "sp0 10.209.0."*/32 && $(addresses "$one") == "$(addresses "$two")" ]]
    pod_delete "$POD"
    PODS=()
    eventually no_hub_links
}

@test "annotations of pod and container do not reach a pinned handler; the one by annotation obeys them" {
    local one asks="io.sallyport.role=gateway"
    pod asks "sallyport-$NETWORK-agent" "$asks" "io.sallyport.network=other"
    ANNOTATIONS='annotations { key: "io.sallyport.role" value: "gateway" }
        annotations { key: "io.sallyport.network" value: "hermes" }'
    one=$(container_in "$POD" asks one /bin/sleep 1000)
    [[ $(addresses "$one") == "sp0 10.209.0."* && $(addresses "$one") != "sp0 $GATEWAY/32" ]]
    for id in "$POD" "$one"; do
        jq -e '.annotations | has("io.kubernetes.cri.sandbox-id") and has("io.sallyport.role") == false' \
            "/run/spt-containerd/io.containerd.runtime.v2.task/k8s.io/$id/config.json"
    done
    # Without the pin. Nothing names this handler unless somebody asked `install` for it.
    run ! pod_run none sallyport "$asks"
    cp /etc/containerd/config.toml "$WORK/pinned.toml"
    sed -i 's/sallyport-hermes-pair\b/sallyport/; s/"[^"]*runtime.hermes.pair"/"'"${SALLYPORT//\//\\/}"'-runtime"/
        s/_annotations = \[\]/_annotations = ["io.sallyport.*"]/' /etc/containerd/config.toml
    containerd_down
    containerd_up
    pod chooses sallyport "$asks" "io.sallyport.network=$NETWORK"
    one=$(container_in "$POD" chooses one /bin/sleep 1000)
    [[ $(addresses "$one") == "sp0 $GATEWAY/32" ]]
    # And the pins hold although the annotations arrive.
    pod holds "sallyport-$NETWORK-agent" "$asks"
    one=$(container_in "$POD" holds one /bin/sleep 1000)
    [[ $(addresses "$one") == "sp0 10.209.0."* && $(addresses "$one") != "sp0 $GATEWAY/32" ]]
    cp "$WORK/pinned.toml" /etc/containerd/config.toml
}

@test "what a pod asks for and cannot have: the node's network, its processes, privileges, an open /proc" {
    POD_LINUX='security_context { namespace_options { network: 2 } }' \
        refused_by "uses the host's network" pod_run host "sallyport-$NETWORK-agent"
    POD_LINUX='security_context { namespace_options { pid: 2 } }' \
        refused_by "pid namespace" pod_run pids "sallyport-$NETWORK-agent"
    POD_LINUX='security_context { privileged: true }' pod agent "sallyport-$NETWORK-agent"
    POD_LINUX='security_context { privileged: true }' SECURITY="privileged: true" \
        refused_by "SYS_ADMIN" container_in "$POD" agent privileged /bin/sleep 1000
    SECURITY="" refused_by /proc/sys container_in "$POD" agent unmasked /bin/sleep 1000
    SECURITY="$PROC_MOUNT capabilities { add_capabilities: \"NET_ADMIN\" add_capabilities: \"NET_RAW\" }" \
        run -0 container_in "$POD" agent admin /bin/sleep 1000
    output=$(execute "$output" /bin/grep ^Cap /proc/self/status) no_network_capabilities
}

# by_hand [OPTION...]: what README.md has ctr do, with the test's image. It shows its links.
by_hand()
{
    local line
    line=$(sed -n '/^    sudo ctr run /,/[^\]$/p' "$BATS_TEST_DIRNAME/../../README.md" | tr -d '\\\n')
    [[ $line == *"sudo ctr run "*" my-agent agent-1" ]] || fail "README.md: $line"
    line=${line#*sudo ctr run }
    # shellcheck disable=SC2086 # the line is words
    ctr --namespace k8s.io run ${line% my-agent agent-1} --cgroup "$CGROUPS/kubernetes/agent-1" "$@" "$IMAGE" agent-1 \
        /bin/busybox ip -o link show 3>&-
}

@test "ctr, as README.md has it: sealed, whatever network it is given" {
    # Where ctr looks for plugins. It attaches CNI's network between create and start.
    mount -t tmpfs tmpfs /opt
    mkdir /opt/cni
    ln -s /usr/lib/cni /opt/cni/bin
    run -0 by_hand --cni --runc-binary runc
    [[ $output == *eth0* ]] || fail "$output"
    run -0 by_hand --cni
    [[ $output == *sp0* && $output != *eth0* ]] || fail "$output"
    run -0 by_hand
    says sp0
    refused_by "uses the host's network" by_hand --net-host
    umount -l /opt
    eventually no_hub_links
}

# documents FILE: its YAML documents, as a JSON array.
documents()
{
    /usr/bin/python3 -c '
import json, sys, yaml
json.dump([document for document in yaml.safe_load_all(sys.stdin) if document], sys.stdout)' <"$KUBERNETES/$1"
}

# handlers: of the RuntimeClasses, a line each.
handlers()
{
    documents runtimeclasses.yaml | jq -r '.[].handler' | sort
}

@test "packaging/kubernetes: classes, policy, CRI-O's handlers and the example name the same roles" {
    local name path
    documents runtimeclasses.yaml | jq -e 'all(.[]; .kind == "RuntimeClass" and .metadata.name == .handler)'
    [[ $(handlers) == "$(documents node.yaml | jq -r '.[] | select(.kind == "ConfigMap").data["hermes.json"] | fromjson
        | .roles | keys[] | "sallyport-hermes-\(.)"' | sort)" ]]
    /usr/bin/python3 -c 'import json, sys, tomllib; json.dump(tomllib.load(sys.stdin.buffer), sys.stdout)' \
        <"$KUBERNETES/crio/50-sallyport.conf" | jq '.crio.runtime.runtimes' >"$WORK/crio.json"
    [[ $(jq -r 'keys[]' "$WORK/crio.json" | sort) == "$(handlers)" ]]
    while read -r name path; do
        [[ sallyport-$(sed 's/.*sallyport-runtime\.//; s/\./-/' <<<"$path") == "$name" ]]
    done < <(jq -r 'to_entries[] | "\(.key) \(.value.runtime_path)"' "$WORK/crio.json")
    jq -e 'all(.[]; .allowed_annotations == [] and (keys == ["allowed_annotations", "runtime_path", "runtime_type"]))' \
        "$WORK/crio.json"
    name=$(documents example.yaml | jq -r '.[] | select(.kind == "Deployment").spec.template.spec.runtimeClassName')
    handlers | grep -qx "$name"
    documents example.yaml | jq -e --arg allowed "io.sallyport/$name" '.[] | select(.kind == "Namespace").metadata.labels
        | .[$allowed] == "allowed" and .["io.sallyport/sealed"] == "required"'
}

@test "packaging/kubernetes: install-node makes the handlers of the classes, and a pod of one is sealed" {
    local one
    "$SALLYPORT" install containerd --undo
    network_down
    mkdir -p "$WORK/policies"
    documents node.yaml | jq -r '.[] | select(.kind == "ConfigMap").data["hermes.json"]' >"$WORK/policies/hermes.json"
    mount -t tmpfs tmpfs /opt
    # No systemd is here that it could have start containerd again.
    run -1 "$KUBERNETES/install-node" "$SALLYPORT_BUILD_DIRECTORY" "$WORK/policies" /
    says "end containerd"
    containerd_down
    containerd_up
    run -0 "$KUBERNETES/install-node" "$SALLYPORT_BUILD_DIRECTORY" "$WORK/policies" /
    says already
    says "in force"
    [[ $(containerd config dump | sed -n 's/.*containerd\.runtimes\.\(sallyport[a-z-]*\)\]$/\1/p' | sort) == "$(handlers)" ]]
    [[ $(readlink /etc/sallyport/runtimes/containerd/sallyport-runtime.hermes.gateway) == /opt/sallyport/bin/sallyport-runtime ]]
    squid -k parse -f /etc/squid/sallyport-hermes/squid.conf
    pod gateway sallyport-hermes-gateway
    one=$(container_in "$POD" gateway one /bin/sleep 1000)
    [[ $(addresses "$one") == "sp0 $GATEWAY/32" ]]
    pod_delete "$POD"
    PODS=()
    umount -l /opt
}
