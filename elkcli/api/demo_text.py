"""The words of the built-in demo: Markdown that tells what arrived, and JSON that follows a schema. Pure."""

from __future__ import annotations

import json
import random
import re
from typing import Any, NamedTuple

from elkcli.api.embedded import Splitter
from elkcli.api.hoard import Found, decode_url
from elkcli.media import dimensions, readable, sniff

OPTIONS = (
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "n",
    "reasoning_effort",
    "presence_penalty",
    "frequency_penalty",
)

_TITLES = ("A word from the antlers", "Greetings from the forest", "The elk in the machine", "Straight from the herd")
_FACTS = (
    "Bull elk shed their antlers every year and grow a new pair in a few months.",
    "A growing antler is among the fastest growing tissues that any mammal has.",
    "*Wapiti*, the elk's other name, is a Shawnee word for its pale rump.",
    "The call of a bull elk is named *bugling*, and it carries across a whole valley.",
    "Elk calves are born spotted and keep still in the grass while the herd grazes.",
    "In summer, elk move up to the high meadows; in winter, down to the valleys.",
)
_CODE = {
    "python": 'def antlers(points: int) -> str:\n    """A pair of antlers with that many points."""\n'
    '    half = "Y" * (points // 2)\n    return f"{half} o {half[::-1]}"\n\n\nprint(antlers(8))',
    "bash": "# one question a line, one answer a line\n"
    'while read -r question; do\n  elkcli ask --no-stdin -q "$question"\ndone < questions.txt',
    "javascript": 'const herd = ["Ada", "Alan", "Grace"];\n\n'
    "for (const [points, name] of herd.entries()) {\n  console.log(`${name} has ${points + 4} points`);\n}",
    "rust": 'fn main() {\n    let herd = ["Ada", "Alan"];\n    for (points, name) in herd.iter().enumerate() {\n'
    '        println!("{name} has {} points", points + 4);\n    }\n}',
    "sql": "SELECT name, max(points) AS points\n  FROM herd\n WHERE season = 'autumn'\n"
    " GROUP BY name\n ORDER BY points DESC;",
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfor i, name := range []string{"Ada", "Alan"} {\n'
    '\t\tfmt.Printf("%s has %d points\\n", name, i+4)\n\t}\n}',
}
_ALIASES = {"shell": "bash", "js": "javascript", "node": "javascript", "golang": "go", "sh": "bash", "cargo": "rust"}


class Seen(NamedTuple):
    """A request's messages as the demo understands them."""

    prompt: str
    system: str
    roles: tuple[str, ...]
    attachments: tuple[str, ...]
    pictures: tuple[bytes, ...]  # in order, the assistant's own included
    tokens: int


def look(messages: list[dict[str, Any]]) -> Seen:
    """What is in the messages: the last words of the user, the system's, and every attachment."""
    prompt, system, tokens = "", [], 0
    attachments: list[str] = []
    pictures: list[bytes] = []
    for message in messages:
        role, words = message.get("role"), []
        content = message.get("content")
        for part in content if isinstance(content, list) else [{"type": "text", "text": content or ""}]:
            if not isinstance(part, dict):
                continue
            if isinstance(part.get("text"), str):
                splitter = Splitter()
                for bit in [*splitter.feed(part["text"]), *splitter.close()]:
                    if isinstance(bit, Found):
                        pictures.append(bit.data)
                        tokens += 258
                    elif isinstance(bit, str):
                        words.append(bit)
            else:
                said, data = _attachment(part)
                attachments.append(said)
                pictures += [data] if data else []
                tokens += 258
        text = "\n\n".join(words)
        tokens += 4 + len(pieces(text))
        if role in {"system", "developer"}:
            system.append(text)
        elif role == "user":
            prompt = text
    roles = tuple(str(message.get("role")) for message in messages)
    return Seen(prompt.strip(), "\n".join(system), roles, tuple(attachments), tuple(pictures), tokens)


def _attachment(part: dict[str, Any]) -> tuple[str, bytes | None]:
    """One content part in words, and its bytes if it is a picture."""
    form = part.get("type")
    value = part.get(str(form))
    if form == "image_url":
        url = value.get("url") if isinstance(value, dict) else value
        found = decode_url(url) if isinstance(url, str) else None
        if found is None:
            return (f"an image at {_short(str(url), 60)}", None)
        kind = sniff(found.data)
        width, height = dimensions(found.data)
        size = f"{width}×{height}, " if width else ""
        return (f"{kind.mime if kind else 'an unknown image'}, {size}{readable(len(found.data))}", found.data)
    if form == "input_audio" and isinstance(value, dict):
        return (f"audio/{value.get('format')}, {readable(len(str(value.get('data'))) * 3 // 4)}", None)
    if form == "file" and isinstance(value, dict):
        body = str(value.get("file_data")).rpartition(",")[2]
        return (f"{value.get('filename')}, {readable(len(body) * 3 // 4)}", None)
    return (f"a part of the type {form}", None)


def _short(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def _cell(text: str, length: int = 120) -> str:
    """Text for one cell of a Markdown table."""
    return _short(text, length).replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`").replace("*", "\\*")


def pieces(text: str) -> list[str]:
    """Text cut into what passes for tokens here. Joined, they are the text."""
    return re.findall(r"\s*[^\s]{1,6}|\s+\Z", text)


def options_of(body: dict[str, Any]) -> str:
    """The options of a request, in words."""
    said = [f"{name} {json.dumps(body[name], ensure_ascii=False)}" for name in OPTIONS if body.get(name) is not None]
    if stop := body.get("stop"):  # not the strings themselves: they would end the answer right here
        said.append(f"{1 if isinstance(stop, str) else len(stop)} stop strings")
    form = body.get("response_format")
    if isinstance(form, dict):
        said.append(f"response_format {form.get('type')}")
    if isinstance(body.get("tools"), list):
        said.append(f"{len(body['tools'])} tools (ignored)")
    if isinstance(body.get("contents"), list):
        said.append(f"contents, {len(body['contents'])} of them")
    if isinstance(body.get("extra_body"), dict):
        said.append("extra_body " + json.dumps(body["extra_body"], ensure_ascii=False))
    return ", ".join(said)


def markdown(model: str, seen: Seen, body: dict[str, Any], dice: random.Random) -> str:
    """The demo's answer: lively, and plain about what it is."""
    counts = [f"{seen.roles.count(role)} {role}" for role in dict.fromkeys(seen.roles)]
    rows = [("model", f"`{model.replace('`', '')}`"), ("messages", f"{len(seen.roles)} ({', '.join(counts)})")]
    if seen.system:
        rows.append(("system message", _cell(seen.system)))
    if options := options_of(body):
        rows.append(("options", _cell(options, 200)))
    rows += [("attachment", _cell(said)) for said in seen.attachments]
    asked = " ".join(word.lower() for word in re.findall(r"[A-Za-z]+", seen.prompt[:2000]))
    wanted = [name for name in (*_CODE, *_ALIASES) if re.search(rf"\b{name}\b", asked)]
    language = _ALIASES.get(wanted[0], wanted[0]) if wanted else dice.choice(("python", "bash", "rust"))
    facts = dice.sample(_FACTS, 3)
    again = (
        [f"We have talked before: this is your message number {seen.roles.count('user')}.", ""]
        if seen.roles.count("user") > 1
        else []
    )
    quoted = [f"> {_short(line, 300)}" for line in seen.prompt.splitlines()[:3] if line.strip()] or ["> (no words)"]
    return "\n".join(
        [
            f"# {dice.choice(_TITLES)}",
            "",
            "I am the **demo built into elkcli**, not a language model: no network, no token, no cost.",
            "You said:",
            "",
            *quoted,
            "",
            *again,
            "## What reached me",
            "",
            "| what | value |",
            "| --- | --- |",
            *[f"| {name} | {value} |" for name, value in rows],
            "",
            "## What I know",
            "",
            *[f"- {fact}" for fact in facts],
            "",
            f"```{language}",
            _CODE[language],
            "```",
            "",
            "For a real answer: `elkcli config set token`, then ask again without `-p demo`.",
        ]
    )


