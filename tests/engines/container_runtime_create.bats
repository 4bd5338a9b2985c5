# SPDX-License-Identifier: Apache-2.0
#
# create and run: the bundle's config.json is edited whole or not at all, whatever it looks like, and what cannot be
# sealed is refused in one line that says which option to drop, on standard error and in the engine's log.

source "$BATS_TEST_DIRNAME/runtime.bash"

setup_file()
{
    small_stage_up
    behind_us "$BEHIND"
    witness proxy "" "$PROBE" listen tcp "$PROXY" 3128 --keep
}

teardown_file()
{
    small_stage_down
}

setup()
{
    bundle rt-c agent /bin/echo started
    CONFIG=$WORK/bundles/rt-c/config.json
}

teardown()
{
    containers_delete_all
    eventually no_hub_links
}

# What must fail in every sealed container, and what must not.
TRIES='/probe socket 17 3 0x0300; /probe socket 2 3 1; /probe socket 0x100000028 1 0; /probe unshare user,net
    /probe io-uring-socket 17 3 0; /probe socket 1 1 0; /probe socket 16 3 0; echo started'

# sealed_output: `$output` is that of the tries.
sealed_output()
{
    [[ $status -eq 0 && ${#lines[@]} -eq 8 && ${lines[7]} == started ]] || fail "$output"
    [[ $(grep -c 'result=failed' <<<"$output") -eq 5 && ${lines[5]} == *result=ok* ]] || fail "$output"
}

@test "edited once, in one step: owner and mode, unknown keys and their order, large numbers are kept" {
    sed -i '1s/{/{"x-vendor": {"z": 1, "a": [null, true, 1.5]}, "x-large": 18446744073709551615,/' "$CONFIG"
    before=$(jq -c 'keys_unsorted' "$CONFIG")
    chown 1234:1235 "$CONFIG"
    chmod 640 "$CONFIG"
    engine_create rt-c
    [ "$(stat -c '%u:%g %a' "$CONFIG")" = "1234:1235 640" ]
    grep -q '"x-large":18446744073709551615' "$CONFIG"
    grep -q '"x-vendor":{"z":1,"a":\[null,true,1.5\]}' "$CONFIG"
    after=$(jq -c 'keys_unsorted' "$CONFIG")
    [ "$(jq -cn --argjson a "$after" --argjson b "$before" '$a - ($a - $b)')" = "$before" ] || fail "$before $after"
    [ -z "$(find "$WORK/bundles/rt-c" -name '.*' -type f)" ] || fail "a temporary file is left"
    # Again, as for a restart: nothing is written.
    first=$(stat -c '%i %Y %Z' "$CONFIG")
    container_delete rt-c
    engine_create rt-c
    [ "$(stat -c '%i %Y %Z' "$CONFIG")" = "$first" ]
    engine start rt-c
    eventually ended rt-c
    [ "$(<"$WORK/rt-c.log")" = started ]
}

@test "a restarted container keeps its walls: the edited config is edited no further" {
    bundle rt-c agent /bin/sh -c "$TRIES"
    for round in 1 2 3; do
        run engine_run rt-c
        sealed_output
        container_delete rt-c
        cp "$CONFIG" "$WORK/config.$round"
    done
    cmp "$WORK/config.1" "$WORK/config.3"
}

# bundle_refused TEXT [BUNDLE]: no container comes of it.
bundle_refused()
{
    engine_refuses "$1" timeout 20 "$PROGRAM" --log "$ENGINE_LOG" --log-format json create \
        --bundle "${2:-$WORK/bundles/rt-c}" rt-c
    run ! "$RUNTIME" state rt-c
}

@test "a config.json that is a link, a directory, a FIFO, empty or missing; a bundle that is none" {
    mv "$CONFIG" "$WORK/good.json"
    bundle_refused "config.json: No such file"
    ln -s "$WORK/good.json" "$CONFIG"
    bundle_refused "config.json"
    rm "$CONFIG"
    mkdir "$CONFIG"
    bundle_refused "config.json: not a regular file"
    rmdir "$CONFIG"
    mkfifo "$CONFIG"
    bundle_refused "config.json: not a regular file"
    rm "$CONFIG"
    : >"$CONFIG"
    bundle_refused "config.json: it is empty"
    bundle_refused "No such file" "$WORK/bundles/nowhere"
    bundle_refused "Not a directory" "$WORK/good.json"
}

@test "a config.json that is half written, has keys twice, a byte order mark, something behind its end, or is huge" {
    cp "$CONFIG" "$WORK/good.json"
    for cut in 1 100 1000 $(($(wc -c <"$CONFIG") - 2)); do
        head -c "$cut" "$WORK/good.json" >"$CONFIG"
        bundle_refused "parse config.json"
    done
    { printf '\xef\xbb\xbf'; cat "$WORK/good.json"; } >"$CONFIG"
    bundle_refused "parse config.json"
    { cat "$WORK/good.json"; echo '{}'; } >"$CONFIG"
    bundle_refused "parse config.json"
    sed '1s/{/{"linux": {},/' "$WORK/good.json" >"$CONFIG"
    bundle_refused "duplicate"
    jq '.annotations["x-large"] = "x" * 5000000' "$WORK/good.json" >"$CONFIG"
    bundle_refused "more than 4194304 bytes"
    printf 'not JSON\n' >"$CONFIG"
    bundle_refused "parse config.json"
}

@test "a config.json without process or linux, with wrong types, or with keys that Go reads otherwise" {
    cp "$CONFIG" "$WORK/good.json"
    for filter in 'del(.process)' 'del(.linux)' '.process = []' '.linux = "linux"' '.process.env = {}' '.hooks = []' \
        '.mounts = [1]' '.process.capabilities.bounding = [13]' '.linux.seccomp = []' '.annotations = 1' '.root = "/"'; do
        jq "$filter" "$WORK/good.json" >"$CONFIG"
        bundle_refused "is missing or has the wrong type"
    done
    for filter in '.Process = .process' '.process.Capabilities = {}' '.linux.Seccomp = null' '.Hooks = {}' '.Linux = {}'; do
        jq "$filter" "$WORK/good.json" >"$CONFIG"
        bundle_refused "is another spelling of"
    done
}

@test "a config.json that is not ours to read, and a bundle that is not ours to write" {
    chmod -R go+rX "$WORK" "$BATS_RUN_TMPDIR"
    chmod 600 "$CONFIG"
    rm -f "$ENGINE_LOG"
    run setpriv --reuid 65534 --regid 65534 --clear-groups "$PROGRAM" create --bundle "$WORK/bundles/rt-c" rt-c </dev/null
    [[ $status -eq 1 && ${#lines[@]} -eq 1 ]] || fail "$output"
    says "Permission denied"
    mkdir "$WORK/closed"
    mount -t tmpfs tmpfs "$WORK/closed"
    cp "$CONFIG" "$WORK/closed"
    mount -o remount,ro "$WORK/closed"
    engine_refuses "Read-only file system" engine create --bundle "$WORK/closed" rt-c
    umount "$WORK/closed"
    run ! "$RUNTIME" state rt-c
}

# rewriter: another tool that replaces the file by one that is not sealed, again and again.
rewriter()
{
    local plain=$1 config=$2
    while [[ ! -e $WORK/enough ]]; do
        cp "$plain" "$config.other"
        mv "$config.other" "$config"
    done
}

@test "a config.json that another tool rewrites meanwhile: valid at every moment, and what starts is sealed" {
    bundle rt-c agent /bin/sh -c "$TRIES"
    cp "$CONFIG" "$WORK/plain.json"
    rm -f "$WORK/enough"
    rewriter "$WORK/plain.json" "$CONFIG" </dev/null 3>&- &
    writer=$!
    for round in {1..12}; do
        rm -f "$ENGINE_LOG"
        : >"$WORK/rt-c.log"
        if engine_create rt-c 2>/dev/null && engine start rt-c 2>"$WORK/start"; then
            eventually ended rt-c
            status=0
            output=$(<"$WORK/rt-c.log")
            mapfile -t lines <<<"$output"
            sealed_output
        else
            [[ $(<"$WORK/rt-c.log") != *started* ]] || fail "round $round: it ran"
        fi
        jq -e .process "$CONFIG" >/dev/null || fail "round $round: not valid"
        container_delete rt-c
    done
    : >"$WORK/enough"
    wait "$writer"
    run engine_run rt-c
    sealed_output
}

@test "exotic seccomp profiles: composed, or refused in one line" {
    bundle rt-c agent /bin/sh -c "$TRIES"
    for profile in \
        '{"syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [
            {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 3, "op": "SCMP_CMP_EQ"}]}]}' \
        '{"syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 0, "value": 2, "op": "SCMP_CMP_GE"}, {"index": 0, "value": 30, "op": "SCMP_CMP_LE"}]}]}' \
        '{"syscalls": [{"names": ["socket"], "action": "SCMP_ACT_LOG", "args": [
            {"index": 0, "value": 1, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}]}]}' \
        '{"defaultAction": "SCMP_ACT_LOG"}' \
        '{"syscalls": [{"names": ["mkdirat"], "action": "SCMP_ACT_TRACE"}, {"names": ["mknod"], "action": "SCMP_ACT_TRAP"}]}' \
        '{"syscalls": [{"names": ["no_such_call", "socket"], "action": "SCMP_ACT_ALLOW"}]}' \
        '{"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_RISCV64"]}' \
        '{"architectures": ["SCMP_ARCH_UNHEARD_OF"]}' \
        '{"x-unknown": {"a": 1}, "syscalls": null}'; do
        configure rt-c --argjson profile "$profile" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW"} + $profile'
        run engine_run rt-c
        sealed_output
        container_delete rt-c
    done
    bundle rt-c agent /bin/echo started
    for profile in '{"defaultAction": "SCMP_ACT_NOTIFY"}' \
        '{"defaultAction": "SCMP_ACT_TRACE"}' '{"defaultAction": "SCMP_ACT_UNHEARD_OF"}' '{"defaultAction": null}' \
        '{"syscalls": [{"names": ["socket"], "action": "SCMP_ACT_UNHEARD_OF"}]}' \
        '{"syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 0, "value": 1, "op": "SCMP_CMP_UNHEARD_OF"}]}]}' \
        '{"syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}]}' \
        '{"syscalls": [{"name": "socket", "action": "SCMP_ACT_ALLOW"}]}' '{"syscalls": {}}'; do
        configure rt-c --argjson profile "$profile" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW"} + $profile'
        bundle_refused "linux.seccomp: "
    done
}

