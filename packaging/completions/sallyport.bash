# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2207 # words have no spaces
#
# bash's completion for sallyport, sallyport-hook and sallyport-runtime.

_sallyport_networks()
{
    local file
    for file in /etc/sallyport/networks.d/*.json; do
        [[ ! -e $file ]] || basename "$file" .json
    done
}

# _sallyport_roles [NETWORK]: as the policy has them. `explain` needs no more rights than the file, and names the roles
# where it is asked for one that there is not.
_sallyport_roles()
{
    sallyport explain --network "${1:-default}" '?' proxy 2>&1 | sed -n 's/.*; its roles are: //p'
}

# _sallyport_pins: NETWORK.ROLE, all of them.
_sallyport_pins()
{
    local network role
    for network in $(_sallyport_networks); do
        for role in $(_sallyport_roles "$network"); do
            echo "$network.$role"
        done
    done
}

# _sallyport_network: the one that the line names so far.
_sallyport_network()
{
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        # bash makes three words of --network=NAME.
        [[ ${COMP_WORDS[i]} != --network ]] || echo "${COMP_WORDS[i + 1]/#=/${COMP_WORDS[i + 2]-}}"
    done | tail -n 1
}

# _sallyport_files [-d]: files, or directories alone.
_sallyport_files()
{
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen "${1:--f}" -- "$CURRENT"))
}

# _sallyport_value VERB OPTION: completes what follows the option; fails if nothing does.
_sallyport_value()
{
    local words
    case $1/$2 in
    install/--role | install/--mandatory) words=$(_sallyport_pins) ;;
    */--network) words=$(_sallyport_networks) ;;
    */--role) words=$(_sallyport_roles "$(_sallyport_network)") ;;
    verify/--engine) words="docker podman runc crun" ;;
    verify/--only)
        words="plain ipv6 raw abi uring namespaces capabilities bpf netlink dns metadata host members surfaces proxy sni arrivals"
        ;;
    verify/--far | verify/--inward) words= ;;
    install/--host) words=unix:// ;;
    */--config | */--pidfile | */--proxy-log | */--runtime) _sallyport_files && return ;;
    */--directory | */--cgroup-parent) _sallyport_files -d && return ;;
    *) return 1 ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$CURRENT"))
    return 0
}

# _sallyport_options VERB
_sallyport_options()
{
    case $1 in
    network) echo --json --dot --help ;;
    log) echo -f --follow --json --network --proxy-log --help ;;
    explain) echo --network --json --help ;;
    verify) echo --network --role --engine --only --far --inward --cgroup-parent --json --help ;;
    check) echo --json --help ;;
    bundle) echo --network --role --help ;;
    install) echo --role --network --default-runtime --mandatory --config --reload --host --pidfile --dry-run --undo --help ;;
    proxy-config) echo --install --config --help ;;
    publish) echo --install --remove --directory --help ;;
    seccomp-profile) echo --nested --i386 --help ;;
    sallyport) echo --help -h --version ;;
    sallyport-hook) echo --network --role --help --version ;;
    sallyport-runtime) echo --network --role --runtime --help --version ;;
    esac
}

# _sallyport_takes_value VERB OPTION: whether the next word is its value.
_sallyport_takes_value()
{
    case $1/$2 in
    install/--mandatory) return 1 ;; # its value stands behind a "="
    */--network | */--role | */--engine | */--only | */--far | */--inward | */--cgroup-parent | */--proxy-log | */--config | \
        */--host | */--pidfile | */--directory | sallyport-runtime/--runtime) return 0 ;;
    esac
    return 1
}

# _sallyport_place VERB: how many words that are no options stand between the verb and the cursor.
_sallyport_place()
{
    local i count=0
    for ((i = 2; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == -?* ]]; then
            if [[ ${COMP_WORDS[i + 1]-} == "=" ]]; then
                ((i += 2))
            elif _sallyport_takes_value "$1" "${COMP_WORDS[i]}"; then
                ((i += 1))
            fi
        else
            ((count += 1))
        fi
    done
    echo "$count"
}

# _sallyport_argument VERB: completes a word that is no option.
_sallyport_argument()
{
    local words=
    case $1/$(_sallyport_place "$1") in
    network/0) words="up down reload show list" ;;
    network/1) [[ ${COMP_WORDS[2]} == list ]] || words=$(_sallyport_networks) ;;
    explain/0) words=$(_sallyport_roles "$(_sallyport_network)") ;;
    explain/1) words="proxy $(_sallyport_roles "$(_sallyport_network)")" ;;
    bundle/0) _sallyport_files -d && return ;;
    install/0) words="docker podman containerd" ;;
    proxy-config/0) words="squid haproxy envoy" ;;
    proxy-config/1 | publish/0) words=$(_sallyport_networks) ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$CURRENT"))
}

_sallyport()
{
    local CURRENT=${COMP_WORDS[COMP_CWORD]} verb option=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    verb=${COMP_WORDS[0]##*/}
    if [[ $verb == sallyport ]] && ((COMP_CWORD > 1)); then
        verb=${COMP_WORDS[1]}
    fi
    if [[ $option == "=" || $CURRENT == "=" ]]; then # --option=VALUE
        [[ $CURRENT != "=" ]] || CURRENT=
        [[ $option == --* ]] || option=${COMP_WORDS[COMP_CWORD - 2]}
        _sallyport_value "$verb" "$option" || true
    elif [[ $CURRENT == -* ]]; then
        COMPREPLY=($(compgen -W "$(_sallyport_options "$verb")" -- "$CURRENT"))
    elif _sallyport_takes_value "$verb" "$option" && _sallyport_value "$verb" "$option"; then
        :
    elif [[ $verb == sallyport ]]; then
        COMPREPLY=($(compgen -W "network log explain verify check bundle install proxy-config publish seccomp-profile" -- "$CURRENT"))
    elif ((COMP_CWORD > 1)); then
        _sallyport_argument "$verb"
    fi
}

complete -F _sallyport sallyport sallyport-hook sallyport-runtime
