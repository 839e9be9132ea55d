"""The built-in demo: elkcli/api/demo.py, through httpx as the client uses it."""

from __future__ import annotations

import io
import json
import threading
import time
from typing import Any

import httpx
import jsonschema
import pytest
from PIL import Image

from elkcli.api.demo import MODELS, DemoTransport
from elkcli.api.embedded import Splitter
from elkcli.api.hoard import Found
from elkcli.media import dimensions
from tests import samples
from tests.api.test_embedded import url

URL = "demo://elkcli/v1/chat/completions"


def client(pace: float = 0.0, **options: Any) -> httpx.Client:
    return httpx.Client(transport=DemoTransport(pace, **options), base_url="demo://elkcli/v1")


def asked(prompt: Any = "hi", model: str = "demo", **body: Any) -> httpx.Response:
    messages = body.pop("messages", None) or [{"role": "user", "content": prompt}]
    with client() as http:
        return http.post(URL, json={"model": model, "messages": messages, **body})


def content(response: httpx.Response) -> str:
    text = response.json()["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text


def chunks(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.headers["content-type"] == "text/event-stream"
    lines = response.text.split("\n\n")
    assert lines[-1] == ""
    assert all(line.startswith("data: ") for line in lines[:-1])
    assert [line for line in lines if line == "data: [DONE]"] in ([], lines[-2:-1])
    return [json.loads(line[6:]) for line in lines[:-1] if line != "data: [DONE]"]


def streamed(response: httpx.Response, channel: str = "content") -> str:
    deltas = [choice["delta"] for chunk in chunks(response) for choice in chunk.get("choices", [])]
    return "".join(delta.get(channel) or "" for delta in deltas)


def test_it_says_what_it_is_and_what_it_received() -> None:
    messages = [
        {"role": "system", "content": "Be | brief"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": [{"type": "text", "text": "and now?"}, *attachments()]},
    ]
    text = content(asked(messages=messages, model="my-model", temperature=0.5, stop=["END"], seed=7))
    for said in (
        "demo built into elkcli",
        "`my-model`",
        "4 (1 system, 2 user, 1 assistant)",
        "Be \\| brief",
        "temperature 0.5, seed 7, 1 stop strings",
        "image/png, 33×21",
        "an image at https://example.org/a.png",
        "audio/wav, ",
        "report.pdf, ",
        "> and now?",
        "message number 2",
    ):
        assert said in text, said
    assert text.count("```") == 2


def attachments() -> list[dict[str, Any]]:
    return [
        {"type": "image_url", "image_url": {"url": url(samples.png(33, 21))}},
        {"type": "image_url", "image_url": "https://example.org/a.png"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"filename": "report.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
    ]


def test_the_same_prompt_gets_the_same_answer_and_another_prompt_another() -> None:
    assert content(asked("hi")) == content(asked("hi"))
    assert len({content(asked(f"hi {n}")) for n in range(5)}) == 5
    assert content(asked("some rust code please")).count("```rust") == 1


def test_streamed_and_whole_answers_are_the_same_words() -> None:
    whole, stream = asked("hi"), asked("hi", stream=True)
    assert streamed(stream) == content(whole)
    parts = chunks(stream)
    assert parts[0]["choices"][0]["delta"] == {"content": "", "role": "assistant"}
    assert parts[-2]["choices"][0]["finish_reason"] == "stop"
    assert parts[-1]["choices"] == []
    assert parts[-1]["usage"] == whole.json()["usage"]
    assert stream.text.endswith("data: [DONE]\n\n")
    usage = whole.json()["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] > 50


def test_every_reply_has_a_request_id() -> None:
    first, second = asked("hi"), asked("hi", model="demo-error-401")
    assert first.headers["x-oneapi-request-id"].startswith("demo")
    assert f"(request id: {second.headers['x-oneapi-request-id']})" in second.json()["error"]["message"]


def test_options_are_followed() -> None:
    short = asked("hi", max_tokens=5).json()
    assert short["choices"][0]["finish_reason"] == "length"
    assert short["usage"]["completion_tokens"] == 5
    stopped = asked("hi", stop=["##", "nowhere"])
    assert content(stopped) == content(asked("hi")).partition("##")[0].replace("stop", "") or "##" not in content(
        stopped
    )
    assert stopped.json()["choices"][0]["finish_reason"] == "stop"
    several = asked("hi", n=3).json()["choices"]
    assert [choice["index"] for choice in several] == [0, 1, 2]
    assert {choice["index"] for chunk in chunks(asked("hi", n=2, stream=True)) for choice in chunk["choices"]} == {0, 1}
    assert not [
        part for part in chunks(asked("hi", stream=True, stream_options={"include_usage": False})) if part["usage"]
    ]


SCHEMAS: list[dict[str, Any]] = [
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    },
    {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 3, "maxItems": 3},
    {"type": "object", "required": ["other"], "additionalProperties": True},
    {"type": "number", "minimum": 3, "maximum": 4},
    {"type": "integer", "exclusiveMinimum": 3, "multipleOf": 4, "maximum": 9},
    {"type": "integer", "maximum": -5},
    {"type": ["null", "boolean"]},
    {"anyOf": [{"const": 3}, {"type": "null"}]},
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}},
            {"properties": {"b": {"type": "null"}}, "required": ["b"]},
        ]
    },
    {"type": "string", "minLength": 12, "maxLength": 12},
    {"type": "string", "format": "date"},
    {
        "$ref": "#/$defs/tree",
        "$defs": {
            "tree": {
                "type": "object",
                "required": ["value"],
                "additionalProperties": False,
                "properties": {
                    "value": {"type": "number"},
                    "left": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
                    "kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
                },
            }
        },
    },
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_json_follows_the_schema(schema: dict[str, Any]) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    for n in range(5):
        jsonschema.validate(json.loads(content(asked(f"hi {n}", response_format=form))), schema)


def test_a_plain_json_object_can_be_had() -> None:
    assert json.loads(content(asked("hi", response_format={"type": "json_object"})))["demo"] is True


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504, 418])
def test_any_status_can_be_rehearsed(status: int) -> None:
    response = asked(model=f"demo-error-{status}")
    assert response.status_code == status
    assert response.json()["error"]["message"]


