#!/usr/bin/fish -N
# SPDX-License-Identifier: Apache-2.0
#
# completion.fish FILE LINE...: what fish offers where Tab is pressed behind each LINE: one "LINE<tab>WORD" for each.
source $argv[1]
for line in $argv[2..]
    for offered in (complete --do-complete $line)
        echo $line\t(string split -f 1 \t -- $offered)
    end
end
