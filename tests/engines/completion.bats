# SPDX-License-Identifier: Apache-2.0
#
# Completion, in the real shells: all that the help describes is offered and nothing else, and so are the names of this
# machine's networks and roles.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/help.bash"

COMPLETIONS=$BATS_TEST_DIRNAME/../../packaging/completions
EXPECTED=$WORK/expected # "LINE<tab>WORD" for all that is offered behind each line

setup_file()
{
    policy_write "$NETWORK" '.roles |= {agent, gateway} | .roles.gateway.reach = ["proxy"]'
    policy_write browsers '.subnet = "10.210.0.0/24" | .proxy = {address: "10.210.0.2", port: 3128, at: "member"}
        | .roles = {tab: {addresses: "10.210.0.9"}}'
    echo broken >"$POLICIES/broken.json"
    mkdir -p "$WORK/place/bundle" "$WORK/home"
    : >"$WORK/place/file"
    { expected_of_help && expected_of_machine; } >"$EXPECTED"
    [[ $(wc -l <"$EXPECTED") -gt 120 ]] || fail "$(cat "$EXPECTED")"
}

teardown_file()
{
    rm -r /etc/sallyport
}

setup()
{
    export PATH=$SALLYPORT_BUILD_DIRECTORY:$PATH HOME=$WORK/home
    cd "$WORK/place"
}

# expect LINE WORD...
expect()
{
    local line=$1
    shift
    printf "$line\t%s\n" "$@"
}

# Verbs, the words and the long options of each, whose short ones shells treat each in its own way.
expected_of_help()
{
    local subject line
    expect "sallyport " $(help_verbs)
    expect "sallyport --" --help --version
    for subject in $(help_subjects); do
        line="sallyport $subject"
        [[ $subject != sallyport-* ]] || line=$subject
        expect "$line --" $(help_options "$subject" | grep -e --)
        [[ -z $(help_words "$subject") ]] || expect "$line " $(help_words "$subject")
    done
}

expected_of_machine()
{
    local line
    for line in "sallyport network show " "sallyport publish " "sallyport proxy-config squid " "sallyport log --network " \
        "sallyport install docker --network "; do
        expect "$line" broken browsers hermes
    done
    for line in "sallyport verify --network=browsers --role " "sallyport-hook --network browsers --role "; do
        expect "$line" proxy tab
    done
    expect "sallyport network show her" hermes
    expect "sallyport verify --network hermes --role " agent gateway
    expect "sallyport explain --network hermes " agent gateway
    expect "sallyport explain --network hermes agent " agent gateway proxy
    expect "sallyport bundle --role " agent
    expect "sallyport bundle --role agent " bundle
    expect "sallyport bundle --network broken --role "
    expect "sallyport install --role " browsers.proxy browsers.tab hermes.agent hermes.gateway
    expect "sallyport verify --engine " crun docker podman runc
    # As the help has them, the groups of the attempts.
    expect "sallyport verify --only " $(help_of verify | sed -n '/^  --only/,/^  --far/p' | sed 's/.*repeated://; /--far/d' | tr , ' ')
}

# offered_by SHELL DIRECTORY: the same of the completion in the directory.
offered_by()
{
    local lines
    mapfile -t lines < <(cut -f 1 "$EXPECTED" | uniq)
    case $1 in
    bash) /bin/bash --norc "$BATS_TEST_DIRNAME/completion.bash" "$2/sallyport.bash" "${lines[@]}" ;;
    zsh) /usr/bin/zsh -f "$BATS_TEST_DIRNAME/completion.zsh" "$2" "${lines[@]}" ;;
    fish) /usr/bin/fish -N "$BATS_TEST_DIRNAME/completion.fish" "$2/sallyport.fish" "${lines[@]}" ;;
    esac </dev/null 3>&-
}

# differences SHELL [DIRECTORY]: ">" is offered and should not be, "<" the other way round.
differences()
{
    # fish has a slash behind directories; nothing offered is a line without a word in bash alone.
    diff <(grep -v $'\t$' "$EXPECTED" | sort -u) <(offered_by "$1" "${2:-$COMPLETIONS}" | sed 's,/$,,' | grep -v $'\t$' | sort -u)
}

@test "bash offers all that the help has, and this machine's names" {
    differences bash
}

@test "zsh offers all that the help has, and this machine's names" {
    differences zsh
}

@test "fish offers all that the help has, and this machine's names" {
    differences fish
}

@test "what is missing or too much is noticed" {
    local shell
    cp -r "$COMPLETIONS" "$BATS_TEST_TMPDIR/less"
    sed -i 's/ --cgroup-parent / /; s/"docker podman containerd"/"docker podman containerd lxc"/' "$BATS_TEST_TMPDIR/less/sallyport.bash"
    sed -i 's/.--cgroup-parent=[^:]*:path:_files -\/.//; s/(docker podman containerd)/(docker podman containerd lxc)/' "$BATS_TEST_TMPDIR/less/_sallyport"
    sed -i "/-l cgroup-parent/d; s/'docker podman containerd'/'docker podman containerd lxc'/" "$BATS_TEST_TMPDIR/less/sallyport.fish"
    for shell in bash zsh fish; do
        run differences "$shell" "$BATS_TEST_TMPDIR/less"
        [[ $(grep '^[<>]' <<<"$output") == $'> sallyport install \tlxc\n< sallyport verify --\t--cgroup-parent' ]] || fail "$shell: $output"
    done
}
