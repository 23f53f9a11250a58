"""The picture: XML that stands alone, runs nothing, says in words what it shows, and scales."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from sdlc_runner.report import timeline
from sdlc_runner.report.model import Mood, RunReport
from support.report_records import NINE, attempt, run

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('x')</script>]]>&amp;\"\x00\x1b[31m\ufffe\u202e"


def parse(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own text, without entities


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def bars(root: ET.Element, mood: str) -> list[tuple[float, float]]:
    found = (e for e in root.iter(f"{SVG}rect") if e.get("class") == mood and e.get("rx") == "2")
    return [(float(e.attrib["x"]), float(e.attrib["width"])) for e in found]


def test_one_attempt_has_a_pale_bar_and_the_agents_own() -> None:
    root = parse(timeline.draw(run([attempt()])))
    assert bars(root, "good around") == [(120, 630)]
    working, legend = bars(root, "good")
    assert working == (172.5, 525)
    assert legend[1] == 12
    assert {"T001-1", "succeeded · 1 min 00 s", "verified"} <= set(texts(root))
    assert "from 2026-01-01 09:00 to 2026-01-01 09:01 UTC" in texts(root)


def test_it_says_in_words_what_it_shows() -> None:
    root = parse(timeline.draw(run([attempt(), attempt("T002", outcome="failed", mood=Mood.BAD)])))
    assert root.attrib["role"] == "img"
    ids = [element.attrib["id"] for element in root if element.tag in {f"{SVG}title", f"{SVG}desc"}]
    assert root.attrib["aria-labelledby"].split() == ids
    (description,) = root.findall(f"{SVG}desc")
    assert description.text == (
        "2 attempts: 1 succeeded, 1 failed, from 2026-01-01 09:00 to 2026-01-01 09:01 UTC."
    )


def test_what_runs_goes_on_to_now() -> None:
    running = attempt(ended=None, outcome="running", mood=Mood.RUNNING)
    root = parse(timeline.draw(run([running], now=NINE + 10)))
    assert bars(root, "running around") == [(120, 630)]
    assert "running" in texts(root)


def test_an_attempt_of_which_no_time_is_known_has_a_row() -> None:
    lost = attempt("T009", None, None, outcome="lost", mood=Mood.HALTED)
    root = parse(timeline.draw(run([lost])))
    assert bars(root, "halted around") == []
    assert {"T009-1", "lost"} <= set(texts(root))


def test_the_other_tasks_of_a_bundle_are_counted() -> None:
    root = parse(timeline.draw(run([attempt(tasks=("T001", "T002", "T003"))])))
    assert "T001-1 +2" in texts(root)
    (tooltip,) = (e.text for e in root.findall(f"{SVG}g/{SVG}title"))
    assert tooltip == (
        "T001-1 (T001, T002, T003): succeeded · 1 min 00 s, began 2026-01-01 09:00:00 UTC"
    )


def test_a_night_between_two_is_cut() -> None:
    text = timeline.draw(run([attempt(), attempt("T002", NINE + 50_000, NINE + 50_060)]))
    assert text.count("a pause, cut short") == 1
    widths = [width for _, width in bars(parse(text), "good around")]
    assert widths == [303, 303]


@pytest.mark.parametrize("count", [0, 1, 60, 61, 200])
def test_every_attempt_has_a_row_inside_the_picture(count: int) -> None:
    many = [attempt(f"T{n:03}", NINE + n * 7, NINE + n * 7 + 90) for n in range(count)]
    text = timeline.draw(run(many))
    root = parse(text)
    height = float(root.attrib["height"])
    assert root.attrib["viewBox"] == f"0 0 960 {root.attrib['height']}"
    assert len(root.findall(f"{SVG}g")) == count
    places = [float(e.attrib["y"]) for e in root.iter() if "y" in e.attrib]
    assert all(0 < y < height for y in places)
    assert height < 3000
    assert len(text) < 100_000


def test_nothing_hostile_is_markup() -> None:
    bad = attempt(HOSTILE, outcome=HOSTILE, tasks=(HOSTILE, HOSTILE))
    text = timeline.draw(RunReport(HOSTILE, HOSTILE, NINE, (), (bad,)))
    root = parse(text)
    assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {
        *("svg", "title", "desc", "style", "rect", "path", "text", "g")
    }
    assert not [name for e in root.iter() for name in e.attrib if name.startswith("on")]
    assert "href" not in text
    assert "url(" not in text
    assert "\ufffe" not in text
    assert root.findtext(f"{SVG}title", "").startswith("Timeline of <script>")


def test_the_same_run_is_the_same_picture() -> None:
    many = [attempt(f"T{n:03}", NINE + n, NINE + 60) for n in range(9)]
    assert timeline.draw(run(many)) == timeline.draw(run(list(reversed(many))))


def test_every_shade_is_defined_for_light_and_dark() -> None:
    text = timeline.draw(run([attempt()]))
    light, _, dark = text.partition("prefers-color-scheme:dark")
    used = {word for classes in re.findall(r'class="([^"]+)"', text) for word in classes.split()}
    for name in used:
        assert f".{name}{{" in light
        assert name == "around" or f".{name}{{" in dark.partition("</style>")[0]
