# SPDX-License-Identifier: Apache-2.0
#
# Published ports: the units that `sallyport publish` makes, and what they open to whom. Their socket and their command
# are the real ones; only process 1 is not systemd (activate.py opens the socket as the unit says).

source "$BATS_TEST_DIRNAME/common.bash"

UNITS=/etc/systemd/system
UNIT=sallyport-publish-hermes-9119
LAN=spt-lan

setup_file()
{
    mkdir -p "$UNITS" "$WORK/units"
    small_stage_up
    lan_up
    gateway_up
    sleeper pub-agent agent
}

teardown_file()
{
    ip netns delete $LAN
    small_stage_down
}

setup()
{
    policy_write "$NETWORK"
    "$SALLYPORT" publish "$NETWORK" --install >"$WORK/installed"
}

teardown()
{
    port_close
    rm -f "$UNITS"/sallyport-*
}

# A machine of the LAN, which sends what it likes to 127.0.0.1 of the host.
lan_up()
{
    ip netns add $LAN
    ip -n $LAN link add lan type veth peer name $LAN netns $$
    ip address add 198.51.100.9/30 dev $LAN
    ip link set $LAN up
    ip -n $LAN address add 198.51.100.10/30 dev lan
    ip -n $LAN link set lan up
    ip -n $LAN route add 127.0.0.1 via 198.51.100.9
    ip -n $LAN route add "$SUBNET" via 198.51.100.9
    ip netns exec $LAN sysctl -q net.ipv4.conf.{all,lan}.route_localnet=1 net.ipv4.conf.{all,lan}.rp_filter=0
}

gateway_up()
{
    sleeper pub-gateway gateway
    witness published pub-gateway "$PROBE" listen tcp 0.0.0.0 9119
    witness unpublished pub-gateway "$PROBE" listen tcp 0.0.0.0 9120
}

# port_open COMMAND...: runs it until port_close; it listens when this returns.
port_open()
{
    "$@" </dev/null >"$WORK/port.log" 2>&1 3>&- &
    echo $! >"$WORK/port.pid"
    disown
    eventually port_listens || fail "$(cat "$WORK/port.log")"
}

port_listens()
{
    [[ -n $(ss -Hltn "sport = :9119") ]]
}

port_close()
{
    internet_end "$WORK/port.pid"
}

activate()
{
    port_open python3 "$BATS_TEST_DIRNAME/activate.py" "$UNITS/$UNIT.socket" "$UNITS/$UNIT.service" "$@"
}

