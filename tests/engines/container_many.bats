# SPDX-License-Identifier: Apache-2.0
#
# Many containers: 200 one after another and 64 at once leave nothing behind, and no two have the same address.

source "$BATS_TEST_DIRNAME/common.bash"

setup_file()
{
    small_stage_up
}

teardown_file()
{
    small_stage_down
}

# Everything that could pile up, one thing a line. Counters are left out.
inventory()
{
    ip -o link show | sed 's/^[0-9]*: \([^:@]*\).*/link \1/'
    hub ip -o link show | sed 's/^[0-9]*: \([^:@]*\).*/hub link \1/'
    ip rule show | sed 's/^/rule /'
    ip route show table all | sed 's/^/route /'
    hub ip route show table all | sed 's/^/hub route /'
    hub ip neigh show nud all | awk '{ print "hub neighbour", $1, $3 }'
    nft --stateless list ruleset | sed 's/^/nft /'
    # Whose refusals are counted is not what anybody left.
    hub nft --stateless list ruleset | sed -E '/[0-9.]+ (counter|limit rate)/d; s/^/hub nft /'
    sed 's/^/mount /' /proc/self/mounts
    find /run/netns /run/sallyport /etc/sallyport "$ROOTFS" | sed 's/^/file /'
    find /sys/fs/cgroup -type d -path "*$CGROUPS/*" -not -path '/sys/fs/cgroup/unified/*' | sed 's/^/cgroup /'
    lsns --type net --noheadings --output NS | sed 's/^ */namespace /' | sort
    pgrep --list-full sallyport || true
}

same_inventory()
{
    inventory >"$WORK/after"
    diff "$WORK/before" "$WORK/after" >"$WORK/difference"
}

@test "200 containers one after another" {
    bundle serial agent /probe tcp "$PROXY" 3128
    seal serial
    witness proxy "" "$PROBE" listen tcp "$PROXY" 3128
    container_run serial
    eventually no_hub_links
    inventory >"$WORK/before"
    for ((i = 1; i <= 200; i++)); do
        container_run serial >"$WORK/serial.log" 2>&1 || fail "container $i: $(cat "$WORK/serial.log")"
    done
    eventually no_hub_links
    eventually same_inventory || fail "$(cat "$WORK/difference")"
}

@test "64 containers at once fill the pool to the last address" {
    inventory >"$WORK/before"
    pids=()
    for ((i = 1; i <= 64; i++)); do
        bundle "many$i" agent sleep 600
        seal "many$i"
    done
    for ((i = 1; i <= 64; i++)); do
        container_start "many$i" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid"
    done
    # All of them by guard, link, route and address; the pool has no address for one more.
    run "$SALLYPORT" network show "$NETWORK" --json
    [ "$(jq -c '[.problems, (.members | map(select(.role == "agent" and .up)) | length)]' <<<"$output")" = '[[],64]' ] ||
        fail "$output"
    bundle more agent /bin/echo started
    seal more
    run container_run more
    [[ $status -ne 0 && $output != *started* ]] || fail "$output"
    container_delete more
    [ "$(hub_links)" -eq 64 ]
    for ((i = 1; i <= 64; i++)); do
        address_of "many$i"
    done >"$WORK/addresses"
    [ "$(sort -u "$WORK/addresses" | grep -c '^10\.209\.0\.')" -eq 64 ]
    # Each of them speaks for itself only: the one is not the other.
    run inside many1 /probe tcp "$PROXY" 3128 --source "$(sed -n 2p "$WORK/addresses")" --timeout-ms 60
    [ "$status" -eq 1 ]
    pids=()
    for ((i = 1; i <= 64; i++)); do
        container_delete "many$i" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid"
    done
    eventually no_hub_links
    eventually same_inventory || fail "$(cat "$WORK/difference")"
}
