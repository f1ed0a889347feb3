// The other side in C: native/test/map_bench.c, asked line by line, so that both sides take turns.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const folder = new URL('../out/native-test/Release/', import.meta.url);

export function programInC(name) {
  const path = fileURLToPath(new URL(name, folder));
  if (!existsSync(path)) throw new Error(`${name} is not built: npm run build`);
  return path;
}

export function mapBench() {
  const child = spawn(programInC('map_bench'), { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    async ask(...words) {
      child.stdin.write(`${words.join(' ')}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`map_bench ended at: ${words.join(' ')}`);
      return Number(value);
    },
    end: () => child.stdin.end(),
  };
}
