"""The page of a search: markup and style, with placeholders in double braces."""

from __future__ import annotations

# The content policy blocks every request, whatever text the page may contain.
PAGE = r"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{{title}}</title>
<style>
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --soft: #5b6570; --line: #d5dae0; --bar: #31688e;
  --bad: #b3261e; --raised: #f5f7f9; --good: #21704a; }
@media (prefers-color-scheme: dark) { :root { --back: #14171b; --text: #e6e9ed; --soft: #9aa4af; --line: #363d45;
  --bar: #5ab4c5; --bad: #ff8a80; --raised: #1d2127; --good: #6fd3a0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .3rem; }
p { margin: .3rem 0; max-width: 50rem; }
.soft, .hint { color: var(--soft); }
.hint { font-size: .875rem; }
.verdict { border-left: 4px solid var(--soft); padding: .4rem .8rem; margin: .8rem 0; background: var(--raised); }
.verdict.better { border-color: var(--good); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { text-align: right; }
td.note { min-width: 14rem; white-space: pre-wrap; overflow-wrap: anywhere; }
thead th { white-space: nowrap; background: var(--raised); }
thead button { all: unset; cursor: pointer; font-weight: 600; }
thead button:focus-visible { outline: 2px solid var(--bar); }
th[aria-sort=ascending] button::after { content: " \25B2"; }
th[aria-sort=descending] button::after { content: " \25BC"; }
tr.failed td { color: var(--bad); }
tr.best td { font-weight: 600; }
svg { display: block; font: 12px system-ui, sans-serif; fill: var(--text); }
svg .axis { stroke: var(--soft); fill: none; }
svg .grid { stroke: var(--line); fill: none; }
svg .soft { fill: var(--soft); }
svg .trial { fill: none; stroke-width: 1.4; stroke-opacity: .75; }
svg .trial.failed { stroke: var(--bad); stroke-dasharray: 3 4; }
svg .trial.off { stroke-opacity: .05; }
svg .trial.on { stroke-width: 4; stroke-opacity: 1; }
svg .brush { fill: var(--bar); fill-opacity: .3; stroke: var(--bar); }
svg .handle { fill: transparent; cursor: crosshair; touch-action: none; }
#tip { position: fixed; display: none; pointer-events: none; max-width: min(22rem, 90vw); padding: .4rem .6rem;
  background: var(--raised); border: 1px solid var(--soft); border-radius: 4px; font-size: .8125rem; z-index: 1;
  white-space: pre-line; }
</style>
</head>
<body>
<h1>{{title}}</h1>
<p class="soft">{{about}}</p>
<p>{{summary}}</p>
<p>{{validation}}</p>
<p class="verdict{{verdict_class}}">{{held_out}}</p>
<p>{{beside}}</p>
<p>{{failed}}</p>
<h2>Winning settings</h2>
<p>{{winner}}</p>
<div class="wide">{{settings}}</div>
<noscript><p class="verdict">The pictures need JavaScript; the table below does not.</p></noscript>
<h2>All trials, hyperparameter by hyperparameter</h2>
<p class="hint">{{parallel_hint}}</p>
<div class="wide" id="parallel"></div>
<h2>Scores in the order of the trials</h2>
<p class="hint">{{progress_hint}}</p>
<div class="wide" id="progress"></div>
<h2>Which hyperparameters matter</h2>
<p class="hint">{{importance_hint}}</p>
<div class="wide" id="importance"></div>
<h2>Learning curves</h2>
<p class="hint">{{curves_hint}}</p>
<div class="wide" id="curves"></div>
<h2>Trials</h2>
<p class="hint">Click a header to sort.</p>
<div class="wide">{{table}}</div>
<div id="tip" role="status"></div>
<script type="application/json" id="data">{{data}}</script>
<script>
{{script}}</script>
</body>
</html>
"""
