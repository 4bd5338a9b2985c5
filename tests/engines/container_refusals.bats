# SPDX-License-Identifier: Apache-2.0
#
# What cannot be sealed does not start (design, end of section 5): with the hook alone the runtime fails and says why;
# where the config tells, `sallyport bundle` says so before.

source "$BATS_TEST_DIRNAME/common.bash"

setup_file()
{
    small_stage_up
}

teardown_file()
{
    small_stage_down
}

setup()
{
    bundle c agent /bin/echo started
}

teardown()
{
    containers_delete_all
    eventually no_hub_links
}

@test "what is refused below starts when it is left out" {
    hook c createRuntime poststop
    run container_run c
    [ "$status" -eq 0 ]
    says started
}

@test "the host's network namespace" {
    configure c '.linux.namespaces |= map(select(.type != "network"))'
    refused_always c "host's network"
}

@test "the host's network namespace, by its path" {
    configure c '(.linux.namespaces[] | select(.type == "network")).path = "/proc/1/ns/net"'
    refused_start c "network"
}

@test "the host's pid namespace" {
    configure c '.linux.namespaces |= map(select(.type != "pid"))'
    refused_always c "pid namespace"
}

@test "the host's pid namespace, by its path" {
    configure c '(.linux.namespaces[] | select(.type == "pid")).path = "/proc/1/ns/pid"'
    refused_start c "pid namespace"
}

@test "a hub" {
    configure c --arg path "/run/netns/sallyport-$NETWORK" \
        '(.linux.namespaces[] | select(.type == "network")).path = $path'
    refused_start c "hub of network $NETWORK"
}

@test "capabilities that cannot be contained" {
    for name in SYS_ADMIN SYS_MODULE SYS_PTRACE SYS_RAWIO BPF DAC_READ_SEARCH PERFMON SYS_BOOT MAC_ADMIN; do
        bundle "cap" agent /bin/echo started
        capability cap "CAP_$name"
        refused seal cap
        says "CAP_$name"
    done
    bundle cap agent /bin/echo started
    capability cap CAP_SYS_ADMIN
    refused_always cap CAP_SYS_ADMIN
}

@test "a network namespace that another process uses and that is not sealed" {
    ip netns add spt-joined
    ip netns exec spt-joined sleep 600 3>&- &
    joined=$!
    configure c '(.linux.namespaces[] | select(.type == "network")).path = "/run/netns/spt-joined"'
    eventually test "/proc/$joined/ns/net" -ef /run/netns/spt-joined
    refused_start c "joins a network namespace"
    kill "$joined"
    wait "$joined" || true
    # Nobody in it any more: a namespace that an engine prepared.
    run container_run c
    ip netns delete spt-joined
    [ "$status" -eq 0 ]
}

# in_both [COMMAND...]: a process, $joined, that COMMAND starts, whose first thread is in spt-joined and another is not.
in_both()
{
    "$@" /usr/bin/python3 -c '
import ctypes, threading, time
namespace = open("/run/netns/spt-joined")
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
ctypes.CDLL(None).setns(namespace.fileno(), 0)
time.sleep(600)' 3>&- &
    joined=$!
    eventually test "/proc/$joined/ns/net" -ef /run/netns/spt-joined
}

@test "a network namespace in which the engine's first thread stayed, as its threads do that made one" {
    ip netns add spt-joined
    configure c '(.linux.namespaces[] | select(.type == "network")).path = "/run/netns/spt-joined"'
    # The same of a process that is not the host's, such as a container's.
    in_both unshare --mount
    refused_start c "joins a network namespace"
    kill "$joined"
    wait "$joined" || true
    in_both
    hook c createRuntime
    run container_run c
    kill "$joined"
    wait "$joined" || true
    ip netns delete spt-joined
    [ "$status" -eq 0 ] || fail "$output"
}

