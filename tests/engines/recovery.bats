# SPDX-License-Identifier: Apache-2.0
#
# What happens to a running network when something around it breaks: the proxy, the host's firewall, our files below
# /run, the hub and its links, the disk. Members are never more than they were; what is lost is told, with the command
# that mends it, and that command mends it. (Engines' own restarts: docker_life.bats, container_podman*.bats; a proxy in
# a container: stack_live.bats.)

source "$BATS_TEST_DIRNAME/common.bash"

PIN=/run/netns/sallyport-$NETWORK

setup_file()
{
    stage_up
    witness host-2222 "" "$PROBE" listen tcp 0.0.0.0 2222 --keep
}

teardown_file()
{
    stage_down
}

setup()
{
    sleeper gateway gateway
    witness gateway-8642 gateway "$PROBE" listen tcp 0.0.0.0 8642 --keep
    witness gateway-9000 gateway "$PROBE" listen tcp 0.0.0.0 9000 --keep
    sleeper agent agent
}

teardown()
{
    firewalld_down
    umount "$WORK/full" /run/sallyport 2>/dev/null || true
    containers_delete_all
    "$SALLYPORT" network down "$NETWORK"
    "$SALLYPORT" network up "$NETWORK"
}

# https CONTAINER: through the proxy, from its namespace.
https()
{
    network_of "$1" curl --silent --show-error --max-time 10 --cacert "$WORK/internet/ca.pem" \
        --proxy "http://$PROXY:3128" --output /dev/null https://api.openai.com/
}

# confined CONTAINER: it reaches no other port of the host or of a member, whatever else it reaches.
confined()
{
    local target
    for target in "$HOST 2222" "$PROXY 2222" "$GATEWAY 9000" "198.51.100.1 2222" "203.0.113.66 443"; do
        # shellcheck disable=SC2086 # two words
        run network_of "$1" "$PROBE" tcp $target --timeout-ms 3000
        [[ $status -eq 1 && $output == *ECONNREFUSED* || $output == *EHOSTUNREACH* ]] || fail "$target: $output"
    done
}

# works CONTAINER: all that its role may, and nothing else.
works()
{
    https "$1"
    network_of "$1" "$PROBE" tcp "$GATEWAY" 8642 --greeting
    confined "$1"
}

# cut_off CONTAINER: it reaches nobody, and is told so at once.
cut_off()
{
    run https "$1"
    [[ $status -eq 7 ]] || fail "exit status $status: $output"
    run network_of "$1" "$PROBE" tcp "$GATEWAY" 8642
    [[ $status -eq 1 && $output != *ETIMEDOUT* ]] || fail "$output"
    confined "$1"
}

nothing_wrong()
{
    run "$SALLYPORT" network show "$NETWORK"
    says "nothing found that is not as it should be"
}

# shows TEXT...: as problems.
shows()
{
    local text
    run "$SALLYPORT" network show "$NETWORK"
    [[ $status -eq 0 ]] || fail "$output"
    for text in "$@"; do
        grep -q "^! .*$text" <<<"$output" || fail "expected $text: $output"
    done
}

reload_mends()
{
    "$SALLYPORT" network reload "$NETWORK"
    nothing_wrong
    works agent
}

squid_starts()
{
    internet_squid "$WORK/internet" "$WORK/squid.conf" "" "$PROXY" 3128
}

@test "the proxy on the host: gone, back, and another one in its place; no link is touched" {
    works agent
    link=$(network_of agent ip -o link show dev sp0)
    internet_squid_stop "$WORK/internet"
    cut=$(https agent 2>&1) && fail "without proxy: $cut"
    [[ $cut == *"refused"* || $cut == *"connect to"* ]] || fail "$cut"
    network_of agent "$PROBE" tcp "$GATEWAY" 8642 --greeting
    squid_starts
    works agent
    internet_squid_stop "$WORK/internet"
    witness another "" "$PROBE" listen tcp "$PROXY" 3128
    run network_of agent "$PROBE" tcp "$PROXY" 3128 --greeting
    says greeting=hello
    kill -KILL "$(tail -n 1 "$WORK/witnesses")"
    eventually internet_gone "$(tail -n 1 "$WORK/witnesses")"
    squid_starts
    works agent
    [ "$(network_of agent ip -o link show dev sp0)" = "$link" ]
    nothing_wrong
}

@test "nft flush ruleset on the host: members are as confined, what is lost is told, reload brings it back" {
    nft flush ruleset
    works agent
    shows "table inet sallyport-$NETWORK is gone"
    # What the lost table was for: the host itself gets at members' ports, or would, if the hub did not know better.
    run "$PROBE" tcp "$GATEWAY" 9000 --timeout-ms 300
    [ "$status" -eq 1 ]
    reload_mends
}

