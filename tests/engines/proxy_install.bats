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
    refused install_config
    mv /etc/passwd.kept /etc/passwd
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
    says "ended when it read the new configuration; see /var/log/squid"
}
