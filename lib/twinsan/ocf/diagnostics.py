# SPDX-License-Identifier: GPL-2.0-or-later
"""The reasons that an agent can give, for its manual page: read from its source and from all that it calls.

What becomes an exception of ``twinsan.errors``, or is handed to ``degraded`` and the others of ``_TOLD``, is a reason.
Its text is followed from there to where it is written, through names, returned values and the functions called. So a
reason that somebody adds is in the page with the next ``make man``.
"""

from __future__ import annotations

import ast
import re

from twinsan import errors
from twinsan.ocf.source import Module, Place, Program, identifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.ocf.source import Definition

DEGRADED = "degraded"

# What an agent's method is called with a reason, and what it makes of it.
_TOLD = {
    "degraded": DEGRADED,
    "drifted": DEGRADED,
    "broken": errors.Failure.__name__,
    "explain": errors.Failure.__name__,
}
_WAITING = "gave up waiting until "

_BLANK = re.compile("\0([^\0]+)\0")


class Reason:
    """A reason and what to type; what stands for a value is between two NULs (see `parts`)."""

    def __init__(self, text: str) -> None:
        self.reason, _, self.remedy = text.partition("; ")
        self.text = text

    def pattern(self) -> str:
        """A regular expression that every such reason contains a match of."""
        return ".*".join(map(re.escape, _literal(self.reason)))


def parts(text: str) -> list[tuple[str, bool]]:
    """A text in pieces, each with whether it stands for a value. What is only added to a word is left out."""
    pieces = _BLANK.split(text)
    shown: list[tuple[str, bool]] = []
    for index, piece in enumerate(pieces):
        is_blank = bool(index % 2)
        before, after = (pieces[index - 1][-1:], pieces[index + 1][:1]) if is_blank else ("", "")
        is_optional = before.isalnum() or before == ")" or after.isalnum() or (index > 1 and is_blank and not before)
        if piece and not is_optional:
            shown.append((piece, is_blank))
    return shown


def of(path: str, library: str) -> dict[str, list[Reason]]:
    """The reasons of the agent in the file `path`: for each class of failure, and for "degraded"."""
    program = Program(library)
    agent = Module(path)
    for definition in agent.defined.values():
        if isinstance(definition, ast.ClassDef):
            program.reach(agent, definition)
            program.reach_method(agent, definition, "run")
    return _Reader(program).read()


