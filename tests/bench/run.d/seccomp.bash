# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What an allowed system call takes under each of the filters that Docker, or Docker with Sallyport, puts a container under.

SUITE_TITLE="Seccomp: an allowed system call"
SUITE_ROUNDS=15
SUITE_PACKAGES="quickstart tests"

CALLS=200000
declare -A OPTIONS

suite_up()
{
    metric getppid ns "getppid" default
    metric read ns "read of a byte" default
    metric socket ns "socket and close" default
    peer none "no filter"
    peer default "Docker's default profile"
    peer composed "Docker's default profile, composed with ours"
    peer ours "ours alone"
    local call
    for call in getppid read socket; do
        goal "$call" composed default "<=" 1.05
    done

    bench_network_up
    mkdir -p "$WORK/docker" "$WORK/over"
    docker_role "$WORK/docker" "$NETWORK" agent
    docker_up "$WORK/docker"
    cp "$PROGRAMS/calls" "$WORK/over/"
    image_busybox image "$WORK/over"
    OPTIONS=(
        [none]="--runtime runc --security-opt seccomp=unconfined"
        [default]="--runtime runc"
        [composed]="--runtime sallyport.$NETWORK.agent"
        [ours]="--runtime sallyport.$NETWORK.agent --security-opt seccomp=unconfined"
    )
}

suite_measure()
{
    rounds seccomp_round
}

seccomp_round()
{
    local peer socket getppid read
    for peer in $(turns); do
        # shellcheck disable=SC2086 # several words
        docker run --rm --network none ${OPTIONS[$peer]} image /calls "$CALLS" </dev/null >"$WORK/calls" ||
            die "$peer: the calls fail"
        read -r socket getppid read <"$WORK/calls"
        record socket "$peer" "$socket"
        record getppid "$peer" "$getppid"
        record read "$peer" "$read"
    done
}

suite_down()
{
    docker_down "$WORK/docker" || true
    bench_network_down || true
}
