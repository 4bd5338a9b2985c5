# SPDX-License-Identifier: Apache-2.0
#
# `sallyport install`: what it writes is what the real engines read, what it did not write stays as it is, and taking it
# out leaves no trace.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/docker.bash"

DAEMON_JSON=/etc/docker/daemon.json
CONTAINERD=/etc/containerd/config.toml
PODMAN_CONFIG=/etc/containers/containers.conf.d/50-sallyport.conf
PODMAN_HOOKS=/etc/containers/oci/hooks.d
LINKS=/etc/sallyport/runtimes
RUNTIME_PROGRAM=$SALLYPORT_BUILD_DIRECTORY/sallyport-runtime

setup_file()
{
    # k3s's place, which is not below /etc.
    [[ -d /var/lib/rancher ]] || : >"$WORK/rancher-made"
    mkdir -p /var/lib/rancher
    mount -t tmpfs tmpfs /var/lib/rancher
    mkdir -p /etc/docker /etc/containerd "$WORK/containerd"
    cp "$CONTAINERD" "$WORK/containerd.toml"
    policy_write "$NETWORK" '.proxy.at = "member"'
}

teardown_file()
{
    find /sys/fs/cgroup -depth -type d -path "*$CGROUPS/install*" -exec rmdir {} + 2>/dev/null || true
    umount /var/lib/rancher
    [[ ! -e $WORK/rancher-made ]] || rmdir /var/lib/rancher
}

setup()
{
    rm -f "$DAEMON_JSON"
    cp "$WORK/containerd.toml" "$CONTAINERD"
}

teardown()
{
    local pid
    if [[ -e $WORK/daemon.pid ]]; then
        pid=$(<"$WORK/daemon.pid")
        kill "$pid"
        eventually internet_gone "$pid"
        rm "$WORK/daemon.pid"
    fi
    umount /etc/docker 2>/dev/null || true
    if [[ -d $WORK/docker ]]; then
        docker_down "$WORK/docker" || fail "Docker left something behind"
        rm -r "$WORK/docker"
    fi
    rm -rf "$LINKS" /var/lib/rancher/k3s /etc/containerd/conf.d
    rm -rf "$PODMAN_CONFIG" /etc/containers/oci /etc/containers/containers.conf
}

install()
{
    run "$SALLYPORT" install "$@"
    [[ $status -eq 0 ]] || fail "exit status $status: $output"
}

# unchanged FILE COMMAND...: the command is refused in one line, and the file is as before.
unchanged()
{
    local file=$1 before
    shift
    before=$(stat -c '%i %Y %a %u' "$file"; cksum <"$file")
    refused "$@"
    [[ $before == "$(stat -c '%i %Y %a %u' "$file"; cksum <"$file")" ]] || fail "$file was changed"
    [[ ! -e $LINKS ]] || fail "left: $(find "$LINKS")"
}

daemon_json()
{
    printf '%s' "$1" >"$DAEMON_JSON"
}

# daemon NAME COMMAND...: in the background until the test ends; what it says is in $WORK/NAME.log.
daemon()
{
    local name=$1
    shift
    "$@" </dev/null >"$WORK/$name.log" 2>&1 3>&- &
    echo $! >"$WORK/daemon.pid"
    disown
}

# says_like_diff FILE BEFORE: `$output` has the lines that diff -u prints for BEFORE and FILE, without the two names.
says_like_diff()
{
    local expected
    expected=$(diff -u "$2" "$1" | tail -n +3) || true
    [[ -n $expected ]] || fail "$1 was not changed"
    says "$expected"
}

# Docker.

