# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# containerd as a Kubernetes node has it, and the kubelet's side of the Container Runtime Interface: gRPC over a Unix
# socket is HTTP/2 with length-prefixed protocol buffers, so curl and protoc are the client.

source "$BATS_TEST_DIRNAME/runtime.bash"
source "$BATS_TEST_DIRNAME/image.bash"

CONTAINERD_SOCKET=/run/containerd/containerd.sock
IMAGE=localhost/spt:1

# cri METHOD REQUEST: calls the RuntimeService; request and answer are in protobuf's text format. An error of the
# service is told on standard error, with status 1.
cri()
{
    local method=$1 call length status
    call=$(mktemp -d "$WORK/call.XXXXXX")
    protoc --encode="runtime.v1.${method}Request" --proto_path="$BATS_TEST_DIRNAME" cri.proto <<<"$2" >"$call/message"
    # Not compressed, four bytes of length, the message.
    length=$(printf '%08x' "$(stat -c %s "$call/message")")
    { printf '%b' "\\0$(sed 's/../\\x&/g' <<<"$length")" && cat "$call/message"; } >"$call/request"
    curl --silent --show-error --max-time 120 --http2-prior-knowledge --unix-socket "$CONTAINERD_SOCKET" \
        --header 'content-type: application/grpc' --header 'te: trailers' --header 'expect:' \
        --data-binary "@$call/request" --dump-header "$call/headers" --output "$call/answer" \
        "http://localhost/runtime.v1.RuntimeService/$method" || return
    status=$(tr -d '\r' <"$call/headers" | sed -n 's/^grpc-status: //p')
    if [[ $status != 0 ]]; then
        tr -d '\r' <"$call/headers" | sed -n 's/^grpc-message: //p' >&2
        rm -r "$call"
        return 1
    fi
    tail -c +6 "$call/answer" |
        protoc --decode="runtime.v1.${method}Response" --proto_path="$BATS_TEST_DIRNAME" cri.proto
    rm -r "$call"
}

# value KEY: of the answer on standard input.
value()
{
    sed -n "s/^ *$1: \"\(.*\)\"$/\1/p"
}

# pod_config NAME [ANNOTATION=VALUE...]: a PodSandboxConfig. POD_LINUX is the text of its `linux`.
pod_config()
{
    local name=$1 annotation
    shift
    printf 'metadata { name: "%s" uid: "%s" namespace: "spt" } hostname: "%s" log_directory: "%s" ' \
        "$name" "$name" "$name" "$WORK/pods"
    printf 'linux { cgroup_parent: "%s/kubernetes" %s } ' "$CGROUPS" "${POD_LINUX-}"
    for annotation in "$@"; do
        printf 'annotations { key: "%s" value: "%s" } ' "${annotation%%=*}" "${annotation#*=}"
    done
}

# pod_run NAME HANDLER [ANNOTATION=VALUE...]: prints its id.
pod_run()
{
    local name=$1 handler=$2 answer
    shift 2
    answer=$(cri RunPodSandbox "config { $(pod_config "$name" "$@") } runtime_handler: \"$handler\"") || return
    value pod_sandbox_id <<<"$answer"
}

# pod_delete ID
pod_delete()
{
    cri StopPodSandbox "pod_sandbox_id: \"$1\""
    cri RemovePodSandbox "pod_sandbox_id: \"$1\""
}

# The paths that the kubelet asks for unless a container says `procMount: Unmasked`.
PROC_MOUNT=$(printf 'masked_paths: "%s" ' /proc/acpi /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list \
    /proc/timer_stats /proc/sched_debug /proc/scsi /sys/firmware
printf 'readonly_paths: "%s" ' /proc/asound /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger)

# container_in POD-ID POD-NAME NAME COMMAND...: creates and starts it, and prints its id. SECURITY is the text of its
# LinuxContainerSecurityContext, ANNOTATIONS of its annotations.
container_in()
{
    local pod=$1 pod_name=$2 name=$3 id answer command=
    shift 3
    command=$(printf 'command: "%s" ' "$@")
    answer=$(cri CreateContainer "pod_sandbox_id: \"$pod\" sandbox_config { $(pod_config "$pod_name") }
        config { metadata { name: \"$name\" attempt: $((ATTEMPT++)) } image { image: \"$IMAGE\" } log_path: \"$name.log\"
            $command ${ANNOTATIONS-} linux { security_context { ${SECURITY-$PROC_MOUNT} } } }") || return
    id=$(value container_id <<<"$answer")
    cri StartContainer "container_id: \"$id\"" || return
    echo "$id"
}

# execute ID COMMAND...: ExecSync; prints what the command printed, and fails if it did.
execute()
{
    local id=$1 answer
    shift
    answer=$(cri ExecSync "container_id: \"$id\" $(printf 'cmd: "%s" ' "$@") timeout: 20") || return
    printf '%b' "$(value std...<<<"$answer")"
    ! grep -q '^exit_code: ' <<<"$answer"
}

# An image with one layer, as `ctr images import` reads it.
image_import()
{
    local directory=$WORK/image layer
    image_root "$WORK/image-root"
    mkdir -p "$directory"
    tar -C "$WORK/image-root" -cf "$directory/layer.tar" .
    layer=$(sha256sum <"$directory/layer.tar" | cut -d ' ' -f 1)
    jq -n --arg layer "sha256:$layer" '{architecture: "amd64", os: "linux", config: {Cmd: ["/bin/sleep", "100000"]},
        rootfs: {type: "layers", diff_ids: [$layer]}}' >"$directory/config.json"
    jq -n --arg name "$IMAGE" '[{Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"]}]' \
        >"$directory/manifest.json"
    tar -C "$directory" -cf - manifest.json config.json layer.tar | ctr --namespace k8s.io images import -
}

# node_up: containerd with the handlers of the network's roles, a pause image of our own, and a network plugin that gives
# each pod an address on a bridge and a default route: what Sallyport has to take away.
node_up()
{
    mkdir -p /etc/cni/net.d /etc/containerd "$WORK/pods"
    [[ -d /var/lib/cni ]] || : >"$WORK/cni-made"
    mkdir -p /var/lib/cni
    mount -t tmpfs tmpfs /var/lib/cni
    cat >/etc/cni/net.d/10-spt.conflist <<'JSON'
{ "cniVersion": "0.4.0", "name": "spt", "plugins": [
  { "type": "bridge", "bridge": "spt-cni", "isGateway": true,
    "ipam": { "type": "host-local", "subnet": "10.88.0.0/24", "routes": [{ "dst": "0.0.0.0/0" }] } } ] }
JSON
    cat >/etc/containerd/config.toml <<TOML
version = 2
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "$IMAGE"
restrict_oom_score_adj = true # there may be no CAP_SYS_RESOURCE
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.internal.v1.opt"]
path = "$WORK/containerd/opt"
TOML
    "$SALLYPORT" install containerd --network "$NETWORK"
}

containerd_up()
{
    containerd --root "$WORK/containerd/root" --state /run/spt-containerd --log-level warn \
        </dev/null >"$WORK/containerd.log" 2>&1 3>&- &
    echo $! >"$WORK/containerd.pid"
    disown
    internet_poll 60 ctr version
}

containerd_down()
{
    local pid
    pid=$(<"$WORK/containerd.pid")
    kill "$pid"
    internet_poll 60 internet_gone "$pid"
    rm "$WORK/containerd.pid"
}
