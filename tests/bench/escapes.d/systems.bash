# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The systems of tests/bench/escapes, each as its own documentation has people run it. system_NAME makes it, adds to TARGETS
# what is where in its terms (the gateway, another container, its proxy), and has the battery run in it; end_NAME, where
# there is one, takes it away again. TITLE says what it is, REMARK what its figures do not, and `describe` prints the
# versions of it, one "NAME VERSION" a line.

SYSTEMS=(docker-bridge docker-internal docker-none podman-none runc runsc runsc-none firejail bwrap bwrap-all srt
    sallyport-runc sallyport-docker sallyport-podman)

declare -A TITLE=(
    [docker-bridge]="Docker, its default bridge"
    [docker-internal]="Docker, an internal network, squid with an allow-list on it and on another, no capabilities"
    [docker-none]="Docker without a network, no capabilities"
    [podman-none]="Podman without a network, no capabilities"
    [runc]="runc with the config that Docker makes, on a link to a host that forwards and masquerades"
    [runsc]="gVisor as Docker's runtime, on its default bridge"
    [runsc-none]="gVisor as Docker's runtime, its own network off, no capabilities"
    [firejail]="firejail without a network, its default profile, as a user"
    [bwrap]="bubblewrap without a network, as a user"
    [bwrap-all]="bubblewrap without anything shared, as a user"
    [srt]="@anthropic-ai/sandbox-runtime, two allowed domains, private addresses denied, as a user"
    [sallyport-runc]="Sallyport, a role with proxy and gateway: runc's config after \`sallyport bundle\`"
    [sallyport-docker]="Sallyport, the same role, as Docker's runtime, default capabilities"
    [sallyport-podman]="Sallyport, the same role, as Podman's runtime, default capabilities"
)

declare -A REMARK=(
    [docker-internal]="squid.conf is Debian's with its recommended \`deny to_localhost\`, for which squid asks for every name."
    [runsc]="Sockets are those of its own kernel; a file of Linux's by which this version knows the host's network was hidden from it."
    [runsc-none]="Sockets are those of its own kernel, which has no link; asked for another namespace's links it lists its own."
    [srt]="The bounding set is that of a user namespace of its own, with no_new_privs. Its proxy wants a password, which a relay inside adds."
)

# What a second container does, so that there is something to reach: both ports answer.
MEMBER='/probe listen tcp 0.0.0.0 8642 --keep & exec /probe listen tcp 0.0.0.0 9119 --keep'

HARDENED=(--cap-drop ALL --security-opt no-new-privileges)

# Docker.

# docker_begin [FILTER]
docker_begin()
{
    source "$ENGINES/docker.bash"
    mkdir -p "$WORK/docker"
    docker_up "$WORK/docker" "${1:-.}"
    image_busybox image
}

end_docker()
{
    docker_down "$WORK/docker" || return # of what may fail in it, only the last counts
}

# docker_member NAME OPTION...: makes ADDRESS, which it has in its network, if any.
docker_member()
{
    local name=$1
    shift
    docker run --detach --name "$name" "$@" image sh -c "$MEMBER" >/dev/null
    ADDRESS=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$name")
    stage_witness "$name" "$(docker inspect --format '{{.State.Pid}}' "$name")"
}

# docker_link NETWORK: the host's bridge. docker_gateway, docker_subnet NETWORK: its address, and everybody's.
docker_link()
{
    local id
    id=$(docker network inspect --format '{{.Id}}' "$1")
    if [[ $1 == bridge ]]; then echo docker0; else echo "br-${id:0:12}"; fi
}

docker_gateway()
{
    ip -4 -o address show dev "$(docker_link "$1")" | awk '{ sub("/.*", "", $4); print $4 }'
}

docker_subnet()
{
    docker network inspect --format '{{(index .IPAM.Config 0).Subnet}}' "$1"
}

system_docker-bridge()
{
    docker_begin
    on_the_bridge docker run --rm image /probe
}

