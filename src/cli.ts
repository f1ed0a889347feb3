#!/usr/bin/env node
// The command line: `npx memmap COMMAND`. Each command is loaded when it is asked for, since `doctor` has
// something to say where the add-on cannot be loaded.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const USAGE = `usage: memmap COMMAND

  demo                        the examples, as real processes, with what each saw
  doctor [--json]             what this machine and this runtime support
  residency [--json] FILE...  how much of each file is in the page cache

  --help     this text
  --version  the package's version
`;

const FAILED = 1;
const MISUSED = 2;

interface Arguments {
  json: boolean;
  files: string[];
}
interface Command {
  takesJson: boolean;
  takesFiles: boolean;
  run(given: Arguments): Promise<boolean>;
}

const commands: Readonly<Record<string, Command>> = {
  demo: {
    takesJson: false,
    takesFiles: false,
    run: async () => {
      await import(String(new URL('../out/examples/demo.js', import.meta.url)));
      return !process.exitCode;
    },
  },
  doctor: {
    takesJson: true,
    takesFiles: false,
    run: async ({ json }) => (await import('./cli/doctor.js')).doctor(json),
  },
  residency: {
    takesJson: true,
    takesFiles: true,
    run: async ({ json, files }) => (await import('./cli/residency.js')).residency(files, json),
  },
};

function misused(why: string): number {
  process.stderr.write(`memmap: ${why}\n\n${USAGE}`);
  return MISUSED;
}

function parsed(args: string[]) {
  const options = {
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
    json: { type: 'boolean' },
  } as const;
  return parseArgs({ args, options, allowPositionals: true });
}

async function main(args: string[]): Promise<number> {
  let given: ReturnType<typeof parsed>;
  try {
    given = parsed(args);
  } catch (error) {
    return misused((error as Error).message);
  }
  const { values, positionals } = given;
  const [name, ...files] = positionals;
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (values.version) {
    const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
    console.log((JSON.parse(text) as { version: string }).version);
    return 0;
  }
  if (name === undefined) return misused('a command is missing');
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) return misused(`no such command: ${name}`);
  if (values.json && !command.takesJson) return misused(`${name} takes no --json`);
  if (command.takesFiles && files.length === 0) return misused(`${name}: a file is missing`);
  if (!command.takesFiles && files.length > 0) return misused(`${name} takes no ${files[0]}`);
  try {
    return (await command.run({ json: values.json ?? false, files })) ? 0 : FAILED;
  } catch (error) {
    console.error((error as Error).message);
    return FAILED;
  }
}

// Not process.exit(): what was printed into a pipe may still be on its way.
process.exitCode = await main(process.argv.slice(2));
