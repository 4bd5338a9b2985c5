# SPDX-License-Identifier: Apache-2.0
#
# network show and list, on a real hub with real members: what they say, as text, JSON and graph; and every difference
# between policy file and kernel that they promise to name, made on purpose, named, and gone again when it is mended.

source "$BATS_TEST_DIRNAME/common.bash"

setup_file()
{
    small_stage_up
    sleeper spt-show-agent agent
    sleeper spt-show-gateway gateway
}

teardown_file()
{
    small_stage_down
}

teardown()
{
    unguarded
    rm -f "$POLICIES/spt-other.json"
    policy_write "$NETWORK"
    "$SALLYPORT" network reload "$NETWORK"
}

# clean: nothing is wrong.
clean()
{
    run "$SALLYPORT" network show "$NETWORK"
    [[ $status -eq 0 ]] || fail "$output"
    says "nothing found that is not as it should be"
    [[ $output != *$'\n! '* && $output != *problems* ]] || fail "$output"
}

# named KIND TEXT: the problem is in the JSON document by its kind, and with the text in a line of its own; it is the
# only one, and showing it is no failure.
named()
{
    run "$SALLYPORT" network show "$NETWORK" --json
    [[ $status -eq 0 ]] || fail "$output"
    [[ $(jq -r '[.problems[].kind] | unique | join(" ")' <<<"$output") == "$1" ]] || fail "expected $1: $output"
    run "$SALLYPORT" network show "$NETWORK"
    [[ $status -eq 0 ]] || fail "$output"
    says $'\nproblems: '
    grep -q "^! .*$2" <<<"$output" || fail "expected $2: $output"
}

@test "members, who reaches what, and nothing wrong; narrow, and without colour" {
    clean
    says "policy: in force"
    says "spt-show-age "
    says "$(address_of spt-show-agent)"
    [[ $output != *$'\e'* ]]
    [[ $(awk '{ if (length($0) > longest) longest = length($0) } END { print longest }' <<<"$output") -lt 100 ]] ||
        fail "$output"
    grep -Eq '^agent +1  proxy gateway:8642$' <<<"$output" || fail "$output"
    grep -Eq '^gateway +1  proxy dashboard:9119 \(not up\)$' <<<"$output" || fail "$output"
    grep -Eq '^ +by proxy: api.openai.com openrouter.ai$' <<<"$output" || fail "$output"
    grep -Eq '^ +published: 127.0.0.1:9119->9119$' <<<"$output" || fail "$output"
    grep -Eq '^pair +0  nothing$' <<<"$output" || fail "$output"
}

@test "the JSON document has these keys, and whole ids" {
    run "$SALLYPORT" network show "$NETWORK" --json
    of_schema network-show <<<"$output"
    jq -e --arg address "$(address_of spt-show-agent)" --argjson pid "$(<"$WORK/spt-show-agent.pid")" '
        keys == ["forged", "members", "network", "policy", "problems", "proxy", "refused", "roles", "subnet"] and
        (.members | length) == 3 and
        ([.members[] | keys] | unique) == [["address", "host", "id", "link", "name", "pid", "received", "refused",
            "role", "sent", "up", "uptime"]] and
        ([.roles[] | keys] | unique) == [["first", "hosts", "last", "name", "proxy", "published", "reach", "up"]] and
        .forged == 0 and .subnet == "10.209.0.0/24" and .problems == [] and
        .proxy == {address: "10.209.0.2", port: 3128, sni: null, http: null, at: "host", up: true} and
        (.members[] | select(.id == "spt-show-agent") |
            .role == "agent" and .name == null and .address == $address and .pid == $pid and .uptime >= 0 and .uptime < 3600) and
        (.members[] | select(.host) | .pid == null and .uptime == null) and
        (.roles[] | select(.name == "agent") | .reach == [{role: "gateway", port: 8642}] and .up == 1 and .proxy and
            .hosts[0] == {name: "api.openai.com", subdomains: false, port: 443, pass_through: false}) and
        (.roles[] | select(.name == "gateway") |
            .published == [{address: "127.0.0.1", port: 9119, member_port: 9119}])' <<<"$output" || fail "$output"
}

