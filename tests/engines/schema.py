# SPDX-License-Identifier: Apache-2.0
"""The schema of the policy file and the parser, asked the same.

    schema.py agree SCHEMA JUDGE INPUTS...   every file that the parser accepts is valid, and what is valid the parser
                                             refuses only for the reasons in CANNOT_SAY, each of which is met
    schema.py needed SCHEMA JUDGE INPUTS...  without any one word of the schema, something that the parser refuses is valid
    schema.py keys SCHEMA JUDGE              both know the same keys, and require the same

JUDGE is the program policy-judge. INPUTS are files with policies, each ended by a NUL or the file's end; to them are
added those of `special` and as many that are made from the good ones by chance, always the same.
"""
import copy
import json
import random
import re
import subprocess
import sys

import jsonschema

MUTATIONS = 4000

# What the parser refuses and a schema cannot: the parser's words, and why.
CANNOT_SAY = {
    r"more than \d+ bytes": "a schema sees values, not the size of their text",
    r"is a number with a fraction or an exponent": "to a schema 1.0 is an integer",
    r"address bits are set behind the prefix": "arithmetic on addresses",
    r"not inside \$\.subnet": "arithmetic on addresses",
    r"network and broadcast addresses are nobody's": "arithmetic on addresses",
    r"first address.* host's own": "arithmetic on addresses",
    r"contains .*, the proxy's address": "arithmetic on addresses",
    r"overlaps \$\.roles\.": "arithmetic on addresses, of two roles",
    r"lies in 169\.254\.0\.0/16": "a larger subnet around a special range: arithmetic",
    r"there is no such role in \$\.roles": "a string that names a key of another object",
    r"in /etc/hosts the name is a role's": "a string that names a key of another object",
    r"stands in this list already": "one host in two spellings, `a.b` and `A.b:443`",
    r"publishes at this address and port already": "parts of strings, of two roles",
    r"the path is too long": "a length in bytes; a schema counts characters",
}

BASE = {
    "version": 1,
    "subnet": "10.9.0.0/24",
    "proxy": {"address": "10.9.0.2", "port": 3128, "at": "host"},
    "roles": {"agent": {"addresses": "10.9.0.64/26", "reach": ["proxy", "gate:80"], "hosts": ["a.example"]},
              "gate": {"addresses": "10.9.0.9", "publish": ["127.0.0.1:80:80"], "sockets": ["/run/a.sock"]}},
}

ADDRESSES = """
    10.9.0.3 10.9.0.3/32 10.9.0.16/28 10.9.0.0/24 10.9.0.0 10.9.0.255 10.9.0.1 10.9.0.2 10.9.1.0/24 10.0.0.0/8 10.9.0.248/29
    10.9.0.0/30 10.9.0.5/24 127.0.0.0/24 169.0.0.0/8 169.254.0.0/24 0.0.0.0/8 224.0.0.0/24 240.0.0.0/8 255.0.0.0/8 223.0.0.0/24
    10.9.0/24 010.9.0.0/24 10.9.0.0/024 10.9.0.256 10.9.0.3/33 10.9.0.0/ /24 ::1
""".split() + ["", "10.9.0.3\n", "10.9.0.3 "]
PORTS = "0 1 80 080 443 9999 65535 65536 99999 100000 -1 +80 0x50".split() + ["", "80 ", "7\n"]
HOSTS = """
    a.example .a.example A.Example a.example:443 a.example:22 *.a.example ..a.example a..example a.example. -a.example a-.example
    a_b.example a.1 a.0x a.0X1f a.0xg 1.2.3.4 127.1 0x7f.com 1.2.3.4a [::1] ::1 a.example:22:22 localhost . :22 a.example: é.example
""".split() + ["", "a" * 63, "a" * 64, "ab." * 84 + "a", "ab." * 84 + "ab", "." + "ab." * 84 + "a", "a.example\n", "a b"]
PATHS = """
    /run/a.sock / run/a /run//a /run/./a /run/../a /run/..a/.b /run/a/ /. /é
""".split() + ["", "/a\x7f", "/a\x1f", "/a\nb", "/" + "a" * 4094, "/" + "a" * 4095]
NAMES = "agent proxy a 0 -a a- twelve-chars thirteen-long A a_b a.b é".split() + ["", "a\n"]
OTHERS = [None, True, False, 0, 1, 2, 3128, 1.0, 1.5, -1, 65535, 65536, 1e400, 10**30, "", "x", "\0", [], [1], {}, {"x": 1}, [[]],
          "host", "member", "remove", "refuse", "keep", "true"]


