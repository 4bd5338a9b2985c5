#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# completion.bash FILE LINE...: what bash offers where Tab is pressed behind each LINE, by the function that FILE says it
# shall call: one "LINE<tab>WORD" for each. Words are split as bash does it, which takes "=" for one, too.
source "$1"
shift
for line in "$@"; do
    read -ra COMP_WORDS <<<"${line//=/ = }"
    [[ $line != *[\ =] ]] || COMP_WORDS+=("")
    [[ $line != *= ]] || unset 'COMP_WORDS[-1]'
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    function=$(complete -p "${COMP_WORDS[0]}" | sed 's/.*-F \([^ ]*\).*/\1/')
    COMPREPLY=()
    "$function"
    printf "$line\t%s\n" "${COMPREPLY[@]}"
done
