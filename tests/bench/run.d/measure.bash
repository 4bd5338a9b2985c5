# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the suites of tests/bench/run share: peers that take turns, samples, goals. Needs WORK, ENGINES and
# SALLYPORT_BUILD_DIRECTORY, on a machine of its own.
#
#   metric NAME UNIT TITLE [BASE]      what is measured; with a BASE, each peer's ratio to it, sample by sample
#   peer NAME TITLE [PROGRAM]          who takes part, in the order of the tables: PEERS. Without its program it does not
#                                      (--installed), or the benchmark fails
#   goal METRIC PEER OTHER OPERATOR LIMIT [OVER]    of the ratio PEER / OTHER; with OVER, of what each adds to it
#   note TEXT                          a line for the report
#   rounds FUNCTION                    calls it ROUNDS times; if there are several, once before that uncounted
#   turns                              the PEERS, each round in another order
#   record METRIC PEER VALUE           a sample
#   timed METRIC PEER COMMAND...       how many microseconds the command takes, from exec to exit, and as METRIC-work how
#                                      many of them a processor worked for it
#   answered PEER COMMAND...           traffic passes, or the benchmark fails

# The engine tests' library is made for bats files; these are all that it wants of bats.
bats_require_minimum_version()
{
    :
}
BATS_TEST_DIRNAME=$ENGINES
BATS_FILE_TMPDIR=$WORK
source "$ENGINES/common.bash"
source "$ENGINES/docker.bash"

PROGRAMS=$SALLYPORT_BUILD_DIRECTORY/tests/bench
TRAFFIC=$PROGRAMS/traffic
ROLE_POOLS='{agent: {addresses: "10.209.16.0/20", reach: ["proxy"], hosts: ["api.openai.com"]},
    floor: {addresses: "10.209.32.0/20", reach: ["proxy"]}}'
PEERS=()

die()
{
    echo "bench: $*" >&2
    exit 1
}

# outline KIND [NAME VALUE]...: a line of what report.jq reads.
outline()
{
    local kind=$1
    shift
    jq -cn '$ARGS.positional as $all | reduce range(1; $all | length; 2) as $i ({kind: $all[0]};
        .[$all[$i]] = $all[$i + 1])' --args "$kind" "$@" >>"$WORK/outline"
}

metric()
{
    outline metric name "$1" unit "$2" title "$3" base "${4-}"
}

peer()
{
    if [[ -n ${3-} && ! -x $(type -P "$3") ]]; then
        [[ -n $INSTALLED ]] || die "$1: $3 is missing; see packaging/dependencies"
        note "not installed here: $2 (${3##*/})"
        return 0
    fi
    PEERS+=("$1")
    outline peer name "$1" title "$2"
}

# Of who takes part.
goal()
{
    [[ " ${PEERS[*]} " == *" $2 "* && " ${PEERS[*]} " == *" $3 "* ]] || return 0
    outline goal metric "$1" peer "$2" other "$3" operator "$4" limit "$5" over "${6-}"
}

note()
{
    outline note text "$1"
}

rounds()
{
    for ((ROUND = ROUNDS > 1 ? 0 : 1; ROUND <= ROUNDS; ROUND++)); do
        "$1"
    done
}

turns()
{
    shuf --echo -- "${PEERS[@]}"
}

record()
{
    ((ROUND == 0)) || printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$WORK/samples"
}

timed()
{
    local metric=$1 peer=$2 elapsed worked
    shift 2
    "$PROGRAMS/clock" "$WORK/clock" "$@" || die "$peer: exit status $?: $*"
    read -r elapsed worked <"$WORK/clock"
    record "$metric" "$peer" "$elapsed"
    record "$metric-work" "$peer" "$worked"
}

answered()
{
    local peer=$1
    shift
    "$@" >/dev/null || die "$peer: no traffic passes its link"
}

# The network of the benchmarks, with room for thousands.
bench_network_up()
{
    policy_write "$NETWORK" "{version, subnet: \"10.209.0.0/16\", proxy, roles: $ROLE_POOLS}"
    "$SALLYPORT" network up "$NETWORK"
}

bench_network_down()
{
    containers_delete_all
    sandboxes_end
    witnesses_end
    "$SALLYPORT" network down "$NETWORK" 2>/dev/null
}

# Sandboxes: new namespaces with an init that waits, as a runtime has them when it calls hooks: what the config mounts is
# mounted, and the root file system is a mount of its own, as engines make it.

SANDBOXES=()

rootfs_as_of_an_engine()
{
    rootfs_make
    mount --bind "$WORK/rootfs" "$WORK/rootfs"
}

# bundle_as_of_an_engine ID: an agent, with the rules for devices that Docker writes.
bundle_as_of_an_engine()
{
    bundle "$1" agent true
    configure "$1" '.linux.resources.devices = [{allow: false, access: "rwm"}]
        + ([[1, 5], [1, 3], [1, 9], [1, 8], [5, 0], [5, 1]]
            | map({allow: true, type: "c", major: .[0], minor: .[1], access: "rwm"}))
        + [{allow: false, type: "c", major: 10, minor: 229, access: "rwm"}]'
}

# sandbox: SANDBOX is the init.
sandbox()
{
    unshare --net --pid --mount --ipc --fork --kill-child \
        sh -c 'mount -t proc proc "$1/proc" && exec sleep 600' sh "$WORK/rootfs" </dev/null >/dev/null 2>&1 &
    SANDBOXES+=($!)
    disown
    eventually pgrep -x sleep -P $!
    SANDBOX=$(pgrep -x sleep -P $!)
}

sandboxes_end()
{
    ((${#SANDBOXES[@]} == 0)) || kill -KILL "${SANDBOXES[@]}" 2>/dev/null || true
    SANDBOXES=()
}

in_sandbox()
{
    nsenter --target "$SANDBOX" --net "$@"
}

# state BUNDLE: of the sandbox, for a hook's standard input.
state()
{
    printf '{"ociVersion": "1.0.2", "id": "bench-%s", "status": "creating", "pid": %s, "bundle": "%s", "annotations": {}}' \
        "$SANDBOX" "$SANDBOX" "$WORK/bundles/$1"
}

# What pasta copies into a sandbox: an address, and a route to everywhere. Its gateway is the host's loopback there.
PASTA_GATEWAY=203.0.113.1
pasta_host()
{
    ip link add spt-out type bridge
    ip address add 203.0.113.2/24 dev spt-out
    ip link set spt-out up
    ip route add default via "$PASTA_GATEWAY"
}

# pasta_command: PASTA joins the sandbox. Root's namespaces it only joins by a name, and as root.
pasta_command()
{
    ip netns attach spt-pasta "$SANDBOX"
    PASTA=(pasta --config-net --quiet --runas 0 -t none -u none -T none -U none --pid "$WORK/pasta.pid"
        --netns /run/netns/spt-pasta)
}

pasta_end()
{
    [[ -s $WORK/pasta.pid ]] || return 0
    kill "$(<"$WORK/pasta.pid")"
    rm "$WORK/pasta.pid"
    ip netns delete spt-pasta
}
