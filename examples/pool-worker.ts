// A worker of the pools in pool.ts: for each query, which is a row of the matrix too, the products with all
// rows.

import { inherited } from 'memmap';
import { Channel } from 'memmap/channel';

/** What a worker is told when it is started. */
export interface Work {
  how: 'channel' | 'messages';
  worker: number;
  rows: number;
  columns: number;
  /** Bytes before the numbers of a result: of which query it is, and from which worker. */
  header: number;
}

const { how, worker, rows, columns, header } = JSON.parse(process.argv[2]!) as Work;
let matrix: Float32Array;
let send: (result: Float32Array) => void = (result) => process.send!(result);
if (how === 'channel') {
  matrix = inherited('matrix', { access: 'read' }).view(Float32Array);
  const sender = Channel.open(inherited('results')).sender();
  send = ({ buffer }) => sender.sendSync(new Uint8Array(buffer));
}

const result = new Float32Array(header / 4 + rows);
const origin = new Uint32Array(result.buffer, 0, 2);
const products = result.subarray(header / 4);

function compare(query: number): void {
  const other = query * columns;
  for (let row = 0, at = 0; row < rows; row++) {
    let sum = 0;
    for (let i = 0; i < columns; i++) sum += matrix[at++]! * matrix[other + i]!;
    products[row] = sum;
  }
  origin.set([query, worker]);
  send(result);
}

process.on('message', (message: Float32Array | { from: number; to: number }) => {
  if (message instanceof Float32Array) matrix = message;
  else for (let query = message.from; query < message.to; query++) compare(query);
});
process.send!('ready');
