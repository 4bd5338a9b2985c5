# SPDX-License-Identifier: Apache-2.0
#
# The seal at start: whatever an engine (Docker 28 and later does) or anybody else changes between create and start is
# gone when the first instruction runs, or the container does not run.

source "$BATS_TEST_DIRNAME/runtime.bash"

setup_file()
{
    stage_up
    behind_us "$BEHIND"
    # The engine's own network: this machine forwards for it, and translates.
    echo 1 >/proc/sys/net/ipv4/ip_forward
    nft add table ip spt-engine
    nft add chain ip spt-engine postrouting '{ type nat hook postrouting priority srcnat; }'
    nft add rule ip spt-engine postrouting ip saddr 192.0.2.0/24 masquerade
    sleeper rt-gateway gateway
    witness gateway-8642 rt-gateway "$PROBE" listen tcp 0.0.0.0 8642
}

teardown_file()
{
    stage_down
}

teardown()
{
    local id
    for id in rt-one rt-plain; do
        container_delete "$id"
    done
    ip link delete spt-engine 2>/dev/null || true
    policy_write "$NETWORK"
    "$SALLYPORT" network up "$NETWORK"
    "$SALLYPORT" network reload "$NETWORK"
}

# engine_link ID: what an engine attaches: eth0 with an address and a default route, and the internet behind.
engine_link()
{
    ip link add spt-engine type veth peer name eth0 netns "$(<"$WORK/$1.pid")"
    ip address add 192.0.2.1/24 dev spt-engine
    ip link set spt-engine up
    network_of "$1" ip address add 192.0.2.2/24 dev eth0
    network_of "$1" ip link set eth0 up
    network_of "$1" ip route add default via 192.0.2.1
}

# attempter ID ROLE N: a bundle whose process says what it finds and tries to reach 203.0.113.N, also past all routes.
attempter()
{
    bundle "$1" "$2" /bin/sh -c "echo started; cat /proc/net/dev /proc/net/route
        /probe tcp 203.0.113.$3 443 --timeout-ms 1000
        /probe tcp 203.0.113.$3 8443 --device eth0 --timeout-ms 1000
        /probe tcp $PROXY 3128
        echo finished; exec sleep 600"
}

# plain_create ID: by the runtime behind, without us.
plain_create()
{
    "$RUNTIME" create --bundle "$WORK/bundles/$1" --pid-file "$WORK/$1.pid" "$1" </dev/null >"$WORK/$1.log" 2>&1 3>&-
}

finished()
{
    grep -q finished "$WORK/$1.log"
}

# arrived N: the ports at which 203.0.113.N was reached.
arrived()
{
    sed -n "s/^203\.0\.113\.$1 \([0-9]*\) .*/\1/p" "$WORK/internet/arrivals" | sort -u | xargs
}

# arrive N: both of its connections do; what a far end has taken it writes down in its own time.
arrive()
{
    eventually arrived_both "$1" || fail "arrived: $(arrived "$1")"
}

arrived_both()
{
    [[ $(arrived "$1") == "443 8443" ]]
}

# created ROLE N: rt-one, created and not started, its process as above.
created()
{
    attempter rt-one "$1" "$2"
    engine_create rt-one
}

# still_works ID: the allowed ways, from the container's namespace.
still_works()
{
    run network_of "$1" curl --silent --show-error --max-time 10 --cacert "$WORK/internet/ca.pem" \
        --proxy "http://$PROXY:3128" "https://api.openai.com/"
    says "hello from api.openai.com"
    run inside "$1" /probe tcp "$GATEWAY" 8642 --greeting
    [[ $status -eq 0 ]] || fail "$output"
}

@test "without Sallyport: the interface that comes between create and start leads to the attacker" {
    attempter rt-plain agent 66
    plain_create rt-plain
    engine_link rt-plain
    "$RUNTIME" start rt-plain
    eventually finished rt-plain
    grep -q "eth0:" "$WORK/rt-plain.log"
    arrive 66
}

