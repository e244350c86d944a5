import torch

from obcn.boxes import centre_and_size
from obcn.records.schema import COORDINATES


def test_centre_and_size_are_in_the_order_of_the_coordinates() -> None:
    box = centre_and_size(torch.tensor([10.0, 20.0, 40.0, 26.0]))
    assert box == (25, 23, 30, 6)
    assert box._fields == COORDINATES
    assert centre_and_size((10, 20, 40, 26)) == box