def thoughts(seen: Seen, dice: random.Random) -> str:
    """What the demo says it thinks, for the models that do."""
    return (
        f"The question has {len(seen.prompt.split())} words. An elk would look up, chew, and consider.\n"
        f"Option {dice.randint(1, 3)} of 3 seems the greenest. Let me put it in Markdown."
    )


# JSON that follows a schema


def as_json(body: dict[str, Any], seen: Seen, dice: random.Random) -> str:
    """An answer for ``response_format``: a small object, or what the schema asks for."""
    form = body["response_format"]
    wrapped = form.get("json_schema")
    schema = wrapped.get("schema", wrapped) if isinstance(wrapped, dict) else None
    if form.get("type") == "json_schema" and isinstance(schema, dict):
        return json.dumps(_satisfy(schema, schema, dice, 0), ensure_ascii=False, indent=2)
    known = {"demo": True, "prompt": seen.prompt, "messages": len(seen.roles), "answer": dice.choice(_FACTS)}
    return json.dumps(known, ensure_ascii=False, indent=2)


_FORMATS = {
    "date": "2026-07-24",
    "time": "06:10:32Z",
    "date-time": "2026-07-24T06:10:32Z",
    "email": "elk@example.org",
    "uri": "https://example.org/elk",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.org",
}


