"""Tensors in whatever modules give, and the keys that lead to them."""

import dataclasses
from collections import OrderedDict, namedtuple

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from prober.subject.nested_outputs import pick, tensors

A, B, C = torch.rand(1), torch.rand(2), torch.rand(3)
Pair = namedtuple("Pair", "low high")


@dataclasses.dataclass
class Features:
    maps: torch.Tensor
    others: list


def test_the_tensors_of_a_distribution_are_its_parameters():
    scores = torch.tensor([[0.2, 1.7, -1.0]])
    found = dict(tensors({"pi": Categorical(logits=scores), "value": A}))
    assert list(found) == [("pi", "probs"), ("pi", "logits"), ("value",)]
    torch.testing.assert_close(found["pi", "probs"], scores.softmax(1))
    torch.testing.assert_close(found["pi", "logits"], scores.log_softmax(1))
    normal = Independent(Normal(scores, 1 + scores**2), 1)
    assert pick(normal, ("base_dist", "loc")) is normal.base_dist.loc
    assert [path for path, _ in tensors(normal)] == [("base_dist", "loc"), ("base_dist", "scale")]
    mixed = MixtureSameFamily(Categorical(logits=scores), Normal(scores, 1 + scores**2))
    assert [path[1] for path, _ in tensors(mixed)] == ["probs", "logits", "loc", "scale"]


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (A, {(): A}),
        ((A, None, B), {(0,): A, (2,): B}),
        ([A, [B, {"deep": C}]], {(0,): A, (1, 0): B, (1, 1, "deep"): C}),
        (OrderedDict(out=A, aux=(B,)), {("out",): A, ("aux", 0): B}),
        (Pair(A, {3: B}), {("low",): A, ("high", 3): B}),
        (Features(A, [B, "text"]), {("maps",): A, ("others", 0): B}),
        ("text", {}),
        (Features, {}),
    ],
    ids=["tensor", "tuple", "list", "mapping", "named tuple", "dataclass", "text", "class"],
)
def test_every_tensor_is_found_in_order_and_picked_by_its_keys(output, found):
    pairs = list(tensors(output))
    assert [path for path, _ in pairs] == list(found)
    for path, tensor in pairs:
        assert tensor is found[path]
        assert pick(output, path) is tensor
