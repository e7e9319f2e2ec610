// How every report looks: paper, ink, one blue for what was quantized, one vermilion for what stands out, in light, dark
// and print. System fonts only, since a report asks the network for nothing.
import { type Markup, trusted } from './markup.ts';

/** The colours as CSS variables, by light and by dark. */
export const light = `
  --paper: #fcfbf8; --raised: #ffffff; --ink: #1c1b19; --soft: #68655e; --faint: #a39f95; --rule: #e1ddd3;
  --blue: #2a618f; --red: #c8452a; --green: #3c7d5a; --ochre: #a8751a; --violet: #77569b; --grey: #918d84;
  --on-fill: #ffffff;`;
export const dark = `
  --paper: #141518; --raised: #1b1d21; --ink: #e9e6df; --soft: #a3a098; --faint: #73716b; --rule: #2f3136;
  --blue: #79b0de; --red: #f2795c; --green: #74bd95; --ochre: #dcab52; --violet: #b596dc; --grey: #86837c;
  --on-fill: #10151a;`;

const page = `
  * { box-sizing: border-box; }
  html { -webkit-text-size-adjust: 100%; background: var(--paper); color-scheme: light dark; }
  body { margin: 0; color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue",
    "Liberation Sans", Arial, sans-serif; font-variant-numeric: tabular-nums lining-nums; }
  main { max-width: 1096px; margin: 0 auto; padding: 56px 32px 72px; }
  h1, h2, .value { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Charter, "Liberation Serif", Georgia, serif;
    font-weight: 500; text-wrap: balance; }
  h1 { font-size: clamp(30px, 4.6vw, 46px); line-height: 1.12; margin: 0; letter-spacing: -.012em; overflow-wrap: anywhere; }
  h2 { font-size: 25px; line-height: 1.25; margin: 0 0 4px; }
  h3 { font-size: 14px; font-weight: 600; line-height: 1.35; margin: 0; }
  p { margin: 0; }
  .kind { color: var(--soft); font-size: 14px; margin-bottom: 10px; }
  .lede { font-size: 18px; color: var(--soft); margin-top: 14px; max-width: 66ch; }
  section { margin-top: 68px; }
  section > p { color: var(--soft); max-width: 74ch; margin-bottom: 24px; }
  .note, figcaption, .legend { color: var(--soft); font-size: 13px; line-height: 1.45; }
  figcaption { max-width: 80ch; margin-top: 8px; }
  figure { margin: 0 0 28px; min-width: 0; }
  .strong { color: var(--ink); }
  .red { color: var(--red); }
  footer { margin-top: 72px; padding-top: 16px; border-top: 1px solid var(--rule); color: var(--soft); font-size: 13px; }`;

const figures = `
  .figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 28px 32px; margin: 36px 0 0;
    padding: 22px 0 0; border-top: 1px solid var(--rule); }
  .figures > div { display: flex; flex-direction: column; }
  .figures dt { order: 2; font-size: 14px; margin-top: 3px; }
  .figures dd { margin: 0; }
  .figures .value { order: 1; font-size: 34px; line-height: 1.15; white-space: nowrap; }
  .figures .note { order: 3; margin-top: 2px; }`;

