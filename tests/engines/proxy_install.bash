# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A squid on the machine itself, as an administrator has it, and tunnels through it that stay open. For bats files that
# have sourced common.bash.

SQUID_CONFIG=/etc/squid/sallyport-$NETWORK/squid.conf
SQUID_PID=/run/sallyport-squid-$NETWORK.pid

# proxy_stage_up NAME=ADDRESS...: further names. The machine's names are the internet's; squid's logs and shared memory
# are not the real machine's.
proxy_stage_up()
{
    mkdir -p "$WORK/internet" "$WORK/log"
    internet_up spt "$WORK/internet" "" api.openai.com=203.0.113.10 openrouter.ai=203.0.113.11 \
        api.telegram.org=203.0.113.12 attacker.example=203.0.113.66 "$@"
    cat "$WORK/internet/resolv.conf" >/etc/resolv.conf
    cat "$WORK/internet/hosts" >/etc/hosts
    chmod 1777 "$WORK/log"
    mount --bind "$WORK/log" /var/log/squid
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    rootfs_make
    network_up
    sleeper sp-agent agent
    sleeper sp-gateway gateway
}

proxy_stage_down()
{
    tunnels_end
    squid_end
    containers_delete_all
    internet_down spt "$WORK/internet" ""
    network_down
    umount /dev/shm /var/log/squid
    assert_nothing_left
}

install_config()
{
    "$SALLYPORT" proxy-config squid "$NETWORK" --install "$@"
}

# squid_listens: at the proxy's address.
squid_listens()
{
    [[ -n $(ss -Hltn "src $PROXY and sport = :3128") ]]
}

# squid_start [OPTION...]: the network's squid.
squid_start()
{
    /usr/sbin/squid -f "$SQUID_CONFIG" "$@" </dev/null >"$WORK/squid.output" 2>&1 3>&- &
    disown
    internet_poll 20 squid_listens || fail "$(cat "$WORK/squid.output" "$WORK"/log/*.cache)"
    eventually test -s "$SQUID_PID"
}

squid_end()
{
    local pid
    [[ -s $SQUID_PID ]] || return 0
    pid=$(<"$SQUID_PID")
    kill "$pid" 2>/dev/null || true
    internet_poll 20 internet_gone "$pid" || kill -KILL "$pid"
    rm -f "$SQUID_PID"
}

# asks ID HOST: what squid answers the container's CONNECT, a status code.
asks()
{
    network_of "$1" curl --silent --max-time 10 --proxy "http://$PROXY:3128" --cacert "$WORK/internet/ca.pem" \
        --output /dev/null --write-out '%{http_connect}' "https://$2/"
}

# tunnel NAME ID HOST: opens one from the container and keeps it; $WORK/NAME.tunnel says "open", and "ended" at its end.
tunnel()
{
    # shellcheck disable=SC2016 # for the inner shell
    nsenter --target "$(<"$WORK/$2.pid")" --net bash -c 'exec 9<>"/dev/tcp/$1/3128"
        printf "CONNECT %s:443 HTTP/1.1\r\n\r\n" "$2" >&9
        read -r _ status _ <&9
        [[ $status == 200 ]] && echo open
        cat <&9 >/dev/null 2>&1
        echo ended' bash "$PROXY" "$3" </dev/null >"$WORK/$1.tunnel" 2>&1 3>&- &
    echo $! >>"$WORK/tunnels"
    disown
    eventually grep -q open "$WORK/$1.tunnel" || fail "$1: $(cat "$WORK/$1.tunnel")"
}

tunnel_ended()
{
    grep -q ended "$WORK/$1.tunnel"
}

# At their ends are shells with a `cat` each.
tunnels_end()
{
    local pid
    [[ -e $WORK/tunnels ]] || return 0
    while read -r pid; do
        pkill -KILL -P "$pid" 2>/dev/null || true
        kill -KILL "$pid" 2>/dev/null || true
    done <"$WORK/tunnels"
    rm "$WORK/tunnels"
}

# unit UNIT KEY: the value in a unit of ours, for this network; its program where PATH has it.
unit()
{
    sed -n "s/^$2=//p" "$SALLYPORT_BUILD_DIRECTORY/packaging/systemd/$1" | sed "s/%i/$NETWORK/g; s|/usr/local/bin/||"
}

# unit_runs UNIT KEY: the command, with no more than the unit leaves it.
unit_runs()
{
    local command kept
    command=$(unit "$1" "$2")
    kept=$(unit "$1" CapabilityBoundingSet | tr ' ' '\n' | sed 's/CAP_\(.*\)/,+\L\1/' | tr -d '\n')
    PATH=${SALLYPORT%/*}:$PATH
    # shellcheck disable=SC2086 # words
    case $command in
    +*) eval "${command#+}" ;;
    *) setpriv --bounding-set="${kept:+-all$kept}${kept:-+all}" --inh-caps=-all --no-new-privs $command ;;
    esac
}
