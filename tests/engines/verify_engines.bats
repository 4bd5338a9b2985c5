# SPDX-License-Identifier: Apache-2.0
#
# sallyport verify by Docker and Podman, as their users start containers: every line as the policy says by each way that
# `sallyport install` makes, a wall that is missing is seen, and no container, image, link or cgroup stays, however it ends.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/docker.bash"
source "$BATS_TEST_DIRNAME/podman.bash"

DOCKER=$WORK/docker

setup_file()
{
    stage_up
    # From now on an allowed name leads inward.
    internet_stop "$WORK/internet"
    sed -i 's/^openrouter.ai .*/openrouter.ai 10.0.0.1/' "$WORK/internet/zone"
    internet_serve "$WORK/internet" spt-internet
    mkdir -p "$DOCKER"
    # What an administrator may have overlooked: this one seals nothing.
    docker_up "$DOCKER" '.runtimes["sallyport-hermes-pair"] = {path: "/usr/bin/runc"}'
    "$SALLYPORT" install docker --role "$NETWORK.agent" --role "$NETWORK.gateway" --role "$NETWORK.strict" --reload >/dev/null
    podman_up --role "$NETWORK.agent"
    podman_no_hooks
    sleeper gateway gateway
    witness gateway-8642 gateway "$PROBE" listen tcp 0.0.0.0 8642 --keep
    witness gateway-22 gateway "$PROBE" listen tcp 0.0.0.0 22 --keep
}

teardown_file()
{
    podman_down
    docker_down "$DOCKER"
    stage_down
}

# verify ENGINE ARGUMENT...
verify()
{
    local engine=$1
    shift
    "$SALLYPORT" verify --network "$NETWORK" --engine "$engine" --cgroup-parent "$CGROUPS/$engine" "$@"
}

# What a verify may leave, one thing a line; the gateway's link is not its.
left_by_verify()
{
    docker ps --all --quiet --filter name=verify-
    docker image ls --quiet 'localhost/sallyport-verify'
    podman ps --all --quiet --filter name=verify-
    podman image ls --quiet --filter reference=localhost/sallyport-verify
    find /run/sallyport -mindepth 1 -name 'verify-*'
    pgrep -f '^/probe battery' || true
    (($(hub_links) == 1)) || hub ip -o link show
    find /sys/fs/cgroup -type d \( -path "*$CGROUPS/docker/*" -o -path "*$CGROUPS/podman/libpod-*" \) \
        -not -path '/sys/fs/cgroup/unified/*'
}

nothing_of_it()
{
    [[ -z $(left_by_verify) ]]
}

teardown()
{
    eventually nothing_of_it || fail "left: $(left_by_verify)"
}

# says_all ENGINE WAY: `$output` is the document of a verify of all groups in which every line is good.
says_all()
{
    [[ $status -eq 0 ]] ||
        fail "$stderr $(jq -c '.groups[].attempts[] | select(.verdict == "leak" or .verdict == "broken")' <<<"$output")"
    [[ -z $stderr ]] || fail "$stderr"
    jq -e --arg engine "$1" --arg way "$2" '.engine == $engine and .way == $way and .summary.leak == 0 and
        .summary.broken == 0 and .summary.attempts >= 80 and (.left_out | length) == 0 and
        ([.groups[].attempts[] | select(.name == "allowed") | .verdict] == ["ok"])' <<<"$output" ||
        fail "$(jq -c 'del(.groups)' <<<"$output")"
}

@test "docker, with the runtime of the role: every line is as the policy says, and the allowed paths work" {
    run --separate-stderr verify docker --json --inward openrouter.ai
    says_all docker "runtime sallyport-hermes-agent"
}

@test "podman, with the runtime of the role: the same" {
    run --separate-stderr verify podman --json --inward openrouter.ai
    says_all podman "runtime sallyport-hermes-agent"
}

@test "docker, a role that refuses other links: it gets none" {
    run --separate-stderr verify docker --role strict --json
    [[ $status -eq 0 ]] || fail "$stderr $output"
    jq -e '.way == "runtime sallyport-hermes-strict, no other network" and .summary.attempts >= 80' <<<"$output"
}