const plots = `
  .plot { padding: 22px 8px 24px 46px; }
  .plot + figcaption .legend { margin-top: 16px; }
  .plot.bare { padding: 4px 0 18px; }
  .plot.named { padding-left: 84px; }
  .plot.direct { padding-right: 150px; }
  svg { display: block; width: 100%; overflow: visible; }
  svg text { font-size: 12px; fill: var(--soft); }
  svg text.strong { fill: var(--ink); }
  svg text.end { text-anchor: end; } svg text.mid { text-anchor: middle; }
  svg path, svg line { fill: none; stroke: var(--faint); vector-effect: non-scaling-stroke; }
  svg .grid { stroke: var(--rule); stroke-width: 1; shape-rendering: crispEdges; }
  svg .base { stroke: var(--faint); stroke-width: 1; shape-rendering: crispEdges; }
  svg .dashed { stroke-dasharray: 5 4; stroke: var(--soft); stroke-width: 1; }
  svg .area { stroke: none; fill: currentColor; }
  svg .curve { stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
  svg .hair { stroke: currentColor; stroke-width: 1; }
  svg .dots { stroke: currentColor; stroke-width: 6.5; stroke-linecap: round; }
  svg rect.cell { fill: currentColor; stroke: var(--paper); stroke-width: 1.5; }
  svg rect.band { fill: currentColor; fill-opacity: .13; }
  svg rect.ring { fill: none; stroke: var(--ink); stroke-width: 1.5; }
  svg text.own { fill: currentColor; }
  svg text.on-cell { fill: var(--ink); font-size: 11.5px; pointer-events: none; } svg text.on-cell.full { fill: var(--on-fill); }
  .c0 { color: var(--blue); } .c1 { color: var(--red); } .c2 { color: var(--green); } .c3 { color: var(--ochre); }
  .c4 { color: var(--violet); } .peer { color: var(--grey); }
  .legend { display: flex; flex-wrap: wrap; gap: 4px 18px; align-items: center; margin: 6px 0 0; }
  .legend i { display: inline-block; width: 14px; height: 10px; margin-right: 6px; border-radius: 1px; background: currentColor; }
  .legend i.stroke { height: 2px; vertical-align: 4px; }
  .legend i.ramp { width: 120px; background: linear-gradient(to right, transparent, currentColor); border: 1px solid var(--rule); }
  .legend span > span { color: var(--soft); }
  .pair, .many { display: grid; gap: 12px 32px; grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .many { grid-template-columns: repeat(auto-fill, minmax(min(100%, 290px), 1fr)); gap: 26px 32px; }
  .few { display: grid; gap: 14px 24px; grid-template-columns: repeat(4, minmax(0, 1fr)); margin-top: 16px; }
  .few .plot.bare { padding: 2px 0 4px; }
  .tip { position: fixed; z-index: 9; pointer-events: none; max-width: 300px; padding: 5px 9px; font-size: 13px; line-height: 1.4;
    background: var(--ink); color: var(--paper); border-radius: 3px; white-space: pre-line; }`;

