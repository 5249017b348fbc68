# SPDX-License-Identifier: GPL-2.0-or-later
"""Secrets: none gets into a site file or a report. Here are the files that they go to, and the commands for that."""

from __future__ import annotations

import shlex

from twinsan.errors import Misconfigured
from twinsan.lio import chap
from twinsan.operate.adoption.found import Notes, Secret

_FOLDER = "/etc/twinsan"

# What follows is one file for each target: its suffix is appended.
CHAP, BACK, OWN = (f"{_FOLDER}/{name}" for name in ("chap", "chap-of-target", "chap-of-initiators"))

BMC = f"{_FOLDER}/bmc-password"

_MAKE_FOLDER = f"install -d -m 700 {_FOLDER}"

# Pacemaker's word in its configuration for a secret that it keeps in files.
IN_FILES = "lrm://"


def check_chap(secret: str, place: str, notes: Notes, back: str = "") -> None:
    """Note a CHAP secret that twinsan does not take."""
    if secret == IN_FILES:
        return
    try:
        chap.check(chap.Credentials("name", secret, "name" if back else "", back), "")
    except Misconfigured as fault:
        told = str(fault).replace("  ", " ")
        notes.lose(place, told, "change it first, on the hosts as well, where it is now; then type twinsan adopt again")


def of_resource(resource: str, parameter: str, value: str, path: str) -> Secret:
    """Return how a secret gets from the parameter of a resource, which has `value`, into the file `path`."""
    name = shlex.quote(resource)
    read = f"crm_resource --resource {name} --get-parameter {parameter}"
    if value == IN_FILES:
        read = f"cibsecret get {name} {parameter}"
    return Secret(path, (_MAKE_FOLDER, f"(umask 077; {read} >{path})"))


def bmc_program(resource: str, parameter: str, value: str) -> Secret:
    """Return how a program that prints the password of the BMCs gets it from the fence device that has it."""
    kept = of_resource(resource, parameter, value, f"{BMC}.secret")
    write = f"printf '#!/bin/sh\\nexec cat {BMC}.secret\\n' >{BMC} && chmod 700 {BMC}"
    return Secret(BMC, (*kept.commands, write))


def of_saveconfig(saved: str, expression: str, path: str) -> Secret:
    """Return how secrets get out of the file `saved` into the file `path`. `expression` yields its lines, of the saved
    configuration `c`.
    """
    program = f"import json, sys; c = json.load(sys.stdin); print(*({expression}), sep='\\n')"
    write = f"(umask 077; python3 -c {shlex.quote(program)} <{shlex.quote(saved)} >{path})"
    commands = (_MAKE_FOLDER, write, f"scp -p {path} OTHER:{path}")
    return Secret(path, commands, "on the server that has the file; OTHER is the other one, with the same folder")