@test "a member is up since its oldest process, whatever later ones are called" {
    local before after
    before=$("$SALLYPORT" network show "$NETWORK" --json | jq '.members[] | select(.id == "spt-show-agent").uptime')
    inside spt-show-agent sh -c "printf 'a) R 1 1 1' >/proc/self/comm; sleep 60" </dev/null >/dev/null 2>&1 3>&- &
    disown
    eventually inside spt-show-agent sh -c 'ps | grep -q "[s]leep 60"'
    run "$SALLYPORT" network show "$NETWORK" --json
    after=$(jq '.members[] | select(.id == "spt-show-agent").uptime' <<<"$output")
    ((after >= before)) || fail "$before, then $after"
    [[ $(jq '.members[] | select(.id == "spt-show-agent").pid' <<<"$output") == "$(<"$WORK/spt-show-agent.pid")" ]]
}

# refusals ID: how many packets of the member are told to have been refused.
refusals()
{
    "$SALLYPORT" network show "$NETWORK" --json | jq --arg id "$1" '.members[] | select(.id == $id).refused.packets'
}

@test "what was refused is told of each member for itself, and goes on across a reload" {
    [[ $(refusals spt-show-agent) -eq 0 && $(refusals spt-show-gateway) -eq 0 ]]
    run ! inside spt-show-agent /probe ports "$GATEWAY" --first 20 --last 29
    run ! inside spt-show-gateway /probe tcp "$PROXY" 22
    "$SALLYPORT" network reload "$NETWORK"
    run ! inside spt-show-gateway /probe tcp "$PROXY" 23
    [[ $(refusals spt-show-agent) -eq 10 && $(refusals spt-show-gateway) -eq 2 ]]
    run "$SALLYPORT" network show "$NETWORK"
    says "members: 2; refused by the hub: 12 packets, 720 B, most to $(address_of spt-show-agent) (agent)"
    [[ $output != *forged* ]]
    [[ $(awk '$3 == "spt-show-age" { print $NF }' <<<"$output") -eq 10 ]] || fail "$output"
    [[ $("$SALLYPORT" network show "$NETWORK" --dot) == *'\n1 up\n10 packets refused"'* ]]
    # A forged source is nobody's.
    network_of spt-show-agent "$PROBE" packet sp0 tcp --dest-ip "$PROXY" --port 25 --source-ip "$DASHBOARD" --marker x \
        --dest-mac "$(network_of spt-show-agent ip neigh show dev sp0 | awk '{ print $3; exit }')"
    run "$SALLYPORT" network show "$NETWORK"
    says "refused by the hub: 12 packets, 720 B, most to $(address_of spt-show-agent) (agent); forged sources dropped: 1"
    [[ $("$SALLYPORT" network show "$NETWORK" --json | jq .forged) -eq 1 ]]
}

@test "the graph is one digraph with an edge for everything that is reached" {
    run "$SALLYPORT" network show "$NETWORK" --dot
    [[ $status -eq 0 && ${lines[0]} == 'digraph "hermes" {' && ${lines[-1]} == '}' ]] || fail "$output"
    says '  "role agent" -> "role gateway" [label="8642"];'
    says '  "role agent" -> "role proxy" [label="3128"];'
    says '  "role agent" -> "host api.openai.com:443" [style=dashed, label="by proxy"];'
    says '  "port 127.0.0.1:9119" -> "role gateway" [label="9119"];'
    # Every line in between is one statement, and every string in it is closed.
    local line
    for line in "${lines[@]:1:${#lines[@]}-2}"; do
        [[ $line == '  '*';' ]] || fail "$line"
        [[ $(tr -cd '"' <<<"$line" | wc -c) -ne 1 ]] && (($(tr -cd '"' <<<"$line" | wc -c) % 2 == 0)) || fail "$line"
    done
    refused "$SALLYPORT" network show "$NETWORK" --dot --json
    refused "$SALLYPORT" network list --dot
}

@test "a policy that changed, is broken, is gone" {
    policy_write "$NETWORK" '.roles.dashboard.reach = []'
    named policy-changed "policy changed, not reloaded"
    echo '{' >"$POLICIES/$NETWORK.json"
    named policy-broken "policy file is broken.*$NETWORK.json"
    refused "$SALLYPORT" network show "$NETWORK" --dot
    chmod 666 "$POLICIES/$NETWORK.json"
    named policy-broken "writable by group or others"
    rm "$POLICIES/$NETWORK.json"
    named policy-gone "policy file is gone"
    "$SALLYPORT" network show "$NETWORK" --json | of_schema network-show
    policy_write "$NETWORK"
    clean
}

