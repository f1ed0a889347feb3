// Which of the promised ratios hold, by the results that docs/performance.md shows: `npm run bench:check`. Fails when
// one does not hold and the documentation does not say why.

import { readFileSync } from 'node:fs';
import { caseOf, figuresOf, find, read, short, shown } from './results.mjs';
import { importTarget, ours, targets } from './targets.mjs';

const results = read(shown);
const explained = readFileSync(new URL('../docs/performance.md', import.meta.url), 'utf8');
// The documentation says of which figures it explains that they do not hold: <!-- explains: id, id -->
const reasons = [...explained.matchAll(/<!-- explains: (.*?) -->/g)].flatMap(([, ids]) =>
  ids.split('; '),
);
let open = 0;

function say(holds, what, id, numbers) {
  const why = reasons.includes(id) ? 'docs/performance.md says why' : 'NOT EXPLAINED';
  if (!holds && !reasons.includes(id)) open++;
  console.log(
    `${holds ? 'holds         ' : 'does not hold '} ${what}: ${numbers}${holds ? '' : `; ${why}`}`,
  );
}

for (const { what, figures, name, than, most } of targets) {
  for (const id of figures) {
    const { median, low, high } = caseOf(find(results, id), name).ratios[than];
    const text = `${short(median)} (${short(low)} to ${short(high)}), at most ${most}`;
    say(median <= most, `${what} [${id}]`, id, text);
  }
}
{
  const { figure, name, than, most } = importTarget;
  const more =
    caseOf(find(results, figure), name).median - caseOf(find(results, figure), than).median;
  say(
    more <= most,
    'Importing the package, beyond an empty module',
    figure,
    `${short(more)} ms, at most ${most} ms`,
  );
}
console.log('\nWhat people use instead, by how much it costs more (above 1 is good):');
for (const { id, title, results: cases } of figuresOf(results)) {
  for (const { name, ratios = {} } of cases) {
    for (const [than, { median, low, high }] of Object.entries(ratios)) {
      if (ours.includes(than) && !name.startsWith('memmap') && !name.startsWith('channel')) {
        say(
          median >= 1,
          `${title}: ${name}`,
          `${id}: ${name}`,
          `${short(median)} (${short(low)} to ${short(high)}) of ${than}`,
        );
      }
    }
  }
}
console.log(
  open === 0
    ? '\nWhat does not hold is explained.'
    : `\n${open} do not hold and are not explained.`,
);
process.exitCode = open === 0 ? 0 : 1;
