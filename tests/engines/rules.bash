# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The stage for the rules of squid and of the pass-through. Three namespaces: the members (one namespace with the address
# of each role), the proxy's, and the internet, to which every address but the subnet's is routed, so that whatever the
# proxy lets through arrives and is seen.

load internet
load proxy_questions

PREFIX=spsq
MEMBERS=$PREFIX-members
HOST=$PREFIX-host
CONTROL=203.0.113.133

# The name that resolves to the address.
name_of()
{
    echo "x$(tr -- :. -- <<<"$1")x.forbidden.example"
}

# names_of ADDRESS...: that of each, one a line.
names_of()
{
    local address
    for address in "$@"; do
        name_of "$address"
    done
}

names()
{
    local address i
    echo allowed.example=203.0.113.10 denied.example=203.0.113.66 gateway.example=203.0.113.11
    echo other.example=203.0.113.12 impostor.example=203.0.113.12 v6.example=2001:db8::10 mixed.example=203.0.113.10,10.1.2.3
    echo sub.example=203.0.113.13 {one,two,deep,deeper,x.deeper}.sub.example=203.0.113.14
    for address in "${FORBIDDEN[@]}" "${UNREACHABLE[@]}"; do
        echo "$(name_of "$address")=$address"
    done
    for ((i = 0; i < 20; i++)); do
        echo "r$i.rebind.example=203.0.113.20/10.66.0.1"
    done
    echo control.rebind.example=203.0.113.20/10.67.0.1
}

# make_config NETWORK [KIND]: what an administrator gets, with the policies of this test in /etc.
make_config()
{
    unshare --mount --propagation private sh -ec 'mount --bind "$1" /etc; exec "$2" proxy-config "$3" "$4"' sh \
        "$DIRECTORY/etc" "${SALLYPORT_BUILD_DIRECTORY:-$BATS_TEST_DIRNAME/../../build}/sallyport" "${2:-squid}" "$1"
}

remove_namespaces()
{
    local name
    for name in $MEMBERS $HOST $PREFIX-internet; do
        ip netns delete "$name" 2>/dev/null || true
    done
}

make_members()
{
    ip netns add $HOST
    ip netns add $MEMBERS
    ip -n $HOST link set lo up
    ip -n $MEMBERS link set lo up
    ip -n $HOST link add $PREFIX-link type veth peer name members netns $MEMBERS
    ip -n $HOST link set $PREFIX-link up
    ip -n $MEMBERS link set members up
    ip -n $HOST address add $PROXY/25 dev $PREFIX-link
    ip -n $HOST address add $CONTROL/25 dev $PREFIX-link
    for address in $AGENT $AGENT_LAST $GATEWAY $DASHBOARD $NOBODY $SUBNET_HOST; do
        ip -n $MEMBERS address add "$address/25" dev members
    done
}

# rules_up [FILTER]: the stage without a proxy; jq changes the policy, which is the network test's.
rules_up()
{
    set -e
    export DIRECTORY PYTHON
    umask 022
    # Not a wrapper that some machines have in its place: it is started many times.
    PYTHON=$(python3 -c 'import sys; print(sys.executable)')
    # A run that was killed may have left these.
    remove_namespaces
    DIRECTORY=$(mktemp -d "${TMPDIR:-/tmp}/sallyport-rules-XXXXXX")
    mkdir -p "$DIRECTORY/etc/sallyport/networks.d" "$DIRECTORY"/{control,local,members}
    policy | jq "${1:-.}" >"$DIRECTORY/etc/sallyport/networks.d/test.json"
    make_members
    # shellcheck disable=SC2046 # names are words
    internet_up $PREFIX "$DIRECTORY" $HOST $(names)
    ip -n $HOST route add default via 198.51.100.2
    ip -n $HOST -6 route add default via 2001:db8:ffff::2
    # What runs on the proxy's machine itself.
    cp "$DIRECTORY/server.pem" "$DIRECTORY/zone" "$DIRECTORY/local"
    internet_serve "$DIRECTORY/local" $HOST
    # And in the subnet, at its host's address, for names that lead there.
    cp "$DIRECTORY/server.pem" "$DIRECTORY/zone" "$DIRECTORY/members"
    internet_serve "$DIRECTORY/members" $MEMBERS

    cp "$DIRECTORY/hosts" "$DIRECTORY/resolv.conf" "$DIRECTORY/control"
}

rules_down()
{
    internet_stop "$DIRECTORY/local"
    internet_stop "$DIRECTORY/members"
    internet_down $PREFIX "$DIRECTORY" $HOST
    remove_namespaces
    rm -rf "$DIRECTORY"
}

# proxies_up KIND PORT: the program with the configuration that is made for it, and beside it the control: the same
# configuration without_walls, which the file of tests has to define.
proxies_up()
{
    make_config test "$1" >"$DIRECTORY/$1.conf"
    without_walls "$DIRECTORY/$1.conf" >"$DIRECTORY/control.conf"
    "internet_$1" "$DIRECTORY" "$DIRECTORY/$1.conf" $HOST $PROXY "$2"
    "internet_$1" "$DIRECTORY/control" "$DIRECTORY/control.conf" $HOST $CONTROL "$2"
}

proxies_down()
{
    "internet_$1_stop" "$DIRECTORY"
    "internet_$1_stop" "$DIRECTORY/control"
}

# request SOURCE PROXY REQUEST...: by $CLIENT, which says what a request is.
request()
{
    ip netns exec $MEMBERS "$PYTHON" "$BATS_TEST_DIRNAME/$CLIENT" "$@"
}

setup()
{
    arrivals >/dev/null
    for place in . local members; do
        : >"$DIRECTORY/$place/arrivals"
    done
    cat "$DIRECTORY/queries" >>"$DIRECTORY/all-queries"
    : >"$DIRECTORY/queries"
}

# codes: the status codes among the lines of request, each once.
codes()
{
    cut -d ' ' -f 1 | sort -u | paste -sd ' '
}

knock()
{
    ip netns exec "$1" bash -c 'for port in 80 443 8443; do exec 3<>"/dev/tcp/$1/$port"; done' bash "$2"
}

# What arrived anywhere since the test began, "ADDRESS PORT" each once. Connections of our own, which arrive behind
# whatever came before, make sure that it is all written down already.
arrivals()
{
    local port place
    knock $HOST 198.51.100.99
    knock $HOST 127.99.99.99
    knock $MEMBERS 127.99.99.99
    for port in 80 443 8443; do
        internet_poll 5 grep -q "^198.51.100.99 $port " "$DIRECTORY/arrivals"
        for place in local members; do
            internet_poll 5 grep -q "^127.99.99.99 $port " "$DIRECTORY/$place/arrivals"
        done
    done
    cat "$DIRECTORY"{,/local,/members}/arrivals | grep -Ev '^(198.51.100.99|127.99.99.99) ' | cut -d ' ' -f 1,2 | sort -u
}

# expect ACTUAL EXPECTED
expect()
{
    if [[ $1 != "$2" ]]; then
        printf 'expected:\n%s\nbut got:\n%s\n' "$2" "$1"
        return 1
    fi
}

# expect_lines LINE: no other line on standard input than this one.
expect_lines()
{
    expect "$(grep -vxF "$1")" ""
}

