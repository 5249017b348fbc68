# SPDX-License-Identifier: GPL-2.0-or-later
"""Names and secrets of CHAP: their rules, their file, and that no message shows one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit import owner
from twinsan.errors import Failure, Misconfigured, NotHere
from twinsan.lio import chap
from twinsan.lio.chap import Credentials

SECRET = "correct-horse-battery"
OTHER = "staple-of-another-kind"
ESX1, ESX2 = "iqn.1998-01.com.vmware:esx1", "iqn.1998-01.com.vmware:esx2"


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        (Credentials("esx"), "give the secret"),
        (Credentials("", SECRET), "give the name"),
        (Credentials("esx", SECRET, "san"), "by which the target proves itself; give the secret"),
        (Credentials("", "", "san", OTHER), "does so first"),
        (Credentials("esx", SECRET, "san", SECRET), "both directions"),
        (Credentials("esx", "short"), "12 to 255"),
        (Credentials("esx", "s" * 256), "has 256 characters"),
        (Credentials("esx", "NULL" * 4), "NULL"),
        (Credentials("NULLesx", SECRET), "NULL"),
        (Credentials("e" * 256, SECRET), "LIO keeps 255"),
        (Credentials("esx", "with blanks in it"), "blank"),
        (Credentials("esx", "söcret-söcret-söcret"), "ASCII"),
        (Credentials("esx one", SECRET), "blank"),
        (Credentials("esx", "lrm://"), "cibsecret set"),
    ],
)
def test_what_is_refused(credentials: Credentials, words: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        chap.check(credentials, "of the test")
    assert words in str(raised.value)
    for secret in (credentials.secret, credentials.back_secret):
        assert len(secret) < 12 or secret not in str(raised.value)


@pytest.mark.parametrize("length", [12, 255])
def test_what_is_taken(length: int) -> None:
    chap.check(Credentials("esx", "s" * length, "san", "t" * length), "of the test")


def test_esxi_is_documented_for_letters_and_digits() -> None:
    assert chap.suits_esxi(Credentials("esx", "abcdefgh0123", "san", "0123abcdefgh"))
    assert not chap.suits_esxi(Credentials("esx", "abcdefgh0123", "san", SECRET))


def test_entries() -> None:
    lines = f"# comment\n\n{ESX1.upper()} esx1 {SECRET}\n{ESX2} esx2 {SECRET} san {OTHER}\n"
    for text in (lines, lines.replace("\n", " ; ")):
        found = chap.parse(text, "a file")
        assert {name: list(credentials.values().values()) for name, credentials in found.items()} == {
            ESX1: ["esx1", SECRET, "", ""],
            ESX2: ["esx2", SECRET, "san", OTHER],
        }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{ESX1} esx1", "entry 1 of the file has 2 words"),
        (f"{ESX1} esx1 {SECRET}; {ESX2} {SECRET} esx2 {SECRET}", "entry 2 of the file has 4 words"),
        (f"{ESX1} esx1 {SECRET}; {ESX1} esx1 {SECRET}", "names iqn.1998-01.com.vmware:esx1 twice"),
        (f"{ESX1} esx1 short", f"of {ESX1} in the file"),
    ],
)
def test_entries_that_are_wrong(text: str, words: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        chap.parse(text, "the file")
    assert words in str(raised.value)
    assert SECRET not in str(raised.value)


def test_everyone_has_credentials_or_nobody() -> None:
    both, own = (ESX1, ESX2), {ESX1: Credentials("esx1", SECRET)}
    common = Credentials("esx", OTHER)
    assert chap.assign(both, chap.NONE, {}, demo_mode=False) == {}
    assert chap.assign(both, common, own, demo_mode=False) == {ESX1: own[ESX1], ESX2: common}
    assert chap.assign((), common, {}, demo_mode=True) == {"": common}
    with pytest.raises(Misconfigured, match=f"{ESX2} has no CHAP credentials"):
        chap.assign(both, chap.NONE, own, demo_mode=False)
    with pytest.raises(Misconfigured, match="which allowed_initiators does not"):
        chap.assign((ESX2,), common, own, demo_mode=False)


def test_no_core_dump_holds_a_secret() -> None:
    """core(5): with 0 in its coredump_filter, none of a process's memory is dumped."""
    filter_of_this = Path("/proc/self/coredump_filter")
    before = filter_of_this.read_text()
    try:
        # What the kernel gives to the first process, and more.
        filter_of_this.write_text("0x7f")
        chap.keep_out_of_cores()
        assert int(filter_of_this.read_text(), 16) == 0
    finally:
        filter_of_this.write_text(f"0x{before.strip()}")


def test_a_kernel_without_core_dumps_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def refuse(path: str, *_: object, **__: object) -> None:
        opened.append(path)
        raise FileNotFoundError(path)

    monkeypatch.setattr("builtins.open", refuse)
    chap.keep_out_of_cores()
    assert opened == ["/proc/self/coredump_filter"]


@pytest.mark.usefixtures("files_of_root")
def test_a_file_for_root_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    for mode in (0o644, 0o640, 0o602):
        file.chmod(mode)
        with pytest.raises(NotHere, match=f"chmod 600 {file}"):
            chap.read(str(file))
    file.chmod(0o600)
    assert chap.read(str(file)) == f"{SECRET}\n"
    owner.pretend(monkeypatch, 1)
    with pytest.raises(NotHere, match="chown root"):
        chap.read(str(file))


@pytest.mark.usefixtures("files_of_root")
def test_a_file_that_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    (tmp_path / "bytes").write_bytes(b"\xff" * 20)
    (tmp_path / "bytes").chmod(0o600)
    for name in ("pipe", "folder", "bytes", "nothing"):
        with pytest.raises(Failure, match=str(tmp_path / name)):
            chap.read(str(tmp_path / name))


@pytest.mark.usefixtures("files_of_root")
def test_a_file_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    """Initiators whose entries were cut off would be locked out without a word."""
    file = tmp_path / "credentials"
    file.touch(0o600)
    file.write_text("x" * 65536)
    assert len(chap.read(str(file))) == 65536
    file.write_text("x" * 65537)
    with pytest.raises(NotHere, match="more than 65536 bytes"):
        chap.read(str(file))