@test "docker, the built-in network, by the runtime that every installation has, whatever the environment says" {
    DOCKER_HOST=unix:///nonexistent DOCKER_CONFIG=/nonexistent run --separate-stderr "$SALLYPORT" verify --engine docker --only raw --only capabilities --json
    "$SALLYPORT" network down default
    [[ $status -eq 0 ]] || fail "$stderr $output"
    jq -e '.network == "default" and .way == "runtime sallyport" and .summary.ok > 40' <<<"$output"
}

# podman_ways FILTER: podman knows those runtimes of ours that FILTER, a command of sed, leaves.
podman_ways()
{
    sed -i "$1" /etc/containers/containers.conf.d/50-sallyport.conf
}

podman_ways_back()
{
    podman_hooks --role "$NETWORK.agent"
    podman_no_hooks
}

# podman_by RUNTIME: what Podman, and sallyport-runtime in front of it, starts.
podman_by()
{
    sed -i "s/^runtime = .*/runtime = \"$1\"/" /etc/containers/containers.conf
    ln -sfn "$(type -P "$1")" /etc/sallyport/runtime
}

@test "podman, with the runtime that reads annotations, and crun behind it" {
    podman_by crun
    podman_ways '/^sallyport-hermes/d'
    run --separate-stderr verify podman --json --inward openrouter.ai
    podman_by runc
    podman_ways_back
    says_all podman "runtime sallyport, annotations"
}

@test "podman, with hooks alone, before runc and crun" {
    local runtime
    podman_hooks --role "$NETWORK.agent"
    podman_ways '/engine.runtimes/,$d'
    for runtime in runc crun; do
        podman_by "$runtime"
        run --separate-stderr verify podman --json --inward openrouter.ai
        says_all podman "hooks, annotations"
    done
    podman_by runc
    podman_ways_back
}

# leaks FILTER ENGINE ARGUMENT...: verify must fail, and only lines for which the filter holds are at fault, at least one.
leaks()
{
    local filter=$1
    shift
    run --separate-stderr verify "$@" --json
    [[ $status -eq 1 ]] || fail "exit status $status: $stderr"
    [[ $stderr == *"not as the policy says"* ]] || fail "$stderr"
    jq -e "[.groups[].attempts[] | select(.verdict == \"leak\" or .verdict == \"broken\")] |
        length > 0 and all($filter)" <<<"$output" ||
        fail "$(jq -c '.groups[].attempts[] | select(.verdict == "leak" or .verdict == "broken")' <<<"$output")"
}

@test "a rule in the hub that accepts everything is a leak to the other members' ports, by both engines" {
    local engine
    hub nft insert rule inet sallyport forward accept
    for engine in docker podman; do
        leaks '(.verdict == "leak" and ((.tried | contains(" 10.209.0.")) or .name == "out-of-hub")) or .name == "walls"' "$engine" --only members
    done
    hub nft delete rule inet sallyport forward handle \
        "$(hub nft -a list chain inet sallyport forward | sed -n '/^\t\taccept # handle/s/.* //p')"
    for engine in docker podman; do
        verify "$engine" --only members
    done
}

# leaked NAME: `$output` has a leak whose name matches.
leaked()
{
    jq -e --arg name "$1" '[.groups[].attempts[] | select(.verdict == "leak" and (.name | test($name)))] | length > 0' \
        <<<"$output" || fail "no leak $1: $(jq -c '.groups[].attempts[] | select(.verdict == "leak")' <<<"$output")"
}

@test "a member that floods the hub while the image is imported hides nothing of the container, and breaks no line" {
    local client=/usr/bin/docker
    cp "$client" "$WORK/client"
    cat >"$WORK/flooding" <<END
#!/bin/bash
if [[ " \$* " == *" import "* ]]; then
    nsenter --target $(<"$WORK/gateway.pid") --net python3 -c '
import socket
for i in range(40000):
    knock = socket.socket()
    knock.setblocking(False)
    knock.connect_ex(("10.209.0.99", 1024 + i))' </dev/null
    touch "$WORK/flooded"
fi
exec "$WORK/client" "\$@"
END
    chmod 755 "$WORK/flooding"
    mount --bind "$WORK/flooding" "$client"
    run --separate-stderr verify docker --only arrivals --json
    umount "$client"
    [[ -e $WORK/flooded && $status -eq 0 ]] || fail "$stderr $output"
}

@test "a runtime in daemon.json that has the role's name, but is runc, is seen" {
    leaks 'true' docker --role pair --only plain --only raw --only capabilities
    leaked '^raw-icmp$'
    leaked '^net-raw-CapEff$'
    leaked '^tcp'
}

