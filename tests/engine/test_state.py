"""The training state on disk: what changed since it was written is not gone on from."""

import re

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from obcn.engine.state import Progress, load_state, save_state
from obcn.errors import UserError


def run(seed: int) -> tuple[torch.nn.Module, torch.optim.SGD]:
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9)
    model(torch.randn(5, 4)).square().sum().backward()
    optimizer.step()
    return model, optimizer


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "state.safetensors"
    save_state(path, *run(0), Progress(step=7, best_ap=31.5), "settings")
    return path


def contents(path) -> tuple[dict, dict]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 - not a dict


def test_comes_back_as_it_was(saved):
    model, optimizer = run(1)
    assert load_state(saved, model, optimizer, "settings") == Progress(step=7, best_ap=31.5)
    expected, _ = run(0)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in expected.state_dict().items())


@pytest.mark.parametrize("name", ["model.0.weight", "momentum.0", "random.cpu", "model.1.num_batches_tracked"])
def test_one_changed_number_is_seen(saved, name):
    tensors, metadata = contents(saved)
    tensors[name].view(-1)[-1] += 1
    save_file(tensors, saved, metadata)
    with pytest.raises(UserError, match=rf"{re.escape(str(saved))} is damaged"):
        load_state(saved, *run(1), "settings")


def test_changed_progress_is_seen(saved):
    tensors, metadata = contents(saved)
    save_file(tensors, saved, metadata | {"progress": metadata["progress"].replace("7", "9")})
    with pytest.raises(UserError, match="is damaged"):
        load_state(saved, *run(1), "settings")


def test_a_state_of_an_earlier_version_has_no_digest(saved):
    tensors, metadata = contents(saved)
    del metadata["digest"]
    save_file(tensors, saved, metadata)
    assert load_state(saved, *run(1), "settings").step == 7
