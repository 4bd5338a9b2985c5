# SPDX-License-Identifier: Apache-2.0
#
# squid kept in step with the policy: `sallyport proxy-config squid NETWORK --install`, with the machine's real squid,
# sealed containers and an internet behind it.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/proxy_install.bash"

setup_file()
{
    proxy_stage_up
}

teardown_file()
{
    proxy_stage_down
}

setup()
{
    policy_write "$NETWORK"
    install_config
}

teardown()
{
    tunnels_end
    squid_end
    rm -rf "${SQUID_CONFIG%/*}"
}

@test "it writes what it prints, into a directory of its own, once" {
    rm -r "${SQUID_CONFIG%/*}"
    run install_config
    [ "$status" -eq 0 ]
    says "wrote $SQUID_CONFIG"
    says "no squid runs for this network"
    diff "$SQUID_CONFIG" <("$SALLYPORT" proxy-config squid "$NETWORK")
    [[ $(stat -c '%U %a' "$SQUID_CONFIG" "${SQUID_CONFIG%/*}" | tr '\n' ,) == "root 644,root 755," ]]
    [[ $(ls -A "${SQUID_CONFIG%/*}") == squid.conf ]]
    run install_config
    [ "$output" = "$SQUID_CONFIG: unchanged" ]
}

# added_and_revoked [OPTION...]: of a squid that was started with the option.
added_and_revoked()
{
    squid_start "$@"
    local before
    before=$(<"$SQUID_PID")
    [ "$(asks sp-agent api.openai.com)" = 200 ]
    [ "$(asks sp-agent api.telegram.org)" = 403 ]
    policy_write "$NETWORK" '.roles.agent.hosts = ["openrouter.ai", "api.telegram.org"]'
    run install_config
    [ "$status" -eq 0 ] || fail "$output"
    says "squid (process $before) has read it"
    [ "$(asks sp-agent api.telegram.org)" = 200 ]
    [ "$(asks sp-agent api.openai.com)" = 403 ]
    [ "$(<"$SQUID_PID")" = "$before" ]
}

@test "what was added is allowed and what was revoked denied when it returns" {
    added_and_revoked -N
}

@test "the same with a squid in the background, whose pid file is its supervisor's" {
    added_and_revoked
}

@test "open tunnels of a role that lost a host are ended, those of others stay" {
    squid_start -N
    tunnel agent sp-agent openrouter.ai
    tunnel gateway sp-gateway api.telegram.org
    policy_write "$NETWORK" '.roles.agent.hosts = ["api.openai.com"]'
    run install_config
    says "1 connections ended"
    eventually tunnel_ended agent
    run ! tunnel_ended gateway
}

@test "without that, squid keeps a tunnel to a host that is no longer allowed" {
    squid_start -N
    tunnel agent sp-agent openrouter.ai
    policy_write "$NETWORK" '.roles.agent.hosts = ["api.openai.com"]'
    "$SALLYPORT" proxy-config squid "$NETWORK" >"$SQUID_CONFIG"
    /usr/sbin/squid -k reconfigure -f "$SQUID_CONFIG"
    refused_by_squid()
    {
        [ "$(asks sp-agent openrouter.ai)" = 403 ]
    }
    eventually refused_by_squid
    run ! tunnel_ended agent
}

@test "a role that only gained hosts keeps its tunnels" {
    squid_start -N
    tunnel agent sp-agent openrouter.ai
    policy_write "$NETWORK" '.roles.agent.hosts += ["api.telegram.org"] | .roles.gateway.hosts = []'
    run install_config
    says "0 connections ended"
    [ "$(asks sp-agent api.telegram.org)" = 200 ]
    run ! tunnel_ended agent
}