def some(chance, key):
    """A value for `key`, good or not."""
    name, port, other, path = (chance.choice(words) for words in (NAMES, PORTS, PORTS, PATHS))
    reach = chance.choice(["proxy", "proxy:" + port, "agent:80", "gate:" + port, name + ":" + port, "agent", ":" + port])
    loopback = chance.choice("127.0.0.1 127.9.9.9 128.0.0.1 10.9.0.9 127.0.0.256 127.1".split())
    publish = f"{loopback}:{port}:{other}"
    values = {
        "version": [1, 2, 1.0, True, "1"],
        "subnet": ADDRESSES,
        "address": ADDRESSES,
        "addresses": ADDRESSES,
        "at": ["host", "member", "both"],
        "port": [0, 1, 65535, 65536, 3128.0, "3128", True],
        "links": ["remove", "refuse", "keep", "drop"],
        "nested": [True, False, 1, "true"],
        "i386": [True, False, 0],
        "reach": [[reach], [reach, "proxy"], ["proxy", "proxy"], [], ["gate:80", "gate:080"], ["proxy"] * 65],
        "hosts": [[chance.choice(HOSTS)], [chance.choice(HOSTS), chance.choice(HOSTS)], [], [f"h{i}.example" for i in range(1025)]],
        "publish": [[publish], [publish, "127.0.0.1:80:81"], [], ["127.0.0.1:8080:80"],
                    [f"127.0.0.1:{i + 1}:80" for i in range(65)]],
        "sockets": [[path], [path, path], [], [f"/{i}" for i in range(65)]],
    }
    return chance.choice(values.get(key, OTHERS) if chance.random() < 0.8 else OTHERS)


def places(value, name=None):
    """(object or list, key or index in it, the key that stands above) of everything in the value."""
    steps = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for step in steps:
        above = step if isinstance(value, dict) else name
        yield value, step, above
        yield from places(value[step], above)


def mutate(chance, document):
    """Changes one thing."""
    parent, key, name = chance.choice(list(places(document)))
    way = chance.random()
    if way < 0.1:
        del parent[key]
    elif way < 0.2 and isinstance(parent, dict):
        parent[chance.choice(NAMES)] = parent.pop(key)
    elif way < 0.4 and isinstance(parent[key], dict):
        added = chance.choice(["reach", "hosts", "publish", "links", "nested", "i386", "sockets", "addresses", "unknown"])
        parent[key][added] = some(chance, added)
    elif way < 0.5 and isinstance(parent[key], str) and parent[key]:
        at = chance.randrange(len(parent[key]))
        parent[key] = parent[key][:at] + chance.choice("0129.:/-_ aZ\n") + parent[key][at + chance.randrange(2):]
    else:
        value = some(chance, name)
        parent[key] = value[0] if isinstance(parent, list) and isinstance(value, list) and value else value


