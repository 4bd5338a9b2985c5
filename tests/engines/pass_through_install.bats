# SPDX-License-Identifier: Apache-2.0
#
# squid and the pass-through kept in step with the policy: `sallyport proxy-config KIND NETWORK --install`, with the
# machine's real programs, sealed containers and an internet behind them. proxy_install.bats has squid alone.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/proxy_install.bash"

PASSING='.proxy.sni = 443'
DIRECTORY=${SQUID_CONFIG%/*}
HAPROXY_CONFIG=$DIRECTORY/haproxy.cfg
HAPROXY_PID=/run/sallyport-haproxy-$NETWORK.pid

setup_file()
{
    proxy_stage_up
    policy_write "$NETWORK" "$PASSING"
    "$SALLYPORT" network reload "$NETWORK"
}

teardown_file()
{
    proxy_stage_down
}

setup()
{
    policy_write "$NETWORK" "$PASSING"
    install_config
}

teardown()
{
    tunnels_end
    haproxy_end
    squid_end
    umount "$HAPROXY_CONFIG" /usr/sbin/haproxy 2>/dev/null || true
    rm -rf "$DIRECTORY"
}

install_config()
{
    "$SALLYPORT" proxy-config haproxy "$NETWORK" --install "$@"
}

haproxy_listens()
{
    [[ -n $(ss -Hltn "src $PROXY and sport = :443") ]]
}

haproxy_start()
{
    /usr/sbin/haproxy -f "$HAPROXY_CONFIG" </dev/null >"$WORK/haproxy.output" 2>"$WORK/haproxy.errors" 3>&- &
    disown
    internet_poll 20 haproxy_listens || fail "$(cat "$WORK/haproxy.errors")"
    eventually test -s "$HAPROXY_PID"
}

haproxy_end()
{
    internet_end "$HAPROXY_PID"
}

# reaches ID HOST: by way of the pass-through.
reaches()
{
    network_of "$1" curl --silent --max-time 10 --noproxy '*' --cacert "$WORK/internet/ca.pem" --output /dev/null \
        --resolve "$2:443:$PROXY" "https://$2/"
}

# passing NAME ID HOST: opens a connection through it and keeps it; $WORK/NAME.tunnel says "open", and "ended" at its end.
# With HELLO=late the ClientHello is sent when $WORK/NAME.go is there.
passing()
{
    nsenter --target "$(<"$WORK/$2.pid")" --net python3 -c '
import os, socket, ssl, sys, time
proxy, host, ca, go = sys.argv[1:]
plain = socket.create_connection((proxy, 443))
try:
    if go:
        print("open", flush=True)
        while not os.path.exists(go):
            time.sleep(0.02)
    connection = ssl.create_default_context(cafile=ca).wrap_socket(plain, server_hostname=host)
    print("passed" if go else "open", flush=True)
    connection.recv(1)
except OSError as error:
    print(error)
print("ended")' "$PROXY" "$3" "$WORK/internet/ca.pem" "${HELLO:+$WORK/$1.go}" </dev/null >"$WORK/$1.tunnel" 2>&1 3>&- &
    echo $! >>"$WORK/tunnels"
    disown
    eventually grep -q open "$WORK/$1.tunnel" || fail "$1: $(cat "$WORK/$1.tunnel")"
}

@test "it writes both files, whichever is named, once" {
    mkdir -p /run/systemd/system
    rm -r "$DIRECTORY"
    run "$SALLYPORT" proxy-config squid "$NETWORK" --install
    says "no haproxy runs for this network: \`systemctl enable --now sallyport-haproxy@$NETWORK\` starts it"
    rmdir /run/systemd/system /run/systemd
    rm -r "$DIRECTORY"
    run "$SALLYPORT" proxy-config squid "$NETWORK" --install
    [ "$status" -eq 0 ]
    says "wrote $SQUID_CONFIG"
    says "wrote $HAPROXY_CONFIG"
    says "no haproxy runs for this network: \`haproxy -D -f $HAPROXY_CONFIG\` starts it"
    diff "$HAPROXY_CONFIG" <("$SALLYPORT" proxy-config haproxy "$NETWORK")
    [ "$(stat -c '%U %a' "$HAPROXY_CONFIG")" = "root 644" ]
    [ "$(ls -A "$DIRECTORY" | paste -sd ' ')" = "haproxy.cfg squid.conf" ]
    run install_config
    [ "$output" = "$SQUID_CONFIG: unchanged
$HAPROXY_CONFIG: unchanged" ]
}

@test "what was added is passed on and what was revoked refused when it returns, by both programs" {
    squid_start -N
    haproxy_start
    local before
    before=$(<"$HAPROXY_PID")
    reaches sp-agent api.openai.com
    run ! reaches sp-agent api.telegram.org
    policy_write "$NETWORK" "$PASSING"'| .roles.agent.hosts = ["openrouter.ai", "api.telegram.org"]'
    run install_config
    [ "$status" -eq 0 ] || fail "$output"
    says "squid (process $(<"$SQUID_PID")) has read it"
    says "haproxy (process $before) has read it"
    reaches sp-agent api.telegram.org
    run ! reaches sp-agent api.openai.com
    [ "$(asks sp-agent api.telegram.org)" = 200 ]
    [ "$(asks sp-agent api.openai.com)" = 403 ]
    [ "$(<"$HAPROXY_PID")" = "$before" ]
}

@test "open connections of a role that lost a host are ended, those of others and of one that gained stay" {
    haproxy_start
    passing agent sp-agent openrouter.ai
    passing gateway sp-gateway api.telegram.org
    HELLO=late passing late sp-agent openrouter.ai
    policy_write "$NETWORK" "$PASSING"'| .roles.agent.hosts = ["api.openai.com"] | .roles.gateway.hosts += ["openrouter.ai"]'
    run install_config
    says "2 connections ended"
    eventually tunnel_ended agent
    : >"$WORK/late.go" # a ClientHello that would have been one for the old rules
    eventually tunnel_ended late
    run ! grep passed "$WORK/late.tunnel"
    run ! tunnel_ended gateway
    run ! reaches sp-agent openrouter.ai
}

@test "without that, haproxy keeps a connection to a host that is no longer allowed" {
    haproxy_start
    passing agent sp-agent openrouter.ai
    policy_write "$NETWORK" "$PASSING"'| .roles.agent.hosts = ["api.openai.com"]'
    "$SALLYPORT" proxy-config haproxy "$NETWORK" >"$HAPROXY_CONFIG"
    kill -USR2 "$(<"$HAPROXY_PID")"
    refused_by_haproxy()
    {
        ! reaches sp-agent openrouter.ai
    }
    eventually refused_by_haproxy
    run ! tunnel_ended agent
}

@test "several reloads, with connections open through each: new rules are in force whenever it returns" {
    local i hosts
    haproxy_start
    for i in 1 2 3; do
        passing "open$i" sp-gateway api.telegram.org
        hosts='["openrouter.ai"]'
        ((i % 2)) || hosts='["api.openai.com"]'
        policy_write "$NETWORK" "$PASSING | .roles.agent.hosts = $hosts"
        install_config
        if ((i % 2)); then
            reaches sp-agent openrouter.ai
            run ! reaches sp-agent api.openai.com
        else
            reaches sp-agent api.openai.com
            run ! reaches sp-agent openrouter.ai
        fi
    done
    for i in 1 2 3; do
        run ! tunnel_ended "open$i"
    done
}

# nothing_changed COMMAND...: it fails with one line, and both files are as they were.
nothing_changed()
{
    local before
    before=$(cksum "$DIRECTORY"/*)
    refused "$@"
    [[ $(cksum "$DIRECTORY"/*) == "$before" ]] || fail "changed: $before"
}

@test "what either program refuses changes neither file" {
    policy_write "$NETWORK" "$PASSING"'| .roles.agent.hosts = []'
    sed -i.kept '/^haproxy:/d' /etc/passwd
    run nothing_changed install_config
    mv /etc/passwd.kept /etc/passwd
    [ "$status" -eq 0 ] || fail "$output"
    sed -i.kept '/^proxy:/d' /etc/passwd
    run nothing_changed install_config
    mv /etc/passwd.kept /etc/passwd
    [ "$status" -eq 0 ] || fail "$output"
    sed -i.kept '/^haproxy:/d' /etc/passwd
    refused install_config
    mv /etc/passwd.kept /etc/passwd
    says "/usr/sbin/haproxy refuses the configuration: config : parsing"
    says "haproxy"
}

@test "a haproxy that is missing or too old is told in one line" {
    policy_write "$NETWORK" "$PASSING"'| .roles.agent.hosts = []'
    mount --bind /dev/null /usr/sbin/haproxy
    nothing_changed install_config
    says "/usr/sbin/haproxy: Permission denied; \`apt install haproxy\`, 2.6 or later"
    umount /usr/sbin/haproxy
    cat >"$WORK/old" <<'SH'
#!/bin/sh
# What one of before version 2.5 says.
echo "[ALERT] 332/074613 (77) : parsing [/proc/self/fd/3:11] : unknown keyword 'fd-hard-limit' in 'global' section" >&2
exit 1
SH
    chmod 755 "$WORK/old"
    mount --bind "$WORK/old" /usr/sbin/haproxy
    nothing_changed install_config
    says "/usr/sbin/haproxy refuses the configuration: parsing [/proc/self/fd/3:11] : unknown keyword 'fd-hard-limit'"
    says "2.6 or later"
    umount /usr/sbin/haproxy
}

@test "if one file cannot be replaced, the other is put back" {
    policy_write "$NETWORK" "$PASSING"'| .roles.agent.hosts = []'
    mount --bind "$HAPROXY_CONFIG" "$HAPROXY_CONFIG" # a mount point cannot be renamed onto
    nothing_changed install_config
    says haproxy.cfg
    umount "$HAPROXY_CONFIG"
    install_config
}

@test "a policy without a pass-through any more: the file goes, and haproxy ends" {
    haproxy_start
    passing agent sp-agent openrouter.ai
    policy_write "$NETWORK"
    run install_config
    [ "$status" -eq 0 ] || fail "$output"
    says "removed $HAPROXY_CONFIG"
    says "ended: the policy has nothing for it"
    run ! haproxy_listens
    eventually tunnel_ended agent
    refused "$SALLYPORT" proxy-config haproxy "$NETWORK"
    says 'network hermes has no pass-through; add "sni": 443 to $.proxy of its policy'
}

@test "somebody else's file and another place for both" {
    local other=$WORK/other
    mkdir "$other"
    echo "global" >"$other/haproxy.cfg"
    refused install_config --config "$other/haproxy.cfg"
    says "move it away"
    refused "$SALLYPORT" proxy-config squid "$NETWORK" --install --config "$other/squid.conf"
    says "$other/haproxy.cfg: was not written by"
    [ ! -e "$other/squid.conf" ]
    refused install_config --config "$other/squid.conf"
    says "the usual name of squid's file"
    rm "$other/haproxy.cfg"
    install_config --config "$other/pass.cfg"
    [ "$(ls "$other" | paste -sd ' ')" = "pass.cfg squid.conf" ]
    rm -r "$other"
}

@test "a pid file whose number is somebody else's is nobody's haproxy" {
    sleep 600 3>&- &
    local innocent=$!
    echo "$innocent" >"$HAPROXY_PID"
    policy_write "$NETWORK" "$PASSING"'| .roles.agent.hosts = []'
    run install_config
    says "no haproxy runs for this network"
    kill -0 "$innocent" # SIGUSR2 would have ended it
    kill "$innocent"
    rm "$HAPROXY_PID"
}

@test "a thousand hosts of a role, and the last of them is reached" {
    policy_write "$NETWORK" "$PASSING"'| .roles.agent.hosts = [range(1000) | "h\(.).example"] + ["openrouter.ai"]'
    install_config
    haproxy_start
    reaches sp-agent openrouter.ai
    run ! reaches sp-agent api.openai.com
    policy_write "$NETWORK" "$PASSING"'| .roles.agent.hosts = [range(1000) | "h\(.).example"] + ["api.openai.com"]'
    install_config
    reaches sp-agent api.openai.com
    run ! reaches sp-agent openrouter.ai
}

@test "for a pass-through in a container: its engine has to tell it" {
    mkdir "$WORK/member"
    policy_write "$NETWORK" "$PASSING"'| .proxy.at = "member"'
    run install_config --config "$WORK/member/haproxy.cfg"
    [ "$status" -eq 0 ]
    says "docker kill --signal HUP"
    says "docker kill --signal USR2"
    run ! grep -E "^(user|chroot|pidfile)" "$WORK/member/haproxy.cfg"
    rm -r "$WORK/member"
}

@test "the unit for systemd: its commands do it, with the capabilities that they are left" {
    local worker
    rm -r "$DIRECTORY"
    unit_runs sallyport-haproxy@.service ExecStartPre >"$WORK/haproxy.output"
    unit_runs sallyport-haproxy@.service ExecStart </dev/null >>"$WORK/haproxy.output" 2>"$WORK/haproxy.errors" 3>&- &
    disown
    internet_poll 20 haproxy_listens || fail "$(cat "$WORK/haproxy.errors")"
    eventually test -s "$HAPROXY_PID"
    reaches sp-agent openrouter.ai
    passing gateway sp-gateway api.telegram.org
    policy_write "$NETWORK" "$PASSING"'| .roles.agent.hosts = ["api.openai.com"]'
    run unit_runs sallyport-proxy-config@.service ExecStart
    [ "$status" -eq 0 ] || fail "$output"
    says "haproxy (process $(<"$HAPROXY_PID")) has read it"
    reaches sp-agent api.openai.com
    run ! reaches sp-agent openrouter.ai
    policy_write "$NETWORK" "$PASSING"
    unit_runs sallyport-haproxy@.service ExecReload 2>"$WORK/reload.errors" >>"$WORK/haproxy.output"
    grep "haproxy (process .* has read it" "$WORK/reload.errors"
    reaches sp-agent openrouter.ai
    run ! tunnel_ended gateway
    haproxy_end
    grep -q "TCP_TUNNEL/200 .* TLS api.openai.com:443" "$WORK/haproxy.output"
    # It is the log, and has nothing else; what is said besides is the journal's.
    run ! grep -Ev '^[0-9]+\.[0-9]{3} |^Proxy .* stopped \(' "$WORK/haproxy.output"
    [[ $(unit sallyport-haproxy@.service StandardError) == journal ]]
}
