# SPDX-License-Identifier: Apache-2.0
#
# sallyport verify: every line as the policy says where the walls stand, named lines and exit status 1 where one is
# missing, and nothing left behind, however it ends.

source "$BATS_TEST_DIRNAME/common.bash"

setup_file()
{
    stage_up
    # From now on an allowed name leads inward.
    internet_stop "$WORK/internet"
    sed -i 's/^openrouter.ai .*/openrouter.ai 10.0.0.1/' "$WORK/internet/zone"
    internet_serve "$WORK/internet" spt-internet
    sleeper gateway gateway
    witness gateway-8642 gateway "$PROBE" listen tcp 0.0.0.0 8642 --keep
}

teardown_file()
{
    stage_down
}

# verify ARGUMENT...
verify()
{
    "$SALLYPORT" verify --network "$NETWORK" --role agent --engine "$RUNTIME" --cgroup-parent "$CGROUPS" "$@"
}

# Nothing of a verify: no directory, no process of a container, no link but the gateway's, no cgroup.
nothing_of_it()
{
    [[ -z $(find /run/sallyport -mindepth 1 -name 'verify-*') ]] &&
        [[ -z $(find /sys/fs/cgroup -type d -path "*$CGROUPS/verify-*" -not -path '/sys/fs/cgroup/unified/*') ]] &&
        ! pgrep -f '^/probe battery' && [[ $(hub_links) -eq 1 ]]
}

teardown()
{
    eventually nothing_of_it
}

# verdicts NAME: of the attempts of that name in $WORK/verify.json.
verdicts()
{
    jq -r --arg name "$1" '.groups[].attempts[] | select(.name == $name) | .verdict' "$WORK/verify.json" | sort -u
}

# leaks FILTER ARGUMENT...: verify must fail, and only lines for which the filter holds are at fault, at least one.
leaks()
{
    local filter=$1
    shift
    run --separate-stderr verify --json "$@"
    [[ $status -eq 1 ]] || fail "exit status $status: $stderr"
    [[ $stderr == *"not as the policy says"* ]] || fail "$stderr"
    echo "$output" >"$WORK/verify.json"
    jq -e "[.groups[].attempts[] | select(.verdict == \"leak\" or .verdict == \"broken\")] |
        length > 0 and all($filter)" "$WORK/verify.json" ||
        fail "$(jq -c '.groups[].attempts[] | select(.verdict == "leak" or .verdict == "broken")' "$WORK/verify.json")"
}

@test "every line is as the policy says, and the allowed paths work" {
    ip address add 192.0.2.77/32 dev lo # an address of the host, as any other
    run --separate-stderr verify --json --far 203.0.113.66 --far 2001:db8::66 --inward openrouter.ai
    ip address delete 192.0.2.77/32 dev lo
    [[ $status -eq 0 ]] || fail "$stderr $(jq -c '.groups[].attempts[] | select(.verdict == "leak" or .verdict == "broken")' <<<"$output")"
    echo "$output" >"$WORK/verify.json"
    jq -e --arg engine "$RUNTIME" '.network == "hermes" and .role == "agent" and .engine == $engine and
        (.version | test("^[0-9]")) and .summary.leak == 0 and .summary.broken == 0 and .summary.attempts >= 80 and
        .summary.attempts == ([.groups[].attempts[]] | length) and
        .summary.attempts == .summary.ok + .summary.told + .summary.impossible and (.left_out | length) == 0' "$WORK/verify.json" ||
        fail "$(jq -c .summary,.left_out "$WORK/verify.json")"
    of_schema verify <"$WORK/verify.json"
    [[ $(verdicts allowed) == ok ]] || fail "allowed: $(verdicts allowed)"
    [[ $(verdicts other-role) == ok ]] || fail "other role's: $(verdicts other-role)"
    [[ $(verdicts inward) == ok ]] || fail "inward: $(verdicts inward)"
    [[ $(verdicts tcp-203.0.113.66-443) == ok ]] || fail "far: $(verdicts tcp-203.0.113.66-443)"
    [[ $(verdicts tcp-192.0.2.77-22) == ok ]] || fail "host: $(verdicts tcp-192.0.2.77-22)"
    [[ $(verdicts other-links) == ok ]] || fail "links: $(verdicts other-links)"
    [[ -z $stderr ]] || fail "$stderr"
}

