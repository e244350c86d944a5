// Streamlit imports a component's script once per run of the page and draws when the import ends. Two imports that are under
// way at once may end in either order, and what an earlier run said would be drawn last and stay.
function isLate(root, { turn }) {
  if (turn < root.turn) return true;
  root.turn = turn;
  return false;
}