# With a supervisor that says yes to every socket: what it is asked about, composed, is nothing.
@test "a profile that asks a supervisor about sockets opens none" {
    bundle rt-c agent /bin/sh -c "/probe socket 2 3 1; /probe socket 17 3 0x0300; echo started"
    configure rt-c '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{names: ["socket"], action: "SCMP_ACT_NOTIFY"}]}'
    seal rt-c
    run jq -r '.linux.seccomp.syscalls[] | select(.names | index("socket")) | .action' "$CONFIG"
    [[ $output != *NOTIFY* ]] || fail "$output"
}

@test "our hook is last, behind the engine's own: an interface that one of them adds at create is gone" {
    cat >"$WORK/engine-hook" <<'SH'
#!/bin/bash
pid=$(jq .pid)
nsenter --target "$pid" --net ip link add eth0 type veth peer name eth1
nsenter --target "$pid" --net ip link set eth0 up
SH
    chmod 755 "$WORK/engine-hook"
    bundle rt-c agent /bin/cat /proc/net/dev
    configure rt-c --arg hook "$WORK/engine-hook" '.hooks = {
        createRuntime: [{path: $hook, args: ["engine-hook"]}], poststop: [{path: "/bin/true"}]}'
    cp "$CONFIG" "$WORK/plain.json"
    run engine_run rt-c
    [[ $status -eq 0 && $output == *sp0:* && $output != *eth* ]] || fail "$output"
    [ "$(jq -c '[.hooks[][].path]' "$CONFIG")" = "$(jq -cn --arg a "$WORK/engine-hook" --arg b "$HOOK" '[$a, $b, "/bin/true", $b]')" ]
    container_delete rt-c
    cp "$WORK/plain.json" "$CONFIG"
    run container_run rt-c
    [[ $output == *eth0:* ]] || fail "$output"
}

