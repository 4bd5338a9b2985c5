#!/usr/bin/zsh -f
# SPDX-License-Identifier: Apache-2.0
#
# completion.zsh DIRECTORY LINE...: what an interactive zsh, on a terminal of its own, offers where Tab is pressed behind
# each LINE: one "LINE<tab>WORD" for each. DIRECTORY has the function _sallyport.
zmodload zsh/zpty
directory=$1
shift

# In the shell at the terminal: what it would add to the list is told, and so is the end. Not what a function only asks for
# (-O, -A, -D).
zpty shell zsh -f -i
zpty -w shell "PS1= PS2= RPS1=; unsetopt zle_bracketed_paste; stty -echo; fpath=($directory \$fpath)"
zpty -w shell 'autoload -Uz compinit && compinit -u -D
compadd() {
    local -a hits
    if (( ! ${@[(I)-[OAD]*]} )); then
        builtin compadd -A hits "$@"
        (( $#hits == 0 )) || print -r -l -- "" "match "$^hits
    fi
    builtin compadd "$@"
}
told() { print -r -- $'"'\n'"'"no more ""matches" }
ask() { comppostfuncs=(told) compstate[insert]= _main_complete; compstate[insert]= compstate[list]= }
zle -C ask complete-word ask
bindkey "^I" ask
print read""y'

# until PATTERN: reads up to a line that matches; what came is in $seen.
until_line()
{
    local part
    integer ends=$((SECONDS + 30))
    seen=
    until [[ $seen == *$1* ]]; do
        ((SECONDS < ends)) || { print -u2 -r -- "no $1 in: $seen"; exit 1 }
        zpty -r shell part || exit 1
        seen+=$part
    done
}

until_line $'ready\r'
for line in "$@"; do
    zpty -w -n shell "$line"$'\t'
    until_line 'no more matches'
    for match in ${(M)${(f)${seen//$'\r'/}}:#match *}; do
        print -r -- "$line"$'\t'"${match#match }"
    done
    zpty -w -n shell $'\C-u'
done
zpty -d shell
