// Example 3: a database of one record, laid out as C lays out
//
//   struct record { int record_id; char name[32]; int value; };    40 bytes, little-endian
//
//   node out/examples/record.js                              writes database.dat
//   node out/examples/record.js write PATH ID NAME VALUE
//   node out/examples/record.js read PATH

import { map } from 'memmap';
import { cString } from './c-string.js';

const SIZE = 40;
const ID = 0;
const NAME = 4;
const VALUE = 36;

function describe(record: DataView): string {
  const name = cString(new Uint8Array(record.buffer, record.byteOffset + NAME, VALUE - NAME));
  return `id=${record.getInt32(ID, true)} name=${name} value=${record.getInt32(VALUE, true)}`;
}

function write(path: string, id: number, name: string, value: number): void {
  const nameBytes = Buffer.alloc(VALUE - NAME); // zeros after the name: no old bytes stay behind
  if (Buffer.byteLength(name) >= nameBytes.length) throw new RangeError('31 bytes of name at most');
  nameBytes.write(name);

  const database = map(path, { access: 'write', create: true, length: SIZE });
  const record = database.view(DataView);
  record.setInt32(ID, id, true);
  database.bytes.set(nameBytes, NAME);
  record.setInt32(VALUE, value, true);
  database.flushSync(); // msync(MS_SYNC): returns when the record is on the disk
  console.log(`Record flushed to disk: ${describe(record)}`);
  database.unmap();
}

function read(path: string): void {
  const database = map(path, { length: SIZE });
  console.log(`Record read: ${describe(database.view(DataView))}`);
  database.unmap();
}

const [command = 'write', path = 'database.dat', id = '42', name = 'temperature', value = '37'] =
  process.argv.slice(2);
if (command === 'write') write(path, Number(id), name, Number(value));
else if (command === 'read') read(path);
else throw new Error(`neither write nor read: ${command}`);
