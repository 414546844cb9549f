"""Checks against protocols that nobody has asked before: typing keeps answers, and refuses where it doesn't like who asks."""

from __future__ import annotations

import typing

import torch

import tracer


@typing.runtime_checkable
class Sized(typing.Protocol):
    size: int


class Box:
    size = 3


def test_a_first_check_against_a_protocol_with_data_is_captured() -> None:
    compiled = tracer.compile(lambda x: x + 1 if isinstance(box, Sized) else x - 1, backend="eager")
    box = Box()
    assert compiled(torch.zeros(2)).tolist() == [1.0, 1.0]
    assert compiled.session.stats["graphs"] == 1 and compiled.session.stats["skipped"] == 0
