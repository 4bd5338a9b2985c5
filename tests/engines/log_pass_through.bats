# SPDX-License-Identifier: Apache-2.0
#
# What the pass-through refuses in `sallyport log`, beside what squid refuses: which member, which rule decided, and what
# would allow it.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/proxy_install.bash"
source "$BATS_TEST_DIRNAME/log.bash"

POLICY='.proxy.sni = 443 | .proxy.http = 80 | .roles.agent.hosts = ["api.openai.com", ".openrouter.ai", "private.example"]'
LOG=/var/log/sallyport/$NETWORK.pass-through

setup_file()
{
    mkdir -p "$WORK/logs"/{squid,sallyport}
    mount --bind "$WORK/logs" /var/log
    proxy_stage_up private.example=10.66.0.1
    policy_write "$NETWORK" "$POLICY"
    "$SALLYPORT" network reload "$NETWORK"
    install_config
    squid_start -N
    /usr/sbin/haproxy -f "${SQUID_CONFIG%/*}/haproxy.cfg" </dev/null >>"$LOG" 2>"$WORK/haproxy.errors" 3>&- &
    disown
    eventually test -s "/run/sallyport-haproxy-$NETWORK.pid"
    export AGENT
    AGENT=$(address_of sp-agent)
}

teardown_file()
{
    internet_end "/run/sallyport-haproxy-$NETWORK.pid"
    proxy_stage_down
    umount /var/log
}

teardown()
{
    log_kill
    policy_write "$NETWORK" "$POLICY"
}

# greet REQUEST...: see tls_client.py.
greet()
{
    network_of sp-agent python3 "$BATS_TEST_DIRNAME/tls_client.py" "$AGENT" "$PROXY" "$@"
}

# refusal TARGET METHOD RULE ALLOW: it has its line.
refusal()
{
    has_line()
    {
        [[ $(lines json ".event == \"refused\" and .by == \"proxy\" and .role == \"agent\" and .target == \"$1\" and
            .method == \"$2\" and .rule == \"pass-through: $3\" and (.allow | startswith(\"$4\"))") -eq 1 ]]
    }
    eventually has_line "$@" || fail "no line for $*: $(cat "$WORK/json.log")"
}

@test "each kind of refusal is one line, and squid's are there as well" {
    log_start json --json
    greet attacker.example sub.openrouter.ai private.example - 'http=GET / HTTP/1.1\r\nHost: api.openai.com\r\n\r\n' api.openai.com
    refusal attacker.example:443 TLS '$.roles.agent.hosts does not have the name' 'add \"attacker.example\" to $.roles.agent.hosts'
    refusal sub.openrouter.ai:443 TLS '$.roles.agent.hosts[1] \".openrouter.ai\" is for CONNECT only' \
        'add \"sub.openrouter.ai\" to $.roles.agent.hosts, then run `sallyport proxy-config haproxy hermes --install`'
    refusal private.example:443 TLS 'target not public (10.0.0.0/8)' nothing
    refusal -:443 TLS 'neither TLS with a server name nor, at port 80, HTTP with a Host' nothing
    refusal api.openai.com:80 HTTP '$.roles.agent.hosts[0] allows the name at port 443 only' 'add \"api.openai.com:80\"'
    [ "$(asks sp-agent attacker.example)" = 403 ]
    squids_line()
    {
        [[ $(lines json '.target == "attacker.example:443" and .method == "CONNECT"') -eq 1 ]]
    }
    eventually squids_line
    [[ $(lines json '.target == "api.openai.com:443"') -eq 0 ]]
}

@test "however long a name is, and whatever is in it, its line says whose it was" {
    local long
    printf -v long '%%%.0s' {1..250}
    log_start json --json
    greet "http=GET / HTTP/1.1\r\nHost: $long\r\n\r\n"
    shown()
    {
        [[ $(lines json '.role == "agent" and .method == "HTTP" and .truncated and (.target | length == 512 and startswith("%25%25"))') -eq 1 ]]
    }
    eventually shown || fail "$(cat "$WORK/json.log")"
    log_end
    [[ $(lines json '.event == "proxy-more"') -eq 0 ]] || fail "$(cat "$WORK/json.log")"
}

@test "what the advice says is done, and the host is reached" {
    [[ $(greet sub.openrouter.ai) == closed* ]]
    policy_write "$NETWORK" "$POLICY"' | .roles.agent.hosts += ["api.telegram.org"]'
    log_start json --json
    greet api.telegram.org
    refusal api.telegram.org:443 TLS '$.roles.agent.hosts[3] \"api.telegram.org\", but the proxy has another policy' \
        'run `sallyport proxy-config squid hermes --install`'
    install_config
    [[ $(greet api.telegram.org) == hello* ]]
}

@test "without -f: the most frequent of both logs; a reload of haproxy leaves no line that cannot be read" {
    run "$SALLYPORT" log --network "$NETWORK" --json
    jq -e '.proxy.unreadable == 0 and ([.proxy.refused[] | select(.method == "TLS" and .target == "attacker.example:443")] | length == 1)
        and ([.proxy.refused[] | select(.method == "CONNECT")] | length >= 1)' <<<"$output" || fail "$output"
    grep -q "Proxy TLS stopped" "$LOG"
    "$SALLYPORT" log --network "$NETWORK" | grep "agent: TLS attacker.example:443; pass-through: "
    "$SALLYPORT" log --network "$NETWORK" | grep "requests refused by the proxy, in /var/log/squid/sallyport-hermes.access and $LOG"
}

# The file is root's, as it is when systemd has opened it, and haproxy goes on writing at its old place in it.
@test "logrotate, as packaged, cuts the logs of both, and log reads on" {
    local long
    install -m 644 "$BATS_TEST_DIRNAME/../../packaging/squid/logrotate" "$WORK/logrotate"
    [[ -s $LOG && -s /var/log/squid/sallyport-$NETWORK.access ]]
    log_start json --json
    set --
    # More than a block, so that there is a hole behind it as well, in fewer lines than are shown in a second.
    printf -v long 'a%.0s' {1..40}
    for _ in {1..40}; do
        set -- "$@" "$long.attacker.example"
    done
    greet attacker.example "$@" >/dev/null
    all_are_written()
    {
        (($(grep -c "TLS $long.attacker.example:443" "$LOG") == 40))
    }
    eventually all_are_written
    (($(stat --format %s "$LOG") > 4096))
    run logrotate --force --state "$WORK/rotated" "$WORK/logrotate"
    [[ $status -eq 0 ]] || fail "$output"
    [[ ! -s $LOG && ! -s /var/log/squid/sallyport-$NETWORK.access ]] || fail "$(ls -l /var/log/squid /var/log/sallyport)"
    zgrep -q "TLS attacker.example:443" "$LOG.1.gz"
    greet other.example
    refusal other.example:443 TLS '$.roles.agent.hosts does not have the name' 'add \"other.example\" to $.roles.agent.hosts'
    log_end
    [[ $(lines json '.event == "proxy-more" and .unreadable > 0') -eq 0 ]] || fail "$(cat "$WORK/json.log")"
    "$SALLYPORT" log --network "$NETWORK" --json | jq -e '.proxy.unreadable == 0 and (.proxy.refused | map(.target) == ["other.example:443"])'
}