def test_an_error_code_can_be_rehearsed() -> None:
    error = asked(model="demo-error-403-insufficient_user_quota").json()["error"]
    assert error["code"] == "insufficient_user_quota"
    assert error["type"] == "new_api_error"


def test_an_unknown_demo_model_is_refused_as_the_relay_does() -> None:
    for model in ("demo-nonsense", "demo-error-999", "demo-error-20"):
        response = asked(model=model)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "model_not_found"


def test_an_answer_can_be_cut() -> None:
    response = asked(model="demo-cut", stream=True)
    assert "[DONE]" not in response.text
    assert not [choice for chunk in chunks(response) for choice in chunk["choices"] if choice["finish_reason"]]
    assert len(streamed(response)) > 100
    with pytest.raises(httpx.RemoteProtocolError):
        asked(model="demo-cut")


def test_other_ends_can_be_rehearsed() -> None:
    assert asked(model="demo-length").json()["choices"][0]["finish_reason"] == "length"
    assert asked(model="demo-filter").json()["choices"][0]["finish_reason"] == "content_filter"
    assert asked(model="demo-empty").json()["choices"] == []
    assert streamed(asked(model="demo-empty", stream=True)) == ""
    assert chunks(asked(model="demo-stream-error", stream=True))[-1]["error"]["code"] == 503
    assert asked(model="demo-html").headers["content-type"].startswith("text/html")
    call = asked(model="demo-tool").json()["choices"][0]
    assert call["finish_reason"] == "tool_calls"
    assert json.loads(call["message"]["tool_calls"][0]["function"]["arguments"])["valley"] == "north"
    with client() as http:
        body = {"model": "demo-flaky", "messages": [{"role": "user", "content": "hi"}]}
        assert [http.post(URL, json=body).status_code for _ in range(3)] == [503, 200, 200]


