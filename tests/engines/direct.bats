# SPDX-License-Identifier: Apache-2.0
#
# Programs that know no proxy, in sealed containers: the hosts file leads them to the pass-through, and it to allowed
# hosts. docker_direct.bats has the same with engines; haproxy.bats what the pass-through refuses.

source "$BATS_TEST_DIRNAME/direct.bash"

setup_file()
{
    direct_internet_up
    rootfs_make
    policy_write "$NETWORK" "$DIRECT_POLICY"
    "$SALLYPORT" network up "$NETWORK"
    direct_rootfs_make
    direct_proxies_up
}

teardown_file()
{
    direct_proxies_down
    small_stage_down
    internet_down spt "$WORK/internet" ""
}

@test "every program reaches an allowed host, without the proxy's variables" {
    local before
    before=$(passed $SITE_NAME)
    WITHOUT=proxy client sh /programs $SITE_NAME "$PAGE"
    all_ok
    (($(passed $SITE_NAME) >= before + 10)) || fail "$(cat "$WORK/internet/squid/haproxy")"
}

@test "every program reaches it with them, too" {
    local before
    before=$(passed $SITE_NAME)
    client sh /programs $SITE_NAME "$PAGE" "${WITH_VARIABLES[@]}"
    all_ok "${#WITH_VARIABLES[@]}"
    (($(passed $SITE_NAME) >= before + 5)) || fail "$(cat "$WORK/internet/squid/haproxy")"
}

@test "without the pass-through nothing of this works" {
    internet_haproxy_stop "$WORK/internet"
    WITHOUT=proxy client sh /programs $SITE_NAME "$PAGE" curl_alone python_websockets git_clone
    internet_haproxy "$WORK/internet" "$WORK/haproxy.cfg" "" "$PROXY" 443
    [[ $(grep -c FAILED <<<"$output") -eq 3 ]] || fail "$output"
}

@test "a program that knows the proxy goes on using it" {
    local before
    before=$(passed $SITE_NAME)
    client curl --silent --show-error --max-time 10 "https://$SITE_NAME/page"
    [ "$output" = "$PAGE" ]
    [ "$(passed $SITE_NAME)" -eq "$before" ]
    eventually grep -q "CONNECT $SITE_NAME:443" "$WORK/internet/squid/sallyport-$NETWORK.access"
}