def special():
    """For each word of the schema and each of CANNOT_SAY that chance may not find."""
    def changed(**keys):
        document = copy.deepcopy(BASE)
        document["roles"]["gate"].update(keys)
        return json.dumps(document)

    yield json.dumps(BASE) + " " * 1024 * 1024
    yield json.dumps(dict(BASE, unknown=1))
    yield changed(sockets=["/" + "é" * 4000])
    yield changed(addresses="10.9.0.64")
    for keys in ({"sni": 443}, {"http": 80}, {"sni": 80}, {"http": 443}, {"sni": 443, "port": 443}, {"http": 80, "port": 80}):
        yield json.dumps(dict(BASE, proxy=dict(BASE["proxy"], **keys)))
    yield changed(reach=["agent:%d" % port for port in range(1, 66)])
    yield changed(reach=["proxy"], hosts=["A.b", "a.b:443"])
    yield changed(reach=["agent:80", "agent:80"])
    yield changed(reach=["proxy"], hosts=["a.b", "a.b"])
    yield changed(reach=["proxy"], hosts=["h%d.b" % i for i in range(1025)])
    yield changed(publish=["127.0.0.1:%d:1" % port for port in range(1, 66)])
    yield changed(publish=["127.0.0.1:80:80", "127.0.0.1:80:81"])
    yield changed(publish=["127.0.0.1:80:80", "127.0.0.1:80:80"])
    yield changed(publish=[], addresses="10.9.0.4/30")
    yield changed(hosts=[])
    yield changed(hosts=["a.b"])
    yield changed(sockets=["/%d" % i for i in range(65)])
    yield changed(sockets=["/a", "/a"])
    for subnet, proxy in ("169.0.0.0/8", "169.0.0.2"), ("10.0.0.0/7", "10.0.0.2"), ("10.9.0.0/30", "10.9.0.2"):
        yield json.dumps(dict(BASE, subnet=subnet, proxy=dict(BASE["proxy"], address=proxy),
                              roles={"a": {"addresses": proxy[:-1] + "3"}}))
    yield json.dumps(dict(BASE, roles={"r%d" % i: {"addresses": "10.9.0.%d" % (i + 3)} for i in range(33)}))
    for role in {}, {"proxy": {"addresses": "10.9.0.3"}}:
        yield json.dumps(dict(BASE, roles=role))


