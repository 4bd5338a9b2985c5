# SPDX-License-Identifier: Apache-2.0
#
# Which attempts of the battery notice that a wall is missing: each wall of the design is taken away, alone, and where
# another one stands behind it, together with that one. A wall that no attempt notices is a failure, and so is an
# attempt that nothing ever opens, unless its name and the reason are here. The result is a table, $WORK/walls.md, which
# is printed, too.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/container_battery.bash"
source "$BATS_TEST_DIRNAME/container_battery_walls.bash"

setup_file()
{
    stage_up
    mkdir "$WORK/without"
    echo "nameserver $INTERNET_RESOLVER" >"$ROOTFS/etc/resolv.conf"
    outside_up
    witness host "" "$PROBE" capture
    sleeper gateway gateway
    witness gateway-9119 gateway "$PROBE" listen tcp 0.0.0.0 9119 --keep
}

teardown_file()
{
    outside_down
    stage_down
}

# without WALL...: the battery, or $ONLY of its groups, in an agent that has all walls but these. What it saw is in
# $RESULT, "NAME TAB SAW TAB DETAIL" for each attempt that has to be closed; SAW is "arrived" where the host saw what
# was sent. What was tried once is not tried again.
without()
{
    local wall walls=() set
    for wall in "${WALLS[@]}"; do
        [[ " $* " != *" $wall "* ]] || walls+=("$wall")
    done
    [[ ${#walls[@]} -eq $# ]] || fail "unknown wall in: $*"
    set=$(IFS=+; echo "+${walls[*]}+")
    RESULT=$WORK/without/$set${ONLY:-}
    [[ ! -e $RESULT ]] || return 0
    RUN=$(find "$WORK/without" | wc -l)
    agent_up "$set"
    if is_init "$set"; then
        container_run agent >"$RESULT.lines"
    else
        attempt_all "$set" "${BATTERY[@]}" >"$RESULT.lines"
    fi
    container_delete agent
    eventually agent_gone
    each_wall restore "$set"
    write_result
}

agent_gone()
{
    ! has_outside && [[ $(hub_links) -eq 1 ]]
}

is_init()
{
    [[ $1 == *+seccomp+* && $1 != *+injected+* ]]
}

# agent_up SET
agent_up()
{
    local wall
    BATTERY=("marker=run-$RUN" proxy="$PROXY:3128" subnet="$SUBNET" uplink="$HOST" host="$HOST" host=198.51.100.1
        host=192.168.77.1 host=fd00:66::1 far="$FAR" far="$FAR6" open="$PROXY:3128" closed="$GATEWAY:9119"
        allowed=api.openai.com:443 denied=attacker.example:443 inward=openrouter.ai:443 link=sp0 ${ONLY:+--only "$ONLY"})
    if is_init "$1"; then
        bundle agent agent /probe battery "${BATTERY[@]}"
    else
        bundle agent agent sleep 600
    fi
    writable agent
    capability agent CAP_SETFCAP
    seal agent
    each_wall config "$1"
    if ! is_init "$1"; then
        container_start agent
        witness resolver-udp agent "$PROBE" listen udp 127.0.0.11 53
        witness resolver-tcp agent "$PROBE" listen tcp 127.0.0.11 53
        each_wall lift "$1"
    fi
}

# each_wall WHAT SET
each_wall()
{
    local wall
    for wall in "${WALLS[@]}"; do
        if [[ $2 == *"+$wall+"* ]] && declare -F "$1_$wall" >/dev/null; then
            "$1_$wall"
        fi
    done
}

write_result()
{
    sed -n "s/.* dir=in .*marker=run-$RUN-\(.*\)/\1/p" "$WORK/host.seen" | jq -Rn '[inputs | tonumber? ]' >"$RESULT.arrived"
    jq -rn --slurpfile arrived "$RESULT.arrived" '
        foreach (inputs | select(.group != null)) as $line (0; . + 1;
            . as $number | $line | select(.expect == "closed")
            | [.group + " " + .name,
               (if .saw == "open" and ($arrived[0] | index($number)) != null then "arrived" else .saw end), .detail] | @tsv)' \
        <"$RESULT.lines" >"$RESULT"
    [[ -s $RESULT ]] || fail "no result: $(cat "$RESULT.lines")"
}

# opened BEFORE AFTER: the attempts that get further in AFTER than they did in BEFORE.
opened()
{
    awk -F'\t' 'NR == FNR { saw[$1] = $2; next }
        ($2 == "open" || $2 == "arrived") && saw[$1] != $2 && saw[$1] != "arrived" { print $1 }' "$1" "$2"
}

# refused_elsewhere BEFORE AFTER: closed as before, but another wall says so. What is counted in a text does not.
refused_elsewhere()
{
    awk -F'\t' '{ gsub(/[0-9]+/, "", $3) } NR == FNR { detail[$1] = $3; next }
        $2 == "closed" && $1 in detail && detail[$1] != $3 { print $1 }' "$1" "$2"
}

# The words of the table.
declare -gA TITLES=([guard]="guard in the container" [hub]="hub, forward chain" [proxy]="proxy's rules"
    [capabilities]="capabilities removed" [paths]="read-only paths" [devices]="rules for devices"
    [refusals]="sockets and descriptors refused" [link6]="no IPv6 on the links" [seccomp]="seccomp in the config"
    [injected]="seccomp injected into init" [routes4]="routes, IPv4" [routes6]="routes, IPv6" [topology]="one link only"
    [uplink]="uplink table on the host" [hub6]="hub, IPv6" [reverse]="hub, strict reverse path"
    [names]="own hosts and resolv.conf")

titles()
{
    local wall text=
    for wall in "$@"; do
        text+="${text:+; }${TITLES[$wall]}"
    done
    echo "${text:--}"
}

# notices ATTEMPT BEFORE AFTER: fails unless it is among those that get further; all of them are in $WORK/opened then.
notices()
{
    opened "$2" "$3" >"$WORK/opened"
    grep -Eqx -- "$1" "$WORK/opened" || fail "$1 is not among: $(cat "$WORK/opened") -- but: $(grep -E -- "^$1" "$2" "$3")"
}

# alone WALL ATTEMPT: nothing else closes it.
alone()
{
    without
    local all=$RESULT
    without "$1"
    notices "$2" "$all" "$RESULT"
    echo "| ${TITLES[$1]} | $(wc -l <"$WORK/opened") | $(refused_elsewhere "$all" "$RESULT" | wc -l) | - | | $(grep -Ex -m1 -- "$2" "$WORK/opened") |" >>"$WORK/walls.md"
}

# behind "WALL..." WALL ATTEMPT GROUP: (of that group only, "" is all): it gets out when they all are away, and not when only the first are.
behind()
{
    local others=$1 wall=$2 before single refused opened
    without
    before=$RESULT
    without "$wall"
    single=$(opened "$before" "$RESULT" | wc -l)
    refused=$(refused_elsewhere "$before" "$RESULT" | wc -l)
    # shellcheck disable=SC2086
    ONLY=$4 without $others
    before=$RESULT
    # shellcheck disable=SC2086
    ONLY=$4 without $others "$wall"
    notices "$3" "$before" "$RESULT"
    # shellcheck disable=SC2086
    echo "| ${TITLES[$wall]} | $single | $refused | $(titles $others) | $(wc -l <"$WORK/opened")${4:+ in $4} | $3 |" >>"$WORK/walls.md"
}

@test "each wall that is taken away is noticed by an attempt" {
    cat >"$WORK/walls.md" <<'END'
| this wall is away | attempts that get out | refused by another wall | and these walls | get out then | one of them |
|---|---|---|---|---|---|
END
    alone guard "dns resolver-udp-127.0.0.11"
    alone hub "members tcp-$GATEWAY-9119"
    alone proxy "proxy denied"
    alone capabilities "netlink far-link-list"
    alone paths "surfaces ip_forward"
    alone devices "surfaces device-(vsock|disk|mem)"
    alone refusals "surfaces mounted-sockets"
    alone link6 "ipv6 router-listen"
    behind injected seccomp "namespaces unshare-user" ""
    behind seccomp injected "namespaces unshare-user" ""
    behind "topology guard" routes4 "metadata tcp-169.254.169.254-80" metadata
    behind "topology guard" routes6 "metadata tcp-fd00:ec2::254-80" metadata
    behind "guard routes4" topology "metadata tcp-169.254.169.254-80" metadata
    behind hub uplink "host tcp-$HOST-22" host
    behind "guard link6 uplink" hub6 "host tcp-fd00:66::1-22" host
    behind "capabilities guard hub" reverse "plain udp-forged-source-$HOST-53" plain
    behind "topology guard routes4" names "dns search-udp-$INTERNET_RESOLVER" dns
}

# What gets out here whatever is away, and why; container_battery.bats has the control in which it does.
NEVER=(
    '^capabilities .*-Cap(Inh|Amb)$' 'a process that joins is not given them, whatever it asks for'
    '^dns (resolver-...-127.0.0.5[34]|search-...-127.0.0.1)$' 'whoever answers there is in the container itself'
    '^(ipv6|plain) (tcp|udp)-(bindtodevice|unicast-if)-' 'by this link there is only the hub, which has no way out'
    '^ipv6 router-route$' 'no router is on that link'
    '^plain udp-dontroute-' 'no address of the network is on the link itself'
    '^proxy ' 'a proxy without rules finds nobody there'
    '^raw ping6?$' 'the kernel allows ping sockets to nobody, as long as ping_group_range is as it was'
    '^surfaces device-disk$' 'the machine of the tests may not open it, either'
)

# explain_never: takes out of $WORK/never what has a reason, and says it.
explain_never()
{
    local i
    for ((i = 0; i < ${#NEVER[@]}; i += 2)); do
        if grep -E -- "${NEVER[i]}" "$WORK/never" >"$WORK/explained"; then
            echo "- ${NEVER[i + 1]}: $(paste -sd, "$WORK/explained" | sed 's/,/, /g')"
            grep -Ev -- "${NEVER[i]}" "$WORK/never" >"$WORK/never.rest" || true
            mv "$WORK/never.rest" "$WORK/never"
        fi
    done
}

# names_with SAW-PATTERN FILE...: the attempts that saw it in one of them.
names_with()
{
    awk -F'\t' -v saw="$1" '$2 ~ saw { print $1 }' "${@:2}" | sort -u
}

@test "an attempt that no single wall's absence opens is closed by several, or it is said why" {
    local wall singles=() all=()
    without
    names_with closed "$RESULT" >"$WORK/closed"
    without "${WALLS[@]}"
    for wall in "${WALLS[@]}"; do
        without "$wall"
        singles+=("$RESULT")
    done
    mapfile -t all < <(find "$WORK/without" -type f ! -name '*.lines' ! -name '*.arrived')
    names_with '^(open|arrived)$' "${singles[@]}" | comm -12 "$WORK/closed" - >"$WORK/by-one"
    names_with '^(open|arrived)$' "${all[@]}" | comm -12 "$WORK/closed" - >"$WORK/ever"
    names_with '^impossible$' "${all[@]}" | comm -12 "$WORK/closed" - | comm -23 - "$WORK/ever" >"$WORK/not-here"
    comm -23 "$WORK/closed" "$WORK/ever" | comm -23 - "$WORK/not-here" >"$WORK/never"
    {
        echo
        echo "Of $(wc -l <"$WORK/closed") closed attempts $(wc -l <"$WORK/by-one") get out if one wall is away and" \
            "$(comm -23 "$WORK/ever" "$WORK/by-one" | wc -l) if several are, $(wc -l <"$WORK/not-here") this kernel cannot make," \
            "and $(wc -l <"$WORK/never") never get out here:"
        explain_never
    } >>"$WORK/walls.md"
    sed 's/^/# /' "$WORK/walls.md" >&3
    [[ $(wc -l <"$WORK/by-one") -ge 60 && $(wc -l <"$WORK/ever") -ge 200 ]]
    [[ ! -s $WORK/never ]] || fail "noticed by no missing wall: $(cat "$WORK/never")"
}