# on_the_bridge COMMAND...: the way to the LLM is the open internet.
on_the_bridge()
{
    docker_member member
    TARGETS+=(subnet="$(docker_subnet bridge)" uplink="$(docker_gateway bridge)" host="$(docker_gateway bridge)"
        open="$LLM:443" open="$ADDRESS:8642" closed="$ADDRESS:9119")
    stage_battery "$@"
}

allow_list()
{
    cat <<'SQUID'
http_port 3128
acl SSL_ports port 443
acl Safe_ports port 80 443
acl allowed dstdomain api.openai.com openrouter.ai
http_access deny !Safe_ports
http_access deny CONNECT !SSL_ports
http_access deny manager
http_access deny to_localhost
http_access allow allowed
http_access deny all
cache deny all
pid_filename none
access_log none
cache_log /tmp/cache.log
SQUID
}

squid_container()
{
    local root=$WORK/squid
    source "$ENGINES/stack.bash"
    ENGINE=docker
    image_root "$root"
    squid_root "$root"
    allow_list >"$root/etc/squid/squid.conf"
    stack_image squid "$root" "USER proxy" 'CMD ["squid", "-N"]'
    rm -rf "$root"
    docker run --detach --name squid --network outside squid >/dev/null
    docker network connect sealed squid
    PROXY_ADDRESS=$(docker inspect --format '{{.NetworkSettings.Networks.sealed.IPAddress}}' squid)
    eventually docker run --rm --network sealed image /probe tcp "$PROXY_ADDRESS" 3128
}

system_docker-internal()
{
    docker_begin
    docker network create --internal sealed >/dev/null
    docker network create outside >/dev/null
    squid_container
    docker_member member --network sealed
    TARGETS+=(proxy="$PROXY_ADDRESS:3128" subnet="$(docker_subnet sealed)" uplink="$(docker_gateway sealed)"
        host="$(docker_gateway sealed)" host="$(docker_gateway bridge)" host="$(docker_gateway outside)"
        open="$PROXY_ADDRESS:3128" open="$ADDRESS:8642" closed="$ADDRESS:9119")
    stage_battery docker run --rm --network sealed "${HARDENED[@]}" image /probe
}

system_docker-none()
{
    docker_begin
    stage_battery docker run --rm --network none "${HARDENED[@]}" image /probe
}

# gVisor. Its own network is off by an option of the runtime, as its documentation says. Debian's version takes a network
# namespace with /proc/sys/net/core/rmem_default for the host's, and refuses it; recent kernels have it in each. It is shown
# none: a wrapper hides the directory from it, and from nobody else.

# gvisor_begin ARGUMENTS: JSON, of the runtime.
gvisor_begin()
{
    printf '#!/bin/sh\nexec unshare --mount sh -c %q sh "$@"\n' \
        'mount -t tmpfs tmpfs /proc/sys/net && exec /usr/bin/runsc "$@"' >"$WORK/runsc"
    chmod 755 "$WORK/runsc"
    docker_begin ".runtimes.runsc = {path: \"$WORK/runsc\", runtimeArgs: $1}"
}

end_runsc()
{
    end_docker
}

system_runsc()
{
    gvisor_begin '[]'
    on_the_bridge docker run --rm --runtime runsc image /probe
}

system_runsc-none()
{
    gvisor_begin '["--network=none"]'
    stage_battery docker run --rm --runtime runsc --network none "${HARDENED[@]}" image /probe
}

# Podman.

podman_begin()
{
    RUNTIME=crun
    BATS_RUN_TMPDIR=$WORK
    source "$ENGINES/podman.bash"
}

end_podman()
{
    podman_down
}

system_podman-none()
{
    podman_begin
    podman_configure
    podman_image
    stage_battery podman run --rm --cgroup-parent "$PODMAN_CGROUPS" --network none "${HARDENED[@]}" "$IMAGE" /probe
}

# runc. Docker's config, as Docker itself writes it: capabilities, seccomp, masked paths.

