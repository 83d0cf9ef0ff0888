"""As much of JSON Schema (2020-12) as the format of an export is written in. A keyword that
is not known here is an error: nothing is taken for checked that was not."""

import re

TYPES = {
    "object": lambda it: isinstance(it, dict),
    "array": lambda it: isinstance(it, list),
    "string": lambda it: isinstance(it, str),
    "boolean": lambda it: isinstance(it, bool),
    "integer": lambda it: isinstance(it, int) and not isinstance(it, bool),
    "number": lambda it: isinstance(it, (int, float)) and not isinstance(it, bool),
    "null": lambda it: it is None,
}
FORMATS = {
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "date-time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
}
# What says nothing of a value, or what Python's integers need not be told.
REMARKS = {"$schema", "$id", "$defs", "title", "description", "example", "examples", "int32", "int64"}


class Wrong(Exception):
    """A value is not as its schema says."""


class Schema:
    """A schema, and the definitions that it refers to."""

    def __init__(self, root):
        self.root, self.definitions = root, root.get("$defs", {})

    def check(self, value):
        """Raises Wrong, with the place, unless the value is as the schema says."""
        self.fits(value, self.root, "")

    def fits(self, value, schema, at):
        for keyword, wanted in schema.items():
            if keyword in REMARKS:
                continue
            check = getattr(self, "is_" + keyword.lstrip("$"), None)
            if check is None:
                raise NotImplementedError(f"JSON Schema's {keyword}")
            check(value, wanted, at)

    def is_ref(self, value, name, at):
        self.fits(value, self.definitions[name.removeprefix("#/$defs/")], at)

    def is_type(self, value, names, at):
        names = [names] if isinstance(names, str) else names
        if not any(TYPES[name](value) for name in names):
            raise Wrong(f"{at or 'the line'} is not {' or '.join(names)}")

    def is_enum(self, value, values, at):
        if value not in values:
            raise Wrong(f"{at} is none of {values}")

    def is_format(self, value, name, at):
        form = FORMATS.get(name)
        if form and isinstance(value, str) and not form.fullmatch(value):
            raise Wrong(f"{at} is no {name}")
        if not form and name not in REMARKS:
            raise NotImplementedError(f"the format {name}")

    def is_minimum(self, value, least, at):
        if TYPES["number"](value) and value < least:
            raise Wrong(f"{at} is less than {least}")

    def is_items(self, value, schema, at):
        for number, item in enumerate(value if isinstance(value, list) else []):
            self.fits(item, schema, f"{at}[{number}]")

    def is_properties(self, value, schemas, at):
        for name, schema in schemas.items():
            if isinstance(value, dict) and name in value:
                self.fits(value[name], schema, f"{at}.{name}")

    def is_required(self, value, names, at):
        for name in names:
            if isinstance(value, dict) and name not in value:
                raise Wrong(f"{at}.{name} is missing")

    def is_allOf(self, value, schemas, at):
        for schema in schemas:
            self.fits(value, schema, at)

    def is_oneOf(self, value, schemas, at):
        self.few(value, schemas, at, most=1)

    def is_anyOf(self, value, schemas, at):
        self.few(value, schemas, at, most=len(schemas))

    def few(self, value, schemas, at, most):
        reasons = []
        for schema in schemas:
            try:
                self.fits(value, schema, at)
            except Wrong as wrong:
                reasons.append(str(wrong))
        if not 0 < len(schemas) - len(reasons) <= most:
            raise Wrong(f"{at or 'the line'} is none of what it may be: {'; '.join(reasons)}")
