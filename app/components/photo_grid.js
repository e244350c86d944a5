// One list item per tile. A tile is drawn anew only when it changes, so that keyboard focus outlives a rerun.

const SVG = "http://www.w3.org/2000/svg";
const MARKS = { better: "▲", worse: "▼" };

export default function ({ data, parentElement, setTriggerValue }) {
  const grid = parentElement.querySelector(".grid");
  if (isLate(grid, data)) return;
  data.tiles.forEach((tile, number) => {
    const item = grid.children[number] ?? grid.appendChild(document.createElement("li"));
    const drawn = JSON.stringify([tile, data.lines]);
    if (item.drawn !== drawn) item.replaceChildren(draw(tile, data));
    item.drawn = drawn;
    item.firstChild.onclick = (event) => {
      // With a key held down the browser opens the link itself, in a new tab or window.
      if (!tile.link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      setTriggerValue("opened", tile.link);
    };
  });
  while (grid.children.length > data.tiles.length) grid.lastChild.remove();
}

function draw(tile, { lines, halo }) {
  const card = element(tile.link ? "a" : "div", "tile");
  if (tile.link) {
    card.href = tile.link;
    card.title = "Open in Compare";
  }
  const frame = card.appendChild(element("div", "frame"));
  frame.append(picture(tile, lines, halo));
  if (tile.note) frame.append(element("span", "note", tile.note));
  const head = card.appendChild(element("div", "head"));
  head.append(element("b", "", tile.title), element("span", "detail", tile.detail));
  if (tile.values.length || tile.verdict) {
    const row = card.appendChild(element("div", "values"));
    tile.values.forEach(([line, value]) => row.append(valueOf(lines[line], value)));
    if (tile.verdict) row.append(element("span", `verdict ${tile.mood}`, `${MARKS[tile.mood] ?? "="} ${tile.verdict}`));
  }
  return card;
}

function picture(tile, lines, halo) {
  const [x1, y1, x2, y2] = tile.view;
  const svg = shape("svg", { viewBox: `${x1} ${y1} ${x2 - x1} ${y2 - y1}`, "aria-hidden": "true" });
  if (tile.picture) svg.append(shape("image", { href: tile.picture, preserveAspectRatio: "none", ...corners(tile.part) }));
  // All rims first: none may hide another box's line.
  tile.boxes.forEach(({ line, box }) => {
    svg.append(shape("rect", { ...corners(box), stroke: halo, "stroke-width": lines[line].width + 2 }));
  });
  tile.boxes.forEach(({ line, box, label }) => {
    const { colour, strokes, width } = lines[line];
    const rect = shape("rect", { ...corners(box), stroke: colour, "stroke-width": width, "stroke-dasharray": strokes.join(" ") });
    rect.append(Object.assign(shape("title", {}), { textContent: label }));
    svg.append(rect);
  });
  return svg;
}

function valueOf(line, value) {
  const span = element("span", "value");
  const swatch = element("i", "");
  swatch.style.height = `${line.width}px`;
  swatch.style.background = fill(line);
  swatch.title = line.label;
  span.append(swatch, element("span", "hidden", `${line.label}: `), value);
  return span;
}

// A line's strokes as a gradient: CSS borders know three dashes.
function fill({ colour, strokes }) {
  let end = 0;
  const stops = strokes.map((length, number) => {
    const start = end;
    end += length;
    return `${number % 2 ? "transparent" : colour} ${start}px ${end}px`;
  });
  return stops.length ? `repeating-linear-gradient(90deg, ${stops.join(", ")})` : colour;
}

function corners([x1, y1, x2, y2]) {
  return { x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1) };
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  return made;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