@test "a socket to the service manager (NOTIFY_SOCKET) is refused; runtimes alone mount one into the container" {
    bundle rt-c agent /bin/sh -c 'echo started; [ -z "$NOTIFY_SOCKET" ] || ls -l "$NOTIFY_SOCKET"'
    export NOTIFY_SOCKET=/run/rt-notify
    python3 -c 'import socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind("/run/rt-notify")'
    create_refused rt-c "drop --sdnotify container"
    run container_run rt-c
    [[ $status -eq 0 && $output == *srw*notify* ]] || fail "$output"
    container_delete rt-c
    NOTIFY_SOCKET='' run engine_run rt-c
    [[ $status -eq 0 && $output == started ]] || fail "$output"
}

# named NAME: the program by that name.
named()
{
    ln -sf "$PROGRAM" "$WORK/$1"
    ENGINE=$WORK/$1
}

# role_is ROLE: rt-c, run by $ENGINE, got that role's address.
role_is()
{
    bundle_says_address rt-c
    run engine_run rt-c
    container_delete rt-c
    case $1 in
        gateway) [[ $output == *"$GATEWAY"* ]] || fail "$output" ;;
        agent) [[ $output == *10.209.0.[6-9]* || $output == *10.209.0.1[0-2]* ]] || fail "$output" ;;
    esac
}