@test "iptables -F, -X and iptables-nft-restore of an empty table on the host leave ours alone" {
    iptables -A FORWARD -j ACCEPT
    iptables -F
    iptables -t nat -F
    iptables -X
    ip6tables -F
    printf '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n' | iptables-restore
    nothing_wrong
    works agent
    # It would be seen if they did not.
    nft flush chain inet "sallyport-$NETWORK" input
    shows "table inet sallyport-$NETWORK is not as it was made"
    reload_mends
    for table in "ip filter" "ip nat" "ip6 filter"; do
        # shellcheck disable=SC2086 # two words
        nft delete table $table 2>/dev/null || true
    done
}

firewalld_up()
{
    mkdir -p /run/dbus
    dbus-daemon --system --fork --print-pid 3>&- >"$WORK/dbus.pid"
    firewalld --nofork --nopid --log-file "$WORK/firewalld.log" </dev/null >/dev/null 2>&1 3>&- &
    echo $! >"$WORK/firewalld.pid"
    disown
    eventually firewall-cmd --state
}

firewalld_down()
{
    local name pid
    for name in firewalld dbus; do
        [[ -e $WORK/$name.pid ]] || continue
        pid=$(<"$WORK/$name.pid")
        kill "$pid"
        eventually internet_gone "$pid"
        rm "$WORK/$name.pid"
    done
    nft delete table inet firewalld 2>/dev/null || true
}

@test "firewalld, firewall-cmd --reload and --complete-reload: members are as confined, and ours is left alone" {
    firewalld_up
    # It is in force: it lets nobody in whom it was not told of.
    run network_of agent "$PROBE" tcp "$PROXY" 3128 --timeout-ms 500
    [ "$status" -eq 1 ]
    confined agent
    nothing_wrong
    # As `sallyport check` advises.
    firewall-cmd --quiet --permanent --zone=trusted --add-interface="$UPLINK"
    firewall-cmd --quiet --reload
    works agent
    nothing_wrong
    firewall-cmd --quiet --complete-reload
    works agent
    nothing_wrong
    firewalld_down
    works agent
}

@test "/run/sallyport deleted: nobody notices, and it is made again" {
    rm -rf /run/sallyport
    works agent
    nothing_wrong
    sleeper new agent
    works new
    [ "$(stat -c %a /run/sallyport)" = 700 ]
}

