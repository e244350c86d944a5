"""The style sheet of the pieces of HTML that app/markup.py makes; figures take theirs from obcn/figures/palette.py."""

# Text and rims follow Streamlit's theme through currentColor, so that light and dark need no second set.
PAGE_CSS = """
<style>
.stMainBlockContainer { padding-top: 3rem; padding-bottom: 3rem; max-width: 90rem; }
@media (max-width: 40rem) { .stMainBlockContainer { padding-top: 4.5rem; } }
/* Streamlit writes white on the theme's colour in these, which cannot be read where that colour is light. */
.stMultiSelect [data-tag] { background: color-mix(in srgb, currentColor 14%, transparent); color: inherit; }
/* Of a path too long for its chip, the end tells files apart. */
:is(.st-key-records, .st-key-files) [data-tag] span { direction: rtl; text-align: left; }
/* The mark of left to right keeps a path's first slash from going to its end. */
:is(.st-key-records, .st-key-files) [data-tag] span::before { content: "\\200E"; }
button[kind="primary"] { color: light-dark(#fff, #10151b); }
/* There is nothing to see of it, and no gap for it. */
.st-key-obcn-theme { position: absolute; }
.obcn-narrow { margin: 0; font-size: 0.9rem; opacity: 0.8; }
@media (min-width: 40rem) { .stElementContainer:has(.obcn-narrow) { display: none; } }
/* On a narrow screen Compare shows its first figure, and the rest when it is asked for. */
.st-key-obcn-unfold { display: none; }
@media (max-width: 40rem) {
  .st-key-obcn-unfold { display: block; }
  .stMain:has(.st-key-obcn-unfold input:not(:checked)) .st-key-obcn-folded,
  .stMain:has(.st-key-obcn-unfold input:not(:checked)) .st-key-obcn-first-figure .stColumn:not(:first-child) {
    display: none;
  }
}
.obcn-key { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; font-size: 0.85rem; margin: 0 0 0.25rem; }
.obcn-key span { display: inline-flex; align-items: center; gap: 0.4rem; white-space: nowrap; }
.obcn-facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 0.5rem; }
.obcn-facts > div { min-height: 4.9rem; box-sizing: border-box; padding: 0.35rem 0.7rem; border-radius: 0.5rem;
  border: 1px solid color-mix(in srgb, currentColor 16%, transparent); }
.obcn-facts p { margin: 0; font-size: 0.85rem; line-height: 1.35; }
.obcn-facts .values { display: flex; flex-wrap: wrap; gap: 0 0.7rem; line-height: 1.45;
  font-variant-numeric: tabular-nums; }
.obcn-facts .values b { font-size: 1.05rem; font-weight: 650; }
.obcn-facts small { font-size: 0.8rem; opacity: 0.8; }
.obcn-scroll { overflow-x: auto; }
.obcn-numbers, .obcn-wide { border-collapse: collapse; width: 100%; font-size: 0.9rem;
  font-variant-numeric: tabular-nums; }
:is(.obcn-numbers, .obcn-wide) :is(th, td) { padding: 0.4rem 0.7rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
:is(.obcn-numbers, .obcn-wide) th { font-weight: 600; }
:is(.obcn-numbers, .obcn-wide) th:first-child { text-align: left; }
/* Rows keep their names while their numbers scroll by, behind the page's own colour. */
.obcn-wide th:first-child { position: sticky; left: 0; background: light-dark(#FCFBF9, #12161B); }
.obcn-key i, .obcn-numbers i, .obcn-facts i { display: inline-block; width: 2.1rem; vertical-align: middle; }
.obcn-numbers i { margin-right: 0.6rem; }
.obcn-facts i { width: 1.6rem; margin-right: 0.4rem; }
@media (max-width: 40rem) {
  .obcn-numbers { font-size: 0.75rem; }
  .obcn-numbers th, .obcn-numbers td { padding: 0.35rem 0.2rem; white-space: normal; }
  .obcn-numbers th:first-child { padding-left: 0; overflow-wrap: anywhere; }
  .obcn-numbers i { display: block; margin: 0 0 0.2rem; }
  .obcn-numbers td span { display: block; }
  .obcn-wide th:first-child { padding-left: 0; min-width: 7rem; white-space: normal; }
}
:is(.obcn-numbers, .obcn-wide) thead th { font-weight: 400; vertical-align: bottom;
  color: color-mix(in srgb, currentColor 80%, transparent); }
</style>
"""
