#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""json_schema.py SCHEMA NAME: whether each JSON document of standard input is what the schema says of NAME.

Debian's python3, which has Debian's python3-jsonschema. A definition says of every object which keys it has and which of
them must be there, so that a key that is new, gone or renamed is an error here."""

import json
import sys

import jsonschema


def documents(text):
    """One after the other, as `log -f` prints them."""
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    validator = jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{sys.argv[2]}"})
    jsonschema.Draft202012Validator.check_schema(schema)
    count = 0
    for count, document in enumerate(documents(sys.stdin.read()), 1):
        for error in validator.iter_errors(document):
            sys.exit(f"{sys.argv[2]}: {error.json_path}: {error.message}"[:1000])
    if count == 0:
        sys.exit(f"{sys.argv[2]}: nothing was printed")


main()
