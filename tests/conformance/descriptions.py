"""Every operation, parameter, schema, property, response and media type has a description or a summary
and an example, and every example is valid. Prints a row for each kind: name, count, findings."""

import sys

import yaml
from jsonschema import Draft4Validator, RefResolver

document = yaml.safe_load(open(sys.argv[1], encoding="utf-8"))
resolver = RefResolver.from_schema(document)
counts, problems = {}, []


def resolve(node):
    while isinstance(node, dict) and "$ref" in node:
        node = resolver.resolve(node["$ref"])[1]
    return node


def need(kind, where, node, *keys):
    counts[kind] = counts.get(kind, 0) + 1
    if not any(node.get(key) not in (None, "") for key in keys):
        problems.append(f"{where}: no {' or '.join(keys)}")


def check_example(where, schema, example):
    counts["examples"] = counts.get("examples", 0) + 1
    validator = Draft4Validator(schema, resolver=resolver)
    for error in validator.iter_errors(example):
        problems.append(f"{where}: the example is not valid: {error.message}")


def examples(node):
    if "example" in node:
        yield node["example"]
    for example in node.get("examples", {}).values():
        yield resolve(example).get("value")


def media(where, content):
    for media_type, body in content.items():
        found = list(examples(body)) or list(examples(resolve(body["schema"])))
        counts["media types"] = counts.get("media types", 0) + 1
        if not found:
            problems.append(f"{where} {media_type}: no example")
        for example in found:
            check_example(f"{where} {media_type}", body["schema"], example)


for path, item in document["paths"].items():
    for method, operation in item.items():
        if "operationId" not in operation:
            continue
        where = operation["operationId"]
        need("operations", where, operation, "description")
        need("operations", where, operation, "summary")
        for parameter in map(resolve, operation.get("parameters", [])):
            place = f"{where} {parameter['name']}"
            need("parameters", place, parameter, "description")
            found = list(examples(parameter)) or list(examples(resolve(parameter["schema"])))
            if not found:
                problems.append(f"{place}: no example")
            for example in found:
                check_example(place, parameter["schema"], example)
        if "requestBody" in operation:
            body = resolve(operation["requestBody"])
            need("request bodies", where, body, "description")
            media(f"{where} request", body["content"])
        for status, response in operation["responses"].items():
            response = resolve(response)
            need("responses", f"{where} {status}", response, "description")
            media(f"{where} {status}", response.get("content", {}))
for name, schema in document["components"]["schemas"].items():
    need("schemas", name, schema, "description")
    found = list(examples(schema))
    if not found:
        problems.append(f"{name}: no example")
    for example in found:
        check_example(name, schema, example)
    for field, value in schema.get("properties", {}).items():
        inner = resolve(value.get("allOf", [value])[0])
        need("properties", f"{name}.{field}", {**inner, **value}, "description")

for kind, count in sorted(counts.items()):
    print(f"{kind}: {count}")
for problem in problems:
    print(f"FINDING {problem}")
sys.exit(1 if problems else 0)
