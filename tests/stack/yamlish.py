"""Just enough YAML to write configuration that a person can read."""

import json


def dump(value: dict, indent: int = 0) -> str:
    """Mappings in block style; strings quoted as in JSON, which YAML reads the same way."""
    lines = []
    for key, item in value.items():
        name = " " * indent + (key if key.replace("_", "").isalnum() else json.dumps(key))
        if isinstance(item, dict) and item:
            lines += [f"{name}:", dump(item, indent + 2)]
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            lines += [f"{name}:", *(_entry(entry, indent + 2) for entry in item)]
        else:
            lines.append(f"{name}: {json.dumps(item)}")
    return "\n".join(lines)


def _entry(item: dict, indent: int) -> str:
    body = dump(item, indent + 2)
    return body[:indent] + "- " + body[indent + 2:]
