// Boxes on a photo, for every component that draws some.

const SVG = "http://www.w3.org/2000/svg";

// A line's colour, thickness and strokes, for the styles of an element and all in it. CSS borders know three dashes.
function lineUp(element, line, extra = 0) {
  element.style.setProperty("--colour", line.colour);
  element.style.setProperty("--thick", `${line.width + extra}px`);
  element.style.setProperty("--strokes", line.strokes.map((length) => `${length}px`).join(" ") || "none");
}

// The edge of a box, which grows with it.
function newEdge() {
  const edge = document.createElementNS(SVG, "svg");
  edge.setAttribute("class", "edge");
  edge.append(document.createElementNS(SVG, "rect"));
  return edge;
}

function place(mark, [x1, y1, x2, y2], data, line, extra) {
  mark.style.left = `${(100 * x1) / data.width}%`;
  mark.style.top = `${(100 * y1) / data.height}%`;
  mark.style.width = `${(100 * (x2 - x1)) / data.width}%`;
  mark.style.height = `${(100 * (y2 - y1)) / data.height}%`;
  // Small boxes lie above large ones, so that each can be clicked.
  const share = ((x2 - x1) * (y2 - y1)) / (data.width * data.height);
  mark.style.zIndex = Math.round(1000 * (1 - Math.min(1, share))) + 1;
  lineUp(mark, line, extra);
}

function child(parent, selector, make) {
  return parent.querySelector(`:scope > ${selector}`) ?? parent.appendChild(make());
}

function newOutline() {
  const mark = document.createElement("div");
  mark.className = "mark outline";
  mark.append(newEdge());
  return mark;
}
