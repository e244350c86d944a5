"""The page's own widgets in a browser: what they draw of several runs of the page, and what they send of a click."""

import runpy
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import streamlit as st
import torch
from PIL import Image

from obcn.figures.belief import belief_of
from obcn.figures.lines import model_lines, with_models
from obcn.figures.palette import LIGHT
from tests.app.browsing import ROOT, load
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
    boxes = [module["ClickableBox"](0, "dog@90,65", "dog 0.90", BOX)]
    found = [module["PhotoPanel"]("obcn", "obcn", "", "1 object", boxes)]
    module["photo_pair"](photo, [busy, found][number], None, PALETTE, "key", print)


def _grid(module: dict, number: int) -> None:
    tile = module["Tile"](f"dog {number}", "", "", (0, 0, 9, 9), (0, 0, 9, 9), note="No picture", link="./?image=a.jpg")
    module["photo_grid"]([tile], {}, PALETTE, "key", print)


def _strip(module: dict, number: int) -> None:
    photos = [module["StripPhoto"](name, name, lambda: IMAGE) for name in ("dog", "cat")]
    module["sample_strip"](photos, ["dog", "cat"][number], "Photos", "key", print)


def _refinement(module: dict, number: int) -> None:
    belief = belief_of(detections([BOX], ["dog"], [0.9], BINS.decoding(num_stages=1 + number)), 0)
    module["refinement"](IMAGE, belief, PALETTE, "key")


def _verdicts(module: dict, number: int) -> None:
    module["verdicts"](IMAGE, {"obcn": torch.tensor(BOX) + number}, PALETTE, "key")


# What a click on the first element of a kind sends.
CLICK = """async ({ html, js, data, selector }) => {
  const { default: draw } = await import(URL.createObjectURL(new Blob([js], { type: "text/javascript" })));
  document.body.innerHTML = html;
  const sent = [];
  draw({ data, parentElement: document.body, setTriggerValue: (...words) => sent.push(words) });
  document.querySelector(selector).click();
  return sent;
}"""


@pytest.fixture
def session(monkeypatch) -> None:
    monkeypatch.setattr(st, "session_state", {})


def drawn(monkeypatch, name: str, draw: Callable[[dict, int], None]) -> tuple[dict, list[dict]]:
    """A widget's HTML and script, and the data of two runs of the page."""
    made, runs = {}, []

    def component(_, **parts):
        made.update(parts)
        return lambda **call: runs.append(call["data"])

    monkeypatch.setattr(st.components.v2, "component", component)
    module = runpy.run_path(str(ROOT / "app" / "components" / f"{name}.py"))
    draw(module, 0)
    draw(module, 1)
    return made, runs


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
    made, runs = drawn(monkeypatch, name, draw)
    window.goto("about:blank")
    first, both, late = (
        window.evaluate(DRAW, {"html": made["html"], "js": made["js"], "runs": order})
        for order in (runs[:1], runs, runs[::-1])
    )
    assert first != both
    assert late == both


@pytest.mark.parametrize(
    ("name", "draw", "selector", "sent"),
    [
        ("photo_pair", _pair, "[data-object]", ["chosen", "dog@90,65"]),
        ("photo_grid", _grid, "a.tile", ["opened", "./?image=a.jpg"]),
    ],
)
def test_a_click_names_what_was_seen(name, draw, selector, sent, session, window, monkeypatch) -> None:
    made, runs = drawn(monkeypatch, name, draw)
    window.goto("about:blank")
    drawing = {"html": made["html"], "js": made["js"], "data": runs[1], "selector": selector}
    assert window.evaluate(CLICK, drawing) == [sent]


def test_a_page_that_is_loaded_is_drawn_at_full_rate_whatever_tab_lay_before_it(window, address) -> None:
    other = window.context.new_page()
    load(window, f"{address}/loss_lab", motion="no-preference")
    frames = """() => new Promise((resolve) => {
        let drawn = 0;
        const draw = () => { drawn += 1; requestAnimationFrame(draw); };
        draw();
        setTimeout(() => resolve(drawn), 1500);
    })"""
    assert window.evaluate(frames) > 5
    other.close()
