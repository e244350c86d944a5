"""How sure a head is of each side: against boxes drawn from its distributions."""

import pytest
import torch

from obcn.offsets import OffsetCode, RegressionCodec, SideCode, SupportPointCodec
from obcn.offsets.box_code import BoxCode
from obcn.offsets.sides import side_variance
from obcn.offsets.support_points import two_hot_floor

CODEC = SupportPointCodec.dfl(num_points=61, half_range=3.0)
CANDIDATES = torch.tensor([[40.0, 30.0, 120.0, 70.0]])


def narrow(mean: list[float], spread: list[float]) -> torch.Tensor:
    """(1, 4 n) outputs whose distributions are normal, of these means and standard deviations."""
    points = CODEC.support.representatives(torch.zeros(1))
    away = (points - torch.tensor(mean)[:, None]) / torch.tensor(spread)[:, None]
    return (-away.square() / 2).flatten()[None]


@pytest.mark.parametrize("code", [OffsetCode(), SideCode(), SideCode("side", 4.0)], ids=lambda code: code.unit)
def test_sides_vary_as_those_of_boxes_drawn_from_the_distributions(code: BoxCode) -> None:
    """Mutants: a side without half the size, a standard deviation for a variance, sides in another order."""
    mean, spread = [0.5, -0.3, 0.2, 0.4], [0.1, 0.2, 0.15, 0.3]
    found = side_variance(code, CODEC.explain(narrow(mean, spread)), CANDIDATES)[0]
    drawn = torch.randn(40_000, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor(spread)
    boxes = code.decode(torch.tensor(mean) + drawn, CANDIDATES.expand(len(drawn), 4))
    torch.testing.assert_close(found, boxes.var(0), rtol=0.05, atol=0)


def test_a_head_without_distributions_does_not_know() -> None:
    with pytest.raises(ValueError, match="does not know"):
        side_variance(OffsetCode(), RegressionCodec().explain(torch.zeros(1, 4)), CANDIDATES)


@pytest.mark.parametrize("codec", [SupportPointCodec.dfl(22), SupportPointCodec.dfine()], ids=["dfl", "dfine"])
def test_a_head_that_says_its_own_label_spreads_by_the_floor(codec: SupportPointCodec) -> None:
    """Mutants: no root, the neighbours of another place, half a step for every target."""
    targets = torch.linspace(-2.9, 2.9, 52).reshape(-1, 4)
    labels = codec.support.two_hot(targets)
    (stage,) = codec.explain(labels.clamp(min=1e-30).log().flatten(1)).stages
    torch.testing.assert_close(two_hot_floor(stage), stage.spread, atol=1e-3, rtol=1e-2)
    assert (stage.spread > 0.01).any()


def test_doubt_lies_above_the_floor() -> None:
    (stage,) = CODEC.explain(narrow([0.02, 0.0, 0.0, 0.0], [0.5] * 4)).stages
    assert (two_hot_floor(stage) <= 0.05 + 1e-6).all(), "half a step at most"
    assert (stage.spread > 0.45).all()
