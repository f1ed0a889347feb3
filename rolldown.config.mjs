// lib/ in few files: to find, read and link a file costs more than to run what stands in it, and what is not needed
// costs its parsing. `memmap` is core.js, and a list of what it exports; each other part has core.js and one or two
// files more. The declarations are made by tsc, one for each file of src/.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { defineConfig } from 'rolldown';

const source = (name) => resolve(import.meta.dirname, 'src', name);

const packageIn = (folder) => JSON.parse(readFileSync(resolve(folder, 'package.json'), 'utf8'));

/** Somebody else's text: what is to be replaced must be there, once. */
function replaceOnce(code, from, to) {
  const parts = code.split(from);
  if (parts.length !== 2) throw new Error(`found ${parts.length - 1} times: ${from}`);
  return parts.join(to);
}

/** node-gyp-build, which finds the binary, needs little of require(), and would pay for all of it. */
const withoutRequire = {
  name: 'without-require',
  transform: {
    filter: { id: /\/node-gyp-build\/node-gyp-build\.js$/ },
    handler(code, id) {
      const { version, license } = packageIn(resolve(id, '..'));
      const { name } = packageIn(import.meta.dirname);
      const replacements = [
        ["require('fs')", "process.getBuiltinModule('node:fs')"],
        ["require('path')", "process.getBuiltinModule('node:path')"],
        ["require('os')", '{ arch: () => process.arch, platform: () => process.platform }'],
        // What Node was configured with, for a version of ARM that only the 32-bit ones have.
        ['(process.config &&', "(process.arch === 'arm' &&"],
        // Of package.json it wants the name.
        [
          "typeof __webpack_require__ === 'function' ? __non_webpack_require__ : require //",
          `() => (${JSON.stringify({ name })}) //`,
        ],
      ];
      const replaced = replacements.reduce((text, [from, to]) => replaceOnce(text, from, to), code);
      return `/*! node-gyp-build ${version}, ${license}: see its LICENSE */\n${replaced}`;
    },
  },
};

/**
 * An import of one of Node's modules makes an ES module of it first. The command has time for that, and something to
 * say where Node has no such function.
 */
const builtins = {
  name: 'builtins',
  renderChunk: (code, { fileName }) =>
    /^cli\b/.test(fileName)
      ? null
      : code.replace(
          /^import \{(.*)\} from "(node:[^"]*)";$/gm,
          (_, names, module) =>
            `const {${names.replaceAll(' as ', ': ')}} = process.getBuiltinModule("${module}");`,
        ),
};

/** The doctor has something to say where the add-on cannot be loaded: then core.js cannot be either. */
const copyForDoctor = {
  name: 'copy-for-doctor',
  resolveId: {
    filter: { id: /\/c-library\.js$/ },
    handler: (_, importer) =>
      importer === source('cli/machine.ts') ? `${source('c-library.ts')}?doctor` : undefined,
  },
  load: {
    filter: { id: /\?doctor$/ },
    handler: (id) => ({ code: readFileSync(id.replace('?doctor', ''), 'utf8'), moduleType: 'ts' }),
  },
};

/** The commands read posix.js as users do. As one of its modules they would have it split in two. */
const posixForCommands = {
  name: 'posix-for-commands',
  resolveId: {
    filter: { id: /^\.\.\/posix\.js$/ },
    handler: (id, importer) =>
      importer?.startsWith(source('cli/')) ? { id, external: true } : undefined,
  },
};

const entries = ['index', 'posix', 'sync', 'channel', 'cli'];
// Loaded when they are asked for, or processes of their own: in the place that they have in src/.
const commands = ['doctor', 'addon', 'guard-probe', 'residency'].map((name) => `cli/${name}`);

export default defineConfig({
  input: Object.fromEntries([...entries, ...commands].map((name) => [name, source(`${name}.ts`)])),
  platform: 'node',
  external: /^node:/,
  plugins: [withoutRequire, builtins, copyForDoctor, posixForCommands],
  transform: { target: 'es2022' },
  output: {
    dir: 'lib',
    chunkFileNames: '[name].js',
    minifyInternalExports: false,
    codeSplitting: {
      groups: [
        { name: 'core', test: /\/src\/index\.ts$/, priority: 2 },
        { name: 'waits', test: /\/src\/sync\.ts$/, priority: 1 },
      ],
    },
  },
});