@test "a policy that gives a live member's address to another role" {
    policy_write "$NETWORK" '.roles.gateway.addresses = "10.209.0.5" | .roles.pair.addresses = "10.209.0.3"'
    run "$SALLYPORT" network show "$NETWORK" --json
    jq -e '[.problems[].kind] == ["policy-changed", "other-role"]' <<<"$output" || fail "$output"
    jq -e '.problems[1].text | contains("as role gateway, and the policy file gives it to pair")' <<<"$output"
}

@test "links, addresses, routes and routing rules in the hub that are not ours" {
    hub ip link add evil type veth peer name other
    named foreign-link "link evil of kind veth"
    hub ip link delete evil
    hub ip link add sp0ad100f0 type veth peer name other # named like ours
    named foreign-link "link sp0ad100f0"
    hub ip link delete sp0ad100f0
    hub ip link add "$(printf 'e\033[31m')" type veth peer name other
    named foreign-link "link e?\[31m"
    hub ip link delete "$(printf 'e\033[31m')"
    hub ip address add 10.209.0.200/32 dev lo
    named foreign-address "lo has the address 10.209.0.200"
    hub ip address delete 10.209.0.200/32 dev lo
    hub ip route add 203.0.113.0/24 dev sp0ad10002
    named foreign-route "route 203.0.113.0/24 by sp0ad10002"
    hub ip route delete 203.0.113.0/24 dev sp0ad10002
    hub ip route add 10.209.0.70/32 dev sp0ad10003 # a member's address, by another's link
    named foreign-route "route 10.209.0.70/32 by sp0ad10003"
    hub ip route delete 10.209.0.70/32 dev sp0ad10003
    hub ip rule add to 203.0.113.0/24 lookup 7
    named foreign-routing-rule "routing rule"
    hub ip rule delete to 203.0.113.0/24 lookup 7
    clean
}

@test "tables in the hub that are not ours" {
    hub nft add table ip evil
    named foreign-table "nftables table ip evil"
    hub nft delete table ip evil
    hub nft add table ip6 sallyport # named like ours
    named foreign-table "nftables table ip6 sallyport"
    hub nft delete table ip6 sallyport
    clean
}

@test "our own tables, changed in the hub and on the host; reload mends it" {
    local policy
    policy=$(hub nft list table inet sallyport | grep -o 'policy-[0-9a-f]*' | head -n 1)
    hub nft add chain inet sallyport early '{ type filter hook forward priority -500; }'
    named rules-changed "hub's own rules are not as they were made (table sallyport: chain early was added)"
    "$SALLYPORT" network reload "$NETWORK"
    clean
    hub nft add rule inet sallyport "$policy" tcp dport 22 accept
    named rules-changed "a rule of chain $policy was added): run .sallyport network reload $NETWORK.$"
    "$SALLYPORT" network reload "$NETWORK"
    clean
    hub nft delete table inet sallyport
    run "$SALLYPORT" network show "$NETWORK" --json
    [[ $status -eq 0 ]] || fail "$output"
    jq -e '[.problems[] | select(.kind == "rules-changed").text] == ["the hub'"'"'s own rules are not as they were made " +
        "(their table is gone, and all passes): run `sallyport network reload hermes`"]' <<<"$output" || fail "$output"
    "$SALLYPORT" network reload "$NETWORK"
    clean
    nft insert rule inet "sallyport-$NETWORK" input accept
    named uplink-rules "table inet sallyport-$NETWORK is not as it was made (.*a rule of chain input was changed)"
    "$SALLYPORT" network reload "$NETWORK"
    clean
    nft add table inet "sallyport-$NETWORK" '{ flags dormant; }'
    named uplink-rules "was put to sleep"
    "$SALLYPORT" network reload "$NETWORK"
    clean
}

# `gso_max_size` of an older iproute2 sets the size for IPv4, too.
@test "a link that cuts large segments; reload mends it" {
    local link
    for link in $(hub ip -brief link show type veth | sed 's/@.*//'); do
        hub ip link set "$link" gso_max_size 32768
        named small-segments "link $link in the hub cuts what is larger than 32768 bytes"
        "$SALLYPORT" network reload "$NETWORK"
        clean
    done
    [[ -n $link ]]
}

