"""The training state on disk: what changed since it was written is not gone on from."""

import re

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from obcn.engine.state import Progress, read_state, save_state, state_digest
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
    save_state(path, *run(0), Progress(step=7, best_ap=31.5), {"lr": 0.1})
    return path


def contents(path) -> tuple[dict, dict]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 - not a dict


def test_comes_back_as_it_was(saved):
    model, optimizer = run(1)
    state = read_state(saved)
    assert (state.progress, state.settings) == (Progress(step=7, best_ap=31.5), {"lr": 0.1})
    expected, before = run(0)
    random = torch.get_rng_state()
    torch.rand(1)
    state.restore(model, optimizer)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in expected.state_dict().items())
    for parameter, other in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(optimizer.state[parameter]["momentum_buffer"], before.state[other]["momentum_buffer"])


@pytest.mark.parametrize("name", ["model.0.weight", "momentum.0", "random.0.cpu", "model.1.num_batches_tracked"])
def test_one_changed_number_is_seen(saved, name):
    tensors, metadata = contents(saved)
    tensors[name].view(-1)[-1] += 1
    save_file(tensors, saved, metadata)
    with pytest.raises(UserError, match=rf"{re.escape(str(saved))} is damaged"):
        read_state(saved)


def test_changed_progress_is_seen(saved):
    tensors, metadata = contents(saved)
    save_file(tensors, saved, metadata | {"progress": metadata["progress"].replace("7", "9")})
    with pytest.raises(UserError, match="is damaged"):
        read_state(saved)


@pytest.mark.parametrize("word", ["progress", "settings", "digest"])
def test_a_state_without_one_of_its_words(saved, word):
    tensors, metadata = contents(saved)
    del metadata[word]
    save_file(tensors, saved, metadata)
    with pytest.raises(UserError, match=f"not a training state of this version .*{word}"):
        read_state(saved)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("model.0.weight", None, "weights do not fit"),
        ("model.0.weight", torch.zeros(4, 3), "weights do not fit"),
        ("model.2.weight", torch.zeros(1), "weights do not fit"),
        ("momentum.0", torch.zeros(4, 3), "momentum does not fit"),
        ("random.0.cpu", None, "no random state"),
        ("random.0.cpu", torch.zeros(3), "no random state"),
        ("random.0.cpu", torch.zeros(3, dtype=torch.uint8), "no random state"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(saved, name, value, why):
    """The digest is made to fit: these are what a state of other code could hold."""
    tensors, metadata = contents(saved)
    tensors = {key: tensor for key, tensor in tensors.items() if key != name} | ({} if value is None else {name: value})
    save_file(tensors, saved, metadata | {"digest": state_digest(tensors, metadata)})
    with pytest.raises(UserError, match=why):
        read_state(saved).restore(*run(1))


def test_a_folder_and_a_cut_file_are_no_states(saved, tmp_path):
    whole = saved.read_bytes()
    for size in (0, 7, 100, len(whole) - 1):
        saved.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"state\.safetensors is not a training state") as caught:
            read_state(saved)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="not a training state"):
        read_state(tmp_path)