@test "a network namespace that a user has made, with a thread of his in it: he is no engine" {
    rm -f "$WORK/thread"
    /usr/bin/python3 -c '
import ctypes, threading, time
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
libc = ctypes.CDLL(None)
libc.unshare(CLONE_NEWUSER)
def stay():
    libc.unshare(CLONE_NEWNET)
    print(threading.get_native_id(), flush=True)
    time.sleep(600)
threading.Thread(target=stay, daemon=True).start()
time.sleep(600)' >"$WORK/thread" 3>&- &
    joined=$!
    eventually test -s "$WORK/thread"
    configure c --arg path "/proc/$joined/task/$(<"$WORK/thread")/ns/net" \
        '(.linux.namespaces[] | select(.type == "network")).path = $path'
    refused_start c "joins a network namespace"
    kill "$joined"
    wait "$joined" || true
}

# users_namespaces: $joined, a process that is in a user namespace which user 1000 has made, and has a network namespace of
# it as descriptor 7, with nobody inside. It makes a table there before it says "ready": that power stays his.
users_namespaces()
{
    chmod o+x "$BATS_RUN_TMPDIR" "${WORK%/*}" "$WORK" # the container's root is he
    : >"$WORK/users" # what it said to the test before
    setpriv --reuid 1000 --regid 1000 --clear-groups unshare --user --map-root-user bash -c '
        coproc unshare --net sh -c "echo made; exec sleep 600"
        read -r <&"${COPROC[0]}"
        exec 7<"/proc/$COPROC_PID/ns/net"
        kill "$COPROC_PID"
        wait "$COPROC_PID"
        nsenter --net=/proc/self/fd/7 nft add table inet his && echo ready
        exec sleep 600' >"$WORK/users" 2>&1 3>&- &
    joined=$!
    eventually grep -qx ready "$WORK/users" || fail "$(cat "$WORK/users")"
}

@test "a network namespace that a user has made, with nobody in it: he would take the guard down" {
    users_namespaces
    configure c --arg path "/proc/$joined/fd/7" \
        '(.linux.namespaces[] | select(.type == "network")).path = $path'
    run container_run c # the runtime has nothing against it
    container_delete c
    [ "$status" -eq 0 ]
    refused_start c "belongs to another user namespace"
    kill "$joined"
    wait "$joined" || true
}

@test "a user namespace that a user has made" {
    users_namespaces
    configure c --arg path "/proc/$joined/ns/user" '.linux.namespaces += [{type: "user", path: $path}]
        | .linux.uidMappings = [{containerID: 0, hostID: 1000, size: 1}] | .linux.gidMappings = .linux.uidMappings
        | .mounts |= map(select(.type | IN("cgroup", "devpts", "mqueue") | not)) | del(.process.rlimits)'
    run container_run c
    container_delete c
    [ "$status" -eq 0 ] || fail "$output"
    refused_start c "a user namespace of user 1000"
    kill "$joined"
    wait "$joined" || true
}

# join CONTAINER KIND ID: the bundle joins that namespace of the running container.
join()
{
    configure "$3" --arg path "/proc/$(<"$WORK/$1.pid")/ns/$2" --arg kind "$2" \
        '(.linux.namespaces[] | select(.type == (if $kind == "net" then "network" else $kind end))).path = $path'
}

@test "a pod: a namespace that is sealed for the same role may be joined, for another it is refused" {
    sleeper first agent
    join first net c
    hook c createRuntime
    run container_run c
    [ "$status" -eq 0 ]
    [ "$(hub_links)" -eq 1 ]
    bundle d gateway /bin/echo started
    join first net d
    refused_start d "already sealed"
}

@test "a pid namespace whose processes are in another network" {
    sleeper first agent
    join first pid c
    refused_start c "in another network"
}

@test "an engine's socket, by its own path, a directory above it, and a symbolic link to it" {
    mkdir -p /run/containerd "$WORK/links"
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/run/docker.sock")'
    ln -sfn /run "$WORK/links/run"
    for source in /run/docker.sock "$WORK/links/run/docker.sock" / /var/run "$WORK/links/run" /run; do
        bundle mounted agent /bin/echo started
        configure mounted --arg source "$source" \
            '.mounts += [{destination: "/data", type: "bind", source: $source, options: ["rbind"]}]'
        refused seal mounted
    done
    refused_start mounted "socket"
}

