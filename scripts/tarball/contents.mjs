// What the package carries, against the list in contents.txt: a line for each file, `*` for any name, and a `?` before
// what may be there or not. `node scripts/tarball/contents.mjs --write` writes the list from what npm would pack now.
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { root } from '../attack/report.mjs';

const LIST = join(import.meta.dirname, 'contents.txt');
const MOST_BYTES = 2_000_000;
const NOT_FOR_USERS =
  /^(test|src|scripts|bench|native\/test)\/|\.map$|\.tsbuildinfo$|(?<!\.d)\.ts$/;

const lines = () => readFileSync(LIST, 'utf8').trim().split('\n');
const patternOf = (line) =>
  new RegExp(
    `^${line.replace(/[.+]/g, '\\$&').replace(/\*\*\/|\*/g, (star) => (star === '*' ? '[^/]*' : '(?:.*/)?'))}$`,
  );

/** Files that no line has, and lines that no file has. */
function differences(files) {
  const wanted = lines().map((line) => ({
    line,
    optional: line.startsWith('? '),
    pattern: patternOf(line.replace('? ', '')),
  }));
  const isKnown = (file) => wanted.some(({ pattern }) => pattern.test(file));
  const isThere = ({ pattern }) => files.some((file) => pattern.test(file));
  return [
    ...files.filter((file) => !isKnown(file)).map((file) => `new: ${file}`),
    ...wanted.filter((one) => !one.optional && !isThere(one)).map(({ line }) => `missing: ${line}`),
  ];
}

export function checkContents(attack, folder, files) {
  const found = differences(files);
  const how = 'if that is right: node scripts/tarball/contents.mjs --write';
  const told = found.length > 0 ? `${found.join(', ')}; ${how}` : `${files.length} files`;
  attack.claim('the package carries what contents.txt lists', found.length === 0, told);
  const bytes = files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  attack.claim('it is no larger than it should be', bytes <= MOST_BYTES, `${bytes} bytes unpacked`);
  const others = files.filter((file) => NOT_FOR_USERS.test(file));
  attack.claim('no tests, sources of lib/ or source maps', others.length === 0, others.join(', '));
  // Where it was built is nobody's business, and would make each build another one.
  const places = [root, homedir(), 'sourceMappingURL'].filter((place) => place.length > 1);
  const telling = files.flatMap((file) => {
    const text = readFileSync(join(folder, file), 'latin1');
    return places.filter((place) => text.includes(place)).map((place) => `${file}: ${place}`);
  });
  attack.claim('no path of the machine it was built on', telling.length === 0, telling.join(', '));
}

if (process.argv[1] === import.meta.filename && process.argv.includes('--write')) {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const { stdout } = spawnSync('npm', args, { cwd: root, encoding: 'utf8' });
  const [{ files }] = JSON.parse(stdout);
  const optional = lines().filter((line) => line.startsWith('? '));
  const patterns = optional.map((line) => patternOf(line.slice(2)));
  // Of what is built, and may not be there now.
  const kept = lines().filter((line) => /^(lib|prebuilds)\//.test(line));
  const all = files.map(({ path }) => path).filter((path) => !patterns.some((p) => p.test(path)));
  const names = new Set([...optional, ...kept, ...all]);
  writeFileSync(LIST, `${[...names].sort().join('\n')}\n`);
}
