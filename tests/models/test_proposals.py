"""Candidates are torchvision's, although fewer boxes are compared for them."""

import pytest
import torch
from torchvision.models.detection.rpn import RegionProposalNetwork

from obcn.models import proposals
from tests.models.helpers import build, compact_config

PER_LEVEL = [3000, 800, 200, 50]
SHAPES = [(300, 400), (320, 240)]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("spread", "rounds"), [(400.0, 1), (20.0, 2)])
def test_candidates_are_torchvisions(spread, rounds, training, monkeypatch) -> None:
    boxes, logits = anchors(spread)
    network = build(compact_config()).rpn.train(training)
    theirs = RegionProposalNetwork.filter_proposals(network, boxes, logits, SHAPES, PER_LEVEL)
    looks, suppress = [], proposals.batched_nms

    def counted(*arguments):
        looks.append(len(arguments[0]))
        return suppress(*arguments)

    monkeypatch.setattr(proposals, "batched_nms", counted)
    ours = network.filter_proposals(boxes, logits, SHAPES, PER_LEVEL)
    for mine, wanted in zip((*ours[0], *ours[1]), (*theirs[0], *theirs[1]), strict=True):
        assert torch.equal(mine, wanted)
    assert len(looks) == rounds * len(SHAPES)
    assert looks[0] < 2 * min(PER_LEVEL[0], network.pre_nms_top_n()), "not all of them"
    # In training crowded boxes leave fewer than asked for.
    assert (len(ours[0][0]) < network.post_nms_top_n()) == (training and rounds == 2)


def anchors(spread: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, A, 4) boxes, some without a size and some across the rim, and (B x A, 1) logits; the smaller the spread of
    their corners, in pixels, the more of them are suppressed."""
    generator = torch.Generator().manual_seed(0)
    corners = spread * torch.rand(len(SHAPES), sum(PER_LEVEL), 2, generator=generator)
    sizes = 20 + 80 * torch.rand(len(SHAPES), sum(PER_LEVEL), 2, generator=generator)
    sizes[:, ::17] = 0
    logits = torch.randn(len(SHAPES) * sum(PER_LEVEL), 1, generator=generator)
    return torch.cat((corners, corners + sizes), -1), logits
