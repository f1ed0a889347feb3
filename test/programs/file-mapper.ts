// Another process that maps a file and does what it is told over its channel, until that closes.
//
//   file-mapper PATH shared|private

import { closeSync, fstatSync, openSync } from 'node:fs';
import { MAP, mmap, PAGE_SIZE, PROT } from 'memmap/posix';

/** One thing to do. Each is answered with the text at the beginning of the mapping, up to a zero. */
export type Command =
  | { do: 'touch' } // every page
  | { do: 'look' }
  | { do: 'write'; text: string };

const [path = '', sharing = ''] = process.argv.slice(2);
const fd = openSync(path, 'r+');
const size = fstatSync(fd).size;
const flags = sharing === 'shared' ? MAP.SHARED : MAP.PRIVATE;
const bytes = Buffer.from(mmap(size, PROT.READ | PROT.WRITE, flags, fd));
closeSync(fd);

process.on('message', (command: Command) => {
  if (command.do === 'touch') {
    let sum = 0;
    for (let offset = 0; offset < size; offset += PAGE_SIZE) sum += bytes.readUInt8(offset);
    if (Number.isNaN(sum)) throw new Error('the sum keeps the loop from being left out');
  } else if (command.do === 'write') {
    bytes.write(`${command.text}\0`);
  }
  const end = bytes.indexOf(0);
  process.send?.(bytes.toString('utf8', 0, end === -1 ? size : end));
});
process.send?.('ready');