const tables = `
  .wide { overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; font-size: 14px; }
  th, td { text-align: left; font-weight: 400; padding: 6px 18px 6px 0; border-bottom: 1px solid var(--rule); vertical-align: baseline; }
  th:last-child, td:last-child { padding-right: 0; }
  thead th { color: var(--soft); font-size: 13px; }
  td.num, th.num { text-align: right; white-space: nowrap; }
  td.spark { width: 150px; padding-top: 2px; padding-bottom: 2px; vertical-align: middle; }
  td.nowrap { white-space: nowrap; }
  td.total, th.total { border-bottom: 0; font-weight: 600; }
  .rows { display: grid; grid-template-columns: minmax(120px, max-content) max-content minmax(0, 1fr); column-gap: 20px; font-size: 14px; }
  .rows > div { display: grid; grid-template-columns: subgrid; grid-column: 1 / -1; align-items: center; padding: 5px 0; }
  .rows > div.gap { padding-top: 22px; font-weight: 600; }
  .rows.one { grid-template-columns: minmax(70px, max-content) max-content minmax(0, 1fr); column-gap: 12px; font-size: 13px; }
  .rows .num { text-align: right; white-space: nowrap; }
  .rows.two { grid-template-columns: minmax(120px, max-content) max-content max-content minmax(0, 2fr) minmax(0, 3fr); }
  .rows > div.top { border-bottom: 1px solid var(--rule); }
  .rows .axis { position: relative; height: 18px; font-size: 12px; color: var(--soft); }
  .rows .axis span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
  .rows .axis span:first-child { transform: none; }
  .bar { position: relative; height: 17px; border-left: 1.5px solid var(--ink); }
  .bar b { position: absolute; left: 0; top: 1px; bottom: 1px; min-width: 1px; background: currentColor; }
  .bar b.beyond { clip-path: polygon(0 0, calc(100% - 7px) 0, 100% 50%, calc(100% - 7px) 100%, 0 100%); }
  .bar u { position: absolute; top: -5px; bottom: -5px; width: 1px; background: var(--rule); }
  .bar u.dash { background: none; border-left: 1px dashed var(--soft); }
  .spot { position: relative; height: 17px; }
  .spot u { position: absolute; top: -5px; bottom: -5px; width: 1px; background: var(--rule); }
  .spot u.dash { background: none; border-left: 1px dashed var(--soft); }
  .spot s { position: absolute; top: 7.75px; height: 1.5px; background: currentColor; }
  .spot i { position: absolute; top: 4px; width: 9px; height: 9px; margin-left: -4.5px; border-radius: 50%; background: currentColor; }
  .stack { display: flex; height: 34px; gap: 1.5px; }
  .stack + .note { margin: 3px 0 14px; }
  .stack span { flex: none; min-width: 0; overflow: hidden; white-space: nowrap; text-overflow: clip; font-size: 12px; line-height: 34px;
    padding-left: 7px; background: color-mix(in srgb, currentColor var(--tone), var(--paper)); }
  .stack em { font-style: normal; color: var(--ink); } .stack .full em { color: var(--on-fill); }
  .facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 0 40px; margin: 0; font-size: 14px; }
  .facts div { display: flex; justify-content: space-between; gap: 16px; padding: 6px 0; border-bottom: 1px solid var(--rule); }
  .facts dt { color: var(--soft); } .facts dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
  details { margin-top: 14px; } summary { cursor: pointer; color: var(--soft); font-size: 14px; padding: 4px 0; }
  summary:hover { color: var(--ink); }
  .command { position: relative; background: var(--raised); border: 1px solid var(--rule); border-radius: 4px; margin: 0 0 28px; }
  .command pre { margin: 0; padding: 16px 88px 16px 18px; font: 13.5px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
    white-space: pre-wrap; overflow-wrap: anywhere; }
  .command button { position: absolute; top: 11px; right: 11px; font: inherit; font-size: 13px; padding: 3px 12px; cursor: pointer;
    color: var(--soft); background: var(--paper); border: 1px solid var(--rule); border-radius: 3px; }
  .command button:hover { color: var(--ink); border-color: var(--faint); }
  :focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }`;

const small = `
  main { padding: 32px 18px 48px; }
  section { margin-top: 52px; }
  .figures { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 22px 20px; }
  .figures .value { font-size: 28px; }
  .pair { grid-template-columns: minmax(0, 1fr); }
  .few { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .plot { padding-left: 40px; padding-right: 6px; } .plot.named { padding-left: 74px; } .plot.direct { padding-right: 8px; }
  .plot .roomy, .hide-small { display: none; }
  .rows, .rows.one { grid-template-columns: minmax(0, 1fr) max-content; }
  .rows.two { grid-template-columns: minmax(0, 2fr) minmax(0, 3fr) max-content; column-gap: 12px; }
  .rows .bar, .rows .spot, .rows .axis { grid-column: 1 / -1; margin-top: 3px; }
  .rows.two .name { grid-column: 1 / 3; } .rows.two .extra { display: none; }
  .rows.two .bar, .rows.two .axis { grid-column: auto; } .rows.two .last { grid-column: 2 / -1; }
  .rows > div.top .name, .rows > div.top .num { display: none; }
  th, td { padding-right: 12px; }`;

const print = `
  html, body { background: #fff; } body { font-size: 11pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; } section { margin-top: 30pt; } .command button, .tip { display: none; }
  figure, .figures, tr, .rows > div { break-inside: avoid; } h2, h3, section > p { break-after: avoid; }`;

export const theme: Markup = trusted(
  `:root {${light}\n}\n@media (prefers-color-scheme: dark) { :root {${dark}\n} }
  @media print { :root {${light}\n --paper: #ffffff; } }
  ${page}${figures}${plots}${tables}
  @media (max-width: 720px) {${small}\n}
  @media print {${print}\n}`.replace(/\n\s+/g, '\n'),
);
