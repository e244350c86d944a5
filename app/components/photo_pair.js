// Elements are kept from one run to the next and only moved: boxes glide when the decode rule changes,
// and keyboard focus stays where it was.

const CROWD = 25; // boxes on one photo; more are drawn thin, so that the photo is still seen

export default function ({ data, parentElement, setTriggerValue }) {
  const pair = parentElement.querySelector(".pair");
  if (isLate(pair, data)) return;
  pair.classList.toggle("choosing", data.chosen !== null);
  pair.classList.toggle("crowded", data.panels.some((panel) => panel.boxes.length > CROWD));
  pair.style.setProperty("--halo", data.halo);
  pair.style.setProperty("--chosen", data.chosen_colour);
  pair.style.setProperty("--columns", columns(data.panels.length));
  const elements = data.panels.map((panel) => drawPanel(pair, panel, data, setTriggerValue));
  [...pair.children].forEach((element) => elements.includes(element) || element.remove());
  // Only where the order is another one: an element that moves loses the keyboard's focus.
  if (elements.some((element, number) => pair.children[number] !== element)) pair.append(...elements);
  zoomable(pair, data);
}

// Up to three in a row; four as two by two.
function columns(panels) {
  return panels === 4 ? 2 : Math.min(panels, 3);
}

function drawPanel(pair, panel, data, setTriggerValue) {
  const name = CSS.escape(panel.model);
  const element = child(pair, `[data-panel="${name}"]`, () => newPanel(panel.model));
  const line = data.lines[panel.line];
  lineUp(element.querySelector(".swatch"), line);
  const title = element.querySelector("b");
  title.textContent = title.title = panel.model;
  const subtitle = element.querySelector(".subtitle");
  subtitle.textContent = subtitle.title = panel.subtitle;
  element.querySelector(".status").textContent = panel.status;

  const frame = element.querySelector(".frame");
  frame.style.setProperty("--w", data.width);
  frame.style.setProperty("--h", data.height);
  const image = frame.querySelector("img");
  if (image.src !== data.photo) image.src = data.photo;
  image.alt = `The photo with the boxes of ${panel.model}`;

  const wanted = new Set();
  const keep = (id, make) => {
    wanted.add(id);
    return child(frame, `[data-mark="${id}"]`, () => withId(make(), id));
  };
  panel.outlines.forEach((outline, number) => {
    const mark = keep(`outline-${number}`, newOutline);
    place(mark, outline.box, data, data.lines[outline.line], 0);
    mark.dataset.line = outline.line;
    mark.title = outline.label;
  });
  panel.boxes.forEach((box) => {
    const mark = keep(`object-${box.object}`, newBox);
    const chosen = box.object === data.chosen;
    place(mark, box.box, data, line, chosen ? 1 : 0);
    mark.dataset.object = box.object;
    mark.setAttribute("aria-pressed", String(chosen));
    mark.setAttribute("aria-label", `${panel.model}: ${box.label}`);
    // The label is an element of its own, above every box, so that no other box's line crosses it out.
    const tag = keep(`tag-${box.object}`, newTag);
    tag.textContent = box.label;
    tag.dataset.of = box.object;
    tag.classList.toggle("chosen", chosen);
    tag.style.setProperty("--colour", line.colour);
    placeTag(tag, box.box, data);
    mark.onclick = () => setTriggerValue("chosen", box.place);
    mark.onpointerenter = mark.onfocus = () => light(pair, box.object, true);
    mark.onpointerleave = mark.onblur = () => light(pair, box.object, false);
  });
  frame.querySelectorAll("[data-mark]").forEach((mark) => wanted.has(mark.dataset.mark) || mark.remove());

  const note = element.querySelector(".note");
  note.hidden = !panel.busy;
  note.textContent = panel.busy;
  return element;
}

// Labels that would lie on one another: the chosen object's stays, then the better score's. The others wait for a hover.
function uncoverTags(frame) {
  const tags = [...frame.querySelectorAll(".tag")];
  const rank = (tag) => (tag.classList.contains("chosen") ? -1 : Number(tag.dataset.of));
  const kept = [];
  tags.sort((one, other) => rank(one) - rank(other)).forEach((tag) => {
    const here = tagArea(tag, frame);
    const covered = kept.some(
      (other) => here.x < other.right && other.x < here.right && here.y < other.bottom && other.y < here.bottom,
    );
    tag.classList.toggle("covered", covered);
    if (!covered) kept.push(here);
  });
}

// Above the box at its left end; inside it under the photo's upper rim, from its right end near the right rim.
function placeTag(tag, [x1, y1, x2], { width, height }) {
  tag.classList.toggle("inside", y1 / height < 0.07);
  tag.classList.toggle("from-right", x1 / width > 0.8);
  tag.style.left = `${(100 * (x1 / width > 0.8 ? x2 : x1)) / width}%`;
  tag.style.top = `${(100 * y1) / height}%`;
}

// Where a label will be once it has stopped gliding; getBoundingClientRect tells where it is now.
function tagArea(tag, frame) {
  const { offsetWidth, offsetHeight } = tag;
  const left = (parseFloat(tag.style.left) / 100) * frame.clientWidth;
  const top = (parseFloat(tag.style.top) / 100) * frame.clientHeight;
  const x = tag.classList.contains("from-right") ? left - offsetWidth : left;
  const y = tag.classList.contains("inside") ? top : top - offsetHeight;
  return { x, y, right: x + offsetWidth, bottom: y + offsetHeight };
}

function light(pair, object, on) {
  const selector = `[data-object="${object}"], [data-of="${object}"]`;
  pair.querySelectorAll(selector).forEach((element) => element.classList.toggle("lit", on));
}

function withId(mark, id) {
  mark.dataset.mark = id;
  return mark;
}

function newPanel(model) {
  const panel = document.createElement("section");
  panel.className = "panel";
  panel.dataset.panel = model;
  panel.innerHTML = `
    <div class="head"><span class="swatch"></span><b></b><span class="subtitle"></span><span class="status"></span></div>
    <div class="stage"><div class="frame"><img draggable="false"></div><div class="note" role="status" hidden></div></div>`;
  panel.querySelector(".swatch").append(newEdge());
  const stage = panel.querySelector(".stage");
  stage.append(zoomButtons());
  ignoreDrags(stage);
  return panel;
}

function newBox() {
  const mark = document.createElement("button");
  mark.type = "button";
  mark.className = "mark";
  mark.append(newEdge());
  return mark;
}

function newTag() {
  const tag = document.createElement("span");
  tag.className = "tag";
  tag.setAttribute("aria-hidden", "true"); // the box itself carries the words
  return tag;
}
