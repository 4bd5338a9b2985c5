# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the engine tests share: a policy, a root file system, OCI bundles, containers, witnesses. For bats files that
# run on a machine of their own (tests/engines/machine); they may do there what they like.
#
# RUNTIME is runc or crun. SALLYPORT_BUILD_DIRECTORY has the programs.

: "${RUNTIME:=runc}"
: "${SALLYPORT_BUILD_DIRECTORY:?is the build directory}"
SALLYPORT=$SALLYPORT_BUILD_DIRECTORY/sallyport
HOOK=$SALLYPORT_BUILD_DIRECTORY/sallyport-hook
PROBE=$SALLYPORT_BUILD_DIRECTORY/probe/probe
POLICIES=/etc/sallyport/networks.d

# The network of all tests, after the design's example.
NETWORK=hermes
UPLINK=sp-hermes
SUBNET=10.209.0.0/24
HOST=10.209.0.1
PROXY=10.209.0.2
GATEWAY=10.209.0.3
DASHBOARD=10.209.0.4

CGROUPS=${SALLYPORT_TEST_CGROUPS:?is what tests/engines/machine says}
WORK=$BATS_FILE_TMPDIR
ROOTFS=$WORK/rootfs

bats_require_minimum_version 1.5.0
source "$BATS_TEST_DIRNAME/internet.bash"

# Asking the questions.

fail()
{
    echo "$*" >&2
    return 1
}

# eventually COMMAND...: within 30 s; what the kernel or another process does in its own time, on a busy machine as well.
eventually()
{
    internet_poll 30 "$@"
}