# default_config: $WORK/spec.json, with what is Docker's own taken out, and the root file system of Docker's image.
default_config()
{
    docker_begin
    docker run --detach --name sample --network none image sleep 600 >/dev/null
    jq 'del(.hooks) | .mounts |= map(select(.type != "bind"))' \
        "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/$(docker inspect --format '{{.Id}}' sample)/config.json" \
        >"$WORK/spec.json"
    end_docker
    image_root "$ROOTFS"
    : >"$ROOTFS/etc/hosts"
    cp "$WORK/internet/resolv.conf" "$ROOTFS/etc/resolv.conf"
}

# default_bundle ID COMMAND...
default_bundle()
{
    local id=$1 directory=$WORK/bundles/$1
    shift
    mkdir -p "$directory"
    jq --arg id "$id" --arg root "$ROOTFS" --arg cgroups "$CGROUPS" '.process.args = $ARGS.positional | .hostname = $id
        | .root = {path: $root} | .linux.cgroupsPath = "\($cgroups)/\($id)"' --args -- "$@" \
        <"$WORK/spec.json" >"$directory/config.json"
}

system_runc()
{
    default_config
    default_bundle agent sleep 600
    container_start agent
    ip link add spt-agent type veth peer name eth0 netns "$(<"$WORK/agent.pid")"
    ip address add 192.168.77.1/24 dev spt-agent
    ip link set spt-agent up
    network_of agent sh -ec '
        ip address add 192.168.77.2/24 dev eth0
        ip link set eth0 up
        ip route add default via 192.168.77.1'
    echo 1 >/proc/sys/net/ipv4/ip_forward
    iptables -t nat -A POSTROUTING -s 192.168.77.0/24 -o spt-wan -j MASQUERADE
    TARGETS+=(subnet=192.168.77.0/24 uplink=192.168.77.1 host=192.168.77.1 open="$LLM:443")
    stage_battery runc exec agent /probe
}

end_runc()
{
    containers_delete_all
}

# Sallyport.

# What stage_up of the engine tests does beside the internet.
sallyport_begin()
{
    network_up
    "$SALLYPORT" proxy-config squid "$NETWORK" >"$WORK/squid.conf"
    internet_squid "$WORK/internet" "$WORK/squid.conf" "" "$PROXY" 3128
    TARGETS+=(proxy="$PROXY:3128" subnet="$SUBNET" uplink="$HOST" host="$HOST" host="$PROXY"
        open="$PROXY:3128" open="$GATEWAY:8642" closed="$GATEWAY:9119")
}

sallyport_end()
{
    internet_squid_stop "$WORK/internet"
    network_down
}

system_sallyport-runc()
{
    sallyport_begin
    default_config
    default_bundle gateway sh -c "$MEMBER"
    default_bundle agent sleep 600
    "$SALLYPORT" bundle --network "$NETWORK" --role gateway "$WORK/bundles/gateway"
    "$SALLYPORT" bundle --network "$NETWORK" --role agent "$WORK/bundles/agent"
    container_start gateway
    stage_witness gateway "$(<"$WORK/gateway.pid")"
    container_start agent
    stage_battery runc exec agent /probe
}

end_sallyport-runc()
{
    end_runc
    sallyport_end
}

system_sallyport-docker()
{
    sallyport_begin
    source "$ENGINES/docker.bash"
    docker_role "$WORK/docker" "$NETWORK" agent
    docker_role "$WORK/docker" "$NETWORK" gateway
    docker_begin
    docker_member gateway --network none --runtime "sallyport.$NETWORK.gateway"
    stage_battery docker run --rm --runtime "sallyport.$NETWORK.agent" --network none image /probe
}

end_sallyport-docker()
{
    end_docker
    sallyport_end
}

system_sallyport-podman()
{
    sallyport_begin
    podman_begin
    podman_up --network "$NETWORK"
    podman --runtime "sallyport-$NETWORK-gateway" run --detach --pidfile "$WORK/gateway.pid" \
        --cgroup-parent "$PODMAN_CGROUPS" "$IMAGE" sh -c "$MEMBER" >"$WORK/gateway.log"
    stage_witness gateway "$(<"$WORK/gateway.pid")"
    stage_battery podman --runtime "sallyport-$NETWORK-agent" run --rm --cgroup-parent "$PODMAN_CGROUPS" "$IMAGE" /probe
}

