// `memmap doctor`: what this machine and this runtime support, one line each.
import { type Check, type Line, lookAt } from './check.js';
import { machine } from './machine.js';

async function checksOfAddon(): Promise<readonly Check[]> {
  try {
    return (await import('./addon.js')).addon;
  } catch (error) {
    const found = (error as Error).message.replaceAll('\n', '\n      ');
    const means = 'nothing of the package works';
    return [{ name: 'add-on', needed: true, look: () => ({ status: 'no', found, means }) }];
  }
}

function print({ name, status, found, means, needed }: Line): void {
  const missing = needed && status === 'no' ? ' (needed)' : '';
  console.log(`${status.padEnd(7)} ${name}: ${found}${missing}\n        ${means}`);
}

/** @returns whether everything is there that the package needs */
export async function doctor(json: boolean): Promise<boolean> {
  const lines: Line[] = [];
  for (const check of [...machine, ...(await checksOfAddon())]) lines.push(await lookAt(check));
  const ok = !lines.some(({ needed, status }) => needed && status === 'no');
  if (json) {
    console.log(JSON.stringify({ ok, checks: lines }, null, 2));
  } else {
    for (const line of lines) print(line);
    console.log(ok ? '\nAll that the package needs is here.' : '\nThe package does not work here.');
  }
  return ok;
}