@test "an agent's or a user's socket anywhere, and the directory it is in" {
    mkdir -p "$WORK/project/deep"
    python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); import time; print("ready", flush=True); time.sleep(60)' \
        "$WORK/project/deep/agent.sock" >"$WORK/agent.seen" 3>&- &
    server=$!
    eventually grep -q ready "$WORK/agent.seen"
    for source in "$WORK/project/deep/agent.sock" "$WORK/project"; do
        bundle mounted agent /bin/echo started
        configure mounted --arg source "$source" \
            '.mounts += [{destination: "/data", type: "bind", source: $source, options: ["rbind"]}]'
        refused seal mounted
        says agent.sock
    done
    refused_start mounted agent.sock
    kill "$server"
    wait "$server" || true
}

@test "a policy's sockets are tolerated, and only they" {
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/run/docker.sock")' 2>/dev/null || true
    configure c '.mounts += [{destination: "/data", type: "bind", source: "/run/docker.sock", options: ["bind"]}]'
    refused seal c
    policy_write "$NETWORK" '.roles.agent.sockets = ["/run/docker.sock"]'
    run seal c
    policy_write "$NETWORK"
    [ "$status" -eq 0 ]
}

@test "a root file system of the starter's choice (Podman's --rootfs): not what engines are configured by" {
    local hooks=/etc/containers/oci/hooks.d
    mkdir -p "$hooks"
    cp -a "$ROOTFS/." "$hooks"
    configure c --arg path "$hooks" '.root = {path: $path, readonly: false}
        | .process.args = ["/bin/sh", "-c", "echo {} >/his.json; echo started"]'
    run container_run c
    container_delete c
    [[ $status -eq 0 && -s $hooks/his.json ]] || fail "$output"
    refused_always c "is in /etc/containers/oci, a way out"
    rm -r "$hooks"
}

@test "layers of an overlay in one option with another" {
    configure c '.mounts += [{destination: "/data", type: "overlay", source: "overlay",
        options: ["index=off,lowerdir=/etc/sallyport:/run"]}] | .process.args = ["/bin/ls", "/data"]'
    run container_run c
    container_delete c
    says networks.d
    refused_always c "has a comma"
}

@test "devices that carry packets" {
    configure c '.linux.devices += [{path: "/dev/net/tun", type: "c", major: 10, minor: 200, fileMode: 438}]'
    refused_always c "/dev/net/tun"
    for device in '10 238 /dev/vhost-net' '10 241 /dev/vhost-vsock'; do
        read -r major minor path <<<"$device"
        bundle device agent /bin/echo started
        configure device --arg path "$path" --argjson major "$major" --argjson minor "$minor" \
            '.linux.devices += [{path: "/dev/innocent", type: "c", major: $major, minor: $minor}]'
        refused seal device
        says "$path"
    done
}

@test "a network socket among the descriptors that the runtime hands in" {
    hook c createRuntime
    rm -f "$WORK/c.hook"
    run python3 -c '
import os, socket, sys
s = socket.socket()
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.execvp(sys.argv[1], [sys.argv[1], "run", "--preserve-fds", "1", "--bundle", sys.argv[2], "c"])' \
        "$RUNTIME" "$WORK/bundles/c" </dev/null
    [ "$status" -ne 0 ]
    [[ $output != *started* ]]
    eventually grep -q "an internet socket" "$WORK/c.hook"
}

@test "a cgroup that is none: crun makes it wherever the path leads, and no rule for devices is in force there" {
    configure c --arg path "../../../../../../../../../..$WORK/outside" '.linux.cgroupsPath = $path'
    if [[ $RUNTIME == crun ]]; then
        run container_run c
        container_delete c
        [ -d "$WORK/outside" ]
    fi
    refused seal c
    says "linux.cgroupsPath"
}

