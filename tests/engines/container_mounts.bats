# SPDX-License-Identifier: Apache-2.0
#
# What the runtime did mount, not only what the config says: a path that is exchanged between the mount and the hook,
# and sockets that have no name in the hook's own /proc/net/unix. Each with a control: without the hook, or without
# what the hook looks for, the container starts and reaches the host's socket.

source "$BATS_TEST_DIRNAME/common.bash"

setup_file()
{
    small_stage_up
    mkdir -p "$WORK/engine" "$WORK/harmless"
    # An engine of the host, in a directory that no list of names has.
    cat >"$WORK/engine.py" <<'PYTHON'
import os, socket, sys, threading
os.chdir(os.path.dirname(sys.argv[1]))
server = socket.socket(socket.AF_UNIX)
server.bind(os.path.basename(sys.argv[1])) # by a relative name
os.chmod(os.path.basename(sys.argv[1]), 0o777)
server.listen()
print("ready", flush=True)
while True:
    client, _ = server.accept()
    client.sendall(b"leaked\n")
    client.close()
PYTHON
    cat >"$WORK/client.py" <<'PYTHON'
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
print("started", client.recv(100).decode())
PYTHON
    witness engine "" python3 "$WORK/engine.py" "$WORK/engine/e.sock"
}

teardown_file()
{
    small_stage_down
}

setup()
{
    bundle c agent /usr/bin/python3 /client.py /data/e.sock
    # The machine's own python is the client.
    mkdir -p "$ROOTFS"/{usr,lib,lib64}
    cp "$WORK/client.py" "$ROOTFS/client.py"
    local directory
    for directory in /usr /lib /lib64; do
        [[ ! -d $directory ]] || configure c --arg directory "$directory" \
            '.mounts += [{destination: $directory, type: "bind", source: $directory, options: ["rbind", "ro"]}]'
    done
}

teardown()
{
    containers_delete_all
    eventually no_hub_links
}

# data SOURCE: mounts it on /data.
data()
{
    configure c --arg source "$1" \
        '.mounts += [{destination: "/data", type: "bind", source: $source, options: ["rbind"]}]'
}

# first_hook COMMAND...: runs before the one that is there, at the same stage.
first_hook()
{
    configure c '.hooks.createRuntime = [{path: $ARGS.positional[0], args: $ARGS.positional}] + (.hooks.createRuntime // [])' \
        --args -- "$@"
}

# reaches: without the hook, the container reaches the engine.
reaches()
{
    run container_run c
    container_delete c
    [[ $status -eq 0 && $output == *leaked* ]] || fail "no leak to close: $output"
}

# mount_refused TEXT: as refused_start, but leaves the hooks as they are.
mount_refused()
{
    run container_run c
    container_delete c
    [[ $status -ne 0 && $output != *started* ]] || fail "ran: $output"
    eventually test -s "$WORK/c.hook"
    [[ $(wc -l <"$WORK/c.hook") -eq 1 ]] || fail "expected one line: $(cat "$WORK/c.hook")"
    grep -qF -- "$1" "$WORK/c.hook" || fail "expected \`$1\` in: $(cat "$WORK/c.hook")"
}

@test "a directory without sockets, and the machine's programs, are mounted" {
    data "$WORK/harmless"
    configure c '.process.args = ["/usr/bin/python3", "-c", "print(\"started\")"]'
    hook c createRuntime
    run container_run c
    [ "$status" -eq 0 ]
    says started
}

@test "a source that is exchanged by an earlier hook, after it was mounted" {
    ln -sfn "$WORK/engine" "$WORK/link"
    data "$WORK/link"
    first_hook /bin/ln -sfn "$WORK/harmless" "$WORK/link"
    reaches
    mkdir -p "$POLICIES/part" # what tells that it belongs to policies is only where it is
    for source in "$WORK/engine" /run "$POLICIES/part"; do
        rm -f "$WORK/c.hook"
        ln -sfn "$source" "$WORK/link"
        configure c 'del(.hooks)'
        hook c createRuntime
        first_hook /bin/ln -sfn "$WORK/harmless" "$WORK/link"
        mount_refused "what is mounted on /data of the container"
    done
    rmdir "$POLICIES/part"
}

