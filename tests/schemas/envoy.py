#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""envoy.py DESCRIPTORS BOOTSTRAP: holds a bootstrap against Envoy's published API (protoc's descriptor set of it).

Names and types of all fields, those inside of typed_config included, and of the rules that the API's own annotations
state (protoc-gen-validate): what has to be there, lengths, and which of several alternatives has to be set.
"""

import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

with open(sys.argv[1], "rb") as file:
    FILES = descriptor_pb2.FileDescriptorSet.FromString(file.read())
POOL = descriptor_pool.DescriptorPool()
for item in FILES.file:
    POOL.Add(item)
FACTORY = message_factory.MessageFactory(POOL)


def class_of(name):
    return FACTORY.GetPrototype(POOL.FindMessageTypeByName(name))


def options(descriptor, kind):
    """The options of a descriptor, read with the extensions of this pool."""
    return class_of(f"google.protobuf.{kind}").FromString(descriptor.GetOptions().SerializeToString())


def rules_of(field):
    rules = options(field, "FieldOptions").Extensions[POOL.FindExtensionByName("validate.rules")]
    return rules, rules.WhichOneof("type")


def number_of(value):
    """Of a plain number, or one that is wrapped in a message."""
    return getattr(value, "value", value)


def problem_of(field, message):
    """What is wrong with a field's value by the rules of its own, or None."""
    rules, kind = rules_of(field)
    repeated = field.label == field.LABEL_REPEATED
    present = bool(getattr(message, field.name)) if repeated else None
    if not repeated and field.type == field.TYPE_MESSAGE:
        present = message.HasField(field.name)
        if rules.message.required and not present:
            return "is missing"
    if kind == "string" and not repeated:
        value = getattr(message, field.name)
        if len(value) < rules.string.min_len and not (rules.string.ignore_empty and not value):
            return "is too short"
    if kind == "repeated" and len(getattr(message, field.name)) < rules.repeated.min_items:
        return "has too few items"
    if kind == "uint32" and rules.uint32.HasField("lte") and number_of(getattr(message, field.name)) > rules.uint32.lte:
        return "is too large"
    return None


def inner_messages(message):
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].type == field.TYPE_MESSAGE:
                yield from ((f"{field.name}.{key}", value[key]) for key in value)
        elif field.label == field.LABEL_REPEATED:
            yield from ((f"{field.name}[{index}]", inner) for index, inner in enumerate(value))
        else:
            yield field.name, value


def problems(message, path="$"):
    if message.DESCRIPTOR.full_name == "google.protobuf.Any":
        unpacked = class_of(message.type_url.split("/")[-1]).FromString(message.value)
        yield from problems(unpacked, path)
        return
    for field in message.DESCRIPTOR.fields:
        group = field.containing_oneof
        if group is not None and message.WhichOneof(group.name) != field.name:
            continue  # another alternative
        problem = problem_of(field, message)
        if problem:
            yield f"{path}.{field.name} {problem}"
    required = POOL.FindExtensionByName("validate.required")
    for group in message.DESCRIPTOR.oneofs:
        if options(group, "OneofOptions").Extensions[required] and not message.WhichOneof(group.name):
            yield f"{path}: none of {group.name} is set"
    for name, inner in inner_messages(message):
        yield from problems(inner, f"{path}.{name}")


def main():
    with open(sys.argv[2], encoding="utf-8") as text:
        bootstrap = json_format.Parse(text.read(), class_of("envoy.config.bootstrap.v3.Bootstrap")(), descriptor_pool=POOL)
    found = list(problems(bootstrap))
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)


main()
