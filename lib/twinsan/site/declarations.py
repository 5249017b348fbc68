# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agents declare themselves: their parameters, what is a right value, and the operations that they advise."""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import importlib.util
import os
import sys

from twinsan.errors import Misconfigured, NotInstalled, Reason
from twinsan.ocf.agent import Agent
from twinsan.ocf.environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from twinsan.ocf.agent import Action
    from twinsan.ocf.parameter import Parameter

NO_AGENT = Reason(NotInstalled, "the agent {agent} is not where twinsan is", "install twinsan again: make install")

# The operations of a resource, in the order in which a configuration has them.
_OPERATIONS = ("start", "stop", "promote", "demote", "monitor")

# The closest look that is part of a configuration. Level 20 reads the device, and is for who wants it.
_DEEPEST = 10


@functools.cache
def parameters(agent: str) -> dict[str, Parameter]:
    """Return the parameters that an agent declares, by name."""
    return {parameter.name: parameter for parameter in _load(agent).parameters()}


@functools.cache
def operations(agent: str) -> list[Action]:
    """Return the operations that an agent advises."""
    advised = [listed for listed, _ in _load(agent).actions()]
    return [
        listed for name in _OPERATIONS for listed in advised if listed.name == name and (listed.depth or 0) <= _DEEPEST
    ]


def fault(agent: str, name: str, value: str) -> str:
    """Return what the declaration of a parameter says against a value; "" if it is right."""
    try:
        parameters(agent)[name].check(_load(agent)(Environment({f"OCF_RESKEY_{name}": value}), "validate-all"))
    except Misconfigured as wrong:
        return str(wrong)
    return ""


def fault_of_all(agent: str, values: dict[str, str]) -> str:
    """Return what an agent says against its values together; "" if they are right."""
    variables = {f"OCF_RESKEY_{name}": value for name, value in values.items()}
    try:
        _load(agent)(Environment(variables), "validate-all").check_parameters()
    except Misconfigured as wrong:
        return str(wrong)
    return ""


@functools.cache
def _load(agent: str) -> type[Agent]:
    """Return the class of an agent: of the compiled module that `make install` has put into the library, or of the
    program. Raises NotInstalled.
    """
    module_name = agent.replace("-", "_")
    try:
        module = importlib.import_module(f"twinsan.agents.{module_name}")
    except ModuleNotFoundError:
        module = _program(agent, module_name)
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Agent) and value.__module__ == module.__name__
    )
    return found


def _program(agent: str, module_name: str) -> ModuleType:
    """Load the program of an agent as a module: of the checkout, or as pip has installed it."""
    lib = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    places = [os.path.join(os.path.dirname(lib), "agents"), os.path.join(lib, "ocf", "resource.d", "twinsan")]
    place = next((each for each in places if os.path.exists(os.path.join(each, agent))), None)
    if place is None:
        raise NO_AGENT(agent=agent)
    loader = importlib.machinery.SourceFileLoader(f"agent_{module_name}", os.path.join(place, agent))
    specification = importlib.util.spec_from_loader(loader.name, loader)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    # No compiled file may be left beside a program.
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module
