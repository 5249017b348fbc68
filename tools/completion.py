# SPDX-License-Identifier: GPL-2.0-or-later
"""The completion of the command line for bash, from the argument parser of the command."""

from __future__ import annotations

import argparse
import shlex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# How a value is completed, by its name in the help; any other is left to the operator.
_BY_METAVAR = {
    "FOLDER": "_twinsan_files -d",
    "FILE": "_twinsan_files -f",
}
_BY_SUFFIX = {
    ".toml": "_twinsan_files -f '*.toml'",
    ".xml": "_twinsan_files -f '*.xml'",
    ".html": "_twinsan_files -f '*.html'",
    ".prom": "_twinsan_files -f '*.prom'",
}

_HEAD = """\
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of twinsan for bash. Generated from the command by "make man".

_twinsan_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word")
}

# Files, with -d folders; a second argument is what a file must be called. Folders lead to files.
_twinsan_files() {
    local each
    compopt -o filenames 2>/dev/null
    while IFS= read -r each; do
        # shellcheck disable=SC2053
        [[ -d $each || -z $2 || $each == $2 ]] && COMPREPLY+=("$each")
    done < <(compgen "$1" -- "$word")
}

# The resources of DRBD, by their files.
_twinsan_drbd() {
    local each names=
    for each in /etc/drbd.d/*.res; do
        each=${each##*/}
        [[ $each == "*.res" ]] || names+=" ${each%.res}"
    done
    _twinsan_words "$names"
}

_twinsan() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= each
    local IFS=$' \\t\\n'
    COMPREPLY=()
    for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$command $each" in
@KNOWN@
            command="$command $each"
            ;;
        esac
    done
    # The value of an option.
    case "$command $before" in
@VALUES@
    esac
    # An option, or what stands without one.
    case "$command" in
@WORDS@
    esac
}

complete -F _twinsan twinsan
"""


def render(parser: argparse.ArgumentParser) -> str:
    """Return the script."""
    known = list(_commands(parser, ""))
    names = " | ".join(f'"{name}"' for name, _ in known if name)
    values = [line for name, command in known for line in _values(name, command)]
    words = [line for name, command in known for line in _words(name, command)]
    text = _HEAD.replace("@KNOWN@", f"        {names})")
    return text.replace("@VALUES@", "\n".join(values)).replace("@WORDS@", "\n".join(words))


def _commands(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The parser and those of its commands, by the words that lead to each, with a space before each word."""
    yield path, parser
    for action in _actions(parser):
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  argparse has no public access to its parts
            for name, command in action.choices.items():
                yield from _commands(command, f"{path} {name}")


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001


def _values(path: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in _actions(parser):
        if action.option_strings and action.nargs != 0:
            names = " | ".join(f'"{path} {name}"' for name in action.option_strings)
            yield f"    {names})"
            if completed := _completed(action):
                yield f"        {completed}"
            yield "        return"
            yield "        ;;"


def _words(path: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    options = [max(each.option_strings, key=len) for each in _actions(parser) if each.option_strings]
    others = [each for each in _actions(parser) if not each.option_strings]
    completed = next(filter(None, map(_completed, others)), "")
    yield f'    "{path}")'
    if completed:
        yield "        if [[ $word == -* ]]; then"
        yield f'            _twinsan_words "{" ".join(options)}"'
        yield "        else"
        yield f"            {completed}"
        yield "        fi"
    else:
        yield f'        _twinsan_words "{" ".join(options)}"'
    yield "        ;;"


def _completed(action: argparse.Action) -> str:
    """The command that completes the value of an action; "" for none."""
    if action.choices:
        return f"_twinsan_words {shlex.quote(' '.join(map(str, action.choices)))}"
    if action.dest == "resource" and not action.option_strings:
        return "_twinsan_drbd"
    name = action.metavar if isinstance(action.metavar, str) else ""
    suffix = name[name.rfind(".") :] if "." in name else ""
    return _BY_SUFFIX.get(suffix) or _BY_METAVAR.get(name, "")
