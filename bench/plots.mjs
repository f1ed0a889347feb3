// The plots of docs/performance.md, drawn by vega-lite from the results.
import { writeFileSync } from 'node:fs';
import { parse, View } from 'vega';
import { compile } from 'vega-lite';
import { caseOf, familyOf, figuresOf, find, NO_FIGURE } from './results.mjs';

const config = {
  background: 'white',
  font: 'sans-serif',
  axis: { labelFontSize: 12, titleFontSize: 12, labelLimit: 320 },
  legend: { labelFontSize: 12, labelLimit: 320, title: null, orient: 'bottom', columns: 2 },
  title: { fontSize: 14, anchor: 'start' },
};

async function draw(file, spec) {
  const view = new View(parse(compile({ ...spec, config }).spec), { renderer: 'none' });
  writeFileSync(file, `${await view.toSVG()}\n`);
}

/** Bars with their spread, one for each row `{ name, value, low, high, ours }`; `rule` marks a value. */
async function bars(file, title, axis, rows, { rule, log = false } = {}) {
  const scale = log
    ? { type: 'log', domainMin: Math.min(...rows.map(({ low }) => low)) / 2 }
    : { zero: true };
  const y = { field: 'name', type: 'nominal', sort: null, axis: { title: null, labelLimit: 500 } };
  await draw(file, {
    title,
    width: 480,
    data: { values: rows },
    layer: [
      {
        mark: { type: 'bar', height: { band: 0.7 } },
        encoding: {
          y,
          x: { field: 'value', type: 'quantitative', scale, title: axis },
          ...(log ? { x2: { datum: scale.domainMin } } : {}),
          color: {
            field: 'ours',
            type: 'nominal',
            scale: { domain: [true, false], range: ['#2a6fb0', '#b9bfc6'] },
            legend: null,
          },
        },
      },
      {
        mark: { type: 'rule', color: '#333' },
        encoding: { y, x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
      },
      ...(rule === undefined
        ? []
        : [
            {
              mark: { type: 'rule', color: '#c0392b', strokeDash: [4, 3] },
              encoding: { x: { datum: rule } },
            },
          ]),
    ],
  });
}

async function lines(file, title, x, y, rows) {
  await draw(file, {
    title,
    width: 480,
    height: 260,
    data: { values: rows },
    mark: { type: 'line', point: true },
    encoding: {
      x: {
        field: 'x',
        type: 'quantitative',
        title: x.title,
        scale: { type: x.scale ?? 'log' },
        axis: x.axis ?? {},
      },
      y: {
        field: 'value',
        type: 'quantitative',
        title: y.title,
        scale: { type: y.scale ?? 'log' },
      },
      color: { field: 'name', type: 'nominal', sort: null, scale: { scheme: 'tableau10' } },
    },
  });
}

const isOurs = (name) =>
  /^(memmap|mapping|map\(|slide|flush|await flush|channel|wait|typed array|a mapping)/.test(name);
const rowsOf = (figure) =>
  figure.results.map(({ name, median, low, high }) => ({
    name,
    value: median,
    low,
    high,
    ours: isOurs(name),
  }));
function family(results, start) {
  const figures = familyOf(figuresOf(results), start);
  if (figures.length === 0) find(results, start);
  return figures.flatMap(({ x, results: cases }) =>
    cases.map(({ name, median }) => ({ name, x, value: median })),
  );
}

const BYTES = {
  title: 'size of the file',
  axis: {
    labelExpr:
      "datum.value >= 1099511627776 ? datum.value / 1099511627776 + ' TiB' : datum.value >= 1073741824 ? datum.value / 1073741824 + ' GiB' : datum.value >= 1048576 ? datum.value / 1048576 + ' MiB' : datum.value / 1024 + ' KiB'",
  },
};

// Each compared with what it stands beside: figure, case, the other, label.
const BESIDE = [
  ['words 64 MiB', 'mapping', 'heap', 'read 32-bit words, of a heap array'],
  ['doubles 64 MiB', 'mapping', 'heap', 'read doubles, of a heap array'],
  ['random 64 MiB', 'mapping', 'heap', 'random reads, of a heap array'],
  ['touch', 'typed array', 'C', 'first touch of a page, of C'],
  ['map', 'map(path).unmap()', 'C: open, mmap, munmap, close', 'map and unmap, of C'],
  ['flush', 'flushSync(offset, 4096)', 'C: msync', 'flush a page, of C'],
  ['scattered', 'await flush(ranges)', 'C: msync of each', 'flush 16 scattered pages, of C'],
  ['slide', 'slide(offset)', 'C: mmap(MAP_FIXED)', 'slide, of C'],
  ['slide-read', 'slide(offset)', 'C: mmap(MAP_FIXED)', 'slide and read, of C'],
  ['round trip, free', 'wait and notify', 'C: futex(2)', 'wait and notify, of C'],
  [
    'messages of 64 KiB',
    'channel, ready and drain',
    'C: the same ring',
    'messages of 64 KiB, of C',
  ],
];

function besideRows(results) {
  return BESIDE.map(([id, name, than, label]) => {
    const { median, low, high } = caseOf(find(results, id), name).ratios[than];
    return { name: label, value: median, low, high, ours: true };
  });
}

/** Per MiB of the file, so that small and large ones are seen beside each other. */
const perMib = (rows) => rows.map((row) => ({ ...row, value: row.value / (row.x / 2 ** 20) }));
const inMilliseconds = (rows) =>
  rows.map((row) => ({ ...row, value: row.value / 1e6, low: row.low / 1e6, high: row.high / 1e6 }));

const sizes = (values) => ({ ...BYTES, axis: { ...BYTES.axis, values } });
const processes = { title: 'processes', scale: 'linear', axis: { values: [1, 2, 3, 4] } };
const micro = { title: 'microseconds (log)' };
const linear = (title) => ({ title, scale: 'linear' });

/** A plot of one figure, whose rows `change` may put otherwise. */
const ofFigure =
  (id, title, axis, { change = (rows) => rows, log = false } = {}) =>
  (results, file) =>
    bars(file, title, axis, change(rowsOf(find(results, id))), { log });
/** A plot of figures that differ in one size. */
const ofFamily =
  (start, title, x, y, change = (rows) => rows) =>
  (results, file) =>
    lines(file, title, x, y, change(family(results, start)));

const LOG = { log: true };
/** By the name of the file: what is drawn of the results. */
const PLOTS = {
  'beside-c': (results, file) =>
    bars(
      file,
      'Cost of memmap, where 1 is C or the heap',
      'ratio of cost (less is better)',
      besideRows(results),
      { rule: 1 },
    ),
  records: ofFigure(
    'records',
    'Read one of 524,288 records of 128 bytes',
    'nanoseconds a record (log)',
    LOG,
  ),
  durable: ofFigure('durable', 'Change a record of 128 bytes durably', 'milliseconds a record', {
    change: inMilliseconds,
  }),
  'messages-64': ofFigure('messages of 64 bytes', 'Messages of 64 bytes', 'a second (log)', LOG),
  'messages-64k': ofFigure('messages of 64 KiB', 'Messages of 64 KiB', 'a second (log)', LOG),
  whole: ofFamily(
    'whole',
    'Open a file, add it up, close it',
    sizes([2 ** 12, 2 ** 16, 2 ** 20, 2 ** 24, 2 ** 28]),
    { title: 'microseconds a MiB (log)' },
    perMib,
  ),
  size: ofFamily(
    'size',
    'Sparse files',
    sizes([2 ** 20, 2 ** 25, 2 ** 30, 2 ** 35, 2 ** 40]),
    micro,
  ),
  number: ofFamily('number', 'Beside many mappings', { title: 'mappings in the process' }, micro),
  processes: ofFamily(
    'processes',
    'Processes that add up a file of 256 MiB',
    processes,
    linear('milliseconds'),
  ),
  'processes-memory': ofFamily('memory of processes', 'Their memory', processes, linear('MiB')),
};

/** @returns names of those for which there are no results yet */
export async function plots(results, folder) {
  const missing = [];
  for (const [name, plot] of Object.entries(PLOTS)) {
    try {
      await plot(results, `${folder}${name}.svg`);
    } catch (error) {
      if (error.code !== NO_FIGURE) throw error;
      missing.push(name);
    }
  }
  return missing;
}
