# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A whole start: from the command of an engine that runs /bin/true to the prompt, the container's end and its removal. In a
# bundle without Sallyport's filter there is none at all; Docker and Podman have one of their own.

SUITE_TITLE="Start: an engine runs /bin/true, from command to prompt"
SUITE_ROUNDS=20
SUITE_PACKAGES="quickstart tests"

suite_up()
{
    local engine
    for engine in runc crun docker podman; do
        metric "$engine" us "$engine run" none
        [[ $engine != @(runc|crun) ]] || metric "$engine-work" us "Of it, a processor's work" none
    done
    peer none "no network"
    peer filter "no network, Sallyport's filter without its hooks"
    peer hooks "no network, Sallyport's filter, two hooks that do nothing"
    peer bridge "the engine's bridge"
    peer sealed "Sallyport"
    peer runtime "Sallyport, by sallyport-runtime"
    peer sealed-bridge "Sallyport, the engine's bridge taken away again"
    goal crun sealed none "<=" 1.15
    goal crun-work sealed none "<=" 1.15
    goal docker sealed bridge "<" 1 none
    goal podman sealed bridge "<" 1 none

    rootfs_make
    bench_network_up
    bundle none agent true
    bundle sealed agent true
    bundle filter agent true
    bundle hooks agent true
    seal sealed
    jq .linux.seccomp "$WORK/bundles/sealed/config.json" >"$WORK/filter"
    configure filter --slurpfile filter "$WORK/filter" '.linux.seccomp = $filter[0]'
    configure hooks --slurpfile filter "$WORK/filter" --arg empty "$PROGRAMS/floor" '.linux.seccomp = $filter[0]
        | .hooks = {createRuntime: [{path: $empty}], poststop: [{path: $empty}]}'
    mkdir -p "$WORK/docker"
    docker_role "$WORK/docker" "$NETWORK" agent
    docker_up "$WORK/docker"
    image_busybox image
    podman_stage_up
}

# The library of the Podman tests is for bats, and asks for a file of the internet's.
podman_stage_up()
{
    mkdir -p "$WORK/internet"
    : >"$WORK/internet/ca.pem"
    echo '{}' >"$DOCKER_CONFIG/config.json" # Podman reads it as well
    BATS_RUN_TMPDIR=$WORK RUNTIME=crun
    source "$ENGINES/podman.bash"
    podman_up --network "$NETWORK" >/dev/null
    podman_no_hooks
}

suite_measure()
{
    rounds start_round
}

start_round()
{
    local turn
    for turn in $(shuf --echo -- {runc,crun}/{none,filter,hooks,sealed,runtime} \
        {docker,podman}/{none,bridge,sealed,sealed-bridge}); do
        "start_${turn%/*}" "${turn#*/}" </dev/null >/dev/null
    done
}

start_runc()
{
    start_bundle runc "$1"
}

start_crun()
{
    start_bundle crun "$1"
}

# start_bundle RUNTIME WAY: sallyport-runtime edits the bundle each time.
start_bundle()
{
    local command=("$1")
    [[ $2 != runtime ]] || command=("$SALLYPORT_BUILD_DIRECTORY/sallyport-runtime" --runtime "$(type -P "$1")")
    [[ $2 != runtime ]] || bundle runtime agent true
    timed "$1" "$2" "${command[@]}" run --bundle "$WORK/bundles/$2" "bench-$2"
}

start_docker()
{
    local options=()
    [[ $1 != sealed* ]] || options+=(--runtime "sallyport.$NETWORK.agent")
    [[ $1 == *bridge ]] || options+=(--network none)
    timed docker "$1" docker run --rm "${options[@]}" image /bin/true
}

start_podman()
{
    local runtime=() options=(--annotation "io.sallyport.network=$NETWORK")
    [[ $1 != sealed* ]] || runtime=(--runtime sallyport)
    [[ $1 == *bridge ]] || options+=(--network none)
    timed podman "$1" /usr/bin/podman "${runtime[@]}" run --rm --cgroup-parent "$PODMAN_CGROUPS" "${options[@]}" "$IMAGE" \
        /bin/true
}

suite_down()
{
    podman_down || true
    docker_down "$WORK/docker" || true
    bench_network_down || true
}