@test "a socket as the source, exchanged for a file" {
    : >"$WORK/harmless.file"
    ln -sfn "$WORK/engine/e.sock" "$WORK/link"
    configure c --arg source "$WORK/link" \
        '.mounts += [{destination: "/data/e.sock", type: "bind", source: $source, options: ["bind"]}]
         | .root.readonly = false'
    mkdir -p "$ROOTFS/data"
    : >"$ROOTFS/data/e.sock"
    first_hook /bin/ln -sfn "$WORK/harmless.file" "$WORK/link"
    reaches
    rm -f "$WORK/c.hook"
    ln -sfn "$WORK/engine/e.sock" "$WORK/link"
    configure c 'del(.hooks)'
    hook c createRuntime
    first_hook /bin/ln -sfn "$WORK/harmless.file" "$WORK/link"
    mount_refused "is a socket"
    rm "$ROOTFS/data/e.sock"
}

@test "a directory whose name is given to another one" {
    rm -rf "$WORK/moved" "$WORK/away"
    mkdir "$WORK/moved"
    mv "$WORK/engine/e.sock" "$WORK/moved/e.sock"
    data "$WORK/moved"
    reaches
    hook c createRuntime
    first_hook /bin/sh -c "mv $WORK/moved $WORK/away && mkdir $WORK/moved"
    rm -f "$WORK/c.hook"
    mount_refused "holds the socket e.sock"
    mv "$WORK/away/e.sock" "$WORK/engine/e.sock"
}

# runc takes no symbolic link for its root: a name that is given to another directory is the same to both.
@test "a root file system whose name is given to another one after it was mounted" {
    cp -a "$ROOTFS" "$WORK/root"
    cp -a "$ROOTFS" "$WORK/other"
    ln -sfn "$WORK/engine" "$WORK/link"
    configure c --arg root "$WORK/root" '.root.path = $root'
    data "$WORK/link"
    hook c createRuntime
    # The source is exchanged as well: the config says nothing wrong any more.
    first_hook /bin/sh -c "mv $WORK/root $WORK/gone && mv $WORK/other $WORK/root && ln -sfn $WORK/harmless $WORK/link"
    rm -f "$WORK/c.hook"
    mount_refused "outside of its root file system"
}

@test "a socket without a name in /proc/net/unix: relative, in a directory that was renamed, of another network" {
    run ! grep -F "$WORK/engine/e.sock" /proc/net/unix
    data "$WORK/engine"
    reaches
    refused seal c
    says "holds the socket e.sock"
    says "remove the socket, mount another directory, or list it under \`sockets\` of role \`agent\`"
    refused_start c "holds the socket e.sock"
    mkdir -p "$WORK/above/deep/deeper"
    rm -rf "$WORK/above/deep/deeper/renamed"
    mv "$WORK/engine" "$WORK/above/deep/deeper/renamed"
    bundle c agent /bin/echo started
    data "$WORK/above"
    refused_always c "holds the socket deep/deeper/renamed/e.sock"
    mv "$WORK/above/deep/deeper/renamed" "$WORK/engine"
    unshare --net python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$WORK/above/line
feed"
    bundle c agent /bin/echo started
    data "$WORK/above"
    refused_always c "holds the socket"
    rm "$WORK/above/line"*
    bundle c agent /bin/echo started
    data "$WORK/above"
    hook c createRuntime
    run container_run c
    [ "$status" -eq 0 ]
    says started
}