@test "a hook of Podman's that is there, but for other containers, is seen" {
    local file
    podman_hooks --role "$NETWORK.agent"
    podman_ways '/engine.runtimes/,$d'
    for file in "$PODMAN_HOOKS"/*; do
        jq '.hook.args = .hook.args | .when = {annotations: {"^other$": ".*"}}' <"$file" >"$WORK/hook.json"
        cp "$WORK/hook.json" "$file"
    done
    leaks 'true' podman --only plain
    leaked '^tcp'
    podman_ways_back
}

# start_verify ENGINE: one in the background; $pid.
start_verify()
{
    # Not verify: $! has to be the program, not a shell around it.
    "$SALLYPORT" verify --network "$NETWORK" --engine "$1" --cgroup-parent "$CGROUPS/$1" >"$WORK/background" 2>&1 3>&- &
    pid=$!
}

begun()
{
    [[ -n $(find /run/sallyport -mindepth 1 -name 'verify-*') ]]
}

two_links()
{
    [[ $(hub_links) -eq 2 ]]
}

# ends TEXT: the verify in the background fails with one line, which has the text.
ends()
{
    status=0
    wait "$pid" || status=$?
    [[ $status -eq 1 ]] || fail "exit status $status"
    [[ $(wc -l <"$WORK/background") -eq 1 ]] || fail "$(cat "$WORK/background")"
    grep -qF -- "$1" "$WORK/background" || fail "$(cat "$WORK/background")"
}

@test "a signal ends it, early and in the middle, with one line, and nothing is left" {
    local engine when
    for engine in docker podman; do
        for when in "TERM begun" "INT two_links" "HUP two_links"; do
            start_verify "$engine"
            eventually "${when#* }"
            kill -"${when% *}" "$pid"
            ends "ended by SIG${when% *}"
            eventually nothing_of_it || fail "$engine $when left: $(left_by_verify)"
        done
    done
}

@test "a role whose only address is taken is refused before anything is started, and the container is named" {
    refused verify docker --role gateway
    says "its only address, $GATEWAY, is that of container gateway; stop that container"
}

# hidden FILE... -- COMMAND...: as if there were no such programs.
hidden()
{
    unshare --mount --propagation private bash -c '
        while [[ $1 != -- ]]; do
            [[ ! -e $1 ]] || mount --bind /dev/null "$1"
            shift
        done
        shift
        exec "$@"' hidden "$@"
}

@test "what is not installed is named in one line, with the command that installs it" {
    local engine
    refused verify docker --role dashboard
    says "dockerd has no runtime sallyport-hermes-dashboard; run \`sallyport install docker --role hermes.dashboard --reload\`"
    podman_ways '/engine.runtimes/,$d'
    refused verify podman
    says "neither a runtime for this role nor a hook; run \`sallyport install podman --role hermes.agent\`"
    podman_ways_back
    ln -sfn /nonexistent /etc/sallyport/runtime
    for engine in docker podman; do
        refused verify "$engine"
        says "sallyport: follow /etc/sallyport/runtime: No such file or directory; make it a link to runc or crun"
    done
    ln -sfn "$(type -P "$RUNTIME")" /etc/sallyport/runtime
    refused hidden /usr/bin/podman /usr/local/bin/podman -- "$SALLYPORT" verify --network "$NETWORK" --engine podman
    says "engine podman: No such file"
    refused hidden /usr/bin/docker /usr/local/bin/docker -- "$SALLYPORT" verify --network "$NETWORK" --engine docker
    says "engine docker: No such file"
}

# Killed before that, dockerd forgets a container that its shim keeps.
docker_knows_it()
{
    [[ -n $(docker ps --quiet --filter name=verify- --filter status=running) ]]
}

@test "dockerd dies in the middle: what is left is named with the commands that remove it; and none runs" {
    local id
    start_verify docker
    eventually docker_knows_it
    kill -KILL "$(<"$DOCKER_PID_FILE")"
    ends "when docker works again: docker rm --force verify-"
    id=$(grep -o 'verify-[0-9a-f]*' "$WORK/background" | head -n 1)
    refused verify docker
    says "no dockerd runs on this host"
    rm "$DOCKER_PID_FILE"
    docker_start "$DOCKER"
    docker rm --force "$id" || true # dockerd may have done so when it came back
    docker rmi "localhost/sallyport-verify:$id"
}