# nothing_changed COMMAND...: it fails with one line, the file is as it was, and squid does what it did.
nothing_changed()
{
    local before
    before=$(stat -c '%i %Z' "$SQUID_CONFIG")
    refused "$@"
    [[ $(stat -c '%i %Z' "$SQUID_CONFIG") == "$before" ]] || fail "the file was touched"
    [[ $(ls -A "${SQUID_CONFIG%/*}") == squid.conf ]] || fail "left behind: $(ls -A "${SQUID_CONFIG%/*}")"
}

@test "a policy with a mistake changes nothing and says where it is" {
    squid_start -N
    tunnel agent sp-agent openrouter.ai
    policy_write "$NETWORK" '.roles.agent.hosts = ["no such name"]'
    nothing_changed install_config
    says '$.roles.agent.hosts[0]'
    echo '{' >"$POLICIES/$NETWORK.json"
    nothing_changed install_config
    rm "$POLICIES/$NETWORK.json"
    nothing_changed install_config
    [ "$(asks sp-agent openrouter.ai)" = 200 ]
    run ! tunnel_ended agent
}

@test "a configuration that squid refuses is not put in place" {
    policy_write "$NETWORK" '.roles.agent.hosts = []'
    sed -i.kept '/^proxy:/d' /etc/passwd # squid's user
    run nothing_changed install_config
    local status_then=$status output_then=$output
    mv /etc/passwd.kept /etc/passwd
    [ "$status_then" -eq 0 ] || fail "$output_then"
    sed -i.kept '/^proxy:/d' /etc/passwd
    rm -r "${SQUID_CONFIG%/*}"
    refused install_config
    mv /etc/passwd.kept /etc/passwd
    [[ ! -e ${SQUID_CONFIG%/*} ]]
    says "/usr/sbin/squid refuses the configuration: FATAL: getpwnam failed"
    install_config # and with the user it is
}

@test "somebody else's squid.conf is not replaced, nor another network's" {
    local other=$WORK/other.conf
    echo "http_port 3128" >"$other"
    refused install_config --config "$other"
    says "move it away"
    [ "$(<"$other")" = "http_port 3128" ]
    sed "s/squid $NETWORK/squid other/" "$SQUID_CONFIG" >"$other"
    refused install_config --config "$other"
    rm "$other"
    ln -s "$SQUID_CONFIG" "$other"
    refused install_config --config "$other"
    rm "$other"
    refused install_config --config relative.conf
    refused install_config --config /nonexistent/squid.conf
    refused "$SALLYPORT" proxy-config squid "$NETWORK" --config "$other"
    refused "$SALLYPORT" proxy-config squid ../etc --install
}

@test "a pid file that is old, and whose number is somebody else's, is nobody's squid" {
    sleep 600 3>&- &
    local innocent=$!
    policy_write "$NETWORK" '.roles.agent.hosts = []'
    for text in "$innocent" 4194300; do
        echo "$text" >"$SQUID_PID"
        rm "$SQUID_CONFIG"
        run install_config
        [ "$status" -eq 0 ]
        says "no squid runs for this network"
    done
    kill -0 "$innocent" # SIGHUP would have ended it
    kill "$innocent"
    rm "$SQUID_CONFIG"
    for text in "" nonsense -1 0 99999999999999999999 "1 2"; do
        echo "$text" >"$SQUID_PID"
        refused install_config
        says "not a process id"
        [[ ! -e $SQUID_CONFIG ]] || fail "written"
    done
    rm "$SQUID_PID"
}

@test "a squid with another configuration is not told, and that is said" {
    local other=$WORK/other.conf
    cp "$SQUID_CONFIG" "$other"
    squid_start -N -f "$other" # the last -f counts
    policy_write "$NETWORK" '.roles.agent.hosts = []'
    nothing_changed install_config --config "$SQUID_CONFIG"
    says "$other"
}

@test "squid that ends over a configuration is an error" {
    squid_start -N
    policy_write "$NETWORK" '.roles.agent.hosts = []'
    rm -rf "$WORK/log.kept"
    chmod 0700 "$WORK/log" # squid cannot open its logs again
    run install_config
    chmod 1777 "$WORK/log"
    [ "$status" -eq 1 ]
    says "ended before it listened with the new configuration; see /var/log/squid"
}

# squid_starting: one that has its pid file and would still die of SIGHUP, stopped there.
squid_starting()
{
    local attempt
    for attempt in {1..50}; do
        env --default-signal=HUP /usr/sbin/squid -N -f "$SQUID_CONFIG" </dev/null >"$WORK/squid.output" 2>&1 3>&- &
        until [[ -s $SQUID_PID ]]; do
            kill -0 $! || fail "$(cat "$WORK/squid.output")"
        done
        kill -STOP $!
        # The last digit of the signals that it catches; SIGHUP is the lowest bit.
        ((16#$(sed -n 's/^SigCgt:.*\(.\)$/\1/p' "/proc/$!/status") % 2 == 1)) || return 0
        kill -CONT $!
        squid_end
    done
    fail "squid catches SIGHUP as soon as it has a pid file"
}

@test "a squid that is just starting is told when it can hear it" {
    squid_starting
    policy_write "$NETWORK" '.roles.agent.hosts = ["api.telegram.org"]'
    install_config >"$WORK/installing" 3>&- &
    eventually grep -q "acl hosts-agent-443 .*telegram" "$SQUID_CONFIG"
    kill -CONT "$(<"$SQUID_PID")"
    wait $!
    grep "has read it" "$WORK/installing"
    [ "$(asks sp-agent api.telegram.org)" = 200 ]
    [ "$(asks sp-agent openrouter.ai)" = 403 ]
}

file_is_new()
{
    "$SALLYPORT" proxy-config squid "$NETWORK" | cmp -s - "$SQUID_CONFIG"
}

# interrupted HOST: an installation for agents with this host only is killed before squid has read it.
interrupted()
{
    kill -STOP "$(<"$SQUID_PID")"
    policy_write "$NETWORK" ".roles.agent.hosts = [\"$1\"]"
    "$SALLYPORT" proxy-config squid "$NETWORK" --install >"$WORK/installing" 3>&- &
    eventually file_is_new
    kill -KILL $!
    wait $! || true
    kill -CONT "$(<"$SQUID_PID")"
}

@test "after one that was interrupted, the file is not taken for what is in force, and the next one does the rest" {
    install_config
    squid_start -N
    tunnel agent sp-agent openrouter.ai
    tunnel gateway sp-gateway api.telegram.org
    interrupted api.openai.com
    run "$SALLYPORT" check --json
    says "$SQUID_CONFIG: was written, but squid may not have read it; \`sallyport proxy-config squid $NETWORK --install\`"
    # Twice, and back to what it was before: squid may have had each of them.
    interrupted attacker.example
    policy_write "$NETWORK"
    run install_config
    [ "$status" -eq 0 ] || fail "$output"
    says "has read it"
    eventually tunnel_ended agent
    run ! tunnel_ended gateway
    [ "$(asks sp-agent openrouter.ai)" = 200 ]
    [ "$(asks sp-agent attacker.example)" = 403 ]
    [[ $(ls "${SQUID_CONFIG%/*}") == squid.conf ]]
    run install_config
    [[ $output == "$SQUID_CONFIG: unchanged" ]] || fail "$output"
}

@test "the file that is there already is given to squid, if it may not have been" {
    install_config
    squid_start -N
    tunnel agent sp-agent openrouter.ai
    interrupted api.openai.com
    run install_config
    says "$SQUID_CONFIG: unchanged"
    says "has read it"
    says "1 connections ended"
    eventually tunnel_ended agent
    [ "$(asks sp-agent openrouter.ai)" = 403 ]
}

@test "a squid whose process it may not look at is an error, not none" {
    squid_start -N
    policy_write "$NETWORK" '.roles.agent.hosts = []'
    nothing_changed setpriv --bounding-set=-sys_ptrace --inh-caps=-all \
        "$SALLYPORT" proxy-config squid "$NETWORK" --install
    says "whether process $(<"$SQUID_PID") is squid: Permission denied"
}

# In a container the proxy has its address, its engine its output, and it is nobody.
member_squid()
{
    local enter=(ip netns exec spt-proxy)
    ip netns add spt-proxy
    ip -n spt-proxy link set lo up
    ip -n spt-proxy address add "$PROXY/32" dev lo
    ip -n spt-proxy address add 10.209.0.66/32 dev lo
    : >"$WORK/member.out"
    chown proxy "$WORK/member.out"
    "${enter[@]}" setpriv --reuid proxy --regid proxy --clear-groups --bounding-set=-all --no-new-privs \
        /usr/sbin/squid -N -f "$1" </dev/null >>"$WORK/member.out" 2>"$WORK/member.err" 3>&- &
    echo $! >"$WORK/member.pid"
    disown
    eventually member_asks 403 attacker.example
}

# member_asks CODE HOST: what its proxy answers; 503 is a host that is allowed, and to which there is no way there.
member_asks()
{
    [[ $(ip netns exec spt-proxy curl --silent --interface 10.209.0.66 --proxy "http://$PROXY:3128" --output /dev/null \
        --max-time 10 --write-out '%{http_connect}' "https://$2/") == "$1" ]]
}

@test "for a proxy in a container: the file in a directory to mount, SIGHUP reads it again" {
    local directory=$WORK/member
    mkdir "$directory"
    policy_write "$NETWORK" '.proxy.at = "member"'
    run install_config --config "$directory/squid.conf"
    [ "$status" -eq 0 ]
    says "docker kill --signal HUP"
    echo "203.0.113.10 openrouter.ai api.openai.com" >>/etc/hosts
    mkdir /etc/squid/spt # as the container mounts it
    mount --bind "$directory" /etc/squid/spt
    member_squid /etc/squid/spt/squid.conf
    member_asks 503 openrouter.ai
    policy_write "$NETWORK" '.proxy.at = "member" | .roles.agent.hosts = ["api.openai.com"]'
    install_config --config "$directory/squid.conf"
    kill -HUP "$(<"$WORK/member.pid")"
    eventually member_asks 403 openrouter.ai
    member_asks 503 api.openai.com
    grep -q "10.209.0.66 TCP_DENIED/403 .* CONNECT openrouter.ai:443" "$WORK/member.out"
    internet_end "$WORK/member.pid"
    ip netns delete spt-proxy
    umount /etc/squid/spt
    rmdir /etc/squid/spt
    cat "$WORK/internet/hosts" >/etc/hosts
}

@test "the units for systemd: their commands do it, with the capabilities that they are left" {
    "$SALLYPORT" network down "$NETWORK"
    rm -r "${SQUID_CONFIG%/*}"
    unit_runs sallyport-network@.service ExecStart
    unit_runs sallyport-squid@.service ExecStartPre
    unit_runs sallyport-squid@.service ExecStart </dev/null >"$WORK/squid.output" 2>&1 3>&- &
    disown
    internet_poll 20 squid_listens
    eventually test -s "$SQUID_PID"
    policy_write "$NETWORK" '.roles.agent.hosts = []'
    run unit_runs sallyport-proxy-config@.service ExecStart
    [ "$status" -eq 0 ] || fail "$output"
    says "squid (process $(<"$SQUID_PID")) has read it"
    unit_runs sallyport-reload@.service ExecStart
    policy_write "$NETWORK"
    unit_runs sallyport-squid@.service ExecReload | grep "has read it"
    unit_runs sallyport-network@.service ExecReload
    [ "$(unit sallyport-proxy-config@.path PathChanged)" = "$POLICIES/$NETWORK.json" ]
    [ "$(unit sallyport-reload@.path PathChanged)" = "$POLICIES/$NETWORK.json" ]
    containers_delete_all
    unit_runs sallyport-network@.service ExecStop
    run ! ip link show "$UPLINK"
    network_up
    sleeper sp-agent agent
    sleeper sp-gateway gateway
}

@test "the units for systemd are as systemd wants them" {
    local units=$WORK/units unit
    mkdir -p "$units" "$WORK/bin"
    cp "$SALLYPORT" "$WORK/bin/sallyport"
    mount --bind "$WORK/bin" /usr/local/bin # the prefix of the build
    for unit in "$SALLYPORT_BUILD_DIRECTORY"/packaging/systemd/*@*; do
        cp "$unit" "$units/"
        unit=${unit##*/}
        ln -s "$unit" "$units/${unit/@/@$NETWORK}"
    done
    run systemd-analyze verify "$units"/*"@$NETWORK".*
    umount /usr/local/bin
    [ "$status" -eq 0 ] && [ -z "$output" ] || fail "$output"
    # What reads the name servers once does not do so before there are any.
    for unit in squid haproxy; do
        [[ $(unit "sallyport-$unit@.service" After) == *network-online.target* &&
            $(unit "sallyport-$unit@.service" Wants) == network-online.target ]]
    done
    # Of ten times what systemd makes of it: with a mount namespace, and of those that must not have one.
    for unit in squid=50 haproxy=50 proxy-config=50 network=75 reload=75; do
        run systemd-analyze security --offline=true --threshold="${unit#*=}" "$units/sallyport-${unit%=*}@$NETWORK.service"
        [ "$status" -eq 0 ] || fail "$output"
    done
}
