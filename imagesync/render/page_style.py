"""The style of every HTML page: light and dark, narrow and wide, paper. A constant.

It is ASCII, and no line begins with two colons, because a page may be printed to a log (``text.LineGuard``).
"""

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --back: light-dark(#ffffff, #0d1117);
  --soft: light-dark(#f6f8fa, #151b23);
  --text: light-dark(#1f2328, #e6edf3);
  --mute: light-dark(#59636e, #9da7b3);
  --line: light-dark(#d1d9e0, #353c45);
  --link: light-dark(#0550ae, #79c0ff);
  --found: light-dark(#ffe58a, #7a5c00);
  --add: light-dark(#116329, #7ee787);
  --add-back: light-dark(#e3f8e8, #12281c);
  --change: light-dark(#7a4b00, #e8b84a);
  --change-back: light-dark(#fff4d6, #2b2412);
  --remove: light-dark(#a40e26, #ff9c96);
  --remove-back: light-dark(#ffebe9, #32181a);
  --state: light-dark(#0550ae, #79c0ff);
  --state-back: light-dark(#e3f2ff, #13243a);
  --mono: ui-monospace, "SFMono-Regular", Menlo, Consolas, "Liberation Mono", monospace;
}
:root[data-theme="light"] { color-scheme: light; }
:root[data-theme="dark"] { color-scheme: dark; }
html { scroll-padding-top: 8rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, "Noto Sans", "Liberation Sans", sans-serif; }
header, main { padding-inline: max(1.5rem, (100% - 73rem) / 2); }
main { padding-bottom: 3rem; }
[hidden] { display: none !important; }
a { color: var(--link); text-underline-offset: .15em; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 4px; }

header { padding-top: 2rem; }
h1, h2, h3, p, del, ins { overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { margin: 1.75rem 0 .6rem; font-size: 1.1rem; line-height: 1.3; }
h3 { margin: 0; font-size: .95rem; line-height: 1.4; }
p { margin: .35rem 0; }
.lead { color: var(--mute); overflow-wrap: anywhere; }
.verdict { margin: .9rem 0; font-size: 1.05rem; font-weight: 600; }

.controls { position: sticky; top: 0; z-index: 2; margin: 1rem -1rem 0; padding: .6rem 1rem; background: var(--back);
  border-bottom: 1px solid var(--line); }
.controls, .controls div { min-width: 0; display: flex; flex-wrap: wrap; align-items: center; gap: .4rem; }
.controls input { box-sizing: border-box; flex: 1 1 11rem; min-width: 0; max-width: 22rem; padding: .35rem .65rem; font: inherit;
  color: inherit; background: var(--soft); border: 1px solid var(--line); border-radius: 6px; }
.controls input::placeholder { color: var(--mute); opacity: 1; }
.controls button { padding: .3rem .65rem; font: inherit; font-size: .875rem; line-height: 1.4; color: inherit; cursor: pointer;
  background: var(--soft); border: 1px solid var(--line); border-radius: 6px; }
.controls button:hover { border-color: var(--mute); }
.controls .chip { min-width: 0; overflow-wrap: anywhere; border-radius: 99px; }
.controls .chip b { margin-left: .2rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.controls [aria-pressed="true"] { color: var(--back); background: var(--text); border-color: var(--text); }
.controls [data-do="theme"][aria-pressed="true"] { color: inherit; background: var(--back); border-color: currentColor; }
.controls .tools { margin-left: auto; }
.controls .result { flex-basis: 100%; margin-bottom: -.2rem; color: var(--mute); font-size: .875rem; }
.controls .result p { margin: 0; }
.controls .result button { padding: 0; color: var(--link); background: none; border: 0; text-decoration: underline; }

table { border: 0; border-collapse: collapse; width: 100%; }
th, td { padding: .5rem .75rem; text-align: left; vertical-align: top; border: 0; border-bottom: 1px solid var(--line);
  overflow-wrap: break-word; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--mute); font-size: .8rem; font-weight: 600; }
code { font: .85em/1.45 var(--mono); overflow-wrap: anywhere; }
small { color: var(--mute); font-size: .85rem; font-weight: 400; overflow-wrap: anywhere; }
caption { position: relative; }
caption span { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.images { margin-top: 1rem; }
.images td, .images tbody th { max-width: 24rem; overflow-wrap: anywhere; }
.images tbody th { font-weight: 600; min-width: 12rem; }
.images tbody tr:hover { background: var(--soft); }
.targets th, .targets td { padding-block: .3rem; overflow-wrap: anywhere; }
.targets tbody th { min-width: 8rem; font-weight: 600; }
.targets td[data-title="changes"] { width: 40%; }
.targets td[data-title="errors"] { color: var(--remove); font-weight: 600; }
section > section h3 { margin: 1rem 0 .3rem; }
.alert, .errors { margin: .6rem 0; padding: .6rem .9rem; background: var(--tone-back); border-left: 3px solid var(--tone);
  border-radius: 0 6px 6px 0; }
.alert { display: grid; grid-template-columns: 15rem 1fr; gap: 0 1.25rem; }
.alert ul, .alert p { margin: 0 0 .25rem; }
.alert h3, .errors h2 { margin: 0; color: var(--tone); }
ul { margin: .35rem 0; padding-left: 1.25rem; }
ul.names { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); gap: .2rem 1.25rem;
  padding: 0; list-style: none; }
ul.facts li { margin: .2rem 0; }
li { overflow-wrap: anywhere; }
summary { padding: .15rem 0; cursor: pointer; }
pre { margin: .35rem 0 1rem; padding: .7rem .9rem; background: var(--soft); border: 1px solid var(--line); border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
pre code { user-select: all; }

.blocks { border: 1px solid var(--line); border-radius: 8px; overflow: clip; }
.block { border-left: 3px solid var(--tone, transparent); }
.block:not(:last-child) { border-bottom: 1px solid var(--line); }
.add { --tone: var(--add); --tone-back: var(--add-back); }
.change { --tone: var(--change); --tone-back: var(--change-back); }
.remove, .errors { --tone: var(--remove); --tone-back: var(--remove-back); }
.state { --tone: var(--state); --tone-back: var(--state-back); }
.head { position: relative; display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem .7rem; padding: .55rem .9rem; }
summary.head { padding-right: 2.5rem; }
summary.head:hover { background: var(--soft); }
summary.head::after { content: ""; position: absolute; top: 1.05rem; right: 1rem; width: .4rem; height: .4rem;
  border: solid var(--mute); border-width: 0 2px 2px 0; transform: rotate(-45deg); }
[open] > summary.head::after { transform: rotate(45deg); }
summary.head::-webkit-details-marker { display: none; }
.head > * { min-width: 0; overflow-wrap: anywhere; }
.sign { width: 1rem; color: var(--tone, inherit); font: 600 1rem/1 var(--mono); text-align: center; }
.head .verb { min-width: 5.25rem; color: var(--tone, inherit); font-weight: 600; }
.what { color: var(--mute); }
.loud { font-weight: 600; }
span.loud { padding: 0 .5rem; color: var(--change); background: var(--change-back); border-radius: 4px; font-size: .875rem; }
.outcome { padding: 0 .5rem; background: var(--soft); border: 1px solid var(--line); border-radius: 4px; font-size: .875rem; }
.outcome-done { color: var(--add); border-color: currentColor; }
.outcome-failed, .outcome-interrupted, .outcome-lost, .outcome-refused, .outcome-no-plan { color: var(--remove);
  border-color: currentColor; }
.error { flex-basis: 100%; padding-left: 1.7rem; color: var(--remove); }
.body { padding: 0 .9rem .7rem 2.6rem; }
.fields { table-layout: fixed; }
.fields th { width: 15rem; padding: .2rem .75rem .2rem 0; font: .85rem/1.6 var(--mono); color: var(--mute);
  overflow-wrap: anywhere; }
.fields + .names { margin-top: .6rem; }
.fields td { padding: .2rem 0; overflow-wrap: anywhere; }
.fields tr:last-child > * { border-bottom: 0; }
.fields .loud > * { color: var(--change); }
del, ins { padding: .05rem .3rem; border-radius: 4px; text-decoration: none; }
del { color: var(--remove); background: var(--remove-back); }
ins { color: var(--add); background: var(--add-back); }
.place { color: var(--mute); font-size: .85rem; }
.keep { white-space: nowrap; }
:root::highlight(found) { background-color: var(--found); color: inherit; }

@media screen and (max-width: 48rem) {
  header, main { padding-inline: 1rem; }
  header { padding-top: 1.25rem; }
  h1 { font-size: 1.35rem; }
  .controls .tools { margin-left: 0; }
  .controls input { flex-basis: 100%; max-width: none; }
  .head .verb { min-width: 0; }
  .alert { display: block; }
  ul.names { display: block; line-height: 1.75; }
  ul.names li { display: inline-block; margin-right: .3rem; }
  ul.names li:not(:last-child)::after { content: ","; }
  .body { padding-left: .9rem; }
  .fields, .fields tbody, .fields tr, .fields th, .fields td { display: block; width: auto; }
  .fields th { padding-bottom: 0; border: 0; }
  .images thead, .targets thead { display: none; }
  .images, .images tbody, .images tr, .images th, .images td, .targets, .targets tbody, .targets tr, .targets th, .targets td {
    display: block; width: auto; max-width: none; }
  .images tr, .targets tr { padding: .75rem 0; border-bottom: 1px solid var(--line); }
  .targets tr { padding: .35rem 0; }
  .targets td[data-title="changes"] { width: auto; }
  .images th, .images td, .targets th, .targets td { border: 0; padding: .1rem 0; }
  .images td[data-title]:not(:empty)::before, .targets td[data-title]:not(:empty)::before {
    content: attr(data-title) ": "; color: var(--mute); font-size: .85rem; }
}
@media print {
  :root, :root[data-theme] { color-scheme: light; }
  @page { size: A4; margin: 12mm; }
  @page wide { size: A4 landscape; margin: 12mm; }
  body:has(.images) { page: wide; }
  body { font-size: 9.5pt; }
  header, main { padding: 0; }
  .controls { display: none; }
  thead { display: table-header-group; }
  .block { border-left-width: 2pt; }
  details::details-content { content-visibility: visible; block-size: auto; }
  summary.head::after { display: none; }
  tr, summary { break-inside: avoid; }
  h2 { break-after: avoid; }
  th, td { padding: .25rem .4rem; }
  small, code, .fields th { font-size: 8pt; }
  .sign, span.loud, .outcome, h3 { font-size: inherit; }
  h1 { font-size: 16pt; }
  h2 { font-size: 12pt; }
  .verdict { font-size: 11pt; }
}
"""
