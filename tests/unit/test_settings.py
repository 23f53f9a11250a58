"""Settings: who wins, what is refused and where, and the schema that says the same."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from sdlc_runner.config import jsonc, loader, old_yaml
from sdlc_runner.config.settings import GROUPS, SETTINGS, Setting
from sdlc_runner.errors import Code, UsageError
from support import source_files

if TYPE_CHECKING:
    from collections.abc import Callable

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
    home.repository.write_text('{"max_parallel": 11}')
    assert now() == (11, "repository file")
    home.user.write_text('{"max_parallel": 12}')
    assert now() == (12, "user file")
    home.env["SDLC_RUNNER_MAX_PARALLEL"] = "13"
    assert now() == (13, "environment")
    assert now("max_parallel=14") == (14, "flag")
    assert now("max_parallel=14", "max_parallel=15") == (15, "flag")
    home.env["SDLC_RUNNER_MAX_PARALLEL"] = ""
    assert now() == (12, "user file")


def test_the_user_file_follows_xdg(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "xdg/sdlc-runner/config.jsonc"
    file.parent.mkdir(parents=True)
    file.write_text('{"max_parallel": 9}')
    home.user.write_text('{"max_parallel": 8}')
    home.env["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    assert home.load().settings.max_parallel == 9


def test_one_source_does_not_hide_other_keys_of_another(home: Home) -> None:
    home.repository.write_text('{"limits": {"tokens": 5, "cost": 1}}')
    home.user.write_text('{"limits": {"cost": 2.5}}')
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
    home.repository.write_text('{"clone.depth": 7}')
    assert home.load().settings.clone.depth == 7
    error = home.refused('{"clone.depth": 7,\n"clone": {\n"depth": 8}}')
    assert error.line == 3


REFUSED = {
    "unknown": ('{"max_paralel": 3}', 1, "max_parallel"),
    "unknown in a group": ('{"clone": {\n"dept": 3}}', 2, "clone.depth"),
    "unknown and like nothing": ('// hi\n\n{"zzzzzz": 3}', 3, "sdlc-runner config"),
    "string for an integer": ('{"max_parallel": "three"}', 1, "4"),
    "fraction for an integer": ('{"max_parallel": 2.5}', 1, "4"),
    "boolean for an integer": ('{"max_parallel": true}', 1, "4"),
    "integer for a boolean": ('{"parallel_stories": 1}', 1, "false"),
    "number for a string": ('{"agent": {"model": 2026}}', 1, '""'),
    "null for a string": ('{"remote": null}', 1, "origin"),
    "object for a string": ('{"remote": {"a": 1}}', 1, "origin"),
    "string for strings": ('{"verify": {\n"commands": "make"}}', 2, "[]"),
    "integers in strings": ('{"verify": {\n"commands": ["make", 1]}}', 2, "[]"),
    "lists in strings": ('{"verify": {\n"commands": [["make"]]}}', 2, "[]"),
    "too small": ('{"max_parallel": 0}', 1, "4"),
    "too large": ('{"limits": {"run_seconds": 1e300}}', 1, "7200"),
    "larger than any number": (f'{{"limits": {{"run_seconds": 1{"0" * 400}}}}}', 1, "7200"),
    "more digits than Python takes": (f'{{"max_parallel": 1{"0" * 5000}}}', 1, ""),
    "more than any float": ('{"limits": {"run_seconds": 1e999}}', 1, "7200"),
    "infinite": ('{"limits": {"run_seconds": Infinity}}', 1, ""),
    "no number": ('{"limits": {"run_seconds": NaN}}', 1, ""),
    "not among the choices": ('{"backend": "cloud"}', 1, "local"),
    "an option for a name": ('{"remote": "--upload-pack=evil"}', 1, "origin"),
    "two dots in a name": ('{"branch": {"prefix": "a/../b"}}', 1, "sdlc-runner"),
    "a lock for a name": ('{"branch": {"prefix": "a.lock/b"}}', 1, "sdlc-runner"),
    "a newline in a name": ('{"branch": {"prefix": "a\\n"}}', 1, "sdlc-runner"),
    "a NUL": ('{"agent": {"model": "a\\u0000"}}', 1, ""),
    "half a character": ('{"agent": {"model": "\\ud800"}}', 1, ""),
    "a program from a repository": ('{"agent": {\n"command": ["evil"]}}', 2, "AGENT_COMMAND"),
    "a pod from a repository": (
        '{"kubernetes": {\n"template_file": "p.yaml"}}',
        2,
        "_TEMPLATE_FILE",
    ),
    "a release from a repository": (
        '{"kubernetes": {"release": "evil"}}',
        1,
        "KUBERNETES_RELEASE",
    ),
    "a Secret from a repository": ('{"kubernetes": {"git_secret": "theirs"}}', 1, "GIT_SECRET"),
    "a host from a repository": ('{"clone": {"url": "https://evil.example/x"}}', 1, "CLONE_URL"),
    "a dotted host from a repository": ('{"clone.url": "https://evil.example/x"}', 1, "CLONE_URL"),
    "a host that is set twice": (
        '{"clone": {"depth": 1}, "clone": {"url": "https://evil.example/x"}}',
        1,
        "",
    ),
    "a group that is none": ('{"clone": 3}', 1, ""),
    "a list": ('["max_parallel"]', 1, ""),
    "a string": ('"max_parallel"', 1, ""),
    "null": ("null", 1, ""),
    "the same key again": ('{"max_parallel": 1,\n"max_parallel": 2}', 2, ""),
    "the same key again in a group": ('{"clone": {\n"depth": 1,\n"depth": 2}}', 3, ""),
    "the same by a former name": ('{"bundle": {"size": 1}, "bundle.size": 2}', 1, ""),
    "a key without quotes": ("{\nmax_parallel: 1}", 2, ""),
    "single quotes": ("{'max_parallel': 1}", 1, ""),
    "a word without quotes": ('{"remote": up}', 1, ""),
    "no colon": ('{"max_parallel" 1}', 1, ""),
    "no comma": ('{"max_parallel": 1\n"remote": "up"}', 2, ""),
    "not closed": ('{"max_parallel":\n1,\n\n', 2, ""),
    "a comment that is not closed": ("{} /* ", 1, ""),
    "two values": ('{"max_parallel": 1}\n{"max_parallel": 2}', 2, ""),
    "YAML": ("max_parallel: 1", 1, ""),
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
        b'{"remote": "caf\xe9"}',
        b'{"remote": "\x00"}',
        b'{"max_parallel": 1}' + b" " * loader.FILE_LIMIT,
        b'{"a": ' + b"[" * 20_000,
        b'{"a": ' + b'{"a": ' * 9_000,
        b"/*" * 20_000,
        b'"' + b"\\" * 30_000,
        b"//\n" * 20_000 + b"x",
        "{}".encode("utf-16"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_at_once(home: Home, data: bytes) -> None:
    home.refused(data)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_not_a_regular_file_is_refused(home: Home, make: Callable[[Path], object]) -> None:
    for path in (home.repository, home.user, home.repository.with_suffix(".yaml")):
        make(path)
        with pytest.raises(UsageError, match="cannot be read: it is a") as caught:
            home.load()
        assert (caught.value.code, str(path) in caught.value.message) == (Code.BAD_CONFIG, True)
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    "text", ["", "// nothing\n", "/* */", "{}\n", '\ufeff{"$schema": "x", "max_parallel": 4,}']
)
def test_what_says_nothing_is_no_error(home: Home, text: str) -> None:
    home.repository.write_text(text)
    assert home.load().settings.max_parallel == 4


def test_the_user_may_name_a_program(home: Home) -> None:
    home.user.write_text('{"agent": {"command": ["my", "agent"]}}')
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
        ("verify.commands='open", "list of strings"),
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
    if isinstance(value, float) and value.is_integer() and setting.kind == "integer":
        return
    right = loader.problem_with(setting, value) is None
    group, dot, name = setting.key.partition(".")
    assert VALIDATOR.is_valid({setting.key: value}) == right
    assert VALIDATOR.is_valid({group: {name: value}} if dot else {group: value}) == right


def test_the_schema_is_one_and_knows_every_key() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    defaults = {
        setting.key: list(setting.default) if setting.kind == "strings" else setting.default
        for setting in SETTINGS
    }
    assert VALIDATOR.is_valid(defaults)
    assert not VALIDATOR.is_valid({"max_paralel": 1})
    assert not VALIDATOR.is_valid({"clone": {"dept": 1}})


@given(data=st.binary(max_size=60) | st.text("a:[]{}-&*!|>\n\t #'\"?,01.~<", max_size=40))
def test_no_file_raises_anything_but_our_own_error(data: bytes | str) -> None:
    raw = data.encode() if isinstance(data, str) else data
    with suppress(UsageError):
        list(old_yaml.leaves(raw, Path("x.yaml"), frozenset({"a"})))


def test_a_former_name_is_read_with_a_note(home: Home) -> None:
    home.repository.write_text('{"bundle": {"size": 2}}')
    loaded = home.load()
    assert (loaded.settings.batch.size, loaded.sources["batch.size"]) == (2, "repository file")
    [note] = loaded.notes
    assert "bundle.size" in note.message
    assert "batch.size" in note.hint
    home.env["SDLC_RUNNER_BUNDLE_SIZE"] = "3"
    assert home.load().settings.batch.size == 3
    assert home.load("bundle.size=4").settings.batch.size == 4
    assert len(home.load("bundle.size=4").notes) == 3
    home.env["SDLC_RUNNER_BATCH_SIZE"] = "5"
    assert home.load().settings.batch.size == 5, "the new name wins"
    home.env = {"SDLC_RUNNER_BUNDLE_SIZE": "x"}
    with pytest.raises(UsageError, match="SDLC_RUNNER_BUNDLE_SIZE"):
        home.load()


def test_only_what_a_repository_sets_needs_consent(home: Home) -> None:
    text = '{"verify": {"commands": ["make test"]}}'
    home.user.write_text(text)
    assert home.load().needing_consent == ()
    home.user.unlink()
    home.repository.write_text(text)
    assert home.load().needing_consent == ("make test",)
    assert home.load("verify.commands=lint").needing_consent == ()


OLD = """\
# Settings of the team.

