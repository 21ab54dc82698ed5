"""Notes of one reason on files of one suffix are one line with an example and a count."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.pictures import photo
from support.programs import command
from zoo.data.notes import Note, alike


def test_notes_are_grouped_by_action_reason_and_suffix() -> None:
    notes = [Note(f"a/{at}.wav", "left out", "no image") for at in range(5)]
    notes += [Note(f"a/{at}.MP3", "left out", "no image") for at in range(4)]
    notes += [
        Note("a/x.mp3", "kept", "odd"),
        Note("b/y.txt", "left out", "no image"),
        Note("b/z.txt", "left out", "no image"),
    ]
    found = alike(notes)
    assert [(group.name, group.count) for group in found] == [
        ("a/0.wav and 4 others ending .wav", 5),
        ("a/0.MP3 and 3 others ending .mp3", 4),
        ("a/x.mp3", 1),
        ("b/y.txt", 1),
        ("b/z.txt", 1),
    ]


@pytest.mark.parametrize(
    "reason",
    [
        "no UTF-8: byte 0xe{at} at {at}",
        "same content as p/{at}.png, q/{at}.png; kept on the same side",
        "same content as p/{at}.png, which is held out",
        "listed twice; row {at} is passed over",
    ],
)
def test_reasons_that_differ_in_numbers_or_names_alone_are_one(reason: str) -> None:
    notes = [Note(f"row {at}", "kept", reason.format(at=at)) for at in range(1200)]
    assert [group.name for group in alike(notes)] == ["row 0 and 1,199 others"]


def test_a_folder_of_sounds_beside_images_is_told_in_few_lines(workplace: Path) -> None:
    for index in range(8):
        photo(workplace / "d" / "ab"[index % 2] / f"{index}.png", index % 2, index)
    for index in range(300):
        (workplace / "d" / "a" / f"{index}.wav").write_bytes(b"RIFF0000WAVE" + bytes([index % 256]))
        (workplace / "d" / "b" / f"{index}.lab").write_text("x")
    found = command("check", "d")
    assert found.returncode == 0 and len(found.stdout.splitlines()) < 20, found
    assert "299 others ending .wav" in found.stdout and "299 others ending .lab" in found.stdout
    assert command("check", "d", "--json").stdout.count(".wav") == 300
