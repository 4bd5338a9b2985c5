# SPDX-License-Identifier: Apache-2.0
#
# The JSON schema of the policy file (packaging/schema) and the parser say the same of every file: those of the unit
# tests, of the fuzzer's corpus, of the pages, and thousands that are made from them (schema.py, which has the list of what
# a schema cannot say).

ROOT=$BATS_TEST_DIRNAME/../..
SCHEMA=$ROOT/packaging/schema/policy.schema.json
JUDGE=${SALLYPORT_BUILD_DIRECTORY:?is the build directory}/tests/unit/policy-judge
INPUTS=$BATS_FILE_TMPDIR/unit

setup_file()
{
    SALLYPORT_POLICY_INPUTS=$INPUTS "$SALLYPORT_BUILD_DIRECTORY/tests/unit/test-policy" >"$BATS_FILE_TMPDIR/log" 2>&1
    [[ $(tr -cd '\0' <"$INPUTS" | wc -c) -gt 150 ]]
}

# schema COMMAND [SCHEMA]: Debian's python3, which has Debian's python3-jsonschema.
schema()
{
    /usr/bin/python3 "$BATS_TEST_DIRNAME/schema.py" "$1" "${2:-$SCHEMA}" "$JUDGE" "$INPUTS" "$ROOT"/tests/data/fuzz/policy/* \
        "$ROOT"/packaging/quickstart.d/policy.json "$ROOT"/packaging/compose/*.json
}

@test "every file that the parser accepts is valid, and what is valid it refuses only for what a schema cannot say" {
    schema agree
}

@test "each word of the schema is needed: without it something that the parser refuses is valid" {
    schema needed
}

@test "both have the same keys, and a schema with one more, or without one, is noticed" {
    schema keys
    jq 'del(."$defs".role.properties.i386)' "$SCHEMA" >"$BATS_TEST_TMPDIR/fewer.json"
    jq '."$defs".role.properties.more = {type: "string"}' "$SCHEMA" >"$BATS_TEST_TMPDIR/more.json"
    jq 'del(.required)' "$SCHEMA" >"$BATS_TEST_TMPDIR/optional.json"
    for changed in fewer more optional; do
        run schema keys "$BATS_TEST_TMPDIR/$changed.json"
        [[ $status -ne 0 ]] || { echo "$changed: $output"; return 1; }
    done
}
