"""YAML that a user writes, read into a model: one line for every mistake in it. Loads no PyTorch."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from obcn.errors import UserError
from obcn.reading import read_regular

Model = TypeVar("Model", bound=BaseModel)

# Bytes. YAML is read at about 100 kB/s.
_MAX_YAML = 1_000_000
_SHOWN_PROBLEMS = 5
_MERGE = "tag:yaml.org,2002:merge"


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Parse a YAML file into ``model``; every mistake in it is one line of a :class:`UserError`."""
    try:
        content = parse_yaml(read_regular(path, _MAX_YAML).decode())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is not readable YAML: {error}") from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {describe_problems(error)}") from error


def parse_yaml(text: str) -> Any:
    """What YAML says.

    Raises:
        ValueError: not readable; the message says in one line why.
    """
    try:
        return yaml.load(text, _OneOfEachKey)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    except (LookupError, AttributeError) as error:  # from YAML's own loader, as for !!bool maybe
        raise ValueError("a value is none of its tag's") from error
    except (yaml.YAMLError, ValueError) as error:  # a ValueError is a date or a number that there is none of
        raise ValueError(_without_content(error)) from error


def _without_content(error: Exception) -> str:
    """What YAML says of a mistake and where, without the lines around it: the file may be anybody's secret."""
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return " ".join(str(error).split())[:500]
    problem = ", ".join(filter(None, (error.context, error.problem)))
    return f"{problem[:300]} (line {mark.line + 1}, column {mark.column + 1})"


class _OneOfEachKey(yaml.SafeLoader):
    """YAML's own loader keeps the last of two values under one key and says nothing."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._checked: set[yaml.MappingNode] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        # Before others are merged into it (<<: *other): its own keys stand beside theirs then, and win.
        if node not in self._checked:
            self._checked.add(node)
            self._refuse_doubles(node)
        super().flatten_mapping(node)

    def _refuse_doubles(self, node: yaml.MappingNode) -> None:
        seen = set()
        own = (key for key, _ in node.value if key.tag != _MERGE)
        for key in (self.construct_object(key, deep=True) for key in own):
            # What cannot be a key, YAML's own loader refuses.
            if isinstance(key, Hashable) and key in seen:
                problem = f"{repr(key)[:60]} is set twice"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)
            if isinstance(key, Hashable):
                seen.add(key)


def describe_problems(error: ValidationError) -> str:
    """What is wrong with a config or a card, each problem with its place, the first few of them."""
    problems = error.errors()
    # A misspelt key explains the missing one.
    problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")
    more = "; and more" if len(problems) > _SHOWN_PROBLEMS else ""
    return "; ".join(_describe(problem) for problem in problems[:_SHOWN_PROBLEMS]) + more


def _describe(problem) -> str:
    where = ".".join(str(part)[:60] for part in problem["loc"]) or "file"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {where!r}"
    if problem["type"] == "missing":
        return f"{where} is missing"
    return f"{where}: {problem['msg']}"
