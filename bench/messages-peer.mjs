// The sending process of bench/groups/messages.mjs, over each transport:
//   messages-peer.mjs TRANSPORT flood BYTES COUNT     sends as fast as it can
//   messages-peer.mjs TRANSPORT echo                  sends back what comes
//   messages-peer.mjs TRANSPORT probe BYTES COUNT     the time of sending, every few milliseconds
import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { Channel } from '../lib/channel.js';
import { inherited } from '../lib/index.js';
import { framed, unframed } from './frames.mjs';

const PROBE_EVERY = 5;
const [transport, task, bytes = '0', count = '0'] = workerData ?? process.argv.slice(2);
const length = Number(bytes);
const times = Number(count);
const message = Buffer.alloc(length, 1);
const text = 'x'.repeat(length);

/** Each transport as `send(content)`, which says whether there is room for more, and `listen`. */
async function open() {
  if (transport.startsWith('channel')) {
    const sender = Channel.open(inherited('there')).sender();
    return {
      send: (content) => sender.trySend(content) || sender.sendSync(content),
      listen: async (hear) => {
        const receiver = Channel.open(inherited('back')).receiver();
        for await (const answer of receiver) hear(answer);
      },
      end: () => sender.close(),
    };
  }
  if (transport === 'socket') {
    const socket = connect(process.env.SOCKET);
    socket.on('error', () => {});
    return {
      send: (content) => socket.write(framed(content)),
      listen: async (hear) => socket.on('data', unframed(hear)),
      room: (then) => socket.once('drain', then),
      end: () => socket.end(),
    };
  }
  if (transport === 'worker') {
    return {
      send: (content) => parentPort.postMessage(content) ?? true,
      listen: async (hear) => parentPort.on('message', hear),
      end: () => {},
    };
  }
  // process.send(): json has no Buffer to speak of, so it gets a string of the same length.
  return {
    send: (content) => process.send(transport === 'json' && task === 'flood' ? text : content),
    listen: async (hear) => process.on('message', hear),
    room: (then) => setImmediate(then),
    end: () => {}, // with nothing left to do it ends, and what it has sent arrives
  };
}

const peer = await open();
if (task === 'flood') {
  let left = times;
  const flood = () => {
    for (; left > 0; left--) {
      if (!peer.send(message) && peer.room) {
        left--;
        peer.room(flood);
        return;
      }
    }
    peer.end();
  };
  flood();
} else if (task === 'echo') {
  peer.listen((heard) => peer.send(heard));
} else {
  let left = times;
  const timer = setInterval(() => {
    message.writeBigUInt64LE(process.hrtime.bigint(), 0);
    peer.send(transport === 'json' ? message.toString('base64') : message);
    if (--left > 0) return;
    clearInterval(timer);
    peer.end();
  }, PROBE_EVERY);
}