bundle_says_address()
{
    configure "$1" '.process.args = ["/bin/sh", "-c", "grep -A 1 sp0 /proc/net/fib_trie; grep -B 1 host /proc/net/fib_trie"]'
}

@test "the name of the link pins network and role: annotation, environment and label do not matter" {
    configure rt-c '.annotations["io.sallyport.role"] = "dashboard" | .annotations["role"] = "dashboard"
        | .process.env += ["SALLYPORT_ROLE=dashboard", "io.sallyport.role=dashboard"]
        | .annotations["com.docker.label.io.sallyport.role"] = "dashboard"'
    named "sallyport-runtime.$NETWORK.gateway"
    SALLYPORT_ROLE=dashboard SALLYPORT_NETWORK=other role_is gateway
    # A pin of the network alone leaves the role to the annotation.
    bundle rt-c agent /bin/true
    configure rt-c '.annotations["io.sallyport.network"] = "other"'
    named "sallyport-runtime.$NETWORK"
    role_is agent
    # Without a pin the annotations choose.
    bundle rt-c gateway /bin/true
    unset ENGINE
    role_is gateway
}

@test "names that pin what there is not, or that do not parse, start nothing" {
    named "sallyport-runtime.$NETWORK.nobody"
    create_refused rt-c "role \`nobody\` is not in the policy of network \`hermes\`; its roles are: "
    named sallyport-runtime.nowhere.agent
    create_refused rt-c nowhere
    for name in sallyport-runtime. "sallyport-runtime.$NETWORK." sallyport-runtime.UPPER.agent sallyport-runtime-agent \
        "sallyport-runtime.$NETWORK.agent.more" "sallyport-runtime.$NETWORK.a_b" sallyport-runtime..agent; do
        named "$name"
        create_refused rt-c "does not name a network and a role"
    done
    bundle rt-c proxy /bin/echo started
    unset ENGINE
    create_refused rt-c "role \`proxy\` cannot be had by annotation"
}

# pinned_hook OPTION...: an entry as a file in hooks.d makes it, with the administrator's pins.
pinned_hook()
{
    configure rt-c --arg hook "$HOOK" '.hooks = {createRuntime: [{path: $hook, args: (["sallyport-hook"] + $ARGS.positional)}]}' \
        --args -- "$@"
}

@test "pins of a hooks.d file: kept by a runtime that pins nothing, and no other runtime overrides them" {
    pinned_hook --network "$NETWORK" --role gateway
    role_is gateway
    [ "$(jq -c '.hooks.createRuntime[-1].args[1:]' "$CONFIG")" = '["--network","hermes","--role","gateway"]' ]
    bundle rt-c agent /bin/echo started
    pinned_hook --role=gateway
    named "sallyport-runtime.$NETWORK.agent"
    create_refused rt-c "--role is pinned twice, as \`agent\` and as \`gateway\`"
    named "sallyport-runtime.$NETWORK"
    role_is gateway
    bundle rt-c agent /bin/echo started
    pinned_hook --network elsewhere
    create_refused rt-c "--network is pinned twice"
    pinned_hook --verbose
    create_refused rt-c "arguments other than"
}

# refused_with FILTER TEXT OPTION: the config is refused; the line has the text and the option to drop.
refused_with()
{
    bundle rt-c agent /bin/echo started
    configure rt-c --arg work "$WORK" "$1"
    create_refused rt-c "$2" "$3"
}

