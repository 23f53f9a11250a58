"""Settings: who wins, what is refused and where, and the schema that says the same."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from sdlc_runner.config import loader, yaml_file
from sdlc_runner.config.settings import SETTINGS, Setting
from sdlc_runner.errors import Code, UsageError
from support import source_files

SCHEMA = json.loads((source_files.PACKAGE / "config.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
BY_KEY = {setting.key: setting for setting in SETTINGS}


class Home:
    """A repository's file, a user's file and an environment."""

    def __init__(self, folder: Path) -> None:
        self.root, self.home = folder / "root", folder / "home"
        self.repository = self.root / loader.REPOSITORY_FILE
        self.user = loader.user_file({}, self.home)
        self.env: dict[str, str] = {}
        for file in (self.repository, self.user):
            file.parent.mkdir(parents=True)

    def load(self, *flags: str) -> loader.Configuration:
        return loader.load(self.root, self.env, self.home, loader.from_flags(flags))

    def refused(self, text: str | bytes) -> UsageError:
        self.repository.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(UsageError) as caught:
            self.load()
        assert caught.value.code is Code.BAD_CONFIG
        assert str(self.repository) in caught.value.message
        assert "\n" not in caught.value.message
        return caught.value


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_every_setting_has_a_default_and_an_attribute(home: Home) -> None:
    items = list(home.load().items())
    assert [(setting, value) for setting, value, _ in items] == [(s, s.default) for s in SETTINGS]
    assert {source for _, _, source in items} == {"default"}
    assert len({setting.variable for setting in SETTINGS}) == len(SETTINGS)


def test_precedence(home: Home) -> None:
    def now(*flags: str) -> tuple[int, str]:
        loaded = home.load(*flags)
        return loaded.settings.max_parallel, loaded.sources["max_parallel"]

    assert now() == (4, "default")
    home.repository.write_text("max_parallel: 11\n")
    assert now() == (11, "repository file")
    home.user.write_text("max_parallel: 12\n")
    assert now() == (12, "user file")
    home.env["SDLC_RUNNER_MAX_PARALLEL"] = "13"
    assert now() == (13, "environment")
    assert now("max_parallel=14") == (14, "flag")
    assert now("max_parallel=14", "max_parallel=15") == (15, "flag")
    home.env["SDLC_RUNNER_MAX_PARALLEL"] = ""
    assert now() == (12, "user file")


def test_the_user_file_follows_xdg(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "xdg/sdlc-runner/config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("max_parallel: 9\n")
    home.user.write_text("max_parallel: 8\n")
    home.env["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    assert home.load().settings.max_parallel == 9


def test_one_source_does_not_hide_other_keys_of_another(home: Home) -> None:
    home.repository.write_text("limits: {tokens: 5, cost: 1}\n")
    home.user.write_text("limits: {cost: 2.5}\n")
    settings = home.load().settings
    assert (settings.limits.tokens, settings.limits.cost) == (5, 2.5)


def test_every_kind_can_be_set_everywhere(home: Home) -> None:
    wanted = {
        "agent.model": ("x/y", "x/y"),
        "parallel_stories": ("true", True),
        "clone.depth": ("0", 0),
        "limits.run_seconds": ("2", 2.0),
        "verify.commands": ("'make test' lint", ("make test", "lint")),
    }
    for key, (text, value) in wanted.items():
        setting = BY_KEY[key]
        loaded = home.load(f"{key}={text}")
        assert setting.of(loaded.settings) == value
        home.env = {setting.variable: text}
        loaded = home.load()
        assert (setting.of(loaded.settings), loaded.sources[key]) == (
            value,
            "environment",
        )
        assert type(setting.of(loaded.settings)) is type(setting.default)


def test_a_dotted_key_is_the_same_as_a_nested_one(home: Home) -> None:
    home.repository.write_text("clone.depth: 7\n")
    assert home.load().settings.clone.depth == 7
    error = home.refused("clone.depth: 7\nclone:\n  depth: 8\n")
    assert error.line == 3


REFUSED = {
    "unknown": ("max_paralel: 3", 1, "max_parallel"),
    "unknown in a group": ("clone:\n  dept: 3", 2, "clone.depth"),
    "unknown and like nothing": ("# hi\n\nzzzzzz: 3", 3, "sdlc-runner config"),
    "text for a count": ("max_parallel: three", 1, "4"),
    "fraction for a count": ("max_parallel: 2.5", 1, "4"),
    "flag for a count": ("max_parallel: true", 1, "4"),
    "count for a flag": ("parallel_stories: 1", 1, "false"),
    "date for a text": ("agent: {model: 2026-01-31}", 1, '""'),
    "nothing for a text": ("remote:", 1, "origin"),
    "text for texts": ("verify:\n  commands: make", 2, "[]"),
    "counts in texts": ("verify:\n  commands: [make, 1]", 2, "[]"),
    "lists in texts": ("verify:\n  commands: [[make]]", 2, "[]"),
    "too small": ("max_parallel: 0", 1, "4"),
    "too large": ("limits: {run_seconds: 1e300}", 1, "7200"),
    "larger than any number": (f"limits: {{run_seconds: 1{'0' * 400}}}", 1, "7200"),
    "infinite": ("limits: {run_seconds: .inf}", 1, "7200"),
    "no number": ("limits: {run_seconds: .nan}", 1, "7200"),
    "not among the choices": ("backend: cloud", 1, "local"),
    "an option for a name": ("remote: --upload-pack=evil", 1, "origin"),
    "two dots in a name": ("branch: {prefix: a/../b}", 1, "sdlc-runner"),
    "a lock for a name": ("branch: {prefix: a.lock/b}", 1, "sdlc-runner"),
    "a newline in a name": ('branch: {prefix: "a\\n"}', 1, "sdlc-runner"),
    "a program from a repository": ("agent:\n  command: [evil]", 2, "AGENT_COMMAND"),
    "a pod from a repository": ("kubernetes:\n  template_file: p.yaml", 2, "_TEMPLATE_FILE"),
    "a release from a repository": ("kubernetes: {release: evil}", 1, "KUBERNETES_RELEASE"),
    "a Secret from a repository": ("kubernetes: {git_secret: theirs}", 1, "GIT_SECRET"),
    "a host from a repository": ("clone: {url: 'https://evil.example/x'}", 1, "CLONE_URL"),
    "a group that is none": ("clone: 3", 1, ""),
    "a list": ("- max_parallel", 1, ""),
    "a text": ("max_parallel", 1, ""),
    "the same key again": ("max_parallel: 1\nmax_parallel: 2", 2, ""),
    "the same key again in a group": ("clone:\n  depth: 1\n  depth: 2", 3, ""),
    "a key that is a list": ("? [a, b]\n: 1", 1, ""),
    "not closed": ("a: [1,\nb: {", 3, ""),
    "a tab": ("a:\n\tb: 1", 2, ""),
    "two documents": ("max_parallel: 1\n---\nmax_parallel: 2", None, ""),
    "a tag": ("remote: !!python/object/apply:os.system [evil]", 1, ""),
    "another tag": ("remote: !!python/name:os.system ''", 1, ""),
    "merge keys": ("<<: {max_parallel: 1}", 1, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_with_line_and_remedy(home: Home, name: str) -> None:
    text, line, remedy = REFUSED[name]
    error = home.refused(text + "\n")
    assert remedy in error.hint
    if line is not None:
        assert error.line == line
        assert f"line {line}" in error.message or f"on {line}" in error.message


@pytest.mark.parametrize(
    "data",
    [
        b"remote: caf\xe9\n",
        b"remote: \x00\n",
        b"max_parallel: 1\n" + b"#" * loader.FILE_LIMIT,
        b"a: " + b"[" * 20_000,
        b"a: " + b"{a: " * 9_000,
        b"- " * 20_000,
        b"a: &a [b]\n" + b"".join(b"k%d: [*a, *a, *a, *a]\n" % number for number in range(2000)),
        b"a: &a [*a]\n",
        b"a: *gone\n",
        b"%YAML 9.9\n---\nremote: x\n",
        "remote: x".encode("utf-16"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_at_once(home: Home, data: bytes) -> None:
    home.refused(data)


def test_a_bomb_of_aliases_costs_nothing(home: Home) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 60)
    )
    assert "a0" in home.refused(bomb).message


def test_a_folder_in_place_of_the_file_is_said(home: Home) -> None:
    home.repository.mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        home.load()


@pytest.mark.parametrize("text", ["", "# nothing\n", "\ufeffmax_parallel: 4\n", "---\n", "{}\n"])
def test_what_says_nothing_is_no_error(home: Home, text: str) -> None:
    home.repository.write_text(text)
    assert home.load().settings.max_parallel == 4


def test_the_user_may_name_a_program(home: Home) -> None:
    home.user.write_text("agent:\n  command: [my, agent]\n")
    assert home.load().settings.agent.command == ("my", "agent")
    home.env["SDLC_RUNNER_AGENT_COMMAND"] = "other 'an agent'"
    assert home.load().settings.agent.command == ("other", "an agent")


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("agent.command=evil", "SDLC_RUNNER_AGENT_COMMAND"),
        ("max_parallel", "KEY=VALUE"),
        ("max_paralel=3", "max_parallel"),
        ("max_parallel=", "whole number"),
        ("max_parallel=0", "at least 1|from 1 to"),
        (f"max_parallel={'9' * 5000}", "max_parallel"),
        ("limits.run_seconds=nan", "from 0"),
        ("verify.commands='open", "list of texts"),
        ("parallel_stories=maybe", "true or false"),
        ("=3", "no setting"),
    ],
)
def test_a_flag_is_refused(home: Home, flag: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        home.load(flag)
    assert caught.value.code is Code.BAD_CONFIG
    text = f"{caught.value.message} {caught.value.hint}"
    assert any(each in text for each in said.split("|")), text
    assert caught.value.hint
    assert len(caught.value.message) < 300


def test_a_variable_is_refused_by_its_name(home: Home) -> None:
    home.env["SDLC_RUNNER_MAX_PARALLEL"] = "many"
    with pytest.raises(UsageError, match="SDLC_RUNNER_MAX_PARALLEL"):
        home.load()


near_misses = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.integers(loader.GREATEST - 1, loader.GREATEST + 1),
    st.sampled_from([10**30, 1e300, -0.5, 0.5, 1e9, 1e9 + 0.5]),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not x.is_integer()),
    st.text(max_size=6),
    st.sampled_from(["local", "origin", "a/b", "a//b", "a.lock", "-x", "a\n", "é", "a.b", "a."]),
    st.lists(st.text(max_size=3) | st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)


@pytest.mark.parametrize("setting", SETTINGS, ids=[setting.key for setting in SETTINGS])
@given(value=near_misses)
def test_the_schema_says_the_same(setting: Setting, value: Any) -> None:  # noqa: ANN401
    # JSON Schema cannot tell 1.0 from 1; only there do they differ.
    if isinstance(value, float) and value.is_integer() and setting.kind == "count":
        return
    right = loader.problem_with(setting, value) is None
    group, dot, name = setting.key.partition(".")
    assert VALIDATOR.is_valid({setting.key: value}) == right
    assert VALIDATOR.is_valid({group: {name: value}} if dot else {group: value}) == right


def test_the_schema_is_one_and_knows_every_key() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    defaults = {
        setting.key: list(setting.default) if setting.kind == "texts" else setting.default
        for setting in SETTINGS
    }
    assert VALIDATOR.is_valid(defaults)
    assert not VALIDATOR.is_valid({"max_paralel": 1})
    assert not VALIDATOR.is_valid({"clone": {"dept": 1}})


@given(data=st.binary(max_size=60) | st.text("a:[]{}-&*!|>\n\t #'\"?,01.~<", max_size=40))
def test_no_file_raises_anything_but_our_own_error(data: bytes | str) -> None:
    raw = data.encode() if isinstance(data, str) else data
    with suppress(UsageError):
        list(yaml_file.leaves(raw, Path("x.yaml"), frozenset({"a"})))