@test "a supervisor of the container's calls: he would hand it a socket of the host" {
    chmod o+x "$BATS_RUN_TMPDIR" "${WORK%/*}" "$WORK"
    mkdir -p "$WORK/his"
    chown 1000 "$WORK/his"
    # It gives whoever it is asked about the descriptor 9, and lets the call go on (linux/seccomp.h).
    cat >"$WORK/supervisor.py" <<'PYTHON'
import fcntl, socket, struct, sys
RECEIVE, SEND, ADD_DESCRIPTOR = 0xC0502100, 0xC0182101, 0x40182103
SET_NUMBER = CONTINUE = 1
host = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(host.getsockname())
host.accept()[0].sendall(b"leaked\n")
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
_, descriptors, _, _ = socket.recv_fds(listener.accept()[0], 65536, 4)
call = bytearray(80)
fcntl.ioctl(descriptors[0], RECEIVE, call)
number, = struct.unpack_from("Q", call)
fcntl.ioctl(descriptors[0], ADD_DESCRIPTOR, struct.pack("QIIII", number, SET_NUMBER, client.fileno(), 9, 0))
fcntl.ioctl(descriptors[0], SEND, struct.pack("QqiI", number, 0, 0, CONTINUE))
PYTHON
    witness his "" setpriv --reuid 1000 --regid 1000 --clear-groups /usr/bin/python3 \
        "$WORK/supervisor.py" "$WORK/his/socket"
    # A shell asks for its parent first of all.
    configure c --arg path "$WORK/his/socket" '.process.args = ["/bin/sh", "-c", "read line <&9; echo started $line"]
        | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $path,
            syscalls: [{names: ["getppid"], action: "SCMP_ACT_NOTIFY"}]}'
    run container_run c
    container_delete c
    says leaked
    refused seal c
    says listenerPath
}

@test "a link that the engine added: removed by default, refused where the policy says so, kept where it says so" {
    for role in agent strict keeper; do
        # A network namespace as an engine prepares it: with a bridge's link and a default route.
        ip netns add spt-engine
        ip link add spt-br type veth peer name eth0 netns spt-engine
        ip -n spt-engine link set eth0 up
        ip link set spt-br up
        bundle links "$role" /probe links
        configure links '(.linux.namespaces[] | select(.type == "network")).path = "/run/netns/spt-engine"'
        hook links createRuntime
        run container_run links
        case $role in
            agent) [[ $status -eq 0 && $output != *eth0* && $output == *sp0* ]] || fail "$role: $output" ;;
            strict) [[ $status -ne 0 ]] && grep -q eth0 "$WORK/links.hook" || fail "$role: $output" ;;
            keeper) [[ $status -eq 0 && $output == *eth0* && $output == *sp0* ]] || fail "$role: $output" ;;
        esac
        container_delete links
        ip netns delete spt-engine
        ip link delete spt-br 2>/dev/null || true
    done
}

@test "networks and roles that are not there, and the role proxy by annotation" {
    configure c '.annotations["io.sallyport.network"] = "nowhere"'
    refused_always c nowhere
    bundle c nobody /bin/echo started
    refused_always c nobody
    bundle c proxy /bin/echo started
    refused_always c proxy
    bundle c agent /bin/echo started
    configure c '.annotations["io.sallyport.rule"] = "agent"'
    refused_always c io.sallyport.rule
    bundle c "../agent" /bin/echo started
    refused_always c "is not a name"
}

@test "a policy that others may write, or that is broken" {
    chmod 666 "$POLICIES/$NETWORK.json"
    refused_always c "$NETWORK.json"
    policy_write "$NETWORK"
    echo '{' >>"$POLICIES/$NETWORK.json"
    hook c createRuntime
    refused_always c "$NETWORK.json"
    policy_write "$NETWORK"
}

@test "a policy that changed and was not reloaded" {
    policy_write "$NETWORK" '.roles.agent.reach = ["proxy"]'
    refused_start c "network reload"
    policy_write "$NETWORK"
}