def single_keys(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def inputs(paths):
    """The texts, each once."""
    texts = []
    for path in paths:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            texts += file.read().split("\0")
    texts += special()
    chance = random.Random(1)
    seeds = [json.dumps(BASE)] * 4 + [text for text in texts if len(text) < 2000 and "addresses" in text and parsed(text)]
    for _ in range(MUTATIONS):
        document = json.loads(chance.choice(seeds))
        for _ in range(chance.choice([1, 1, 1, 2])):
            if document:
                mutate(chance, document)
        texts.append(json.dumps(document))
    return list(dict.fromkeys(text for text in texts if text.strip()))


def parsed(text):
    """The value, in a list; an empty one where it is none: then there is nothing to ask the schema."""
    try:
        return [json.loads(text, object_pairs_hook=single_keys)]
    except (ValueError, RecursionError):
        return []


def judge(program, texts):
    answer = subprocess.run([program], input="".join(text + "\0" for text in texts), capture_output=True, check=True, text=True,
                            encoding="utf-8", errors="surrogateescape")
    verdicts = answer.stdout.splitlines()
    if len(verdicts) != len(texts):
        sys.exit(f"{len(texts)} policies, but {len(verdicts)} answers")
    return verdicts


def pattern(_, expression, value, __):
    """As ECMA-262 has it: there, $ is the end alone, and not also a place before a newline that ends the text."""
    if isinstance(value, str) and not re.search(expression.replace("$", r"\Z"), value):
        yield jsonschema.ValidationError(f"{value!r:.80} does not match")


Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": pattern})


def cases(schema, program, paths):
    """(text, value, what the parser says) of all that both can judge: jansson's own complaints are about no value."""
    Validator.check_schema(schema)
    texts = inputs(paths)
    for text, verdict in zip(texts, judge(program, texts)):
        value = parsed(text)
        if value and not verdict.startswith("FILE: line "):
            yield text, value[0], verdict


def cannot_say(verdict):
    return next((words for words in CANNOT_SAY if re.search(words, verdict)), None)


def agree(schema, program, paths):
    validator, met, counts, wrong = Validator(schema), set(), {True: 0, False: 0}, []
    for text, value, verdict in cases(schema, program, paths):
        valid, accepted = validator.is_valid(value), verdict == "accepted"
        counts[accepted] += 1
        if valid and not accepted:
            met.add(cannot_say(verdict))
        if accepted and not valid or valid and not accepted and not cannot_say(verdict):
            said = "valid" if valid else jsonschema.exceptions.best_match(validator.iter_errors(value)).message
            wrong.append(f"{text[:600]}\n  the schema: {said}\n  the parser: {verdict}")
    wrong += [f"nothing is refused with: {words}" for words in CANNOT_SAY if words not in met]
    if min(counts.values()) < 150:
        wrong.append(f"{counts} files accepted and refused: too few to say anything")
    if wrong:
        sys.exit("\n".join(wrong[:20]))
    print(f"{counts[True]} accepted, {counts[False]} refused")


def words(schema, path=()):
    """The paths of all the words in the schema that refuse anything."""
    skipped = {"$schema", "$comment", "title", "description", "default", "then", "if"}
    for key, value in schema.items() if isinstance(schema, dict) else []:
        if key in ("properties", "$defs"):
            for name, inner in value.items():
                yield from words(inner, path + (key, name))
        elif key == "allOf":
            for index, inner in enumerate(value):
                yield from words(inner, path + (key, index)) if "if" not in inner else [path + (key, index)]
        elif key in ("items", "propertyNames", "additionalProperties") and isinstance(value, dict):
            yield from words(value, path + (key,))
        elif key not in skipped:
            yield path + (key,)


def without(schema, path):
    copied = copy.deepcopy(schema)
    inner = copied
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return copied


def needed(schema, program, paths):
    validator = Validator(schema)
    refused = [(list(validator.iter_errors(value)), value) for _, value, verdict in cases(schema, program, paths)
               if verdict != "accepted"]
    by_few = sorted((pair for pair in refused if pair[0]), key=lambda pair: len(pair[0]))
    left = []
    for path in words(schema):
        validator = Validator(without(schema, path))
        # A $ref is in no error's path.
        if not any(validator.is_valid(value) for errors, value in by_few
                   if path[-1] == "$ref" or all(path[-1] in error.schema_path for error in errors)):
            left.append(".".join(map(str, path)))
    if left:
        sys.exit("nothing notices if these are missing:\n" + "\n".join(left))


def objects(schema, definitions, place=()):
    """(where it stands in a policy, its schema) of each object with keys of its own."""
    schema = definitions[schema["$ref"].split("/")[-1]] if "$ref" in schema else schema
    if "properties" in schema:
        yield place, schema
        for name, inner in schema["properties"].items():
            yield from objects(inner, definitions, place + (name,))
    elif isinstance(schema.get("additionalProperties"), dict):
        yield from objects(schema["additionalProperties"], definitions, place + ("agent",))


def keys(schema, program):
    for place, part in objects(schema, schema["$defs"]):
        documents = []
        for changed in [{"?": 1}] + [{name: None} for name in part["properties"]]:
            document = copy.deepcopy(BASE)
            inner = document
            for step in place:
                inner = inner.setdefault(step, {}) if isinstance(inner, dict) else inner
            for name, value in changed.items():
                inner.pop(name, None)
                if value:
                    inner[name] = value
            documents.append(json.dumps(document))
        unknown, *missing = judge(program, documents)
        known = set(re.sub(r".*known here are ", "", unknown).split(", "))
        required = {name for name, verdict in zip(part["properties"], missing) if "this key is required" in verdict}
        here = "$" + "".join("." + step for step in place)
        if known != set(part["properties"]):
            sys.exit(f"{here}: the schema has not the parser's keys: {sorted(known ^ set(part['properties']))}")
        if required != set(part.get("required", [])):
            sys.exit(f"{here}: required are {sorted(required)}, and by the schema {part.get('required')}")
        print(here, *sorted(known))


if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as schema_file:
        {"agree": agree, "needed": needed, "keys": lambda schema, program, _: keys(schema, program)}[sys.argv[1]](
            json.load(schema_file), sys.argv[3], sys.argv[4:])