@test "with Sallyport: the process finds neither the interface nor its route, nothing arrives, and its own way works" {
    created agent 67
    engine_link rt-one
    network_of rt-one ip link show eth0 >/dev/null
    engine start rt-one
    eventually finished rt-one
    run cat "$WORK/rt-one.log"
    [[ $output != *eth0:* ]] || fail "$output"
    [[ $output == *sp0:* ]]
    [ "$(arrived 67)" = "" ]
    run ! ip link show spt-engine
    still_works rt-one
}

# asked_at_start [COMMAND...]: which verbs the runtime behind hears at a start, after the command has changed something in
# the directory that the runtime keeps of the container.
asked_at_start()
{
    local root=$WORK/root
    rm -f "$WORK/asked"
    "$PROGRAM" --runtime "$WORK/recorder" --root "$root" create --bundle "$WORK/bundles/rt-one" rt-one \
        </dev/null >"$WORK/rt-one.log" 2>&1 3>&-
    (($# == 0)) || (cd "$root/rt-one" && "$@")
    : >"$WORK/asked"
    "$PROGRAM" --runtime "$WORK/recorder" --root "$root" start rt-one </dev/null 3>&- || fail "no start"
    xargs <"$WORK/asked"
    "$RUNTIME" --root "$root" delete --force rt-one
}

@test "a start reads what runc has written down, and asks where it is not as it is known" {
    local asks="state start"
    printf '#!/bin/sh\nfor word; do case $word in create | start | state) echo "$word" >>%q ;; esac; done\nexec %q "$@"\n' \
        "$WORK/asked" "$BEHIND" >"$WORK/recorder"
    chmod 755 "$WORK/recorder"
    bundle rt-one agent sleep 600
    if [[ $RUNTIME == crun ]]; then
        [[ $(asked_at_start) == "$asks" ]]
        return
    fi
    [[ $(asked_at_start) == start ]]
    [[ $(asked_at_start chmod g+w .) == "$asks" ]]
}

@test "nobody joins before the start: he would run before the seal, next to what the engine has attached" {
    created agent 79
    engine_link rt-one
    process_file rt-one /bin/echo joined
    engine_refuses "has not been started" engine_exec rt-one
    engine_refuses "has not been started" engine exec rt-one /bin/echo joined
    run "$RUNTIME" exec rt-one /bin/cat /proc/net/dev
    [[ $status -eq 0 && $output == *eth0:* ]] || fail "$output"
    engine start rt-one
    run engine_exec rt-one
    [[ $status -eq 0 && $output == joined ]] || fail "$output"
}

@test "links: refuse: the start is refused, naming the interface and the way out, which works" {
    created strict 68
    engine_link rt-one
    engine_refuses "eth0" engine start rt-one
    says "--network none"
    eventually ended rt-one
    container_delete rt-one
    created strict 68
    engine start rt-one
    eventually finished rt-one
    [ "$(arrived 68)" = "" ]
}

@test "links: keep: the interface stays and leads on, and what is not TCP still does not leave by sp0" {
    created keeper 69
    engine_link rt-one
    engine start rt-one
    eventually finished rt-one
    arrive 69
    ip netns exec "sallyport-$NETWORK" "$PROBE" capture </dev/null >"$WORK/hub.seen" 2>&1 3>&- &
    echo $! >>"$WORK/witnesses"
    disown
    eventually grep -q ready "$WORK/hub.seen"
    run inside rt-one /probe udp "$PROXY" 53 --device sp0 --marker kept --timeout-ms 50
    network_of rt-one nft flush ruleset
    run inside rt-one /probe udp "$PROXY" 53 --device sp0 --marker flushed --timeout-ms 50
    eventually saw hub marker=flushed
    run ! saw hub marker=kept
}

@test "several interfaces, two of them down and without an address: all go" {
    created agent 70
    engine_link rt-one
    network_of rt-one ip link add eth1 type veth peer name eth2
    engine start rt-one
    eventually finished rt-one
    run network_of rt-one ip -o link show
    [ "$(grep -cv -e ': lo:' -e ': sp0@' -e ': \(tunl\|gre\|sit\|ip6\|erspan\|gretap\|ip_vti\|teql\)' <<<"$output")" -eq 0 ] ||
        fail "$output"
    [ "$(arrived 70)" = "" ]
}

# foreign_routes: as if an engine had them lead to the attacker by our own link.
foreign_routes()
{
    network_of rt-one ip route add 203.0.113.0/24 dev sp0
    network_of rt-one ip route add default via 169.254.0.1 dev sp0 onlink table 77
    network_of rt-one ip rule add lookup 77
}

@test "routes and routing rules that come with an interface go with it" {
    created agent 71
    engine_link rt-one
    foreign_routes
    engine start rt-one
    eventually finished rt-one
    run network_of rt-one ip route show table all
    [[ $output != *203.0.113* && $output != *"table 77"* ]] || fail "$output"
    run network_of rt-one ip rule show
    [[ $output != *77* ]] || fail "$output"
    still_works rt-one
}

# refused_after ROLE TEXT COMMAND...: created, changed by the command in the container's network, refused.
refused_after()
{
    local role=$1 text=$2
    shift 2
    created "$role" 72
    network_of rt-one "$@"
    start_refused rt-one "$text"
}

@test "the guard flushed, or with a rule more or less, refuses the start" {
    refused_after agent guard nft flush ruleset
    refused_after agent guard nft insert rule inet sallyport output accept
    refused_after agent guard sh -c 'nft delete rule inet sallyport output handle $(
        nft -a list chain inet sallyport output | sed -n "s/.*handle \([0-9]*\)$/\1/p" | tail -n 1)'
    refused_after agent guard nft delete table inet sallyport
}

@test "a route or a routing rule that comes alone refuses the start" {
    refused_after agent "foreign route" ip route add 203.0.113.0/24 dev sp0
    refused_after agent "foreign route" ip route add default via 169.254.0.1 dev sp0 onlink table 77
    refused_after agent "routing rule" ip rule add lookup 77
    refused_after agent "foreign route" ip -6 route add unreachable 2001:db8::/32
    refused_after strict "foreign route" ip route add 203.0.113.0/24 dev sp0
}

@test "sp0 set down, with another or a second address, renamed or deleted, refuses the start" {
    refused_after agent sp0 ip link set sp0 down
    refused_after agent sp0 sh -c 'ip address flush dev sp0; ip address add 10.209.0.100/32 dev sp0'
    refused_after agent sp0 ip address add "$GATEWAY/32" dev sp0
    refused_after agent "no link into the hub" ip link delete sp0
    refused_after agent "no link into the hub" sh -c 'ip link set sp0 down; ip link set sp0 name eth0'
    [ "$(arrived 72)" = "" ]
}

@test "a link of that name that leads elsewhere is not taken for the hub's" {
    created agent 73
    network_of rt-one ip link delete sp0
    ip link add spt-engine type veth peer name sp0 netns "$(<"$WORK/rt-one.pid")"
    start_refused rt-one "no link into the hub"
}

@test "the network taken down between create and start refuses the start" {
    created agent 74
    witnesses_end
    container_delete rt-gateway
    "$SALLYPORT" network down "$NETWORK"
    start_refused rt-one "the network was taken down after the container was created"
    "$SALLYPORT" network up "$NETWORK"
    created agent 74
    "$SALLYPORT" network down "$NETWORK"
    "$SALLYPORT" network up "$NETWORK"
    start_refused rt-one "no link into the hub"
    sleeper rt-gateway gateway
    witness gateway-8642 rt-gateway "$PROBE" listen tcp 0.0.0.0 8642
}

@test "a policy that was changed and not reloaded refuses the start" {
    created agent 75
    policy_write "$NETWORK" '.roles.agent.reach += ["dashboard:9119"]'
    start_refused rt-one "network reload"
}

@test "a role that another file gives to nobody refuses the start, and a created container holds its address" {
    created pair 76
    policy_write "$NETWORK" '.roles.pair.addresses = "10.209.0.30/31"'
    refused "$SALLYPORT" network reload "$NETWORK"
    says "container rt-one has 10.209.0.16"
    policy_write "$NETWORK" 'del(.roles.pair)'
    start_refused rt-one "role \`pair\` is not in the policy"
}

@test "a start by a runtime that pins another role is refused" {
    created agent 77
    ln -sf "$PROGRAM" "$WORK/sallyport-runtime.$NETWORK.gateway"
    ENGINE=$WORK/sallyport-runtime.$NETWORK.gateway start_refused rt-one "already sealed as role \`agent\`"
}

# resolver KIND: what dockerd does in the namespace for its name server: a listener at 127.0.0.11, reached by a
# translation from port 53.
resolver()
{
    network_of rt-one nft -f - <<'NFT'
table ip spt-docker {
    chain output {
        type nat hook output priority -100;
        ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:36555
        ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:36555
    }
}
NFT
    witness resolver rt-one "$PROBE" listen "$1" 127.0.0.11 36555 --keep
}

# asks_resolver ID KIND: the container's process asks it, at both its ports.
asks_resolver()
{
    inside "$1" /probe "$2" 127.0.0.11 53 || inside "$1" /probe "$2" 127.0.0.11 36555
}

@test "an engine's resolver inside the namespace: refused with links: refuse, else not reached from inside" {
    for kind in udp tcp; do
        created strict 78
        resolver "$kind"
        start_refused rt-one "DNS server listens inside the container"

        created agent 78
        resolver "$kind"
        engine start rt-one
        run asks_resolver rt-one "$kind"
        [ "$status" -ne 0 ] || fail "$kind: $output"
        run ! saw resolver arrived
        # It is the guard that keeps it away.
        network_of rt-one nft delete table inet sallyport
        run asks_resolver rt-one "$kind"
        [ "$status" -eq 0 ] || fail "$kind: $output"
        eventually saw resolver arrived
        container_delete rt-one
    done
}

# hooked BOUNDING...: rt-plain, created by a plain runtime with our hook alone, with these capabilities in its bounding
# set, and the profile of a sealed config.
hooked()
{
    bundle rt-plain agent /bin/echo started
    seal rt-plain
    configure rt-plain --arg hook "$HOOK" '.hooks = {createRuntime: [{path: $hook, args: [$hook]}]}
        | .process.capabilities.bounding += $ARGS.positional' --args -- "$@"
}

@test "a process that has CAP_NET_RAW left in its bounding set, by a plain runtime, is not started" {
    hooked CAP_NET_RAW
    plain_create rt-plain
    start_refused rt-plain "CAP_NET_ADMIN or CAP_NET_RAW"
    hooked
    plain_create rt-plain
    engine start rt-plain
    eventually grep -q started "$WORK/rt-plain.log"
}

@test "a process whose config has no or another filter, by a plain runtime with our hook, is not started" {
    for filter in 'del(.linux.seccomp)' '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW"}'; do
        hooked
        configure rt-plain "$filter"
        plain_create rt-plain
        start_refused rt-plain "its config has lost the seccomp profile"
    done
    # Put back into the file it is not in the process.
    hooked
    cp "$WORK/bundles/rt-plain/config.json" "$WORK/good.json"
    configure rt-plain 'del(.linux.seccomp, .hooks)'
    plain_create rt-plain
    cp "$WORK/good.json" "$WORK/bundles/rt-plain/config.json"
    start_refused rt-plain "no seccomp filter"
}

@test "a container that was created without Sallyport is neither started nor joined" {
    bundle rt-plain agent /bin/sh -c "echo started; sleep 600"
    plain_create rt-plain
    engine_refuses "was not created by sallyport-runtime" engine start rt-plain
    [ "$(container_status rt-plain)" = created ]
    "$RUNTIME" start rt-plain
    process_file rt-plain /bin/echo joined
    engine_refuses "was not created by sallyport-runtime" engine_exec rt-plain
    [[ $output != *joined* ]]
    # It can be ended, though.
    engine delete --force rt-plain
    run ! "$RUNTIME" state rt-plain
}
