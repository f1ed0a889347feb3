// The house rules that no linter knows. Prints each breach and fails.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const MAX_LINES = 400;
const breaches = [];

const list = (folder, pattern) =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true })
        .filter((f) => pattern.test(f))
        .map((f) => `${folder}/${f}`)
        .sort()
    : [];
const read = (file) => readFileSync(join(root, file), 'utf8');

/** Every `#include` of `folder` whose name matches is a breach. */
function forbidIncludes(folder, pattern, why) {
  for (const file of list(folder, /\.(h|cc|c)$/)) {
    for (const [i, line] of read(file).split('\n').entries()) {
      const name = /^\s*#\s*include\s*[<"]([^>"]+)[>"]/.exec(line)?.[1];
      if (name && pattern.test(name)) breaches.push(`${file}:${i + 1}: includes ${name}: ${why}`);
    }
  }
}

// 1. core knows no Node; the binding makes no system call.
forbidIncludes(
  'native/core',
  /(^|\/)(napi|napi-inl|node|node_api|node_api_types|js_native_api|js_native_api_types|uv)\.h$|(^|\/)v8|^binding\//,
  'core knows no Node',
);
forbidIncludes(
  'native/binding',
  /^(sys|linux|asm|bits)\/|^(unistd|fcntl|signal|poll|sched|dirent)\.h$|^csignal$/,
  'the binding makes no system call',
);

// 2. index.ts re-exports and does nothing else.
if (existsSync(join(root, 'src/index.ts'))) {
  const rest = read('src/index.ts')
    .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    .replace(/export\s+(type\s+)?(\{[^}]*\}|\*(\s+as\s+\w+)?)\s+from\s+'[^']+';/g, '')
    .trim();
  if (rest) breaches.push(`src/index.ts: not a re-export: ${rest.split('\n')[0]}`);
}

// 3. native.ts is the only file that knows the add-on.
for (const file of list('src', /\.ts$/)) {
  if (
    !/^src\/(native|node-gyp-build\.d)\.ts$/.test(file) &&
    /['"]node-gyp-build/.test(read(file))
  ) {
    breaches.push(`${file}: only src/native.ts loads the add-on`);
  }
}

// 4. A file of more than 400 lines is two files.
for (const file of [...list('src', /\.ts$/), ...list('native', /\.(h|cc|c)$/)]) {
  const lines = read(file).split('\n').length - 1;
  if (lines > MAX_LINES) breaches.push(`${file}: ${lines} lines, at most ${MAX_LINES}`);
}

// 5. A lock file names packages, not places.
for (const file of ['package-lock.json', 'scripts/api/package-lock.json']) {
  if (existsSync(join(root, file)) && /"resolved":/.test(read(file))) {
    breaches.push(`${file}: records download addresses (see .npmrc)`);
  }
}

for (const breach of breaches) console.error(breach);
console.log(`house rules: ${breaches.length} breaches`);
process.exit(breaches.length ? 1 : 0);
