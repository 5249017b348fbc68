# SPDX-License-Identifier: GPL-2.0-or-later
"""Source files as syntax: what their names stand for, and all that an agent can come to."""

from __future__ import annotations

import ast
import itertools
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Union

    Definition = Union[ast.FunctionDef, ast.ClassDef]

# What says more about the value than the function that it is given to or the method that is called on it.
_PLAIN_FUNCTIONS = ("len", "str", "int", "sorted")
_PLAIN_METHODS = ("partition", "rpartition", "strip", "rstrip", "split")


class Module:
    """A source file: what it defines, and what its names stand for."""

    def __init__(self, path: str) -> None:
        with open(path, encoding="utf-8") as file:
            self.tree = ast.parse(file.read())
        self.defined: dict[str, Definition] = {}
        self.constants: dict[str, str] = {}
        self.imported: dict[str, str] = {}
        for node in self.tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                self.defined[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                self.constants.update({identifier(target): str(node.value.value) for target in node.targets})
        for part in ast.walk(self.tree):
            if isinstance(part, ast.ImportFrom):
                self.imported.update({name.name: f"{part.module}.{name.name}" for name in part.names})


class Place:
    """A function, or a class, and where it stands: its names mean something there alone."""

    def __init__(self, module: Module, definition: Definition, owner: ast.ClassDef | None) -> None:
        self.module = module
        self.definition = definition
        self.owner = owner

    def functions(self) -> dict[str, Place]:
        """The functions that are defined in it."""
        nested = (node for node in ast.walk(self.definition) if isinstance(node, ast.FunctionDef))
        return {node.name: Place(self.module, node, self.owner) for node in nested}

    def bindings(self, name: str) -> Iterator[ast.expr]:
        """All that a local name may have been given."""
        for node in ast.walk(self.definition):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    yield from _bound(target, node.value, name)
            elif isinstance(node, (ast.AnnAssign, ast.NamedExpr, ast.AugAssign)) and node.value is not None:
                yield from _bound(node.target, node.value, name)
            elif isinstance(node, (ast.For, ast.comprehension)):
                yield from _bound(node.target, node.iter, name)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
                yield from _bound(node.func.value, node.args[0], name)


class Program:
    """An agent and what it can come to; `places` has each function and class of that."""

    def __init__(self, library: str) -> None:
        self._library = library
        self._modules: dict[str, Module | None] = {}
        self.places: dict[int, Place] = {}

    def reach(self, module: Module, definition: Definition, owner: ast.ClassDef | None = None) -> None:
        """Note a function or all of a class, and whatever is named in it."""
        if id(definition) in self.places:
            return
        self.places[id(definition)] = Place(module, definition, owner)
        # Of the classes that a class is made of, only those methods count that it calls.
        inside: list[ast.stmt] = definition.body
        if isinstance(definition, ast.ClassDef):
            for method in inside:
                if isinstance(method, ast.FunctionDef):
                    self.reach(module, method, definition)
        for part in itertools.chain.from_iterable(map(ast.walk, inside)):
            found = self.find(module, part)
            if found:
                self.reach(*found)
            elif owner is not None and isinstance(part, ast.Attribute) and identifier(part.value) == "self":
                self.reach_method(module, owner, part.attr)

    def reach_method(self, module: Module, owner: ast.ClassDef, name: str) -> None:
        """Note a method of a class, which may have it from another."""
        for method in owner.body:
            if isinstance(method, ast.FunctionDef) and method.name == name:
                self.reach(module, method, owner)
                return
        for base in owner.bases:
            found = self.find(module, base)
            if found and isinstance(found[1], ast.ClassDef):
                self.reach_method(found[0], found[1], name)

    def properties(self, name: str) -> Iterator[Place]:
        """The properties of this name that were reached, of whichever class."""
        for place in self.places.values():
            if place.definition.name == name and any(map(_is_property, place.definition.decorator_list)):
                yield place

    def constant(self, module: Module, node: ast.expr) -> str:
        """The value of a constant of a module; "" for anything else."""
        if isinstance(node, ast.Name):
            return module.constants.get(node.id, "")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            home = self.module(module.imported.get(node.value.id, ""))
            return home.constants.get(node.attr, "") if home else ""
        return ""

    def find(self, module: Module, node: ast.AST) -> tuple[Module, Definition] | None:
        """What a name, or a name of another module, stands for."""
        if isinstance(node, ast.Name):
            if node.id in module.defined:
                return module, module.defined[node.id]
            home, _, name = module.imported.get(node.id, "").rpartition(".")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            home, name = module.imported.get(node.value.id, ""), node.attr
        else:
            return None
        found = self.module(home)
        return (found, found.defined[name]) if found and name in found.defined else None

    def module(self, name: str) -> Module | None:
        if name not in self._modules:
            path = os.path.join(self._library, *name.split(".")) + ".py"
            known = name.startswith("twinsan.") and os.path.exists(path)
            self._modules[name] = Module(path) if known else None
        return self._modules[name]


def _is_property(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id == "property"


def _bound(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    """The part of `value` that a name gets in an assignment to `target`."""
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    elif isinstance(target, ast.Tuple):
        matching = value.elts if isinstance(value, ast.Tuple) else [value] * len(target.elts)
        for element, part in zip(target.elts, matching):
            yield from _bound(element, part, name)


def identifier(node: ast.expr) -> str:
    """A name for an expression: the last of the names in it that says what it is."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return _identifier_of_call(node)
    for field in ("value", "body", "left", "elt"):
        inner = getattr(node, field, None)
        if isinstance(inner, ast.expr):
            return identifier(inner)
    values = getattr(node, "values", None)
    return identifier(values[0]) if values else "value"


def _identifier_of_call(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Constant):
        # Words that are joined.
        return identifier(call.args[0])
    if isinstance(call.func, ast.Attribute) and call.func.attr in _PLAIN_METHODS:
        return identifier(call.func.value)
    name = identifier(call.func)
    if name in _PLAIN_FUNCTIONS:
        return identifier(call.args[0])
    # What a module keeps to itself has a name that says how, not what.
    return "why" if name.startswith("_") else name
