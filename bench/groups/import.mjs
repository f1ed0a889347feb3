// What importing the package costs, beside an empty module: each time in a process of its own.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { folder } from '../files.mjs';
import { figure, finish } from '../harness.mjs';

// In a package, too: what its package.json says is looked up.
const empty = join(folder, 'index.js');
writeFileSync(empty, '');
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
const nothing = 'an empty module';
const modules = {
  [nothing]: pathToFileURL(empty).href,
  memmap: new URL('../../lib/index.js', import.meta.url).href,
  'memmap/sync': new URL('../../lib/sync.js', import.meta.url).href,
  'memmap/channel': new URL('../../lib/channel.js', import.meta.url).href,
};
const program = (url) =>
  `const begin = performance.now(); await import('${url}'); console.log(performance.now() - begin);`;

function milliseconds(url, whole) {
  const begin = performance.now();
  const inside = execFileSync(process.execPath, ['--input-type=module', '-e', program(url)]);
  return whole ? performance.now() - begin : Number(inside);
}

for (const [id, title, whole] of [
  ['import', 'Import the package', false],
  ['import, process', 'A process that imports the package, from start to end', true],
]) {
  const cases = Object.entries(modules).map(([name, url]) => ({
    name,
    than: name === nothing ? [] : nothing,
    call: () => milliseconds(url, whole),
  }));
  await figure(id, { title, unit: 'ms', rounds: 45 }, cases);
}
finish();
