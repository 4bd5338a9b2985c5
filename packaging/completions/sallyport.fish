# SPDX-License-Identifier: Apache-2.0
#
# fish's completion for sallyport, sallyport-hook and sallyport-runtime.

function __sallyport_networks
    for file in /etc/sallyport/networks.d/*.json
        basename $file .json
    end
end

# The roles of a network. `explain` needs no more rights than the policy file, and names the roles where it is asked for
# one that there is not.
function __sallyport_roles_of
    sallyport explain --network $argv[1] '?' proxy 2>&1 | string replace --filter --regex '.*; its roles are: ' '' | string split ' '
end

# Those of the network that the line names.
function __sallyport_roles
    set -l network (string match --groups-only --regex -- '--network[ =](\S+)' (commandline -cp))
    test -n "$network"; or set network default
    __sallyport_roles_of $network[-1]
end

function __sallyport_pins
    for network in (__sallyport_networks)
        for role in (__sallyport_roles_of $network)
            echo $network.$role
        end
    end
end

# The words before the cursor that are no options and no options' values, verb included.
function __sallyport_words
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
        else if string match --quiet --regex -- '^--(network|role|engine|only|far|inward|cgroup-parent|proxy-log|config|host|pidfile|directory)$' $word
            set skip 1
        else if not string match --quiet -- '-*' $word
            echo $word
        end
    end
end

# __sallyport_at COUNT VERB [WORD...]: so many words stand before the cursor; the first is the verb, the second one of the others.
function __sallyport_at
    set -l words (__sallyport_words)
    test (count $words) -eq $argv[1]; and test "$words[1]" = "$argv[2]"; and begin
        test (count $argv) -lt 3; or contains -- $words[2] $argv[3..]
    end
end

function __sallyport_verb
    set -l words (__sallyport_words)
    test "$words[1]" = "$argv[1]"
end

complete -c sallyport -f
complete -c sallyport -n 'test (count (__sallyport_words)) = 0' -l help -s h -d 'print the verbs'
complete -c sallyport -n 'test (count (__sallyport_words)) = 0' -l version -d 'print the version'
for verb in \
        'network:make, show, reload, take down' \
        'log:what hub and proxy refuse' \
        'explain:may a role reach a host' \
        'verify:try every way out' \
        'check:can this host seal containers' \
        'bundle:edit an OCI bundle' \
        'install:make an engine know Sallyport' \
        'proxy-config:configuration of the proxy' \
        'publish:units for published ports' \
        'seccomp-profile:a complete seccomp profile'
    set -l word (string split -m 1 : $verb)
    complete -c sallyport -n 'test (count (__sallyport_words)) = 0' -a $word[1] -d $word[2]
    complete -c sallyport -n "__sallyport_verb $word[1]" -l help -d 'print a summary'
end

complete -c sallyport -n '__sallyport_at 1 network' -a 'up down reload show list'
complete -c sallyport -n '__sallyport_at 2 network up down reload show' -a '(__sallyport_networks)'
complete -c sallyport -n '__sallyport_verb network' -l json -d 'print JSON'
complete -c sallyport -n '__sallyport_verb network' -l dot -d 'print a graph, for show'

complete -c sallyport -n '__sallyport_verb log' -s f -l follow -d 'as it happens'
complete -c sallyport -n '__sallyport_verb log' -l json -d 'an object a line'
complete -c sallyport -n '__sallyport_verb log' -l network -x -a '(__sallyport_networks)' -d 'the network'
complete -c sallyport -n '__sallyport_verb log' -l proxy-log -r -F -d 'the log of the proxy'

complete -c sallyport -n '__sallyport_at 1 explain' -a '(__sallyport_roles)'
complete -c sallyport -n '__sallyport_at 2 explain' -a 'proxy (__sallyport_roles)'
complete -c sallyport -n '__sallyport_verb explain' -l network -x -a '(__sallyport_networks)' -d 'the network'
complete -c sallyport -n '__sallyport_verb explain' -l json -d 'print JSON'

complete -c sallyport -n '__sallyport_verb verify' -l network -x -a '(__sallyport_networks)' -d 'the network'
complete -c sallyport -n '__sallyport_verb verify' -l role -x -a '(__sallyport_roles)' -d 'the role'
complete -c sallyport -n '__sallyport_verb verify' -l engine -x -a 'docker podman runc crun' -d 'by what'
complete -c sallyport -n '__sallyport_verb verify' -l only -x -d 'a group of attempts' \
    -a 'plain ipv6 raw abi uring namespaces capabilities bpf netlink dns metadata host members surfaces proxy sni arrivals'
complete -c sallyport -n '__sallyport_verb verify' -l far -x -d 'a host outside, tried too'
complete -c sallyport -n '__sallyport_verb verify' -l inward -x -d 'an allowed name that leads inward'
complete -c sallyport -n '__sallyport_verb verify' -l cgroup-parent -r -F -d 'the cgroup above'
complete -c sallyport -n '__sallyport_verb verify' -l json -d 'print JSON'

complete -c sallyport -n '__sallyport_verb check' -l json -d 'print JSON'

complete -c sallyport -n '__sallyport_at 1 bundle' -a '(__fish_complete_directories)'
complete -c sallyport -n '__sallyport_verb bundle' -l network -x -a '(__sallyport_networks)' -d 'the network'
complete -c sallyport -n '__sallyport_verb bundle' -l role -x -a '(__sallyport_roles)' -d 'the role'

complete -c sallyport -n '__sallyport_at 1 install' -a 'docker podman containerd'
complete -c sallyport -n '__sallyport_verb install' -l role -x -a '(__sallyport_pins)' -d 'a runtime that pins it'
complete -c sallyport -n '__sallyport_verb install' -l network -x -a '(__sallyport_networks)' -d 'a runtime for each role'
complete -c sallyport -n '__sallyport_verb install' -l default-runtime -d 'seal what names no runtime'
complete -c sallyport -n '__sallyport_verb install' -l mandatory -d 'the hook takes every container'
complete -c sallyport -n '__sallyport_verb install' -l config -r -F -d 'the file of the engine'
complete -c sallyport -n '__sallyport_verb install' -l reload -d 'have dockerd read it'
complete -c sallyport -n '__sallyport_verb install' -l host -x -a 'unix://' -d 'which dockerd'
complete -c sallyport -n '__sallyport_verb install' -l pidfile -r -F -d 'which dockerd'
complete -c sallyport -n '__sallyport_verb install' -l dry-run -d 'change nothing'
complete -c sallyport -n '__sallyport_verb install' -l undo -d 'take all of it out'

complete -c sallyport -n '__sallyport_at 1 proxy-config' -a 'squid haproxy envoy'
complete -c sallyport -n '__sallyport_at 2 proxy-config' -a '(__sallyport_networks)'
complete -c sallyport -n '__sallyport_verb proxy-config' -l install -d 'write it, and have it read'
complete -c sallyport -n '__sallyport_verb proxy-config' -l config -r -F -d where

complete -c sallyport -n '__sallyport_at 1 publish' -a '(__sallyport_networks)'
complete -c sallyport -n '__sallyport_verb publish' -l install -d 'write the units'
complete -c sallyport -n '__sallyport_verb publish' -l remove -d 'remove the units'
complete -c sallyport -n '__sallyport_verb publish' -l directory -r -F -d 'where units are'

complete -c sallyport -n '__sallyport_verb seccomp-profile' -l nested -d 'allow new namespaces'
complete -c sallyport -n '__sallyport_verb seccomp-profile' -l i386 -d 'allow 32-bit programs'

for program in sallyport-hook sallyport-runtime
    complete -c $program -l network -x -a '(__sallyport_networks)' -d 'the network'
    complete -c $program -l role -x -a '(__sallyport_roles)' -d 'the role'
    complete -c $program -l help -d 'print a summary'
    complete -c $program -l version -d 'print the version'
end
complete -c sallyport-runtime -l runtime -r -F -d 'the runtime behind'
