# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# One network with more and more live sandboxes: what the next one costs, and every question about them. Beside it, taking
# turns, attaches to another network on the same kernel that has few. At each number the last ROUNDS are measured; with
# fewer, the first ROUNDS.

SUITE_TITLE="Scale: many live sandboxes on one network"
SUITE_ROUNDS=20
SUITE_PACKAGES="quickstart tests"

QUIET=quiet
AT_ONCE=16
declare -A QUESTIONS=([show]=" network show" [reload]=" network reload" [log]=" log --network")
ALONE=200 # sandboxes to weigh without Sallyport

suite_up()
{
    local sizes verb size few last
    read -ra sizes <<<"$LIVE"
    few=${sizes[0]} last=${sizes[-1]}
    metric attach ms "Attach, by live sandboxes" "$few"
    metric attach-work ms "Of it, a processor's work" "$few"
    metric quiet ms "Attach to another network meanwhile" "$few"
    metric quiet-work ms "Of it, a processor's work" "$few"
    metric at-once ms "The last of $AT_ONCE attaches at once" "$few"
    metric at-once-quiet ms "The same on the other network meanwhile" "$few"
    metric memory KiB "Kernel memory of a sandbox"
    for size in "${sizes[@]}"; do
        peer "$size" "$((size > ROUNDS ? size : ROUNDS)) live"
    done
    goal attach "$last" "$few" "<=" 1.2
    goal attach-work "$last" "$few" "<=" 1.2
    for verb in "${!QUESTIONS[@]}"; do
        metric "$verb" us "sallyport${QUESTIONS[$verb]}" "$few"
        metric "$verb-work" us "Of it, a processor's work" "$few"
        ((${#sizes[@]} < 3)) || goal "$verb-work" "$last" "${sizes[1]}" "<=" $((last / sizes[1]))
    done

    rootfs_make
    bench_network_up
    policy_write "$QUIET" '{version, subnet: "10.210.0.0/16", proxy: {address: "10.210.0.2", port: 3128, at: "host"}, roles:
        {agent: {addresses: "10.210.16.0/20", reach: ["proxy"]}}}'
    "$SALLYPORT" network up "$QUIET"
    bundle live agent true
    seal live
    bundle "$QUIET" agent true
    configure "$QUIET" --arg network "$QUIET" '.annotations["io.sallyport.network"] = $network'
    seal "$QUIET"
    witness server "" "$TRAFFIC" serve 3128
}

# live_start NAME BUNDLE NETWORK [PROGRAM [AT-ONCE]]: where sandboxes live. Descriptors LIVE_IN[NAME], LIVE_OUT[NAME].
declare -A LIVE_IN LIVE_OUT LIVE_PID
live_start()
{
    local name=$1 bundle=$2 network=$3 program=${4-$HOOK} in out
    mkfifo "$WORK/$name.in" "$WORK/$name.out"
    "$SALLYPORT_BUILD_DIRECTORY/tests/soak/live" "$program" "$WORK/bundles/$bundle" "$network" "${5-1}" \
        <"$WORK/$name.in" >"$WORK/$name.out" 2>"$WORK/$name.errors" &
    LIVE_PID[$name]=$!
    exec {in}>"$WORK/$name.in" {out}<"$WORK/$name.out"
    LIVE_IN[$name]=$in LIVE_OUT[$name]=$out
    rm "$WORK/$name.in" "$WORK/$name.out"
}

# live_add NAME N: so many more; SLOWEST and WORKED are their milliseconds.
live_add()
{
    local line elapsed=() worked=()
    echo "$2" >&"${LIVE_IN[$1]}"
    while read -r line <&"${LIVE_OUT[$1]}" && [[ $line != done ]]; do
        elapsed+=("${line% *}")
        worked+=("${line#* }")
    done
    SLOWEST=$(printf '%s\n' "${elapsed[@]}" | sort -n | tail -n 1)
    WORKED=$(printf '%s\n' "${worked[@]}" | sort -n | tail -n 1)
    [[ ${line-} == done ]] || die "the sandboxes ended: $(cat "$WORK/$1.errors")"
}

# live_end NAME: kills them all, and waits until they are gone.
live_end()
{
    local in=${LIVE_IN[$1]} out=${LIVE_OUT[$1]}
    exec {in}>&- {out}<&-
    wait "${LIVE_PID[$1]}"
    unset "LIVE_IN[$1]"
}

# In KiB, what the kernel needs and cannot give back.
kernel_memory()
{
    awk '$1 ~ /^(SUnreclaim|Percpu|KernelStack|PageTables|VmallocUsed):$/ { sum += $2 } END { print sum }' /proc/meminfo
}

# What died before is given back in the kernel's own time.
memory_settles()
{
    local last=0 now
    now=$(kernel_memory)
    until ((now > last - 256 && now < last + 256)); do
        last=$now
        sleep 0.5
        now=$(kernel_memory)
    done
}

suite_measure()
{
    local size live=0 before each
    ROUND=1
    before=$(kernel_memory)
    live_start alone live "$NETWORK" /bin/true
    live_add alone "$ALONE"
    record memory "without Sallyport" $((($(kernel_memory) - before) / ALONE))
    live_end alone
    memory_settles

    live_start quiet "$QUIET" "$QUIET"
    live_add quiet 3
    before=$(kernel_memory)
    live_start full live "$NETWORK"
    for size in $LIVE; do
        if ((size - ROUNDS > live)); then
            live_add full $((size - ROUNDS - live))
            live=$((size - ROUNDS))
        fi
        for ((each = 0; each < ROUNDS; each++)); do
            live_add full 1
            record attach "$size" "$SLOWEST"
            record attach-work "$size" "$WORKED"
            live_add quiet 1
            record quiet "$size" "$SLOWEST"
            record quiet-work "$size" "$WORKED"
        done
        live=$((live + ROUNDS))
        ((live < ALONE / 2)) || record memory "$size" $((($(kernel_memory) - before) / live))
        scale_questions "$size"
        scale_at_once "$size" live at-once
        scale_at_once "$size" "$QUIET" at-once-quiet
    done
    members "$live" || die "the hub has not one link for each of $live"
    SANDBOX=$(pgrep -n -P "${LIVE_PID[full]}")
    answered "the last sandbox" in_sandbox "$TRAFFIC" ask "$PROXY" 3128 1
    live_end full
    live_end quiet
}

# members N: the hub has links to so many, and one to the host.
members()
{
    [[ $(hub ip -o link show type veth | wc -l) -eq $(($1 + 1)) ]]
}

scale_questions()
{
    local each verb
    for ((each = 0; each < (ROUNDS + 3) / 4; each++)); do
        for verb in "${!QUESTIONS[@]}"; do
            # shellcheck disable=SC2086 # two words
            timed "$verb" "$1" "$SALLYPORT" ${QUESTIONS[$verb]} "$NETWORK" >"$WORK/answer" 2>&1
        done
    done
}

# scale_at_once SIZE BUNDLE METRIC
scale_at_once()
{
    local each network=$NETWORK
    [[ $2 != "$QUIET" ]] || network=$QUIET
    for ((each = 0; each < (ROUNDS + 3) / 4; each++)); do
        live_start once "$2" "$network" "$HOOK" "$AT_ONCE"
        live_add once "$AT_ONCE"
        record "$3" "$1" "$SLOWEST"
        live_end once
    done
}

suite_down()
{
    local name in
    for name in "${!LIVE_IN[@]}"; do
        in=${LIVE_IN[$name]}
        exec {in}>&-
    done
    wait
    "$SALLYPORT" network down "$QUIET" 2>/dev/null || true
    bench_network_down || true
}