@test "docker: a file that is not there is made, twice is once, and undo leaves nothing" {
    install docker --role "$NETWORK.agent"
    jq -e --arg path "$RUNTIME_PROGRAM" '. == {"runtimes": {"sallyport": {"path": $path}, "sallyport-hermes-agent":
        {"path": "/etc/sallyport/runtimes/docker/sallyport-runtime.hermes.agent"}}}' "$DAEMON_JSON"
    [[ $(stat -c '%a %u:%g' "$DAEMON_JSON") == "644 0:0" ]]
    [[ $(readlink "$LINKS/docker/sallyport-runtime.hermes.agent") == "$RUNTIME_PROGRAM" ]]
    install docker --role "$NETWORK.agent"
    says already
    install docker
    says already
    install docker --undo
    [[ ! -e $DAEMON_JSON && ! -e $LINKS ]]
    install docker --undo
    says "nothing to take out"
}

@test "docker: order, indentation, numbers, owner and mode stay, and undo gives the same bytes" {
    daemon_json $'{\n\t"z": {"b": 1.50e3,  "a": 18446744073709551615},\n\n\t"log-level" : "warn"\n}'
    chmod 600 "$DAEMON_JSON"
    chown 0:5 "$DAEMON_JSON"
    cp "$DAEMON_JSON" "$WORK/before"
    install docker --network "$NETWORK" --default-runtime
    cmp --bytes=$(($(stat -c %s "$WORK/before") - 2)) "$DAEMON_JSON" "$WORK/before" # all but "\n}"
    [[ $(stat -c '%a %u:%g' "$DAEMON_JSON") == "600 0:5" ]]
    jq -e '(.runtimes | keys | length) == 9 and .runtimes["sallyport-hermes-proxy"]
        and .["default-runtime"] == "sallyport"' "$DAEMON_JSON"
    [[ $(tail -c 1 "$DAEMON_JSON") == "}" ]]
    install docker --undo
    cmp "$DAEMON_JSON" "$WORK/before"
    [[ $(stat -c '%a %u:%g' "$DAEMON_JSON") == "600 0:5" ]]
}

@test "docker: --dry-run prints what diff -u prints, and changes nothing" {
    daemon_json $'{\n  "debug": true,\n  "runtimes": {\n    "other": {"path": "/usr/bin/crun"}\n  }\n}\n'
    cp "$DAEMON_JSON" "$WORK/before"
    run "$SALLYPORT" install docker --role "$NETWORK.agent" --dry-run
    cmp "$DAEMON_JSON" "$WORK/before"
    [[ ! -e $LINKS ]]
    says "-> $RUNTIME_PROGRAM"
    local diff=$output
    install docker --role "$NETWORK.agent"
    output=$diff
    says_like_diff "$DAEMON_JSON" "$WORK/before"
    cp "$DAEMON_JSON" "$WORK/after"
    run "$SALLYPORT" install docker --undo --dry-run
    cmp "$DAEMON_JSON" "$WORK/after"
    diff=$output
    install docker --undo
    cmp "$DAEMON_JSON" "$WORK/before"
    output=$diff
    says_like_diff "$DAEMON_JSON" "$WORK/after"
}

@test "docker: a file that cannot be understood is refused in one line and stays" {
    daemon_json $'{\n  // mirrors\n  "debug": true\n}\n'
    unchanged "$DAEMON_JSON" "$SALLYPORT" install docker
    says "line 2 has a comment"
    daemon_json $'\xef\xbb\xbf{}\n'
    unchanged "$DAEMON_JSON" "$SALLYPORT" install docker
    says "byte order mark"
    daemon_json '{"debug": true, "debug": false}'
    unchanged "$DAEMON_JSON" "$SALLYPORT" install docker
    says "duplicate"
    daemon_json '["debug"]'
    unchanged "$DAEMON_JSON" "$SALLYPORT" install docker
    says "not a JSON object"
    daemon_json '{"runtimes": ["sallyport"]}'
    unchanged "$DAEMON_JSON" "$SALLYPORT" install docker
    says '`runtimes` is not an object'
    daemon_json ''
    unchanged "$DAEMON_JSON" "$SALLYPORT" install docker
    says "is empty"
}