@test "the table names each attempt and sums up; a pipe gets no colour" {
    run --separate-stderr verify --only proxy
    [[ $status -eq 0 ]] || fail "$stderr $output"
    says $'\nproxy\n'
    [[ $output != *$'\nplain\n'* && $output != *$'\e'* && $output != *$'\r'* ]] || fail "$output"
    [[ $output =~ ok\ +allowed\ .*open:\ .*ms ]] || fail "$output"
    [[ ${lines[-1]} =~ ^[0-9]+\ attempts:.*\ 0\ leaks,\ 0\ broken ]] || fail "${lines[-1]}"
}

# on_terminal ARGUMENT...: verify as a person sees it; $output and $status are the terminal's.
on_terminal()
{
    run python3 "$BATS_TEST_DIRNAME/terminal.py" run "$SALLYPORT" verify --network "$NETWORK" --role agent \
        --engine "$RUNTIME" --cgroup-parent "$CGROUPS" "$@"
}

@test "on a terminal it tells how far it is; where all is well nothing is red" {
    on_terminal --only raw
    [[ $status -eq 0 && $output == *$'\r\e[K5 attempts, raw'* && $output != *$'\e[1;31m'* ]] || fail "$status: $output"
}

@test "a role that may nest: new namespaces are told, and are no leak" {
    "$SALLYPORT" verify --network "$NETWORK" --role nested --engine "$RUNTIME" --cgroup-parent "$CGROUPS" --json >"$WORK/verify.json"
    [[ $(verdicts unshare-user) == told && $(verdicts unshare-net) == told && $(verdicts setns-init) == ok ]]
    jq -e '[.groups[].attempts[] | select(.name == "unshare-user") | .saw] == ["open"]' "$WORK/verify.json"
}

@test "only some groups" {
    verify --only raw --only proxy --json | jq -e '[.groups[].name] == ["raw", "proxy", "arrivals"]'
}

@test "a proxy that allows everything is a leak of the proxy's lines" {
    internet_squid_stop "$WORK/internet"
    sed 's/^http_access deny.*//; 0,/^http_access/s/^http_access/http_access allow all\n&/' "$WORK/squid.conf" >"$WORK/open.conf"
    internet_squid "$WORK/internet" "$WORK/open.conf" "" "$PROXY" 3128
    leaks '.verdict == "leak" and (.name == "on-host" or (.tried | test("^(CONNECT|GET)")))' --only proxy
    # Not refused is what the proxy tried, although nobody answered it; and at the host's own sockets it arrived.
    [[ $(verdicts denied) == leak && $(verdicts name-as-message) == leak && $(verdicts private-10) == leak ]]
    of_schema verify <"$WORK/verify.json"
    [[ $(verdicts "listener-connect-$HOST") == leak && $(verdicts "listener-get-$HOST") == leak && $(verdicts on-host) == leak ]]
    jq -e '[.groups[].attempts[] | select(.name == "denied").detail] == ["HTTP 500: not refused, but tried"]' "$WORK/verify.json" ||
        jq -e '[.groups[].attempts[] | select(.name == "denied").detail] == ["HTTP 503: not refused, but tried"]' "$WORK/verify.json"
    internet_squid_stop "$WORK/internet"
    internet_squid "$WORK/internet" "$WORK/squid.conf" "" "$PROXY" 3128
}