# hub_is_gone: its members are cut off at once. network up says so and what to do; new members work.
hub_is_gone()
{
    eventually no_link agent
    cut_off agent
    run "$SALLYPORT" network show "$NETWORK"
    [[ $status -eq 1 ]]
    says "the network is not up; run \`sallyport network up $NETWORK\`"
    run "$SALLYPORT" network up "$NETWORK"
    [[ $status -eq 0 && ${#lines[@]} -eq 2 ]] || fail "$output"
    says "the container of process $(<"$WORK/agent.pid") has lost its link and reaches nobody: restart it"
    says "process $(<"$WORK/gateway.pid") "
    cut_off agent
    shows "the container of process $(<"$WORK/agent.pid") has lost its link" "process $(<"$WORK/gateway.pid") has lost"
    container_delete gateway
    sleeper gateway gateway
    witness gateway-8642 gateway "$PROBE" listen tcp 0.0.0.0 8642 --keep
    witness gateway-9000 gateway "$PROBE" listen tcp 0.0.0.0 9000 --keep
    sleeper new agent
    works new
    container_delete agent
    sleeper agent agent
    works agent
    nothing_wrong
    run "$SALLYPORT" network up "$NETWORK"
    [[ $status -eq 0 && -z $output ]] || fail "$output"
    container_delete new
}

no_link()
{
    [[ -z $(network_of "$1" ip -o link show type veth) ]]
}

@test "the hub deleted by an administrator (ip netns delete), or unmounted" {
    ip netns delete "sallyport-$NETWORK"
    hub_is_gone
    umount "$PIN"
    hub_is_gone
}

@test "another namespace at the hub's place: nothing starts in it, and each message leads on, until all is well" {
    ip netns add spt-other
    mount --bind /run/netns/spt-other "$PIN"
    ip netns delete spt-other
    works agent # the hub is still there, below
    bundle new agent /bin/echo started
    refused_start new "network reload"
    refused "$SALLYPORT" network reload "$NETWORK"
    says "is another namespace; run sallyport network down $NETWORK, then up, and restart its containers"
    "$SALLYPORT" network down "$NETWORK"
    hub_is_gone
    umount "$PIN"
    mount --bind /proc/self/ns/net "$PIN"
    refused "$SALLYPORT" network up "$NETWORK"
    says "is another namespace; run sallyport network down"
    "$SALLYPORT" network down "$NETWORK"
    hub_is_gone
}

@test "a directory, a link or another kind of namespace at the hub's place: said, and not overwritten" {
    containers_delete_all
    "$SALLYPORT" network down "$NETWORK"
    mkdir "$PIN"
    refused "$SALLYPORT" network up "$NETWORK"
    says "$PIN: Is a directory; remove it by hand"
    rmdir "$PIN"
    ln -s /proc/self/ns/net "$PIN"
    refused "$SALLYPORT" network up "$NETWORK"
    says "$PIN: Too many levels of symbolic links; remove that link"
    rm "$PIN"
    : >"$PIN"
    mount --bind /proc/self/ns/uts "$PIN"
    refused "$SALLYPORT" network up "$NETWORK"
    says "Device or resource busy; unmount what is mounted there"
    umount "$PIN"
    "$SALLYPORT" network up "$NETWORK"
    nothing_wrong
}

# hub_link ADDRESS: its name.
hub_link()
{
    # shellcheck disable=SC2046 # four words
    printf 'sp%02x%02x%02x%02x' $(tr . ' ' <<<"$1")
}

@test "links deleted by an administrator, a member's and the uplink" {
    hub ip link delete "$(hub_link "$(address_of agent)")"
    cut_off agent
    shows "the container of process $(<"$WORK/agent.pid") has lost its link"
    container_delete agent
    sleeper agent agent
    works agent
    nothing_wrong
    ip link delete "$UPLINK"
    run https agent
    [ "$status" -ne 0 ]
    confined agent
    network_of agent "$PROBE" tcp "$GATEWAY" 8642 --greeting
    shows "no link $UPLINK.*network reload"
    reload_mends
}

# full DIRECTORY: a file system without room there.
full()
{
    mkdir -p "$1"
    mount -t tmpfs -o size=16k,nr_inodes=16 tmpfs "$1"
}

fill()
{
    ! dd if=/dev/zero of="$1/filling" bs=1k 2>/dev/null
}

@test "no room for the bundle's files: refused, config.json is as it was; with room it starts" {
    bundle new agent /bin/echo started
    full "$WORK/full"
    cp "$WORK/bundles/new/config.json" "$WORK/full/"
    fill "$WORK/full"
    before=$(cksum "$WORK/full"/*)
    refused "$SALLYPORT" bundle "$WORK/full"
    says "No space left on device; make room in its file system"
    refused "$SALLYPORT_BUILD_DIRECTORY/sallyport-runtime" run --bundle "$WORK/full" new
    says "No space left on device; make room in its file system"
    [ "$(cksum "$WORK/full"/*)" = "$before" ]
    [ "$(ls -A "$WORK/full" | wc -l)" -eq 2 ]
    rm "$WORK/full/filling"
    mount -o remount,size=256k "$WORK/full"
    "$SALLYPORT" bundle "$WORK/full"
    run "$RUNTIME" run --bundle "$WORK/full" new </dev/null 3>&-
    [ "$output" = started ]
}

@test "no room in /run: nothing starts, members go on; with room it starts" {
    rm -rf /run/sallyport
    mkdir /run/sallyport
    mount -t tmpfs -o size=4k,nr_inodes=1 tmpfs /run/sallyport
    bundle new agent /bin/echo started
    refused_start new "No space left on device; make room in /run"
    refused "$SALLYPORT" network reload "$NETWORK"
    says "make room in /run"
    works agent
    umount /run/sallyport
    run container_run new
    says started
}

@test "no room for daemon.json: install changes nothing, and says so" {
    full "$WORK/full"
    echo '{"log-level": "warn"}' >"$WORK/full/daemon.json"
    fill "$WORK/full"
    mkdir -p /etc/docker
    mount --bind "$WORK/full" /etc/docker
    run "$SALLYPORT" install docker --network "$NETWORK"
    umount /etc/docker
    [[ $status -eq 1 && $(grep -c '^sallyport: ' <<<"$output") -eq 1 ]] || fail "$output"
    says "No space left on device; make room in its file system"
    [ "$(<"$WORK/full/daemon.json")" = '{"log-level": "warn"}' ]
    [ "$(ls -A "$WORK/full" | wc -l)" -eq 2 ]
}
