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
const NOT = 'does not hold';
/** Less than this is no difference on a machine that is shared. */
const EVEN = 0.05;

/** Of what is not so, the documentation has to say why. */
function say(word, what, id, numbers) {
  const bad = word === NOT;
  const explained = reasons.includes(id);
  if (bad && !explained) open++;
  const why = explained ? '; docs/performance.md says why' : '; NOT EXPLAINED';
  console.log(`${word.padEnd(NOT.length)}  ${what}: ${numbers}${bad ? why : ''}`);
}

for (const { what, figures, name, than, most } of targets) {
  for (const id of figures) {
    const { median, low, high } = caseOf(find(results, id), name).ratios[than];
    const text = `${short(median)} (${short(low)} to ${short(high)}), at most ${most}`;
    say(median <= most ? 'holds' : NOT, `${what} [${id}]`, id, text);
  }
}
{
  const { figure, name, than, most } = importTarget;
  const { more } = caseOf(find(results, figure), name).ratios[than];
  say(
    more <= most ? 'holds' : NOT,
    'Importing the package, beyond an empty module',
    figure,
    `${short(more)} ms, at most ${most} ms`,
  );
}
console.log('\nWhat people use instead, and how much it costs of what memmap does:');
for (const { id, title, results: cases } of figuresOf(results)) {
  for (const { name, ratios = {} } of cases) {
    for (const [than, { median, low, high }] of Object.entries(ratios)) {
      if (ours.includes(than) && !name.startsWith('memmap') && !name.startsWith('channel')) {
        say(
          median < 1 - EVEN ? NOT : median > 1 + EVEN ? 'beaten' : 'even',
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
