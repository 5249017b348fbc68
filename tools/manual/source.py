# SPDX-License-Identifier: GPL-2.0-or-later
"""Source files as syntax trees: what their names refer to, and all code that an agent can reach."""

from __future__ import annotations

import ast
import functools
import itertools
import os
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Union

    Definition = Union[ast.FunctionDef, ast.ClassDef]


class Module:
    """A source file: its definitions, and the full names of what it imports."""

    def __init__(self, path: str, name: str = "") -> None:
        # The full name of the module; "" for an agent's file.
        self.name = name
        with open(path, encoding="utf-8") as file:
            self.tree = ast.parse(file.read())
        self.defined: dict[str, Definition] = {}
        self.imported: dict[str, str] = {}
        for node in self.tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                self.defined[node.name] = node
        for part in ast.walk(self.tree):
            if isinstance(part, ast.ImportFrom):
                self.imported.update({name.asname or name.name: f"{part.module}.{name.name}" for name in part.names})


@functools.cache
def _module(path: str, name: str) -> Module:
    """Read a module of the library once for all agents."""
    return Module(path, name)


class Place:
    """A function or class with its module and the class that owns it, by which its names are resolved."""

    def __init__(self, module: Module, definition: Definition, owner: ast.ClassDef | None) -> None:
        self.module = module
        self.definition = definition
        self.owner = owner


class Program:
    """An agent and all code that it can reach: `places` has each function and class of that code."""

    def __init__(self, library: str) -> None:
        self._library = library
        self._modules: dict[str, Module | None] = {}
        self.places: dict[int, Place] = {}

    def reach(self, module: Module, definition: Definition, owner: ast.ClassDef | None = None) -> None:
        """Record a function, or a class with all its methods, and everything that is named in it."""
        if id(definition) in self.places:
            return
        self.places[id(definition)] = Place(module, definition, owner)
        # Of a base class, only the methods that the class calls are reached.
        inside: list[ast.stmt] = definition.body
        if isinstance(definition, ast.ClassDef):
            for method in inside:
                if isinstance(method, ast.FunctionDef):
                    self.reach(module, method, definition)
            # A read of a descriptor's attribute calls this method.
            self.reach_method(module, definition, "__get__")
        for part in itertools.chain.from_iterable(map(walk, inside)):
            found = self.find(module, part)
            if found:
                self.reach(*found)
            elif owner is not None and isinstance(part, ast.Attribute) and _receiver(part) == "self":
                self.reach_method(module, owner, part.attr)
            elif owner is not None and isinstance(part, ast.Attribute) and _receiver(part) == "super":
                self._reach_inherited(module, owner, part.attr)

    def reach_method(self, module: Module, owner: ast.ClassDef, name: str) -> None:
        """Record a method of a class, defined there or inherited."""
        for method in owner.body:
            if isinstance(method, ast.FunctionDef) and method.name == name:
                self.reach(module, method, owner)
                return
        self._reach_inherited(module, owner, name)

    def _reach_inherited(self, module: Module, owner: ast.ClassDef, name: str) -> None:
        """Record a method that a class inherits."""
        for base in owner.bases:
            found = self.find(module, base)
            if found and isinstance(found[1], ast.ClassDef):
                self.reach_method(found[0], found[1], name)

    def find(self, module: Module, node: ast.AST) -> tuple[Module, Definition] | None:
        """Return the module and definition that a name, or an attribute of a module, refers to; None if unknown."""
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
            self._modules[name] = _module(path, name) if known else None
        return self._modules[name]


def walk(root: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all below it, in the order of ast.walk, but for what is tried and whose failure is dropped."""
    due = deque([root])
    while due:
        node = due.popleft()
        yield node
        dropped = node.body if isinstance(node, ast.Try) and any(map(_drops_failures, node.handlers)) else []
        due.extend(child for child in ast.iter_child_nodes(node) if child not in dropped)


def _drops_failures(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches every failure and does nothing about it."""
    caught = {name.id for name in ast.walk(handler.type) if isinstance(name, ast.Name)} if handler.type else set()
    return "Failure" in caught and all(isinstance(line, (ast.Continue, ast.Pass)) for line in handler.body)


def _receiver(attribute: ast.Attribute) -> str:
    """Return the name before the dot, such as "self", or "super" for ``super().x``; "" for anything else."""
    value = attribute.value.func if isinstance(attribute.value, ast.Call) else attribute.value
    return value.id if isinstance(value, ast.Name) else ""
