// Another process with named memory: does what its messages say, and answers each.
//
//   named-memory [UID]     with an IPC channel; with a UID it becomes that user first

import { SharedMemory } from 'memmap';

export type Command =
  | { do: 'create'; name: string; length: number; exclusive?: boolean }
  | { do: 'open'; name: string; access?: 'read' | 'write' }
  | { do: 'write'; at: number; text: string }
  | { do: 'add'; index: number; times: number }
  | { do: 'look'; at: number; length: number }
  | { do: 'unmap' }
  | { do: 'unlink'; name: string };

const [uid] = process.argv.slice(2);
if (uid !== undefined) {
  process.setgroups?.([]);
  process.setgid?.(Number(uid));
  process.setuid?.(Number(uid));
}
let memory: SharedMemory | undefined;

function obey(command: Command): string | number | undefined {
  switch (command.do) {
    case 'create':
      memory = SharedMemory.createNamed(command.name, command.length, {
        exclusive: command.exclusive ?? false,
      });
      return memory.length;
    case 'open':
      memory = SharedMemory.open(command.name, { access: command.access ?? 'write' });
      return memory.length;
    case 'write':
      return memory?.bytes.write(command.text, command.at, 'latin1');
    case 'add': {
      const cells = memory!.view(Int32Array);
      for (let i = 0; i < command.times; i++) Atomics.add(cells, command.index, 1);
      return cells[command.index];
    }
    case 'look':
      return memory?.bytes.toString('latin1', command.at, command.at + command.length);
    case 'unmap':
      memory?.unmap();
      return undefined;
    case 'unlink':
      SharedMemory.unlink(command.name);
      return undefined;
  }
}

process.on('message', (command: Command) => {
  let answer: unknown;
  try {
    answer = obey(command) ?? 'done';
  } catch (error) {
    answer = (error as NodeJS.ErrnoException).code ?? String(error);
  }
  process.send?.(answer as string | number);
});
process.send?.('ready');
