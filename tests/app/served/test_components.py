"""What a run of the page says is never drawn over by an earlier run, whichever the browser hears last."""

import runpy
from types import SimpleNamespace

import pytest
import streamlit as st
import torch
from PIL import Image

from obcn.figures.belief import belief_of
from obcn.figures.lines import model_lines, with_models
from obcn.figures.palette import LIGHT
from tests.app.browsing import ROOT
from tests.app.helpers import BINS, detections

BOX = [60.0, 40.0, 120.0, 90.0]
IMAGE = Image.new("RGB", (200, 150), "#888888")
PALETTE = with_models(LIGHT, model_lines(["obcn"], LIGHT))

# The page keeps what a script draws in, and calls the script once per run, in the order in which its imports end.
DRAW = """async ({ html, js, runs }) => {
  const { default: draw } = await import(URL.createObjectURL(new Blob([js], { type: "text/javascript" })));
  document.body.innerHTML = html;
  for (const data of runs) draw({ data, parentElement: document.body, setTriggerValue() {} });
  return document.body.innerHTML.replaceAll(/(data:image)[^"]*/g, "$1");
}"""


def _pair(module: dict, number: int) -> None:
    photo = SimpleNamespace(image=IMAGE, digest="grey")
    busy = [module["PhotoPanel"]("obcn", "obcn", "", "", busy="obcn is looking…")]
    boxes = [module["ClickableBox"](0, "dog 0.90", BOX)]
    found = [module["PhotoPanel"]("obcn", "obcn", "", "1 object", boxes)]
    module["photo_pair"](photo, [busy, found][number], None, PALETTE, "key", print)


def _grid(module: dict, number: int) -> None:
    tile = module["Tile"](f"dog {number}", "", "", (0, 0, 9, 9), (0, 0, 9, 9), note="No picture")
    module["photo_grid"]([tile], {}, PALETTE, "key", print)


def _strip(module: dict, number: int) -> None:
    photos = [module["StripPhoto"](name, name, lambda: IMAGE) for name in ("dog", "cat")]
    module["sample_strip"](photos, ["dog", "cat"][number], "Photos", "key", print)


def _refinement(module: dict, number: int) -> None:
    belief = belief_of(detections([BOX], ["dog"], [0.9], BINS.decoding(num_stages=1 + number)), 0)
    module["refinement"](IMAGE, belief, PALETTE, "key")


def _verdicts(module: dict, number: int) -> None:
    module["verdicts"](IMAGE, {"obcn": torch.tensor(BOX) + number}, PALETTE, "key")


@pytest.fixture
def session(monkeypatch) -> None:
    monkeypatch.setattr(st, "session_state", {})


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("photo_pair", _pair),
        ("photo_grid", _grid),
        ("sample_strip", _strip),
        ("refinement", _refinement),
        ("verdicts", _verdicts),
    ],
)
def test_an_import_that_ends_late_draws_nothing(name, draw, session, window, monkeypatch) -> None:
    made, runs = {}, []

    def component(_, **parts):
        made.update(parts)
        return lambda **call: runs.append(call["data"])

    monkeypatch.setattr(st.components.v2, "component", component)
    module = runpy.run_path(str(ROOT / "app" / "components" / f"{name}.py"))
    draw(module, 0)
    runs[0]["turn"] -= 1  # the clock may not have moved between the two
    draw(module, 1)
    window.goto("about:blank")
    first, both, late = (
        window.evaluate(DRAW, {"html": made["html"], "js": made["js"], "runs": order})
        for order in (runs[:1], runs, runs[::-1])
    )
    assert first != both
    assert late == both