def test_it_thinks_when_its_name_says_so() -> None:
    for model in ("demo-reason", "some-thinking-model"):
        assert "elk" in asked(model=model).json()["choices"][0]["message"]["reasoning_content"]
        assert "elk" in streamed(asked(model=model, stream=True), "reasoning_content")
    assert "reasoning_content" not in asked().json()["choices"][0]["message"]


def test_it_rests_between_chunks_and_a_closed_stream_ends_the_rest() -> None:
    rests: list[float | None] = []
    body = {"model": "demo", "messages": [{"role": "user", "content": "hi"}], "stream": True, "max_tokens": 3}

    def wait(seconds: float | None) -> bool:
        rests.append(seconds)
        return False

    with client(0.25, wait=wait) as http:
        http.post(URL, json=body)
    assert set(rests) == {0.25}
    assert len(rests) >= 5
    begun = time.monotonic()
    with client(30) as http, http.stream("POST", URL, json=body) as response:
        threading.Timer(0.05, response.close).start()
        for _ in response.iter_raw():
            pass
    assert time.monotonic() - begun < 5


def test_silence_ends_with_the_patience_of_the_client() -> None:
    body = {"model": "demo-stall", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    for stream in (True, False):
        with client() as http, pytest.raises(httpx.ReadTimeout):
            http.post(URL, json={**body, "stream": stream}, timeout=0.01)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model": ""}, 400, ""),
        ({"messages": []}, 500, "invalid_request"),
        ({"messages": ["hi"]}, 500, "invalid_request"),
        ({"max_tokens": "100"}, 500, "invalid_request"),
        ({"max_tokens": -1}, 500, "invalid_request"),
        ({"temperature": "0.5"}, 500, "invalid_request"),
        ({"stream": "true"}, 500, "invalid_request"),
        ({"extra_body": {"google": {"imageConfig": {}}}}, 500, "convert_request_failed"),
    ],
)
def test_a_bad_request_is_refused_as_the_relay_does(body: dict[str, Any], status: int, code: str) -> None:
    good = {"model": "demo", "messages": [{"role": "user", "content": "hi"}]}
    with client() as http:
        response = http.post(URL, json={**good, **body})
        assert response.status_code == status
        assert response.json()["error"]["code"] == code
        assert http.post(URL, content=b"{nonsense").status_code == 400


def test_odd_content_does_no_harm() -> None:
    odd: list[Any] = [
        None,
        "",
        [],
        [{"type": "text"}, {"type": "video_url", "video_url": "x"}, 7],
        {"a": 1},
        "\0| `x`\n\n",
    ]
    for value in odd:
        assert asked(messages=[{"role": "user", "content": value}]).status_code == 200
    assert asked(messages=[{"role": "tool", "tool_call_id": "x", "content": "y"}]).status_code == 200


def test_models_and_balance_are_told() -> None:
    with client() as http:
        names = [model["id"] for model in http.get("/models").json()["data"]]
        assert "demo" in names
        assert not [name for name in names if "STATUS" in name]
        assert set(names) < set(MODELS)
        assert http.get("/models/demo").json()["id"] == "demo"
        assert http.get("/models/demo-nope").json()["error"]["code"] == "model_not_found"
        assert http.get("/dashboard/billing/subscription").json()["hard_limit_usd"] == 100000000
        assert http.get("/dashboard/billing/usage").json()["total_usage"] == 0
        assert http.get("demo://elkcli/api/usage/token/").json()["data"]["unlimited_quota"] is True
        assert http.get("/nowhere").status_code == 404


def test_an_image_in_an_earlier_answer_is_seen_as_one() -> None:
    text = f"Here.\n![image]({url(samples.png())})"
    words = content(asked(messages=[{"role": "assistant", "content": text}, {"role": "user", "content": "nice"}]))
    assert not [bit for bit in Splitter().feed(words) if isinstance(bit, Found)]
    assert "2 (1 assistant, 1 user)" in words