@test "the uplink: gone, elsewhere, down, without address, route, routing rule or table; reload mends it" {
    ip address delete "$PROXY/32" dev "$UPLINK"
    named uplink-address "lost the proxy's address"
    "$SALLYPORT" network reload "$NETWORK"
    clean
    ip route delete "$SUBNET" table "$((0x0ad10000))"
    named uplink-route "lost the route"
    "$SALLYPORT" network reload "$NETWORK"
    clean
    ip rule delete priority 900 to "$SUBNET"
    named uplink-routing-rule "lost the routing rule"
    "$SALLYPORT" network reload "$NETWORK"
    clean
    nft flush ruleset
    named uplink-rules "table inet sallyport-$NETWORK is gone"
    "$SALLYPORT" network reload "$NETWORK"
    clean
    ip link set "$UPLINK" down
    run "$SALLYPORT" network show "$NETWORK" --json
    jq -e '[.problems[].kind] | index("uplink-down")' <<<"$output" || fail "$output"
    "$SALLYPORT" network reload "$NETWORK"
    clean
    ip link delete "$UPLINK"
    named uplink-missing "no link $UPLINK"
    ip link add "$UPLINK" type veth peer name spt-nowhere
    named uplink-elsewhere "link $UPLINK of the host does not lead into this hub"
    ip link delete "$UPLINK"
    "$SALLYPORT" network reload "$NETWORK"
    clean
    policy_write "$NETWORK" '.proxy.at = "member" | del(.roles.gateway.publish)'
    run "$SALLYPORT" network show "$NETWORK" --json
    jq -e '[.problems[].kind] | index("uplink-unneeded")' <<<"$output" || fail "$output"
}

# undone FILE: it is named when its setting is another one, and has its value again after a reload.
undone()
{
    local enter=() value
    [[ $1 == */sp-* ]] || enter=(ip netns exec "sallyport-$NETWORK")
    value=$("${enter[@]}" cat "/proc/sys/$1")
    "${enter[@]}" sh -c "echo $((1 - value)) >/proc/sys/$1"
    run "$SALLYPORT" network show "$NETWORK"
    grep -q "^! $1 .* is $((1 - value)) and has to be $value: run .sallyport network reload $NETWORK.\$" <<<"$output" ||
        fail "$1: $output"
    "$SALLYPORT" network reload "$NETWORK"
    [[ $("${enter[@]}" cat "/proc/sys/$1") -eq $value ]]
}

@test "settings of the hub, of its links and of the uplink that were undone; reload mends them" {
    local file link
    link=sp$(printf '%02x' $(address_of spt-show-agent | tr . ' '))
    for file in ipv4/conf/{all,default,"$link"}/{rp_filter,accept_local,forwarding} ipv6/conf/"$link"/disable_ipv6 \
        ipv4/conf/"$UPLINK"/{forwarding,rp_filter,accept_local,route_localnet} ipv6/conf/"$UPLINK"/disable_ipv6; do
        undone "net/$file"
        clean
    done
    echo 0 >"/proc/sys/net/ipv4/conf/$UPLINK/rp_filter"
    named uplink-sysctl "rp_filter on the host is 0 and has to be 1"
    "$SALLYPORT" network reload "$NETWORK"
    hub sh -c 'echo 2 >/proc/sys/net/ipv4/conf/all/rp_filter'
    named hub-sysctl "net/ipv4/conf/all/rp_filter in the hub is 2 and has to be 1"
    "$SALLYPORT" network reload "$NETWORK"
    clean
}

@test "a member's guard that was changed, or is gone; a restart mends it" {
    local changed gone
    sleeper spt-show-keeper keeper # its guard is another one
    clean
    changed=$(address_of spt-show-keeper)
    network_of spt-show-keeper nft insert rule inet sallyport output accept
    named guard-changed "guard of $changed (keeper), container spt-show-kee, is not as it was made (.*): restart it"
    container_delete spt-show-keeper
    sleeper spt-show-keeper keeper
    clean
    container_delete spt-show-keeper
    sleeper spt-show-nested nested
    gone=$(address_of spt-show-nested)
    network_of spt-show-nested nft flush ruleset
    named guard-changed "guard of $gone (nested), container spt-show-nes, is gone: restart it"
    container_delete spt-show-nested
    sleeper spt-show-nested nested
    clean
    container_delete spt-show-nested
}

