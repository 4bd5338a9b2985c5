# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Docker for the tests: the distribution's dockerd, with a containerd, images, networks and firewall rules of its own,
# on a machine of its own (tests/engines/machine), where its usual places (/etc/docker, /run/docker.sock) are private. A
# library for bats files and benchmarks; needs root and SALLYPORT_BUILD_DIRECTORY.
#
#   docker_role DIRECTORY NETWORK [ROLE]   makes the link that pins network and role; before docker_up
#   docker_up DIRECTORY [FILTER]           starts dockerd and waits until it answers. Runtimes: runc, `sallyport`, and
#                                          `sallyport.NETWORK.ROLE` for each link. FILTER is jq's, for daemon.json
#   docker_restart_daemon DIRECTORY [FILTER]   the daemon alone; with {"live-restore": true} containers live on
#   docker_down DIRECTORY                  removes all of it; fails, naming it, if something cannot be removed
#   docker ARGUMENT...                     the distribution's client, which talks to this daemon
#   image_busybox NAME [DIRECTORY]         an image with busybox, curl and the probe (as /probe), and the files of
#                                          DIRECTORY laid over it
#
# DIRECTORY is an existing one of the caller's, which he removes. Then it has `log` (dockerd's own words) and `runtimes`.

source "${BASH_SOURCE[0]%/*}/internet.bash"
source "${BASH_SOURCE[0]%/*}/image.bash"

# The distribution's programs first: a newer client may stand in /usr/local/bin, and dockerd finds containerd and runc by
# PATH. No credentials of whoever runs the tests.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export DOCKER_HOST=unix:///run/docker.sock
export DOCKER_CONFIG=/run/docker-client
DOCKER_CGROUPS=$SALLYPORT_TEST_CGROUPS/docker
DOCKER_DAEMON_JSON=/etc/docker/daemon.json
DOCKER_PID_FILE=/run/docker-tests.pid # dockerd wants /run/docker.pid for itself

docker_role()
{
    mkdir -p "$1/runtimes"
    ln -s "$SALLYPORT_BUILD_DIRECTORY/sallyport-runtime" "$1/runtimes/sallyport-runtime.$2${3:+.$3}"
}

# The runtimes of daemon.json.
docker_runtimes()
{
    local link name
    for link in "$SALLYPORT_BUILD_DIRECTORY/sallyport-runtime" "$1"/runtimes/*; do
        [[ -L $link || $link != "$1"/* ]] || continue
        name=${link##*/}
        jq -n --arg name "${name/-runtime/}" --arg path "$link" '{($name): {path: $path}}'
    done | jq -s add
}

docker_write_config()
{
    local directory=$1 filter=$2
    mkdir -p "${DOCKER_DAEMON_JSON%/*}"
    jq -n --arg data "$directory/data" --arg cgroups "$DOCKER_CGROUPS" \
        --argjson runtimes "$(docker_runtimes "$directory")" \
        '{"data-root": $data, "cgroup-parent": $cgroups, "runtimes": $runtimes}' |
        jq "$filter" >"$DOCKER_DAEMON_JSON"
}

docker_answers()
{
    docker_gone || docker version
}

docker_gone()
{
    [[ ! -s $DOCKER_PID_FILE ]] || internet_gone "$(<"$DOCKER_PID_FILE")"
}

docker_start()
{
    local directory=$1
    /usr/sbin/dockerd </dev/null >>"$directory/log" 2>&1 3>&- &
    echo $! >"$DOCKER_PID_FILE"
    disown
    if ! internet_poll 30 docker_answers || docker_gone; then
        tail -n 20 "$directory/log" >&2
        return 1
    fi
}

docker_stop()
{
    local pid
    [[ -s $DOCKER_PID_FILE ]] || return 0
    pid=$(<"$DOCKER_PID_FILE")
    kill "$pid" 2>/dev/null
    internet_poll 30 internet_gone "$pid" || kill -KILL "$pid"
    rm -f "$DOCKER_PID_FILE"
}

docker_up()
{
    if ! grep -qzx -- --inside /proc/1/cmdline; then
        echo "docker: not on a machine of its own; run this with tests/engines/machine" >&2
        return 1
    fi
    mkdir -p "$1/runtimes" "$DOCKER_CONFIG"
    chmod 711 "$1"
    docker_write_config "$1" "${2:-.}" || return
    docker_start "$1"
}

docker_restart_daemon()
{
    docker_stop
    docker_write_config "$1" "${2:-.}" || return
    docker_start "$1"
}

# What docker_down must not leave, one thing a line.
docker_left()
{
    ps -e -o pid=,comm= | grep -E 'dockerd|containerd|docker-' | sed 's/^/process /'
    awk -v data="$1/data" '$2 ~ "^/run/docker" || index($2, data) == 1 { print "mount " $2 }' /proc/self/mounts
    find /sys/fs/cgroup -type d -path "*$DOCKER_CGROUPS*" | sed 's/^/cgroup /'
    ip -o link show | awk -F': ' '$2 ~ /^(docker|br-|veth)/ { print "link " $2 }'
}

docker_nothing_left()
{
    [[ -z $(docker_left "$1") ]]
}

docker_down()
{
    local bridge
    if ! docker_gone; then
        docker ps --quiet --all | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
        docker network ls --quiet --filter type=custom | xargs --no-run-if-empty docker network rm >/dev/null
    fi
    docker_stop
    # What dockerd leaves mounted: its directory, if containers are to live on, and the host's network namespace.
    umount "$1/data" /run/docker/netns/default 2>/dev/null
    while read -r bridge; do
        ip link delete "$bridge"
    done < <(ip -o link show type bridge | awk -F': ' '$2 ~ /^(docker|br-)/ { print $2 }')
    for bridge in filter nat; do
        nft delete table ip "$bridge" 2>/dev/null
    done
    find /sys/fs/cgroup -depth -type d -path "*$DOCKER_CGROUPS*" -exec rmdir {} + 2>/dev/null
    if ! internet_poll 10 docker_nothing_left "$1"; then
        docker_left "$1" >&2
        return 1
    fi
    rm -rf --one-file-system "${1:?}/data" "$1/runtimes" /run/docker /run/containerd "$DOCKER_DAEMON_JSON"
}

image_busybox()
{
    local name=$1 over=${2-} root
    root=$(mktemp -d) || return
    image_root "$root"
    [[ -z $over ]] || cp -a "$over/." "$root/"
    tar -C "$root" --numeric-owner --owner=0 --group=0 -c . |
        docker import --change 'CMD ["/bin/sh"]' --change 'ENV PATH=/bin' - "$name" >/dev/null
    rm -rf "$root"
}