def picture(response: httpx.Response, *, stream: bool = False) -> bytes:
    splitter = Splitter()
    text = streamed(response) if stream else content(response)
    found = [bit for bit in [*splitter.feed(text), *splitter.close()] if isinstance(bit, Found)]
    assert len(found) == 1
    assert found[0].claimed == "image/png"
    assert text.count("\n![image](data:") == 1
    return found[0].data


def colours(png: bytes) -> tuple[int, int, int]:
    """The picture's colour, all in all."""
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        pixel = image.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return (int(pixel[0]), int(pixel[1]), int(pixel[2]))


def config(ratio: str, size: str) -> dict[str, Any]:
    return {"google": {"image_config": {"aspect_ratio": ratio, "image_size": size}}}


@pytest.mark.parametrize(
    ("ratio", "size", "pixels"),
    [
        ("1:1", "512", (512, 512)),
        ("16:9", "512", (512, 288)),
        ("9:16", "1K", (576, 1024)),
        ("21:9", "1K", (1024, 439)),
        ("8:1", "1K", (1024, 128)),
        ("1:8", "512", (64, 512)),
    ],
)
def test_it_draws_a_picture_of_the_shape_and_size_that_was_asked_for(
    ratio: str, size: str, pixels: tuple[int, int]
) -> None:
    png = picture(asked("an elk", extra_body=config(ratio, size)))
    assert dimensions(png) == pixels
    assert len(set(colours(png))) > 1
    assert picture(asked("an elk", extra_body=config(ratio, size), stream=True), stream=True) == png


def test_a_model_of_pictures_draws_one_unasked_and_counts_it() -> None:
    response = asked("an elk", model="demo-image")
    assert dimensions(picture(response)) == (1024, 1024)
    assert response.json()["usage"]["completion_tokens_details"]["image_tokens"] == 1120
    assert "demo built into elkcli" in content(response)


def test_other_prompts_and_choices_give_other_pictures() -> None:
    small = config("1:1", "512")
    assert picture(asked("an elk", extra_body=small)) == picture(asked("an elk", extra_body=small))
    assert picture(asked("an elk", extra_body=small)) != picture(asked("a moose", extra_body=small))
    texts = [choice["message"]["content"] for choice in asked("an elk", extra_body=small, n=2).json()["choices"]]
    assert texts[0] != texts[1]


@pytest.mark.parametrize("as_history", [True, False])
def test_a_picture_that_is_sent_along_is_changed(as_history: bool) -> None:
    first = picture(asked("an elk at dawn", extra_body=config("4:3", "512")))
    if as_history:
        messages: list[dict[str, Any]] = [
            {"role": "user", "content": "an elk"},
            {"role": "assistant", "content": f"Here.\n![image]({url(first)})"},
            {"role": "user", "content": "now make it blue"},
        ]
    else:
        image = {"type": "image_url", "image_url": {"url": url(first)}}
        messages = [{"role": "user", "content": [{"type": "text", "text": "make it blue"}, image]}]
    response = asked(messages=messages, model="demo-image")
    second = picture(response)
    assert "the same picture in blue" in content(response)
    assert dimensions(second) == (512, 384)
    red, _, blue = colours(second)
    assert blue > red + 40
    assert colours(first)[2] - colours(first)[0] < 20


def test_a_foreign_picture_is_admitted_to_be_unseen() -> None:
    image = {"type": "image_url", "image_url": {"url": url(samples.by_pillow("JPEG"), "image/jpeg")}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "make it green"}, image]}]
    response = asked(messages=messages, extra_body=config("1:1", "512"))
    assert "cannot see your image/jpeg" in content(response)
    assert dimensions(picture(response)) == (512, 512)


@pytest.mark.parametrize(
    ("ratio", "size"), [("1:9", "1K"), ("0:1", "1K"), ("wide", "1K"), ("1:1", "2k"), ("1:1", "8K")]
)
def test_a_shape_or_size_that_google_refuses_is_refused(ratio: str, size: str) -> None:
    assert asked("an elk", extra_body=config(ratio, size)).status_code == 400
