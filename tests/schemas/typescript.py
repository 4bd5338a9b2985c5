#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""typescript.py <DOCUMENTS: the Kubernetes documents, a JSON array, as TypeScript with the type that each has to be of.

A compiler then knows every field that does not exist, which the schemas pass over.
"""

import json
import sys

# The types have left out what this one takes from its base.
AMENDED = """declare module "kubernetes-types/admissionregistration/v1" {
  interface NamedRuleWithOperations { apiGroups?: string[]; apiVersions?: string[]; resources?: string[]; scope?: string }
}
"""


def module_of(version):
    group, _, version = version.rpartition("/")
    return f"kubernetes-types/{group.split('.')[0] or 'core'}/{version}"


print(AMENDED)
for index, document in enumerate(json.load(sys.stdin)):
    kind = document["kind"]
    print(f'import type {{ {kind} as Type{index} }} from "{module_of(document["apiVersion"])}";')
    print(f"export const document{index}: Type{index} = {json.dumps(document, indent=2)};")