# answers ADDRESS [PORT] [COMMAND...]: what listens in the gateway says hello there (to whom the command makes asking).
answers()
{
    local address=$1 port=${2:-9119}
    shift $(($# < 2 ? $# : 2))
    "$@" "$PROBE" tcp "$address" "$port" --greeting | grep -q 'greeting=hello'
}

# refuses ADDRESS [PORT] [COMMAND...]: the connection does not even open.
refuses()
{
    local address=$1 port=${2:-9119}
    shift $(($# < 2 ? $# : 2))
    run "$@" "$PROBE" tcp "$address" "$port"
    [ "$status" -eq 1 ] || fail "$address:$port is open: $output"
    says "result=failed"
}

@test "the port answers on 127.0.0.1 of the host and on no other address of it" {
    activate
    answers 127.0.0.1
    refuses "$HOST"
    refuses "$PROXY"
    refuses 198.51.100.9
    refuses 127.0.0.2
    refuses ::1
    [ "$(ss -Hltn 'sport = :9119' | awk '{ print $4 }')" = "127.0.0.1%lo:9119" ]
}

@test "the line that the unit has for machines without systemd does it, too" {
    local command
    command=$(sed -n 's/^#   \(systemd-socket-activate .*\)/\1/p' "$UNITS/$UNIT.socket")
    [ -n "$command" ]
    # shellcheck disable=SC2086 # words
    port_open $command
    answers 127.0.0.1
    refuses "$HOST"
    refuses ::1
    [ "$(ss -Hltn 'sport = :9119' | awk '{ print $4 }')" = "127.0.0.1:9119" ]
}

@test "only that port of that member is open to the host" {
    activate
    answers 127.0.0.1
    answers "$GATEWAY"
    refuses "$GATEWAY" 9120
    answers 127.0.0.1 9120 network_of pub-gateway # which is there
    refuses "$DASHBOARD"
}

@test "members do not get at it" {
    activate
    for address in "$HOST" "$PROXY" "$GATEWAY" 198.51.100.9 127.0.0.1; do
        refuses "$address" 9119 inside_net pub-agent
    done
    answers 127.0.0.1
}

inside_net()
{
    network_of "$@"
}

@test "a machine of the LAN does not get at it, not with route_localnet on the host" {
    activate
    refuses 198.51.100.9 9119 ip netns exec $LAN
    refuses "$GATEWAY" 9119 ip netns exec $LAN
    sysctl -q net.ipv4.conf.{all,$LAN}.route_localnet=1 net.ipv4.conf.{all,$LAN}.rp_filter=0 net.ipv4.ip_forward=1
    refuses 127.0.0.1 9119 ip netns exec $LAN
    refuses "$GATEWAY" 9119 ip netns exec $LAN
    port_close
    # It is BindToDevice that does it.
    activate BindToDevice
    answers 127.0.0.1 9119 ip netns exec $LAN
    sysctl -q net.ipv4.conf.{all,$LAN}.route_localnet=0 net.ipv4.ip_forward=0
    refuses 127.0.0.1 9119 timeout 5 ip netns exec $LAN
}

@test "a member that was restarted answers again; one that is gone is a closed connection" {
    activate
    answers 127.0.0.1
    container_delete pub-gateway
    eventually no_gateway
    run ! answers 127.0.0.1
    port_listens
    gateway_up
    answers 127.0.0.1
}

no_gateway()
{
    ! ip -n "sallyport-$NETWORK" link show sp0ad10003
}

@test "systemd takes the units, and calls their exposure low" {
    for unit in "$UNITS/$UNIT".{socket,service}; do
        run systemd-analyze verify "$unit"
        [ "$status" -eq 0 ] && [ -z "$output" ] || fail "$output"
    done
    run systemd-analyze security --offline=true --threshold=20 "$UNITS/$UNIT.service"
    [ "$status" -eq 0 ] || fail "$output"
    says "Overall exposure level for $UNIT.service: 1."
    run systemd-analyze security --offline=true --threshold=20 "$UNITS/$UNIT.service.none"
    [ "$status" -ne 0 ]
}

@test "what is printed is what is installed, and the commands are said" {
    diff <("$SALLYPORT" publish "$NETWORK") <(for kind in service socket; do
        echo "# $UNITS/$UNIT.$kind"
        cat "$UNITS/$UNIT.$kind"
        echo
    done)
    diff "$WORK/installed" - <<EOF
wrote $UNITS/$UNIT.service
wrote $UNITS/$UNIT.socket
now run:
  systemctl daemon-reload
  systemctl enable --now $UNIT.socket
EOF
    [[ $(stat -c '%U %a' "$UNITS/$UNIT.socket") == "root 644" ]]
    run "$SALLYPORT" publish "$NETWORK" --install
    [ "$output" = unchanged ]
}

@test "a changed policy: changed units are stopped first, those that are not published any more are removed" {
    policy_write "$NETWORK" '.roles.gateway.publish = ["127.0.0.1:9119:80", "127.0.0.2:9119:9120", "127.0.0.1:80:80"]'
    "$SALLYPORT" publish "$NETWORK" --install | grep -x "  systemctl stop $UNIT.socket $UNIT.service"
    grep -x "ListenStream=127.0.0.2:9119" "$UNITS/sallyport-publish-hermes-127.0.0.2-9119.socket"
    grep "ExecStart=.* 10.209.0.3:9120$" "$UNITS/sallyport-publish-hermes-127.0.0.2-9119.service"
    # What `systemctl enable` makes.
    local wants="$UNITS/sys-subsystem-net-devices-sp\\x2dhermes.device.wants"
    mkdir -p "$wants"
    ln -s "../$UNIT.socket" "$wants/$UNIT.socket"
    policy_write "$NETWORK" '.roles.gateway.publish = ["127.0.0.1:80:80"]'
    run "$SALLYPORT" publish "$NETWORK" --install
    [ "$status" -eq 0 ]
    says "removed $UNITS/$UNIT.socket"
    says "removed $UNITS/sallyport-publish-hermes-127.0.0.2-9119.service"
    [[ $(ls "$UNITS" | grep sallyport | tr '\n' ' ') == "sallyport-publish-hermes-80.service sallyport-publish-hermes-80.socket " ]]
    [[ ! -L $wants/$UNIT.socket ]]
    rmdir "$wants"
}

@test "remove works without a policy and leaves alone what is not this network's, or not ours" {
    local others=(sallyport-publish-hermes-2-9119.socket sallyport-publish-hermes-99999.socket
        sallyport-publish-hermes-x.socket sallyport-publish-hermes-1.2.3-80.socket sallyport-publish-hermes-0080.socket)
    for name in "${others[@]}"; do
        : >"$UNITS/$name"
    done
    rm "$POLICIES/$NETWORK.json"
    "$SALLYPORT" publish "$NETWORK" --remove
    [[ ! -e $UNITS/$UNIT.socket && ! -e $UNITS/$UNIT.service ]]
    for name in "${others[@]}"; do
        [ -e "$UNITS/$name" ] || fail "removed: $name"
    done
    policy_write "$NETWORK"
    echo mine >"$UNITS/$UNIT.socket"
    refused "$SALLYPORT" publish "$NETWORK" --install
    says "move it away"
    refused "$SALLYPORT" publish "$NETWORK" --remove
    says "move it away"
    [ "$(<"$UNITS/$UNIT.socket")" = mine ]
    [ ! -e "$UNITS/$UNIT.service" ]
}

@test "an invalid policy or wrong words change nothing" {
    policy_write "$NETWORK" '.roles.agent.publish = ["127.0.0.1:1:1"]' # a pool
    refused "$SALLYPORT" publish "$NETWORK" --install
    says "one fixed address"
    policy_write "$NETWORK" '.roles.gateway.publish = ["0.0.0.0:9119:9119"]'
    refused "$SALLYPORT" publish "$NETWORK" --install
    diff <(ls "$UNITS" | grep sallyport) <(printf '%s\n' "$UNIT.service" "$UNIT.socket")
    refused "$SALLYPORT" publish
    refused "$SALLYPORT" publish "$NETWORK" --install --remove
    refused "$SALLYPORT" publish ../etc
    policy_write "$NETWORK"
    refused "$SALLYPORT" publish "$NETWORK" --install --directory /nonexistent
    says /nonexistent
    refused bash -c "'$SALLYPORT' publish $NETWORK >/dev/full"
}