# guarded COUNT [COMMAND...]: COUNT processes are behind the agent's guard without a link, in namespaces that COMMAND's user
# has made, until unguarded.
guarded()
{
    local count=$1
    shift
    rm -f "$WORK/guarded" # what was said before is no answer
    # He need not be able to read where this file is.
    "$@" python3 -c "$(<"$BATS_TEST_DIRNAME/ruleset.py")" load "$count" <"$WORK/guard" >"$WORK/guarded" 2>&1 3>&- &
    echo $! >"$WORK/guarded.pid"
    disown
    eventually grep -qs loaded "$WORK/guarded" || fail "$(cat "$WORK/guarded")"
}

unguarded()
{
    internet_end "$WORK/guarded.pid"
}

@test "what a user of the host makes is no member; what a container makes hides nothing of the network" {
    network_of spt-show-agent python3 "$BATS_TEST_DIRNAME/ruleset.py" save >"$WORK/guard"
    guarded 1 setpriv --reuid=65534 --regid=65534 --clear-groups unshare --user --map-root-user
    clean
    unguarded
    # As engines do for a container that is to have other users.
    guarded 1 unshare --user --map-root-user
    named member-without-link "the container of process [0-9]* has lost its link"
    unguarded
    guarded 60
    ip link set "sp-$NETWORK" down
    run "$SALLYPORT" network show "$NETWORK"
    unguarded
    says "! link sp-$NETWORK of the host is down"
    says "has lost its link"
    says "! and "
}

@test "a link that is down, and one that nobody lives behind" {
    local address link
    sleeper spt-show-pair pair
    address=$(address_of spt-show-pair)
    link=$(printf 'sp0ad100%02x' "${address##*.}")
    hub ip link set "$link" down
    named link-down "link $link of $address (pair) is down"
    hub ip link set "$link" up
    # Where the kernel drops routes with their link, so it was: what is mended here is only the test's.
    hub ip route replace "$address/32" dev "$link"
    clean
    # Its namespace outlives it by a descriptor that this shell holds, and its runtime is not told of its end.
    exec 7<"/proc/$(<"$WORK/spt-show-pair.pid")/ns/net"
    kill -KILL "$(<"$WORK/spt-show-pair.pid")"
    eventually bash -c "[[ ! -e /proc/$(<"$WORK/spt-show-pair.pid")/ns/net ]]"
    run "$SALLYPORT" network show "$NETWORK"
    grep -Eq "^$address +pair +spt-show-pai +nobody " <<<"$output" || fail "$output"
    named link-without-member "nobody lives behind link $link of $address, container spt-show-pai"
    exec 7<&-
    container_delete spt-show-pair
    eventually bash -c "! ip -n sallyport-$NETWORK link show $link 2>/dev/null"
    clean
}

@test "list has what is up and what could be, with members and problems" {
    policy_write spt-other '.subnet = "10.210.0.0/24" | .proxy.address = "10.210.0.2" |
        .roles = {agent: {addresses: "10.210.0.64/26"}}'
    run "$SALLYPORT" network list
    [[ $status -eq 0 && ${#lines[@]} -eq 3 ]] || fail "$output"
    grep -Eq "^$NETWORK +yes +2  10.209.0.0/24 +in force +0$" <<<"$output" || fail "$output"
    grep -Eq '^spt-other +no +0  10.210.0.0/24 +not in force +0$' <<<"$output" || fail "$output"
    echo '{' >"$POLICIES/spt-other.json"
    run "$SALLYPORT" network list
    [[ $status -eq 0 ]]
    grep -Eq '^spt-other +no +0  - +broken +1$' <<<"$output" || fail "$output"
    grep -Eq '^! spt-other: policy file is broken: ' <<<"$output" || fail "$output"
    "$SALLYPORT" network list --json | of_schema network-list
    "$SALLYPORT" network list --json | jq -e 'length == 2 and
        ([.[] | keys] | unique) == [["members", "network", "policy", "problems", "subnet", "up"]] and
        .[0].network == "hermes" and .[0].up and .[0].members == 2 and .[0].problems == [] and
        .[1].policy == "broken" and .[1].subnet == null and .[1].problems[0].kind == "policy-broken"'
}
