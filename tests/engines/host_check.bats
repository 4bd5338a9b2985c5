#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# `sallyport check`: all is well on the test machine, and what is taken away is missed, line by line.

source "$BATS_TEST_DIRNAME/common.bash"

setup()
{
    policy_write "$NETWORK"
}

teardown()
{
    rm -rf "$POLICIES" /etc/sallyport/runtime
}

# level WHAT-PREFIX: of the line in `$output`.
level()
{
    jq -r --arg what "$1" '.[] | select(.what | startswith($what)) | .level' <<<"$output"
}

# misses LEVEL STATUS WHAT-PREFIX COMMAND...: with the command in front, this line is no longer ok; before it was.
misses()
{
    local expected=$1 expected_status=$2 what=$3
    shift 3
    run "$@" "$SALLYPORT" check --json
    [[ $status -eq $expected_status ]] || fail "exit status $status: $output"
    [[ $(level "$what") == "$expected" ]] || fail "$what is $(level "$what"): $output"
    jq -e --arg what "$what" '.[] | select(.what | startswith($what)) | .text | length > 0' <<<"$output"
}

@test "a host that can do it: every line is ok, and nothing is left" {
    run "$SALLYPORT" check --json
    [ "$status" -eq 0 ]
    jq -e 'length == 6 and all(.level == "ok" and .text == "")' <<<"$output"
    run "$SALLYPORT" check
    [ "$status" -eq 0 ]
    says "ok       network namespaces"
    says "ok       policy of network hermes"
    assert_nothing_left
}

@test "without policy files it is the built-in network's" {
    rm "$POLICIES/$NETWORK.json"
    run "$SALLYPORT" check
    [ "$status" -eq 0 ]
    says "ok       policy of network default"
}

@test "what the kernel does not do is missed" {
    misses failed 2 "network namespaces" setpriv --bounding-set -sys_admin
    misses failed 2 "links" setpriv --bounding-set -net_admin
    [[ $(level "network namespaces") == ok ]]
    misses failed 2 "the rules" setpriv --bounding-set -net_admin
    says "all capabilities"
}

@test "a policy that is wrong, writable or overlaps is missed" {
    echo '{"version": 2}' >"$POLICIES/bad.json"
    misses failed 2 "policy of network bad"
    rm "$POLICIES/bad.json"
    chmod 666 "$POLICIES/$NETWORK.json"
    misses failed 2 "policy of network $NETWORK"
    chmod 644 "$POLICIES/$NETWORK.json"
    policy_write twin
    misses failed 2 "policy of network twin"
    [[ $(level "policy of network $NETWORK") == failed ]]
}

@test "a file that nobody reads is a warning" {
    : >"$POLICIES/$NETWORK.json.orig"
    misses warning 0 "other files"
}

@test "a runtime that is not there is missed" {
    ln -s /nonexistent/runc /etc/sallyport/runtime
    misses failed 2 "a runtime"
}

@test "squid is missed where a proxy is to run on this host, and only there" {
    local hide='mount -t tmpfs tmpfs /usr/sbin; exec "$@"'
    misses warning 0 squid unshare --mount --propagation private sh -ec "$hide" sh
    policy_write "$NETWORK" '.proxy.at = "member"'
    run "$SALLYPORT" check --json
    [ "$status" -eq 0 ]
    [[ -z $(level squid) ]]
}

@test "who is not root, and wrong words, end in one line" {
    refused setpriv --reuid 65534 --regid 65534 --clear-groups "$SALLYPORT" check
    says "run it as root"
    refused "$SALLYPORT" check more
    refused bash -c "'$SALLYPORT' check >/dev/full"
    says "No space left"
}