@test "a directory that only another user may read" {
    mkdir -p "$WORK/home/project/private"
    chown -R 1000:1000 "$WORK/home"
    chmod -R 700 "$WORK/home"
    bundle c agent /bin/echo started
    data "$WORK/home/project"
    hook c createRuntime
    run container_run c
    [ "$status" -eq 0 ]
    says started
    container_delete c
    unshare --net python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' \
        "$WORK/home/project/private/s"
    ln -sfn "$WORK/home/project" "$WORK/link"
    configure c --arg source "$WORK/link" '.mounts[-1].source = $source | del(.hooks)'
    hook c createRuntime
    first_hook /bin/ln -sfn "$WORK/harmless" "$WORK/link"
    rm -f "$WORK/c.hook"
    mount_refused "what is mounted on /data of the container holds the socket private/s"
}

@test "a container with a user namespace" {
    bundle c agent /bin/echo started
    data "$WORK/harmless"
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$(dirname "$BATS_FILE_TMPDIR")"
    configure c '.linux.namespaces += [{type: "user"}]
        | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
        | .linux.gidMappings = .linux.uidMappings'
    hook c createRuntime
    run container_run c
    container_delete c
    [[ $status -eq 0 && $output == *started* ]] || fail "$output $(cat "$WORK/c.hook" 2>/dev/null)"
    ln -sfn "$WORK/engine" "$WORK/link"
    configure c --arg source "$WORK/link" '.mounts[-1].source = $source | del(.hooks)'
    hook c createRuntime
    first_hook /bin/ln -sfn "$WORK/harmless" "$WORK/link"
    rm -f "$WORK/c.hook"
    mount_refused "what is mounted on /data of the container holds the socket e.sock"
}

@test "a socket that the policy tolerates is found and let through" {
    policy_write "$NETWORK" ".roles.agent.sockets = [\"$WORK/engine/e.sock\"]"
    "$SALLYPORT" network reload "$NETWORK"
    data "$WORK/engine"
    hook c createRuntime
    reaches
    policy_write "$NETWORK"
    "$SALLYPORT" network reload "$NETWORK"
}

@test "a large workspace starts" {
    mkdir -p "$WORK/large"
    python3 - "$WORK/large" <<'PYTHON'
import os, sys
for i in range(200):
    os.mkdir(f"{sys.argv[1]}/{i}")
    for k in range(100):
        open(f"{sys.argv[1]}/{i}/{k}", "w").close()
PYTHON
    bundle c agent /bin/echo started
    data "$WORK/large"
    hook c createRuntime
    run container_run c
    [ "$status" -eq 0 ]
    says started
}

@test "file systems that lead out, and proc where nothing protects it" {
    local entry
    for entry in '{type: "debugfs", source: "debugfs"}' '{type: "nfs", source: "203.0.113.9:/"}' \
        '{type: "proc", source: "proc"}' '{type: "sysfs", source: "sysfs", options: ["ro"]}' \
        '{type: "devtmpfs", source: "devtmpfs"}' '{type: "none", source: "none", options: ["remount", "rw"]}'; do
        bundle c agent /bin/echo started
        configure c ".mounts += [$entry + {destination: \"/data\"}]"
        refused seal c
        says "mount on /data"
    done
    bundle c agent /bin/echo started
    configure c '.mounts += [{destination: "/data", type: "proc", source: "proc"}]'
    run container_run c # the runtime has nothing against it
    container_delete c
    [ "$status" -eq 0 ]
    refused_start c "mount on /data"
    bundle c agent /bin/echo started
    configure c '(.mounts[] | select(.destination == "/sys")).options |= map(select(. != "ro"))'
    refused_always c "is writable"
    # In the host's cgroup namespace, joined as if it were a new one, the process leaves its cgroup and its rules.
    bundle c agent /bin/sh -c 'for list in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/devices/cgroup.procs; do
        [ ! -e $list ] || echo 0 >$list && echo started; done'
    configure c '(.mounts[] | select(.type == "cgroup")).options |= map(select(. != "ro"))
        | .linux.namespaces |= map(select(.type != "cgroup")) + [{type: "cgroup", path: "/proc/1/ns/cgroup"}]'
    run container_run c
    container_delete c
    says started
    refused_always c "is writable"
}