@test "what cannot be sealed is refused, with the option to drop" {
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/run/docker.sock")'
    for name in SYS_ADMIN SYS_MODULE SYS_PTRACE BPF; do
        refused_with ".process.capabilities.bounding += [\"CAP_$name\"]" "CAP_$name cannot be contained" \
            "--cap-drop $name, or no --privileged"
    done
    refused_with '.linux.namespaces |= map(select(.type != "network"))' "host's network" "--network host"
    refused_with '.linux.namespaces |= map(select(.type != "pid"))' "pid namespace" "--pid host"
    refused_with '.linux.namespaces |= map(select(.type != "ipc"))' "host's IPC namespace" "--ipc host"
    refused_with '.mounts += [{destination: "/data", type: "bind", source: "/run/docker.sock", options: ["bind"]}]' \
        "mount /run/docker.sock is a socket" "drop the mount"
    refused_with '.mounts += [{destination: "/data", type: "bind", source: "/run", options: ["rbind"]}]' "mount /run " "mount"
    mkdir -p /etc/containers
    : >>/etc/containers/containers.conf
    refused_with '.mounts += [{destination: "/data", type: "bind", source: "/etc/containers/containers.conf", options: ["bind"]}]' \
        "mount /etc/containers/containers.conf is /etc/containers/containers.conf" "drop the mount"
    refused_with '.linux.devices += [{path: "/dev/net/tun", type: "c", major: 10, minor: 200}]' "/dev/net/tun" "--device"
    refused_with '.annotations.bundle = "/tmp"' "annotation \`bundle\` tells the runtime" "drop it"
    refused_with '.annotations["io.sallyport.rle"] = "agent"' "annotation \`io.sallyport.rle\` is unknown" "known are"
}

@test "what the process alone shows is refused by the hook: the runtime fails, and its log or its streams say why" {
    ip netns add spt-joined
    ip netns exec spt-joined sleep 600 3>&- &
    joined=$!
    eventually test "/proc/$joined/ns/net" -ef /run/netns/spt-joined
    configure rt-c '(.linux.namespaces[] | select(.type == "network")).path = "/run/netns/spt-joined"'
    rm -f "$ENGINE_LOG"
    run engine_create rt-c
    kill "$joined"
    wait "$joined" || true
    ip netns delete spt-joined
    [[ $status -ne 0 ]] || fail "$output"
    says "drop --network container:"
    grep -q '"level":"error"' "$ENGINE_LOG"
    run ! "$RUNTIME" state rt-c
}

@test "NET_RAW and NET_ADMIN are no reason to refuse: they are taken away" {
    bundle rt-c agent /bin/cat /proc/self/status
    capability rt-c CAP_NET_ADMIN
    capability rt-c net_raw
    capability rt-c 12
    run engine_run rt-c
    [ "$status" -eq 0 ]
    no_network_capabilities
}

@test "an error is one line in each form of log, and alone on standard error without one" {
    configure rt-c '.linux.namespaces |= map(select(.type != "network"))'
    run engine_create rt-c
    line=$output
    run "$PROGRAM" create --bundle "$WORK/bundles/rt-c" rt-c
    [[ $status -eq 1 && $output == "$line" ]] || fail "$output"
    rm -f "$WORK/text.log"
    run "$PROGRAM" --log "$WORK/text.log" create --bundle "$WORK/bundles/rt-c" rt-c
    [[ $output == "$line" && $(wc -l <"$WORK/text.log") -eq 1 ]] || fail "$(cat "$WORK/text.log")"
    grep -Eq '^time="[0-9TZ:-]+" level=error msg="sallyport: hermes/agent rt-c: ' "$WORK/text.log"
    # Behind what the runtime wrote there itself.
    echo '{"level":"info","msg":"before","time":"2026-01-01T00:00:00Z"}' >"$ENGINE_LOG"
    run engine_create rt-c
    [ "$(jq -rs 'map(.level) | join(" ")' "$ENGINE_LOG")" = "info error" ]
    # A log that cannot be written changes nothing.
    run "$PROGRAM" --log /nonexistent/log --log-format json create --bundle "$WORK/bundles/rt-c" rt-c
    [[ $status -eq 1 && $output == "$line" ]] || fail "$output"
}