end_sallyport-podman()
{
    end_podman
    sallyport_end
}

# Sandboxes of programs, which share the file system of whoever starts them: a user, from his home.

user_begin()
{
    USER_HOME=$WORK/home
    useradd --no-log-init --home-dir "$USER_HOME" --no-create-home agent
    mkdir "$USER_HOME"
    cp "$PROBE" "$USER_HOME/probe"
    chown -R agent: "$USER_HOME"
    cd "$USER_HOME"
}

as_user()
{
    setpriv --reuid agent --regid agent --init-groups \
        env -i HOME="$USER_HOME" USER=agent PATH="${USER_PATH:-/usr/local/bin:/usr/bin:/bin}" "$@"
}

# Where none of the first ten processes is a thread of the kernel, firejail takes the machine for a sandbox and runs the
# command as it is. Not on ours: one has such a name.
kernel_thread()
{
    cp "$(type -P sleep)" "$WORK/kthreadd"
    echo 1 >/proc/sys/kernel/ns_last_pid
    "$WORK/kthreadd" 3600 &
    echo $! >>"$WORK/witnesses"
    disown
}

system_firejail()
{
    kernel_thread
    user_begin
    stage_battery as_user firejail --net=none ./probe
    ! grep "an existing sandbox was detected" "$WORK/battery.log" >&2
}

system_bwrap()
{
    user_begin
    stage_battery as_user bwrap --ro-bind / / --dev /dev --proc /proc --unshare-net ./probe
}

system_bwrap-all()
{
    user_begin
    stage_battery as_user bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /run --unshare-all --new-session \
        --die-with-parent ./probe
}

# srt's proxy asks for a password, which is in the environment of the command: authenticated.py adds it.

srt_settings()
{
    cat <<'JSON'
{
  "network": {
    "allowedDomains": ["api.openai.com:443", "openrouter.ai:443"],
    "deniedDomains": [],
    "strictAllowlist": true,
    "deniedResolvedAddresses": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"]
  },
  "filesystem": { "denyRead": [], "allowWrite": ["."], "denyWrite": [] }
}
JSON
}

in_srt()
{
    as_user srt --settings "$WORK/srt-settings.json" python3 authenticated.py 3199 ./probe "$@"
}

system_srt()
{
    [[ ! -e $ESCAPES_SRT/failed ]] || { cat "$ESCAPES_SRT/failed" >&2; return 1; }
    user_begin
    srt_settings >"$WORK/srt-settings.json"
    cp "$HERE/authenticated.py" "$USER_HOME/"
    USER_PATH=$ESCAPES_SRT/node_modules/.bin:/usr/bin:/bin
    TARGETS+=(proxy=127.0.0.1:3199 open=127.0.0.1:3128)
    stage_battery in_srt
}

# describe SYSTEM
describe()
{
    case $1 in
    docker-* | sallyport-docker | runsc*) /usr/sbin/dockerd --version | sed 's/^Docker version \([^,]*\).*/Docker \1/' ;;
    esac
    case $1 in
    docker-* | runc | sallyport-runc | sallyport-docker) runc --version | sed -n '1s/ version / /p' ;;
    podman-none | sallyport-podman)
        podman --version | sed 's/^podman version /Podman /'
        crun --version | sed -n '1s/ version / /p'
        ;;
    runsc*) dpkg-query --show --showformat 'gVisor ${Version}\n' runsc ;;
    firejail) firejail --version | sed -n '1s/ version / /p' ;;
    bwrap*) bwrap --version | sed 's/^bubblewrap /bubblewrap /' ;;
    srt)
        bwrap --version
        echo "@anthropic-ai/sandbox-runtime $SRT_VERSION"
        ;;
    esac
    case $1 in
    docker-internal | sallyport-*) squid --version | sed -n '1s/^Squid Cache: Version /squid /p' ;;
    esac
    case $1 in
    sallyport-*) "$SALLYPORT_BUILD_DIRECTORY/sallyport" --version | head -n 1 ;;
    esac
}