@test "docker: a file that is not root's alone, or a link, is refused" {
    daemon_json '{}'
    chown 1000 "$DAEMON_JSON"
    unchanged "$DAEMON_JSON" "$SALLYPORT" install docker
    says "rootless"
    chown 0 "$DAEMON_JSON"
    chmod 664 "$DAEMON_JSON"
    unchanged "$DAEMON_JSON" "$SALLYPORT" install docker
    says "chmod go-w"
    chmod 644 "$DAEMON_JSON"
    mv "$DAEMON_JSON" "$WORK/elsewhere.json"
    ln -s "$WORK/elsewhere.json" "$DAEMON_JSON"
    unchanged "$DAEMON_JSON" "$SALLYPORT" install docker
    says "symbolic link"
    [[ $(<"$WORK/elsewhere.json") == '{}' ]]
}

@test "docker: a runtime of our name that is another program is neither replaced nor taken out" {
    daemon_json '{"runtimes": {"sallyport": {"path": "/opt/other"}}}'
    unchanged "$DAEMON_JSON" "$SALLYPORT" install docker
    says 'has a runtime `sallyport` already'
    install docker --undo
    says "it stays"
    jq -e '.runtimes.sallyport.path == "/opt/other"' "$DAEMON_JSON"
    daemon_json '{"runtimes": {"sallyport-hermes-agent": {"path": "/opt/other", "runtimeArgs": []}}}'
    unchanged "$DAEMON_JSON" "$SALLYPORT" install docker --role "$NETWORK.agent"
    install docker
    install docker --undo
    jq -e '.runtimes["sallyport-hermes-agent"].path == "/opt/other"' "$DAEMON_JSON"
    daemon_json '{"default-runtime": "kata"}'
    unchanged "$DAEMON_JSON" "$SALLYPORT" install docker --default-runtime
    says "take it out first"
}

@test "docker: a failure half way takes back what was done" {
    daemon_json '{}'
    mount --bind /etc/docker /etc/docker
    mount -o remount,bind,ro /etc/docker
    refused "$SALLYPORT" install docker --role "$NETWORK.agent"
    says "Read-only file system"
    [[ ! -e $LINKS ]]
    umount /etc/docker
    [[ $(<"$DAEMON_JSON") == '{}' ]]
}