max_parallel: 3  # two cores
clone.depth: 7
limits:
  # an hour
  run_seconds: 3600
  cost: 1.5
verify:
  commands:
    - 'make "test"'
    - echo '#'
clone.url: ""
bundle: {size: 2}
# the end
"""
NEW = """\
{
  // Settings of the team.
  "max_parallel": 3, // two cores
  "clone": {
    "depth": 7,
  },
  "limits": {
    // an hour
    "run_seconds": 3600,
    "cost": 1.5,
  },
  "verify": {
    "commands": ["make \\"test\\"", "echo '#'"],
  },
  "clone.url": "",
  "batch": {
    "size": 2,
  },
  // the end
}
"""


def test_a_yaml_file_is_read_with_a_note_and_converted(home: Home) -> None:
    old = home.user.with_suffix(".yaml")
    old.write_text(OLD)
    loaded = home.load()
    assert loaded.settings.verify.commands == ('make "test"', "echo '#'")
    assert [note.code for note in loaded.notes] == ["old_settings_file", "old_setting"]
    assert "config --migrate" in loaded.notes[0].hint
    assert loader.migrate(home.user, trusted=True) == old
    assert home.user.read_text() == NEW
    again = home.load()
    assert again.settings == loaded.settings
    [stale] = again.notes
    assert f"rm {old}" in stale.hint
    with pytest.raises(UsageError, match="is there already"):
        loader.migrate(home.user, trusted=True)
    assert home.user.read_text() == NEW
    assert loader.migrate(home.repository, trusted=False) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("agent:\n  command: [evil]\n", 2),
        ("max_paralel: 1\n", 1),
        ("a: [1,\nb: {", 2),
        ("remote: !!python/object/apply:os.system [evil]\n", 1),
        ("max_parallel: 1\nmax_parallel: 2\n", 2),
        ("a: &a [*a]\n", 1),
    ],
)
def test_a_yaml_file_is_refused_as_before(home: Home, text: str, line: int) -> None:
    old = home.repository.with_suffix(".yaml")
    old.write_text(text)
    for act in (home.load, lambda: loader.migrate(home.repository, trusted=False)):
        with pytest.raises(UsageError) as caught:
            act()
        assert (caught.value.code, caught.value.line) == (Code.BAD_CONFIG, line)
        assert str(old) in caught.value.message
    assert not home.repository.exists()


def test_a_yaml_file_without_pyyaml_names_the_command(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.repository.with_suffix(".yaml").write_text("max_parallel: 3\n")
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.delitem(sys.modules, "sdlc_runner.config.old_yaml", raising=False)
    monkeypatch.delattr("sdlc_runner.config.old_yaml", raising=False)
    with pytest.raises(UsageError, match="PyYAML") as caught:
        home.load()
    assert (caught.value.code, caught.value.exit_code) == (Code.BAD_CONFIG, 2)
    assert "sdlc-runner config --migrate" in caught.value.hint


keys = st.sampled_from([setting.key for setting in SETTINGS])


@given(data=st.dictionaries(keys, near_misses, max_size=4), nested=st.booleans())
def test_no_jsonc_file_raises_anything_but_our_own_error(
    data: dict[str, Any], *, nested: bool
) -> None:
    record: dict[str, Any] = {}
    for key, value in data.items():
        group, dot, name = key.partition(".")
        if nested and dot:
            record.setdefault(group, {})[name] = value
        else:
            record[key] = value
    text = json.dumps(record)
    node = jsonc.parse(text)
    assert jsonc.value(text, node) == record
    read = {key: jsonc.value(text, leaf) for key, leaf, _ in jsonc.leaves(text, node, GROUPS)}
    assert read == data


@given(text=st.text('{}[]":,/*\n\\ae1.-', max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(jsonc.JsoncError):
        jsonc.value(text, jsonc.parse(text))