class _Reader:
    """Follows reasons to their texts."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def read(self) -> dict[str, list[Reason]]:
        """The reasons of all that was reached, in the order of the source."""
        found: dict[str, dict[str, Reason]] = {}
        for place in self._program.places.values():
            if isinstance(place.definition, ast.FunctionDef):
                for kind, text in self._told(place):
                    # What only repeats the text of an exception stands in the page by itself.
                    if _has_words(text):
                        found.setdefault(kind, {}).setdefault("*".join(_literal(text)), Reason(text))
        return {kind: list(reasons.values()) for kind, reasons in found.items()}

    def _told(self, place: Place) -> Iterator[tuple[str, str]]:
        """The kinds and texts that a function makes reasons of."""
        if place.module is self._program.module("twinsan.deadline") or place.definition.name in _TOLD:
            return
        swallowed = {
            id(node)
            for attempt in ast.walk(place.definition)
            if isinstance(attempt, ast.Try)
            and any("DeadlinePassed" in ast.dump(handler) for handler in attempt.handlers)
            for statement in attempt.body
            for node in ast.walk(statement)
        }
        for call in ast.walk(place.definition):
            if not isinstance(call, ast.Call):
                continue
            word = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            kind = _TOLD.get(word) or self._kind_of_error(place, call)
            if kind:
                more = self._repair(word)
                for argument in call.args:
                    yield from ((kind, text + more) for text in self._texts(place, argument, ()) if text.strip())
            elif word == "wait_until" and id(call) not in swallowed:
                texts = list(self._texts(place, call.args[1], ()))
                yield from ((errors.DeadlinePassed.__name__, _WAITING + text) for text in texts[:1])

    def _repair(self, word: str) -> str:
        """What `drifted` or `broken` adds to a reason."""
        for place in self._program.places.values():
            if word in ("drifted", "broken") and place.definition.name == word:
                calls = (node for node in ast.walk(place.definition) if isinstance(node, ast.Call) and node.args)
                (text,) = (call.args[0] for call in calls if isinstance(call.args[0], ast.JoinedStr))
                return "".join(self._piece(place, piece) for piece in text.values[1:])
        return ""

    def _kind_of_error(self, place: Place, call: ast.Call) -> str:
        """The class of ``twinsan.errors`` that a call makes, "" for none."""
        if isinstance(call.func, ast.Attribute) and call.func.attr == "__init__" and place.owner is not None:
            return self._error(place.module, place.owner)
        found = self._program.find(place.module, call.func)
        return self._error(*found) if found and isinstance(found[1], ast.ClassDef) else ""

    def _error(self, module: Module, definition: Definition) -> str:
        if module is self._program.module("twinsan.errors"):
            return definition.name
        bases = definition.bases if isinstance(definition, ast.ClassDef) else []
        found = [self._program.find(module, base) for base in bases]
        return next((self._error(*each) for each in found if each), "")

    def _texts(self, place: Place, node: ast.expr, seen: tuple[int, ...]) -> Iterator[str]:
        """All texts that an expression may come to."""
        if id(node) in seen:
            return
        seen = (*seen, id(node))
        if isinstance(node, ast.Constant):
            yield from [node.value] if isinstance(node.value, str) and node.value else []
        elif isinstance(node, ast.JoinedStr):
            yield from self._texts_of_template(place, node, seen)
        elif isinstance(node, ast.Call):
            yield from self._texts_of_call(place, node, seen)
        elif isinstance(node, ast.Attribute):
            for owner in self._program.properties(node.attr):
                yield from self._returned(owner, seen)
        else:
            for part in _alternatives(place, node):
                yield from self._texts(place, part, seen)

    def _texts_of_template(self, place: Place, node: ast.JoinedStr, seen: tuple[int, ...]) -> Iterator[str]:
        whole = "".join(self._piece(place, piece) for piece in node.values)
        complete: list[str] = []
        typed = False
        for piece in node.values:
            typed = typed or "; " in self._piece(place, piece)
            if isinstance(piece, ast.FormattedValue) and not self._inlined(place, piece.value):
                for text in self._texts(place, piece.value, seen):
                    if not _has_words(whole) or text.startswith((";", " ")):
                        # Only together they make a sentence.
                        complete.append(whole.replace(self._piece(place, piece), text))
                    elif "; " in text and not typed:
                        # A reason within a reason says what to type; what does not is the name of something.
                        yield text
        yield from complete or [whole]

    def _texts_of_call(self, place: Place, call: ast.Call, seen: tuple[int, ...]) -> Iterator[str]:
        called = list(self._called(place, call.func))
        for inner in called:
            yield from self._returned(inner, seen)
        for argument in call.args:
            if isinstance(argument, ast.Lambda):
                yield from self._texts(place, argument.body, seen)
            elif isinstance(argument, ast.Name) and argument.id in place.functions():
                yield from self._returned(place.functions()[argument.id], seen)
            elif not called:
                yield from self._texts(place, argument, seen)

    def _returned(self, place: Place, seen: tuple[int, ...]) -> Iterator[str]:
        for node in ast.walk(place.definition):
            if isinstance(node, ast.Return) and node.value is not None:
                yield from self._texts(place, node.value, seen)

    def _called(self, place: Place, function: ast.expr) -> Iterator[Place]:
        """The functions that a call may mean: its name may be bound to several."""
        own = place.owner.body if place.owner is not None and isinstance(function, ast.Attribute) else []
        for method in own:
            if isinstance(method, ast.FunctionDef) and method.name == identifier(function):
                yield Place(place.module, method, place.owner)
        names = [function]
        if isinstance(function, ast.Name):
            names += [name for value in place.bindings(function.id) for name in getattr(value, "elts", ())]
        for name in names:
            found = self._program.find(place.module, name)
            if found and isinstance(found[1], ast.FunctionDef):
                yield Place(found[0], found[1], None)

    def _piece(self, place: Place, piece: ast.expr) -> str:
        if isinstance(piece, ast.FormattedValue):
            inlined = self._inlined(place, piece.value)
            return inlined or f"\0{identifier(piece.value).strip('_').removeprefix('shown_').upper()}\0"
        return str(piece.value) if isinstance(piece, ast.Constant) else ""

    def _inlined(self, place: Place, value: ast.expr) -> str:
        """The text of a value that is a constant, or that has but one source, with words in it; else ""."""
        constant = self._program.constant(place.module, value)
        if constant:
            return constant
        given = list(place.bindings(value.id)) if isinstance(value, ast.Name) else []
        if isinstance(value, ast.Call):
            called = list(self._called(place, value.func))
            place = called[0] if called else place
            returned = [ast.walk(place.definition)] if len(called) == 1 else []
            given = [node.value for nodes in returned for node in nodes if isinstance(node, ast.Return) and node.value]
        if len(given) == 1 and isinstance(given[0], (ast.JoinedStr, ast.Constant)):
            text = "".join(self._piece(place, piece) for piece in getattr(given[0], "values", given))
            return text if _has_words(text) else ""
        return ""


def _alternatives(place: Place, node: ast.expr) -> Iterator[ast.expr]:
    """The expressions that another one takes its value from."""
    if isinstance(node, ast.Name):
        yield from place.bindings(node.id)
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, (ast.GeneratorExp, ast.ListComp)):
        yield node.elt
    elif isinstance(node, (ast.BoolOp, ast.Tuple, ast.List, ast.Subscript, ast.NamedExpr, ast.Starred)):
        yield from (child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))


def _has_words(text: str) -> bool:
    """Whether a reason says something of its own before it says what to type."""
    return any(map(str.isalpha, "".join(_literal(text.partition("; ")[0]))))


def _literal(text: str) -> list[str]:
    """The pieces of a text between its blanks."""
    return _BLANK.split(text)[::2]