@test "no proxy: the allowed path is broken, in red; one that gives each role what any other may have: a leak" {
    internet_squid_stop "$WORK/internet"
    leaks '.verdict == "broken" and (.name == "allowed" or .name == "tcp-10.209.0.2-3128")' --only proxy
    on_terminal --only proxy
    [[ $status -eq 1 ]]
    says $'  \e[1;31mBROKEN\e[0m allowed '
    [[ ${output#*not as the policy says} == *$'  \e[1;31mBROKEN\e[0m proxy allowed '* ]] || fail "$output"
    # One that asks for names, and not who wants them.
    sed '0,/^http_access/s/^http_access/acl spt-all dstdomain api.telegram.org\nhttp_access allow spt-all\n&/' \
        "$WORK/squid.conf" >"$WORK/all.conf"
    internet_squid "$WORK/internet" "$WORK/all.conf" "" "$PROXY" 3128
    leaks '.name == "other-role" and .verdict == "leak"' --only proxy
    internet_squid_stop "$WORK/internet"
    NO_COLOR=1 on_terminal --only proxy
    [[ $output == *$'  BROKEN allowed '* && $output != *$'\e[1;31m'* ]] || fail "$output"
    internet_squid "$WORK/internet" "$WORK/squid.conf" "" "$PROXY" 3128
}

@test "a rule in the hub that accepts everything is a leak to the other members' ports" {
    witness gateway-22 gateway "$PROBE" listen tcp 0.0.0.0 22 --keep
    hub nft insert rule inet sallyport forward accept
    leaks '(.verdict == "leak" and ((.tried | contains(" 10.209.0.")) or .name == "out-of-hub")) or .name == "walls"' --only members
    hub nft delete rule inet sallyport forward handle \
        "$(hub nft -a list chain inet sallyport forward | sed -n '/^\t\taccept # handle/s/.* //p')"
    verify --only members
}

@test "what no attempt tries is seen: a rule for one port, a link of the hub that leads elsewhere, the uplink's rules" {
    hub nft insert rule inet sallyport forward tcp dport 5555 accept
    leaks '.name == "walls" and (.detail | contains("rule of chain forward"))' --only raw
    "$SALLYPORT" network reload "$NETWORK"
    hub ip link add spt-a type veth peer name spt-b
    leaks '.name == "walls" and (.detail | contains("spt-"))' --only raw
    hub ip link delete spt-a
    nft insert rule inet "sallyport-$NETWORK" input tcp dport 5555 accept
    leaks '.name == "walls" and (.detail | contains("input"))' --only raw
    "$SALLYPORT" network reload "$NETWORK"
    verify --only raw
}

# passing COMMAND...: with a pass-through in the policy, and one that has the configuration $WORK/haproxy.cfg.
passing()
{
    local result=0
    policy_write "$NETWORK" '.proxy.sni = 443'
    "$SALLYPORT" network reload "$NETWORK"
    [[ -e $WORK/haproxy.cfg ]] || "$SALLYPORT" proxy-config haproxy "$NETWORK" >"$WORK/haproxy.cfg"
    internet_haproxy "$WORK/internet" "$WORK/haproxy.cfg" "" "$PROXY" 443
    "$@" || result=$?
    internet_haproxy_stop "$WORK/internet"
    rm "$WORK/haproxy.cfg"
    policy_write "$NETWORK"
    "$SALLYPORT" network reload "$NETWORK"
    return "$result"
}

verified()
{
    run --separate-stderr verify --json --only sni --only host --only members --inward openrouter.ai
    [[ $status -eq 0 ]] || fail "$stderr $output"
    echo "$output" >"$WORK/verify.json"
    jq -e '[.groups[] | select(.name == "sni") | .attempts[] | select(.verdict == "ok") | .name] ==
        ["allowed", "denied", "other-role", "inward", "no-name", "http", "connect", "ssh"]' "$WORK/verify.json" ||
        fail "$output"
    [[ $(verdicts second-name) == told ]]
}

@test "a pass-through: what it has to pass on and what it has to refuse" {
    passing verified
}

@test "no pass-through in the policy: its group has nothing to try" {
    verify --only sni --only host --json | jq -e '[.groups[].name] == ["host", "arrivals"]'
}

@test "a pass-through that passes everything on is a leak of its lines" {
    policy_write "$NETWORK" '.proxy.sni = 443'
    "$SALLYPORT" proxy-config haproxy "$NETWORK" | sed '/set-var(txn.permitted)/s/ if .*//' >"$WORK/haproxy.cfg"
    passing leaks '.verdict == "leak" and .name == "other-role"' --only sni
}

@test "no answer from the pass-through: the allowed name is broken" {
    policy_write "$NETWORK" '.proxy.sni = 443'
    "$SALLYPORT" proxy-config haproxy "$NETWORK" | sed '/^acl hosts-/s/ -m str .*/ -m str nobody.example/' >"$WORK/haproxy.cfg"
    passing leaks '.verdict == "broken" and .name == "allowed"' --only sni
}

# start_verify: one in the background, when its container has its link; $pid.
start_verify()
{
    # Not verify: $! has to be the program, not a shell around it.
    "$SALLYPORT" verify --network "$NETWORK" --engine "$RUNTIME" --cgroup-parent "$CGROUPS" \
        >"$WORK/background" 2>&1 3>&- &
    pid=$!
    eventually two_links
}

two_links()
{
    [[ $(hub_links) -eq 2 ]]
}

@test "a signal in the middle ends it, with one line, and nothing is left" {
    local signal
    for signal in TERM HUP; do
        start_verify
        kill -"$signal" "$pid"
        status=0
        wait "$pid" || status=$?
        [[ $status -eq 1 ]] || fail "exit status $status"
        [[ $(wc -l <"$WORK/background") -eq 1 ]] || fail "$(cat "$WORK/background")"
        grep -qF "ended by SIG$signal" "$WORK/background" || fail "$(cat "$WORK/background")"
        eventually nothing_of_it
    done
}

@test "a role that has no address left is refused before anything starts, and one of its containers is named" {
    sleeper first pair
    "$SALLYPORT" verify --network "$NETWORK" --role pair --engine "$RUNTIME" --cgroup-parent "$CGROUPS" --only raw
    sleeper second pair
    refused "$SALLYPORT" verify --network "$NETWORK" --role pair --engine "$RUNTIME" --cgroup-parent "$CGROUPS"
    [[ $output =~ "none of its addresses is free; the last, 10.209.0.17, is that of container "(first|second) ]] || fail "$output"
    container_delete first
    container_delete second
}

@test "what cannot be verified is refused in one line" {
    refused "$SALLYPORT" verify --engine lxc
    says "docker, podman, runc or crun"
    refused "$SALLYPORT" verify --only everything
    says "no group"
    refused "$SALLYPORT" verify --network "$NETWORK" --far example.com
    says "no address"
    refused "$SALLYPORT" verify --network "$NETWORK" --far "$PROXY"
    says "subnet"
    refused "$SALLYPORT" verify --network "$NETWORK" --inward example.com
    says "not allowed"
    refused "$SALLYPORT" verify --network "$NETWORK" --inward 10.0.0.1
    refused "$SALLYPORT" verify --network "$NETWORK" --role nobody
    says nobody
    refused "$SALLYPORT" verify --network nowhere
    says nowhere
    refused "$SALLYPORT" verify agent
    refused "$SALLYPORT" verify --network "$NETWORK" --role gateway --engine "$RUNTIME" --cgroup-parent "$CGROUPS"
    says "its only address, $GATEWAY, is that of container gateway; stop that container"
    refused "$SALLYPORT" verify --network "$NETWORK" --engine "$RUNTIME" --cgroup-parent elsewhere
    says "--cgroup-parent elsewhere: does not begin with a slash"
}
