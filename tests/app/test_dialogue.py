"""The dialogue texts: every language whole, and a file of one's own that is wrong said so exactly."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from app.dialogue.reading import DELIVERED, BadDialogue, read_phrases
from app.settings import BadSetting, load_settings
from statecharts.phrases import Fillers, Phrases

LANGUAGES = list(tomllib.loads(DELIVERED.read_text(encoding="utf-8")))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_delivered_language_has_every_text(language: str) -> None:
    phrases = read_phrases(DELIVERED, language)
    for struct in (phrases, phrases.filler):
        for name, variants in msgspec.structs.asdict(struct).items():
            assert variants, f"{language}.{name} is missing"
    for fillers in msgspec.structs.asdict(phrases.filler).values():
        assert len(set(fillers)) >= 2


def test_english_and_german_are_delivered_and_differ() -> None:
    assert {"en", "de"} <= set(LANGUAGES)
    english, german = read_phrases(DELIVERED, "en"), read_phrases(DELIVERED, "de")
    same = [name for name in Phrases.__struct_fields__ if getattr(english, name) == getattr(german, name)]
    assert not same


def test_what_a_file_leaves_out_is_the_delivered_text_of_the_same_language(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[de]\nhello = ["Moin."]\nstop = []\n[de.filler]\nhelp = ["Hm.", "Tja."]\n', encoding="utf-8")
    phrases, delivered = read_phrases(file, "de"), read_phrases(DELIVERED, "de")
    assert phrases.hello == ("Moin.",)
    assert phrases.stop == ()
    assert phrases.filler == Fillers(
        question=delivered.filler.question, help=("Hm.", "Tja."), repeat=delivered.filler.repeat
    )
    assert phrases.goodbye == delivered.goodbye
    assert read_phrases(file, "en") == read_phrases(DELIVERED, "en")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[en]\nhello = "Hi"', r"mine\.toml: en\.hello: expected a list of texts.*found 'Hi'"),
        ('[en]\nhello = ["Hi", 3]', r"en\.hello: expected a list of texts"),
        ('[en]\nhello = [" "]', r"en\.hello: expected a list of texts"),
        ('[en]\nhallo = ["Hi"]', r"en\.hallo: expected one of .*hello"),
        ('[en.filler]\nquestion = ["Well."]', r"en\.filler\.question: expected two different texts"),
        ('[en.filler]\nquestion = ["Well.", "Well."]', r"en\.filler\.question: expected two different texts"),
        ('[en.filler]\nstop = ["Well.", "So."]', r"en\.filler\.stop: expected one of help, question, repeat"),
        ('[en]\nfiller = ["Well."]', r"en\.filler: expected a table"),
        ('hello = ["Hi"]', r"mine\.toml: hello: expected a table for each language"),
        ('[fr]\nhello = ["Salut."]', r"fr: expected every text.*missing: apology, filler\.help"),
        ("[en\n", r"mine\.toml: expected a TOML file: .*line 1"),
    ],
)
def test_a_wrong_file_is_said_with_its_name_the_key_and_what_was_expected(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(BadDialogue, match=told):
        read_phrases(file, "en")


def test_an_unknown_language_is_said_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadDialogue, match=r"\[fr\].*there are de, en"):
        read_phrases(DELIVERED, "fr")
    with pytest.raises(BadDialogue, match=r"nowhere\.toml: expected a TOML file that can be read"):
        read_phrases(tmp_path / "nowhere.toml", "en")


def test_the_settings_say_it_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOICECHART_LANGUAGE", "fr")
    with pytest.raises(BadSetting, match="fr"):
        load_settings()
    monkeypatch.setenv("VOICECHART_LANGUAGE", "de")
    assert load_settings().rules[1].thanks == read_phrases(DELIVERED, "de").thanks


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_copy_can_be_written_edited_and_used(tmp_path: Path) -> None:
    assert _run(tmp_path, "config", "--copy-dialogue", "mine.toml").returncode == 0
    assert (tmp_path / "mine.toml").read_bytes() == DELIVERED.read_bytes()
    again = _run(tmp_path, "config", "--copy-dialogue", "mine.toml")
    assert again.returncode == 2
    assert "mine.toml exists" in again.stderr
    (tmp_path / "voicechart.toml").write_text('dialogue = "mine.toml"\n')
    shown = _run(tmp_path, "config", "--json")
    assert msgspec.json.decode(shown.stdout)["dialogue"] == {"value": "mine.toml", "from": "voicechart.toml"}
    (tmp_path / "mine.toml").write_text("[en]\nhello = 1\n")
    broken = _run(tmp_path, "serve")
    assert broken.returncode == 2
    assert "mine.toml: en.hello: expected a list of texts" in broken.stderr