# refused COMMAND...: the command must fail and print exactly one line about it, which `$output` then has.
refused()
{
    run "$@"
    [[ $status -eq 1 ]] || fail "exit status $status, expected 1: $output"
    [[ ${#lines[@]} -eq 1 ]] || fail "expected one line: $output"
}

# says TEXT: `$output` contains it.
says()
{
    [[ $output == *"$1"* ]] || fail "expected \`$1\` in: $output"
}

# of_schema NAME: the JSON on standard input is what packaging/schema/output.schema.json says of NAME.
of_schema()
{
    /usr/bin/python3 "$BATS_TEST_DIRNAME/json_schema.py" "$BATS_TEST_DIRNAME/../../packaging/schema/output.schema.json" "$1"
}

# Policies and networks.

policy_text()
{
    cat <<'JSON'
{
  "version": 1,
  "subnet": "10.209.0.0/24",
  "proxy": { "address": "10.209.0.2", "port": 3128, "at": "host" },
  "roles": {
    "agent":     { "addresses": "10.209.0.64/26", "reach": ["proxy", "gateway:8642"],
                   "hosts": ["api.openai.com", "openrouter.ai"] },
    "gateway":   { "addresses": "10.209.0.3", "reach": ["proxy", "dashboard:9119"],
                   "hosts": ["api.telegram.org"], "publish": ["127.0.0.1:9119:9119"] },
    "dashboard": { "addresses": "10.209.0.4", "reach": ["gateway:8642"] },
    "pair":      { "addresses": "10.209.0.16/31" },
    "strict":    { "addresses": "10.209.0.18/31", "links": "refuse" },
    "keeper":    { "addresses": "10.209.0.20/31", "links": "keep" },
    "nested":    { "addresses": "10.209.0.22/31", "nested": true }
  }
}
JSON
}

# policy_write NETWORK [JQ FILTER]: the policy above, changed by the filter.
policy_write()
{
    mkdir -p "$POLICIES"
    policy_text | jq "${2:-.}" >"$POLICIES/$1.json"
    chmod 644 "$POLICIES/$1.json"
}

network_up()
{
    policy_write "$NETWORK"
    "$SALLYPORT" network up "$NETWORK"
}

network_down()
{
    "$SALLYPORT" network down "$NETWORK"
    rm -f "$POLICIES/$NETWORK.json"
}

# Fails, naming it, if anything is left of Sallyport but its programs: called when networks and containers are gone.
assert_nothing_left()
{
    local left
    left=$({
        ip -o link show | awk -F': ' '$2 ~ /^sp/'
        find /run/netns /run/sallyport -mindepth 1 -name '*sallyport-*' 2>/dev/null
        ip rule show | grep -v -e 'lookup local' -e 'lookup main' -e 'lookup default'
        ip route show table all | grep 'dev sp'
        nft list tables | grep sallyport
        grep sallyport- /proc/self/mounts | grep -v -e machine -e tests
        find /sys/fs/cgroup -type d -path "*$CGROUPS/*" -not -path '/sys/fs/cgroup/unified/*'
    } || true)
    [[ -z $left ]] || fail "left behind: $left"
}

# Containers.

rootfs_make()
{
    mkdir -p "$ROOTFS"/{bin,dev,etc,proc,sys,tmp,run,data}
    cp "$(command -v busybox)" "$ROOTFS/bin/busybox"
    cp "$PROBE" "$ROOTFS/probe"
    local applet
    for applet in sh cat echo ls nc nslookup ping ps sleep wget true; do
        ln -sf busybox "$ROOTFS/bin/$applet"
    done
    : >"$ROOTFS/etc/hosts"
    : >"$ROOTFS/etc/resolv.conf"
}

# no_network_capabilities: `$output` has the five sets of /proc/PID/status; neither NET_ADMIN (12) nor NET_RAW (13) is in
# any of them.
no_network_capabilities()
{
    local set count=0
    for set in $(sed -n 's/^Cap[A-Z][a-z]*:\s*//p' <<<"$output"); do
        (((16#$set & 3 << 12) == 0)) || fail "NET_ADMIN or NET_RAW in: $output"
        count=$((count + 1))
    done
    ((count == 5)) || fail "expected five sets: $output"
}

# bundle ID ROLE COMMAND...: a plain bundle $WORK/bundles/ID, not yet sealed; capabilities as Docker gives them,
# CAP_NET_RAW among them, no seccomp.
bundle()
{
    local id=$1 role=$2 directory=$WORK/bundles/$1
    shift 2
    mkdir -p "$directory"
    if [[ ! -e $WORK/spec.json ]]; then
        (cd "$WORK" && rm -f config.json && runc spec && mv config.json spec.json)
    fi
    jq -n '$ARGS.positional' --args -- "$@" >"$directory/command.json"
    jq --arg id "$id" --arg cgroups "$CGROUPS" --arg role "$role" --arg network "$NETWORK" --arg root "$ROOTFS" \
        --slurpfile command "$directory/command.json" '
        .process.terminal = false
        | .process.args = $command[0]
        | .process.capabilities |= with_entries(.value = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SETUID",
            "CAP_SETGID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_CHROOT", "CAP_MKNOD"])
        | .process.noNewPrivileges = false
        | .root = {path: $root, readonly: true}
        | .hostname = $id
        | .linux.cgroupsPath = "\($cgroups)/\($id)"
        | .annotations = {"io.sallyport.network": $network, "io.sallyport.role": $role}
        | del(.linux.seccomp)' <"$WORK/spec.json" >"$directory/config.json"
}

# configure ID JQ-ARGUMENT...: changes the bundle's config.
configure()
{
    local config=$WORK/bundles/$1/config.json
    shift
    jq "$@" <"$config" >"$config.new"
    mv "$config.new" "$config"
}

# seal ID: what `sallyport bundle` does.
seal()
{
    "$SALLYPORT" bundle "$WORK/bundles/$1"
}

# hook ID STAGE...: only the hooks, by hand; nothing else of the config is edited. crun sends a hook's messages to
# /dev/null: here they go to $WORK/ID.hook as well.
hook()
{
    local id=$1 stage script=$WORK/bundles/$1/hook
    shift
    printf '#!/bin/bash\nexec %q 2> >(tee -a %q >&2)\n' "$HOOK" "$WORK/$id.hook" >"$script"
    chmod 755 "$script"
    for stage in "$@"; do
        configure "$id" --arg stage "$stage" --arg hook "$script" '.hooks[$stage] = [{path: $hook, args: [$hook]}]'
    done
}

# refused_start ID TEXT: with nothing but the hooks the container does not start, the runtime says that it failed, and
# the hook says why, in one line.
refused_start()
{
    rm -f "$WORK/$1.hook"
    hook "$1" createRuntime
    run container_run "$1"
    container_delete "$1"
    [[ $status -ne 0 ]] || fail "started: $output"
    [[ $output != *started* ]] || fail "ran: $output"
    eventually test -s "$WORK/$1.hook"
    [[ $(wc -l <"$WORK/$1.hook") -eq 1 ]] || fail "expected one line: $(cat "$WORK/$1.hook")"
    grep -qF -- "$2" "$WORK/$1.hook" || fail "expected \`$2\` in: $(cat "$WORK/$1.hook")"
    [[ $RUNTIME == crun || $output == *"$2"* ]] || fail "the runtime does not tell: $output"
}

# refused_always ID TEXT: neither does `sallyport bundle` touch it.
refused_always()
{
    local before
    before=$(cksum <"$WORK/bundles/$1/config.json")
    refused seal "$1"
    says "$2"
    [[ $before == "$(cksum <"$WORK/bundles/$1/config.json")" ]] || fail "the bundle was edited"
    refused_start "$1" "$2"
}

# hub_links: how many members the hub has links to, the host's uplink not counted.
hub_links()
{
    ip -n "sallyport-$NETWORK" -o link show | grep -c ': sp0ad100[1-9a-f]\|: sp0ad1000[3-9a-f]' || true
}

no_hub_links()
{
    [[ $(hub_links) -eq 0 ]]
}

# capability ID NAME: grants it in every set.
capability()
{
    configure "$1" --arg name "$2" '.process.capabilities |= with_entries(.value += [$name])'
}

# container_run ID: runs it in the foreground and deletes it.
container_run()
{
    "$RUNTIME" run --bundle "$WORK/bundles/$1" "$1" </dev/null 3>&-
}

# container_start ID: starts it in the background. What it or its runtime prints is in $WORK/ID.log.
container_start()
{
    "$RUNTIME" run --detach --pid-file "$WORK/$1.pid" --bundle "$WORK/bundles/$1" "$1" \
        </dev/null >"$WORK/$1.log" 2>&1 3>&- || { cat "$WORK/$1.log" >&2; return 1; }
}

container_delete()
{
    # Who lives on in its network keeps its link.
    if [[ -e $WORK/$1.witnesses ]]; then
        xargs kill -KILL 2>/dev/null <"$WORK/$1.witnesses" || true
        rm "$WORK/$1.witnesses"
    fi
    "$RUNTIME" delete --force "$1" 2>/dev/null || true
}

containers_delete_all()
{
    local id
    for id in $("$RUNTIME" list -q); do
        container_delete "$id"
    done
}

# sleeper ID ROLE: a sealed container that does nothing, for others to look at or out of.
sleeper()
{
    bundle "$1" "$2" sleep 600
    seal "$1"
    container_start "$1"
}

inside()
{
    local id=$1
    shift
    "$RUNTIME" exec "$id" "$@"
}

# network_of ID COMMAND...: in the container's network namespace, but with every capability and no seccomp: an
# attacker who got past those two walls.
network_of()
{
    local pid
    pid=$(<"$WORK/$1.pid")
    shift
    nsenter --target "$pid" --net "$@"
}

# address_of ID: of its link into the hub.
address_of()
{
    network_of "$1" ip -4 -o address show dev sp0 | awk '{ sub("/.*", "", $4); print $4 }'
}

hub()
{
    ip netns exec "sallyport-$NETWORK" "$@"
}

# Witnesses: programs that write down what arrives. Each is ended by witnesses_end.

# witness NAME CONTAINER COMMAND...: starts the command in the container's network namespace ("" for the machine's own)
# and waits until it says "ready"; what it prints is in $WORK/NAME.seen.
witness()
{
    local name=$1 container=$2 enter=()
    # Not network_of: $! has to be the witness, not a shell around it.
    [[ -z $container ]] || enter=(nsenter --target "$(<"$WORK/$container.pid")" --net)
    shift 2
    "${enter[@]}" "$@" </dev/null >"$WORK/$name.seen" 2>&1 3>&- &
    echo $! >>"$WORK/witnesses"
    [[ -z $container ]] || echo $! >>"$WORK/$container.witnesses"
    disown
    eventually grep -q ready "$WORK/$name.seen" || fail "$name: $(cat "$WORK/$name.seen")"
}

witnesses_end()
{
    local pid
    [[ -e $WORK/witnesses ]] || return 0
    while read -r pid; do
        kill -KILL "$pid" 2>/dev/null || true # unshare(1) does not hear SIGTERM
    done <"$WORK/witnesses"
    rm "$WORK/witnesses"
}

# saw NAME PATTERN: the witness has written down a line that matches.
saw()
{
    grep -Eq -- "$2" "$WORK/$1.seen"
}

# milliseconds: of the probe's line in `$output`, without fraction.
milliseconds()
{
    sed -n 's/.* ms=\([0-9]*\).*/\1/p' <<<"$output" | tail -n 1
}

# The whole stage: internet, network, squid. `api.openai.com` and `openrouter.ai` are allowed for agents.
stage_up()
{
    mkdir -p "$WORK/internet"
    internet_up spt "$WORK/internet" "" api.openai.com=203.0.113.10 openrouter.ai=203.0.113.11 \
        api.telegram.org=203.0.113.12 attacker.example=203.0.113.66
    rootfs_make
    cp "$WORK/internet/ca.pem" "$ROOTFS/etc/ca.pem"
    network_up
    "$SALLYPORT" proxy-config squid "$NETWORK" >"$WORK/squid.conf"
    internet_squid "$WORK/internet" "$WORK/squid.conf" "" "$PROXY" 3128
}

# The same without internet and proxy.
small_stage_up()
{
    rootfs_make
    network_up
}

small_stage_down()
{
    containers_delete_all
    witnesses_end
    network_down
    assert_nothing_left
}

stage_down()
{
    containers_delete_all
    witnesses_end
    internet_squid_stop "$WORK/internet"
    internet_down spt "$WORK/internet" ""
    network_down
    assert_nothing_left
}
