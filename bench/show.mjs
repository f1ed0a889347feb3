// From the results to what the documentation shows: the plots, and the tables between the markers of
// docs/performance.md. Also on its own: `node bench/show.mjs`.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { plots } from './plots.mjs';
import { caseOf, familyOf, read, short, shown } from './results.mjs';

const page = fileURLToPath(new URL('../docs/performance.md', import.meta.url));
const MARKERS = /(<!-- results of (.*?) -->\n)[\s\S]*?(<!-- end of results -->)/g;

function table(cells) {
  const width = cells[0].map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  const line = (row) => `| ${row.map((cell, i) => cell.padEnd(width[i])).join(' | ')} |`;
  return [line(cells[0]), line(width.map((n) => '-'.repeat(n))), ...cells.slice(1).map(line)].join(
    '\n',
  );
}

function figureTable({ unit, results }) {
  const compared = results.some(({ ratios }) => ratios);
  const rows = results.map(({ name, median, low, high, ratios = {} }) => [
    name,
    short(median),
    `${short(low)} to ${short(high)}`,
    ...(compared
      ? [
          Object.entries(ratios)
            .map(([than, ratio]) => `${short(ratio.median)} of ${than}`)
            .join('; '),
        ]
      : []),
  ]);
  return table([['', unit, 'middle half', ...(compared ? ['cost'] : [])], ...rows]);
}

/** Figures that differ in one size, by the beginning of their ids. */
const FAMILIES = {
  whole: 'Open a file of this size, add it up, close it',
  size: 'A sparse file of this size',
  number: 'Beside so many mappings',
  processes: 'So many processes add up a file of 256 MiB',
  'memory of processes': 'Memory of so many processes that have a file of 256 MiB',
};

function familyTable(family) {
  const names = [...new Set(family.flatMap(({ results }) => results.map(({ name }) => name)))];
  const cell = (figure, name) => {
    const found = caseOf(figure, name);
    return found ? short(found.median) : '';
  };
  const heads = family.map(({ id }) => id.replace(/^[a-z ]+ (?=[0-9])/, ''));
  return table([
    [family[0].unit, ...heads],
    ...names.map((name) => [name, ...family.map((figure) => cell(figure, name))]),
  ]);
}

function tables(results, group) {
  if (group === 'machine') {
    const { cpu, cores, memory, kernel, versions } = results.machine;
    const dates = [
      ...new Set(Object.values(results.groups).map(({ measured }) => measured)),
    ].sort();
    return `${cpu}, ${cores} cores, ${Math.round(memory / 2 ** 30)} GiB, Linux ${kernel}; ${versions.join(', ')}; measured ${dates.join(', ')}.`;
  }
  const { figures, runtime } = results.groups[group];
  const single = figures
    .filter(({ x }) => x === undefined)
    .map((figure) => `${figure.title}:\n\n${figureTable(figure)}`);
  const families = Object.entries(FAMILIES).flatMap(([start, title]) => {
    const family = familyOf(figures, start);
    return family.length > 0 ? [`${title}:\n\n${familyTable(family)}`] : [];
  });
  return [...(group === 'bun' ? [`${runtime}.`] : []), ...single, ...families].join('\n\n');
}

export async function show(folder) {
  const results = read(folder);
  const missing = await plots(results, folder);
  if (missing.length > 0) console.log(`No plots yet: ${missing.join(', ')}`);
  if (folder !== shown) return;
  const text = readFileSync(page, 'utf8');
  writeFileSync(
    page,
    text.replace(
      MARKERS,
      (_, begin, group, end) => `${begin}\n${tables(results, group)}\n\n${end}`,
    ),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await show(shown);
