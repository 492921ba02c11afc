"""How a report looks: one style sheet, for bright and dark, wide and narrow, and for paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #faf9f6; --card: #ffffff; --ink: #23242a; --soft: #6b6c74; --rule: #e4e2dc;
  --good: #2f7d4f; --bad: #b04a32; --s1: #2b62c0; --s2: #c4622d; --shade: 0 1px 3px #0000001a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #17181b; --card: #1f2125; --ink: #e8e6e1; --soft: #9b9ca4; --rule: #33353b;
    --good: #7cc79a; --bad: #e39478; --s1: #86aef5; --s2: #eba273; --shade: none;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.15; margin: 0; font-weight: 650; letter-spacing: -0.01em; }
h2 { font-size: 1.2rem; margin: 3rem 0 0.35rem; font-weight: 650; }
h2 + p { margin-top: 0; }
p { margin: 0.5rem 0 1rem; max-width: 46rem; }
.soft, figcaption, .unit, th, summary, footer { color: var(--soft); }
.where { margin: 0 0 0.4rem; color: var(--soft); }
.badge {
  display: inline-block; vertical-align: 0.35em; margin-left: 0.6rem; padding: 0.1rem 0.65rem;
  border: 1px solid currentColor; border-radius: 1rem; font-size: 0.85rem; font-weight: 600;
}
.good { color: var(--good); }
.bad { color: var(--bad); }
.verdict { font-size: 1.12rem; margin: 0.9rem 0 1.4rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 0.75rem; }
.tile, .chart, .pair, .box {
  background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  box-shadow: var(--shade);
}
.tile { padding: 0.7rem 0.9rem; }
.tile b { display: block; font-size: 1.5rem; line-height: 1.3; font-weight: 650; }
.tile span { font-size: 0.86rem; color: var(--soft); }
.note-box { border-left: 3px solid var(--bad); padding: 0.3rem 0 0.3rem 0.9rem; margin: 0.8rem 0; }
.pairs { display: grid; gap: 1.1rem; margin-top: 1rem; }
.pair { margin: 0; padding: 0.9rem; }
.pair figcaption { display: flex; gap: 1rem; justify-content: space-between; margin-bottom: 0.55rem; }
.pair .name { color: var(--ink); font-weight: 600; overflow-wrap: anywhere; }
.pair .score { white-space: nowrap; }
.three { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 0.6rem; }
.three div { text-align: center; font-size: 0.82rem; color: var(--soft); }
.three img, .sheet img { display: block; border-radius: 4px; }
.three img { width: 100%; height: auto; margin: 0 auto 0.25rem; background: var(--rule); }
.three img.tiny { image-rendering: pixelated; }
.sheet { width: min(100vw - 2rem, 2080px); position: relative; left: 50%; transform: translateX(-50%); padding: 0.5rem; }
.sheet img { width: 100%; min-width: 1080px; height: auto; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
.chart { margin: 0; padding: 0.8rem 0.9rem 0.5rem; }
.chart figcaption { color: var(--ink); font-weight: 600; font-size: 0.95rem; }
.chart small { display: block; font-weight: 400; color: var(--soft); font-size: 0.84rem; }
.key { display: inline-block; width: 0.9rem; height: 3px; vertical-align: 0.22em; margin: 0 0.35rem 0 0; border-radius: 2px; }
.key.s1 { background: var(--s1); } .key.s2 { background: var(--s2); }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg .end { text-anchor: end; } svg .mid { text-anchor: middle; }
svg .note { fill: var(--soft); paint-order: stroke; stroke: var(--card); stroke-width: 3px; }
svg path { fill: none; }
.grid { stroke: var(--rule); }
.marked { stroke: var(--ink); stroke-dasharray: 2 3; }
.reference { stroke: var(--soft); stroke-dasharray: 6 4; }
.line { stroke-width: 2; stroke-linejoin: round; }
.faint { stroke-width: 1; opacity: 0.28; }
.line.s1 { stroke: var(--s1); } .line.s2 { stroke: var(--s2); }
.dot.s1 { fill: var(--s1); } .dot.s2 { fill: var(--s2); }
.box { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.45rem 0.9rem; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { font-weight: 500; font-size: 0.88rem; }
tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; }
tr.mine td { font-weight: 650; }
details { margin: 0.8rem 0; }
summary { cursor: pointer; }
ul.names { columns: 15rem; padding-left: 1.1rem; font-size: 0.9rem; overflow-wrap: anywhere; }
code { font: 0.9em ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--rule); font-size: 0.88rem; }
footer p { max-width: none; margin: 0.25rem 0; }
@media (max-width: 40rem) {
  main { padding: 1.5rem 0.9rem 3rem; }
  h1 { font-size: 1.6rem; }
  .pair { padding: 0.65rem; }
  .three { grid-template-columns: 1fr 1fr; }
  .three .output { grid-column: 1 / -1; order: -1; }
  .three img { max-width: none !important; }
}
@media print {
  body { background: none; }
  .pair, .chart, .tile { break-inside: avoid; box-shadow: none; }
}
"""