@test "docker: a real dockerd loads the runtimes, says so, and runs a container in the pinned role" {
    mkdir -p "$WORK/docker"
    docker_up "$WORK/docker" 'del(.runtimes)'
    cp "$DAEMON_JSON" "$WORK/before"
    install docker
    says "not in force yet: kill -HUP"
    install docker --role "$NETWORK.agent"
    says "not in force yet: kill -HUP"
    [[ $(docker info --format '{{json .Runtimes}}') != *sallyport* ]]
    ${output##*yet: }
    dockerd_has_loaded()
    {
        "$SALLYPORT" install docker --role "$NETWORK.agent" | grep "^in force: dockerd"
    }
    eventually dockerd_has_loaded
    [[ $(docker info --format '{{json .Runtimes}}') == *sallyport-hermes-agent* ]]

    install docker --default-runtime --reload
    says "in force: dockerd"
    [[ $(docker info --format '{{.DefaultRuntime}}') == sallyport ]]

    image_busybox spt-install
    "$SALLYPORT" network up "$NETWORK"
    run docker run --rm --network none --runtime sallyport-hermes-agent spt-install ip -o address
    "$SALLYPORT" network down "$NETWORK"
    [[ $status -eq 0 ]] || fail "$output"
    says "sp0    inet 10.209.0."

    # What dockerd does not accept is not in force, and --reload says so.
    install docker --undo
    says "not in force yet, dockerd keeps what it has"
    cmp "$DAEMON_JSON" "$WORK/before"
    jq '. + {"no-such-key": 1}' "$WORK/before" >"$DAEMON_JSON"
    refused_reload()
    {
        "$SALLYPORT" install docker --role "$NETWORK.gateway" --reload >/dev/null
    }
    refused refused_reload
    says "does not have the runtimes"
}

@test "docker: what dockerd's command line says" {
    mkdir -p "$WORK/other"
    printf '{"data-root": "%s"}\n' "$WORK/other" >"$WORK/other.json"
    daemon dockerd /usr/sbin/dockerd --config-file "$WORK/other.json" --add-runtime other=/usr/bin/crun \
        --default-runtime=runc --bridge none --iptables=false
    eventually docker version
    daemon_json '{}'
    unchanged "$DAEMON_JSON" "$SALLYPORT" install docker
    says "use --config $WORK/other.json"
    unchanged "$WORK/other.json" "$SALLYPORT" install docker --config "$WORK/other.json" --default-runtime
    says "does not start with the same in its file too"
    unchanged "$WORK/other.json" "$SALLYPORT" install docker --config "$WORK/other.json" --reload
    says "forget the runtimes of its --add-runtime"
    install docker --config "$WORK/other.json"
    says "not in force yet: end dockerd"
    # Both are so.
    kill -HUP "$(<"$WORK/daemon.pid")"
    other_is_gone()
    {
        [[ $(docker info --format '{{json .Runtimes}}') != *other* ]]
    }
    eventually other_is_gone
    echo '{"default-runtime": "sallyport"}' >"$WORK/both.json"
    run /usr/sbin/dockerd --config-file "$WORK/both.json" --default-runtime runc
    [[ $status -ne 0 ]]
    says "specified both as a flag and in the configuration file"
}

@test "docker: with no daemon to reload, --reload is an error" {
    run "$SALLYPORT" install docker --reload
    [[ $status -eq 1 ]]
    says "none to reload; start Docker"
}

# Podman.

# podman ARGUMENT...: with a storage of the test's.
podman()
{
    env -u DOCKER_CONFIG /usr/bin/podman --root "$WORK/podman/root" --runroot /run/podman-storage --storage-driver vfs \
        --cgroup-manager cgroupfs "$@" 3>&-
}

podman_run()
{
    podman run --rm --network none --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 \
        --cgroup-parent "$CGROUPS/install" "$@"
}

@test "podman: the packaged hook, runtimes that podman knows, the built-in ones too; undo leaves nothing" {
    install podman --network "$NETWORK"
    sed "s|\"path\": \".*/sallyport-hook\"|\"path\": \"$HOOK\"|" "$SALLYPORT_BUILD_DIRECTORY/packaging/hooks.d/sallyport.json" |
        cmp - "$PODMAN_HOOKS/sallyport.json"
    podman --runtime sallyport info --format '{{.Host.OCIRuntime.Path}}' | grep -qx "$RUNTIME_PROGRAM"
    podman --runtime sallyport-hermes-agent info --format '{{.Host.OCIRuntime.Path}}' |
        grep -qx "$LINKS/podman/sallyport-runtime.hermes.agent"
    podman --runtime runc info --format '{{.Host.OCIRuntime.Path}}' | grep -qx /usr/bin/runc
    podman info --format '{{.Host.OCIRuntime.Name}}' | grep -qx -e crun -e runc
    install podman --role "$NETWORK.agent"
    says already
    install podman --default-runtime
    podman info --format '{{.Host.OCIRuntime.Name}}' | grep -qx sallyport
    install podman
    says already
    install podman --undo
    [[ ! -e $PODMAN_CONFIG && ! -e $PODMAN_HOOKS/sallyport.json && ! -e $LINKS ]]
    podman info --format '{{.Host.OCIRuntime.Name}}' | grep -qx -e crun -e runc
    install podman --undo
    says "nothing to take out"
}

@test "podman: the hook seals an annotated container, and would not be read without our hooks_dir" {
    rootfs_make
    ln -sf busybox "$ROOTFS/bin/ip"
    install podman
    "$SALLYPORT" network up "$NETWORK"
    run podman_run --annotation io.sallyport.network="$NETWORK" --rootfs "$ROOTFS" ip -o address
    says "sp0    inet 10.209.0."
    run podman_run --rootfs "$ROOTFS" ip -o address
    [[ $status -eq 0 && $output != *sp0* ]] || fail "$output"
    sed -i /hooks_dir/d "$PODMAN_CONFIG"
    run podman_run --annotation io.sallyport.network="$NETWORK" --rootfs "$ROOTFS" ip -o address
    [[ $status -eq 0 && $output != *sp0* ]] || fail "$output"
    install podman --mandatory="$NETWORK.agent"
    run podman_run --rootfs "$ROOTFS" ip -o address
    "$SALLYPORT" network down "$NETWORK"
    says "sp0    inet 10.209.0."
    [[ ! -e $PODMAN_HOOKS/sallyport.json ]]
    install podman
    says "takes every container"
    [[ -e $PODMAN_HOOKS/sallyport-mandatory.json && ! -e $PODMAN_HOOKS/sallyport.json ]]
}

@test "podman: an administrator's hooks_dir stays, and the hook goes there" {
    printf '[engine]\nhooks_dir = [\n  "/usr/share/containers/oci/hooks.d", # first\n  "%s/hooks",\n]\n' "$WORK" \
        >/etc/containers/containers.conf
    install podman
    [[ -e $WORK/hooks/sallyport.json && ! -e $PODMAN_HOOKS/sallyport.json ]]
    ! grep hooks_dir "$PODMAN_CONFIG" || fail "hooks_dir is set again"
    rm /etc/containers/containers.conf
    install podman
    [[ -e $PODMAN_HOOKS/sallyport.json ]]
    printf '[engine]\nhooks_dir = ["%s/hooks"]\n' "$WORK" >/etc/containers/containers.conf
    install podman --undo
    [[ ! -e $WORK/hooks/sallyport.json && ! -e $PODMAN_HOOKS/sallyport.json ]]
}

@test "podman: files of our names that are not ours, and files that are no TOML, are refused" {
    mkdir -p "$PODMAN_HOOKS" "${PODMAN_CONFIG%/*}"
    echo '{"version": "1.0.0", "hook": {"path": "/opt/hook"}}' >"$PODMAN_HOOKS/sallyport.json"
    unchanged "$PODMAN_HOOKS/sallyport.json" "$SALLYPORT" install podman
    says "not ours"
    unchanged "$PODMAN_HOOKS/sallyport.json" "$SALLYPORT" install podman --undo
    rm "$PODMAN_HOOKS/sallyport.json"
    echo '[engine]' >"$PODMAN_CONFIG"
    unchanged "$PODMAN_CONFIG" "$SALLYPORT" install podman
    says "rename it"
    rm "$PODMAN_CONFIG"
    printf '[engine]\nhooks_dir = [1\n' >/etc/containers/containers.conf
    unchanged /etc/containers/containers.conf "$SALLYPORT" install podman
    says "/etc/containers/containers.conf: line"
}

# containerd.

CRI='plugins."io.containerd.grpc.v1.cri".containerd'

# dumped: what containerd makes of its file, as JSON.
dumped()
{
    containerd --config "$CONTAINERD" config dump |
        python3 -c 'import json, sys, tomllib; json.dump(tomllib.loads(sys.stdin.read()), sys.stdout)'
}

# runtimes FILTER: of jq, on the runtimes of the dump.
runtimes()
{
    dumped | jq -e '.plugins["io.containerd.grpc.v1.cri"].containerd.runtimes'"$1"
}

@test "containerd: the handlers are there, runc's own still, and undo gives the same bytes" {
    install containerd
    install containerd --role "$NETWORK.agent"
    runtimes ' | keys == ["runc", "sallyport", "sallyport-hermes-agent"] and
        all(.[]; .runtime_type == "io.containerd.runc.v2") and
        .sallyport.options.BinaryName == "'"$RUNTIME_PROGRAM"'" and
        .sallyport.pod_annotations == ["io.sallyport.*"] and .sallyport.container_annotations == ["io.sallyport.*"] and
        .["sallyport-hermes-agent"].options.BinaryName ==
            "/etc/sallyport/runtimes/containerd/sallyport-runtime.hermes.agent"'
    install containerd
    says already
    install containerd --undo
    cmp "$CONTAINERD" "$WORK/containerd.toml"
    [[ ! -e $LINKS ]]
    install containerd --undo
    says "nothing to take out"
    # containerd 1 forgets the built-in runc when the file names a handler: why the block names it.
    install containerd
    sed -i '/runtimes.runc\]/,/runtime_type/d' "$CONTAINERD"
    runtimes ' | keys == ["sallyport"]'
}

@test "containerd: where roles are pinned there is no handler that obeys annotations, unless it was there before" {
    install containerd --role "$NETWORK.agent"
    runtimes ' | keys == ["runc", "sallyport-hermes-agent"] and
        all(.[]; .pod_annotations == [] and .container_annotations == [])'
    install containerd
    says already
    install containerd --network "$NETWORK"
    runtimes ' | has("sallyport") == false and length == 9 and
        all(.[]; .pod_annotations == [] and .container_annotations == [])'
    install containerd --undo
    install containerd
    install containerd --role "$NETWORK.agent"
    runtimes ' | keys == ["runc", "sallyport", "sallyport-hermes-agent"] and
        .["sallyport-hermes-agent"].pod_annotations == [] and .sallyport.pod_annotations == ["io.sallyport.*"]'
}

@test "containerd: what runc's handler is set to, ours is, and follows it; undo of a made file removes it" {
    cat >>"$CONTAINERD" <<TOML
[$CRI.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
privileged_without_host_devices = true
[$CRI.runtimes.runc.options]
SystemdCgroup = true
ShimCgroup = 'a"b'
TOML
    cp "$CONTAINERD" "$WORK/before"
    install containerd --role "$NETWORK.agent"
    runtimes ' | all(.[]; .privileged_without_host_devices and .options.SystemdCgroup and
        .options.ShimCgroup == "a\"b")'
    sed -i '0,/SystemdCgroup = true/s//SystemdCgroup = false/' "$CONTAINERD"
    sed -i 's/SystemdCgroup = true/SystemdCgroup = false/' "$WORK/before"
    install containerd
    runtimes ' | all(.[]; .options.SystemdCgroup | not)'
    echo 'oom_score = 1 # after the block' >>"$WORK/before"
    sed -i "\$a[timeouts]\n'x' = '1s'" "$CONTAINERD"
    install containerd --role "$NETWORK.gateway"
    runtimes ' | keys == ["runc", "sallyport-hermes-agent", "sallyport-hermes-gateway"]'
    [[ $(tail -n 1 "$CONTAINERD") == "'x' = '1s'" ]]
    rm "$CONTAINERD"
    install containerd --undo
    install containerd
    runtimes ' | keys == ["runc", "sallyport"]'
    install containerd --undo
    [[ ! -e $CONTAINERD ]]
}

@test "containerd: a real one starts its CRI plugin with the handlers, and is known to be older or newer" {
    containerd_answers()
    {
        ctr --address /run/containerd/containerd.sock version
    }
    install containerd
    touch --date '1 minute ago' "$CONTAINERD" # the kernel knows the start of a process to a hundredth of a second
    daemon containerd containerd --root "$WORK/containerd/root" --state "$WORK/containerd/state"
    eventually containerd_answers
    grep -q "Start cri plugin with config.*sallyport:{Type:io.containerd.runc.v2" "$WORK/containerd.log"
    install containerd
    says "in force: containerd"
    install containerd --role "$NETWORK.agent"
    says "not in force yet"
    # What its handlers name, containerd's shim runs; a pinned role is not an annotation's to choose.
    rootfs_make
    "$SALLYPORT" network up "$NETWORK"
    run ctr run --rm --cgroup "$CGROUPS/install-ctr" --annotation io.sallyport.role=gateway \
        --runc-binary "$LINKS/containerd/sallyport-runtime.hermes.agent" --rootfs "$ROOTFS" spt-install \
        /bin/busybox ip -o address
    "$SALLYPORT" network down "$NETWORK"
    says "sp0    inet 10.209.0."
    [[ $output != *"inet $GATEWAY/"* ]] || fail "$output"
}

@test "containerd: a containerd that reads another file is told apart" {
    cp "$CONTAINERD" "$WORK/other.toml"
    daemon containerd containerd --config "$WORK/other.toml" --root "$WORK/containerd/root" \
        --state "$WORK/containerd/state"
    eventually test -S /run/containerd/containerd.sock
    unchanged "$CONTAINERD" "$SALLYPORT" install containerd
    says "use --config $WORK/other.toml"
    install containerd --config "$WORK/other.toml"
    says "not in force yet"
}

@test "containerd: version 3 with a directory of imports gets a drop-in, and config.toml stays" {
    cat >"$CONTAINERD" <<'TOML'
version = 3
imports = ["conf.d/*.toml"]
[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = "runc"
TOML
    mkdir /etc/containerd/conf.d
    printf 'version = 3\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]\n%s\noptions.%s\n' \
        'runtime_type = "io.containerd.runc.v2"' 'SystemdCgroup = true' >/etc/containerd/conf.d/10-runc.toml
    cp "$CONTAINERD" "$WORK/before"
    install containerd --role "$NETWORK.agent"
    cmp "$CONTAINERD" "$WORK/before"
    python3 -c 'import json, sys, tomllib; json.dump(tomllib.load(open(sys.argv[1], "rb")), sys.stdout)' \
        /etc/containerd/conf.d/99-sallyport.toml |
        jq -e '.version == 3 and (.plugins["io.containerd.cri.v1.runtime"].containerd.runtimes |
            keys == ["sallyport-hermes-agent"] and all(.[]; .options.SystemdCgroup))'
    install containerd
    says already
    install containerd --undo
    [[ ! -e /etc/containerd/conf.d/99-sallyport.toml && ! -e $LINKS ]]
}

@test "containerd: k3s, whose config.toml is made from a template" {
    local directory=/var/lib/rancher/k3s/agent/etc/containerd
    mkdir -p "$directory"
    rm "$CONTAINERD"
    printf 'version = 2\n[%s.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\noptions = {SystemdCgroup = true}\n' \
        "$CRI" >"$directory/config.toml"
    unchanged "$directory/config.toml" "$SALLYPORT" install containerd
    says "write the line {{ template \"base\" . }} into $directory/config.toml.tmpl"
    echo '{{ template "base" . }}' >"$directory/config.toml.tmpl"
    install containerd
    [[ $(head -n 1 "$directory/config.toml.tmpl") == '{{ template "base" . }}' ]]
    grep -q 'SystemdCgroup = true' "$directory/config.toml.tmpl"
    # As k3s makes it from that.
    { cat "$directory/config.toml"; tail -n +2 "$directory/config.toml.tmpl"; } >"$WORK/rendered"
    mv "$WORK/rendered" "$directory/config.toml"
    containerd --config "$directory/config.toml" config dump | grep -q 'runtimes.sallyport.options'
    install containerd
    says already
    install containerd --undo
    [[ $(<"$directory/config.toml.tmpl") == '{{ template "base" . }}' ]]
    printf 'version = 3\nimports = ["%s/config-v3.toml.d/*.toml"]\n' "$directory" >"$directory/config.toml"
    install containerd
    [[ -e $directory/config-v3.toml.d/99-sallyport.toml ]]
}

@test "containerd: what would not take effect, or cannot be understood, is refused in one line" {
    echo 'disabled_plugins = ["cri"]' | cat - "$WORK/containerd.toml" >"$CONTAINERD"
    unchanged "$CONTAINERD" "$SALLYPORT" install containerd
    says "nothing would take effect"
    echo '[plugins.cri]' >"$CONTAINERD"
    unchanged "$CONTAINERD" "$SALLYPORT" install containerd
    says "containerd config migrate"
    echo 'version = 2 x' >"$CONTAINERD"
    unchanged "$CONTAINERD" "$SALLYPORT" install containerd
    says "line 1"
    printf 'version = 2\n[plugins]\n"io.containerd.grpc.v1.cri" = {containerd = {no_pivot = false}}\n' >"$CONTAINERD"
    unchanged "$CONTAINERD" "$SALLYPORT" install containerd
    says "in braces"
    printf 'version = 2\n[%s.runtimes.sallyport]\nruntime_type = "x"\n' "$CRI" >"$CONTAINERD"
    unchanged "$CONTAINERD" "$SALLYPORT" install containerd
    says 'has a runtime `sallyport` already'
    printf 'version = 2\n# BEGIN sallyport: \n' >"$CONTAINERD"
    unchanged "$CONTAINERD" "$SALLYPORT" install containerd --undo
    says "BEGIN and END"
}

@test "containerd: an imported CRI section takes the place of config.toml's in version 2, so it is refused" {
    mkdir /etc/containerd/conf.d
    { echo 'imports = ["/etc/containerd/conf.d/*.toml"]'; cat "$WORK/containerd.toml"; } >"$CONTAINERD"
    install containerd
    printf 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\nenable_selinux = false\n' >/etc/containerd/conf.d/a.toml
    runtimes ' | keys == ["runc"]'
    refused "$SALLYPORT" install containerd
    says "/etc/containerd/conf.d/a.toml instead"
}

# Words.

@test "install: wrong words, roles that are not, and who is not root" {
    refused "$SALLYPORT" install
    says --help
    refused "$SALLYPORT" install lxc
    refused "$SALLYPORT" install docker podman
    refused "$SALLYPORT" install docker --undo --role "$NETWORK.agent"
    refused "$SALLYPORT" install docker --undo --reload
    refused "$SALLYPORT" install podman --config /etc/x
    refused "$SALLYPORT" install podman --reload
    refused "$SALLYPORT" install docker --mandatory
    refused "$SALLYPORT" install containerd --default-runtime
    refused "$SALLYPORT" install docker --config daemon.json
    refused "$SALLYPORT" install docker --host tcp://127.0.0.1:2375
    refused "$SALLYPORT" install docker --role agent
    says NETWORK.ROLE
    refused "$SALLYPORT" install docker --role "$NETWORK.nobody"
    says 'no role `nobody`'
    refused "$SALLYPORT" install docker --network nowhere
    refused "$SALLYPORT" install docker --role "$NETWORK/../x.agent"
    refused setpriv --reuid 65534 --clear-groups "$SALLYPORT" install docker
    says "needs root"
    run "$SALLYPORT" install --help
    [[ $status -eq 0 ]]
    says "Usage: sallyport install"
    [[ ! -e $DAEMON_JSON && ! -e $LINKS ]]
}

@test "install: two roles of one runtime's name are refused" {
    policy_write a '.subnet = "10.211.0.0/24" | .proxy.address = "10.211.0.2" | .roles = {"b-c": {"addresses": "10.211.0.9"}}'
    policy_write a-b '.subnet = "10.212.0.0/24" | .proxy.address = "10.212.0.2" | .roles = {"c": {"addresses": "10.212.0.9"}}'
    refused "$SALLYPORT" install docker --role a.b-c --role a-b.c
    says "runtime sallyport-a-b-c"
    rm "$POLICIES/a.json" "$POLICIES/a-b.json"
}

@test "install: a program that others may write is not given to an engine" {
    mkdir "$WORK/bin"
    cp "$SALLYPORT" "$RUNTIME_PROGRAM" "$HOOK" "$WORK/bin"
    chmod g+w "$WORK/bin/sallyport-runtime"
    refused "$WORK/bin/sallyport" install docker
    says "others than root may write it"
    rm "$WORK/bin/sallyport-hook"
    chmod g-w "$WORK/bin/sallyport-runtime"
    refused "$WORK/bin/sallyport" install docker
    says "sallyport-hook"
    [[ ! -e $DAEMON_JSON ]]
}