def _satisfy(schema: Any, root: dict[str, Any], dice: random.Random, depth: int) -> Any:
    """A value that follows a schema of the ordinary kind: types, bounds, enums, references, alternatives."""
    if not isinstance(schema, dict) or depth > 12:
        return "demo" if schema is True else None
    refers = isinstance(schema.get("$ref"), str)
    if "const" in schema and not refers:
        return schema["const"]
    if schema.get("enum") and not refers:
        return dice.choice(schema["enum"])
    other = _referred(schema, root, depth)
    if other is not None:
        return _satisfy(other, root, dice, depth + 1)
    form = schema.get("type")
    if isinstance(form, list):
        form = next((one for one in form if one != "null"), "null")
    if form == "object" or (form is None and "properties" in schema):
        return _object(schema, root, dice, depth)
    if form == "array":
        return _array(schema, root, dice, depth)
    if form in {"integer", "number"}:
        return _number(schema, form, dice)
    if form == "boolean":
        return dice.random() < 0.5
    return None if form == "null" else _string(schema, dice)


def _referred(schema: dict[str, Any], root: dict[str, Any], depth: int) -> Any:
    """The schema that this one stands for: what it refers to, an alternative, or several as one; else ``None``."""
    if isinstance(reference := schema.get("$ref"), str):
        target: Any = root
        for step in reference.removeprefix("#").strip("/").split("/"):
            target = target.get(step, {}) if isinstance(target, dict) and step else target
        return target
    for name in ("anyOf", "oneOf"):
        if schema.get(name):
            # deep down, the shortest way out: an alternative that refers to nothing further
            ways = [way for way in schema[name] if depth < 4 or not re.search(r'"\$ref"', json.dumps(way))]
            return (ways or schema[name])[0]
    if not schema.get("allOf"):
        return None
    merged = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        for key, value in part.items() if isinstance(part, dict) else ():
            old = merged.get(key)
            merged[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _object(schema: dict[str, Any], root: dict[str, Any], dice: random.Random, depth: int) -> dict[str, Any]:
    needed = schema.get("required") or []
    members = {
        name: _satisfy(value, root, dice, depth + 1)
        for name, value in (schema.get("properties") or {}).items()
        if depth < 4 or name in needed
    }
    return {**members, **{name: "demo" for name in needed if name not in members}}


def _array(schema: dict[str, Any], root: dict[str, Any], dice: random.Random, depth: int) -> list[Any]:
    first = [_satisfy(item, root, dice, depth + 1) for item in schema.get("prefixItems") or []]
    least, most = schema.get("minItems", 0), schema.get("maxItems", 100)
    count = min(max(least, 2 if depth < 4 else 0), most)
    more = [_satisfy(schema.get("items", True), root, dice, depth + 1) for _ in range(max(0, count - len(first)))]
    return first + more


def _string(schema: dict[str, Any], dice: random.Random) -> str:
    text: str = _FORMATS.get(schema.get("format", ""), dice.choice(("elk", "antler", "forest", "meadow")))
    text += "!" * (schema.get("minLength", 0) - len(text))
    return text[: schema["maxLength"]] if "maxLength" in schema else text


def _number(schema: dict[str, Any], form: str, dice: random.Random) -> int | float:
    step = schema.get("multipleOf") or 1
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None:
        low = 0 if high is None or high > 0 else high - 10
    if high is None:
        high = low + 100
    if form == "number" and "multipleOf" not in schema:
        return round(low + (high - low) * dice.uniform(0.25, 0.75), 6)
    first = -(-low // step) * step
    if first == schema.get("exclusiveMinimum"):
        first += step
    value = first + step * dice.randint(0, max(0, int((high - first) // step) - 1))
    return int(value) if form == "integer" else value
