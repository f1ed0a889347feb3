// Shared memory: segments, names, seals, and handing them over.

import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { inherited, Mapping, SharedMemory, share } from 'memmap';
import { memfd_create } from 'memmap/posix';
import {
  child,
  codeOf,
  type Features,
  handed,
  type Roles,
  RoleWorker,
  segmentName,
} from './feature.js';

const cells = (memory: Mapping) => memory.view(Int32Array, 0, 16);

export const features: Features = {
  async 'create and adopt'() {
    const memory = SharedMemory.create(4096, { name: 'conformance' });
    const other = SharedMemory.adopt(memory.fd);
    cells(memory)[3] = 5;
    assert.equal(cells(other)[3], 5);
    const unsealed = memfd_create('unsealed');
    assert.equal(await codeOf(() => SharedMemory.adopt(unsealed)), 'ERR_INVALID_STATE');
    memory.unmap();
    assert.equal(cells(other)[3], 5);
    other.unmap();
  },
  'node:fs takes the descriptor of a segment'() {
    const memory = SharedMemory.create(4096);
    assert.equal(fstatSync(memory.fd).size, 4096);
    memory.unmap();
  },
  async 'seal against writing'() {
    const memory = SharedMemory.create(4096);
    memory.seal('write');
    cells(memory)[0] = 1;
    assert.equal(await codeOf(() => SharedMemory.adopt(memory.fd)), 'EPERM');
    const reader = SharedMemory.adopt(memory.fd, { access: 'read' });
    assert.equal(cells(reader)[0], 1);
    reader.unmap();
    memory.unmap();
  },
  async 'createNamed, open, unlink'() {
    const name = segmentName('memory');
    const memory = SharedMemory.createNamed(name, 4096, { exclusive: true });
    try {
      assert.equal(
        await codeOf(() => SharedMemory.createNamed(name, 4096, { exclusive: true })),
        'EEXIST',
      );
      const other = child('memory/named', [name]);
      const { code, stderr } = await other.ended;
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
      assert.equal(cells(memory)[1], 7);
    } finally {
      SharedMemory.unlink(name);
    }
    assert.equal(await codeOf(() => SharedMemory.open(name)), 'ENOENT');
    memory.unmap();
  },
  async 'share and inherited, through spawn'() {
    const memory = SharedMemory.create(4096);
    const { stdio, env } = share({ table: memory }, { stdio: ['pipe', 'pipe', 'pipe'], env: {} });
    const { code, stderr } = await child(
      'memory/inherits',
      [],
      handed({ stdio: stdio as unknown[], env: env as NodeJS.ProcessEnv }),
    ).ended;
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.deepEqual([...cells(memory).subarray(0, 3)], [1, 1, 0]);
    memory.unmap();
  },
  async 'share and inherited, through fork with messages'() {
    const memory = SharedMemory.create(4096);
    const main = fileURLToPath(new URL('./main.js', import.meta.url));
    const options = share({ table: memory }, { execArgv: process.execArgv });
    const forked = fork(main, ['role', 'memory/inherits', 'tells'], options);
    const [message] = await once(forked, 'message');
    assert.equal(message, 'added');
    forked.disconnect();
    const [code] = await once(forked, 'exit');
    assert.equal(code, 0);
    assert.equal(cells(memory)[0], 1);
    memory.unmap();
  },
  async 'a sharedBuffer in a worker'() {
    const memory = SharedMemory.create(4096);
    const worker = new RoleWorker('memory/has', [], memory.sharedBuffer);
    assert.equal(await worker.next(), 4096);
    await worker.ended;
    assert.deepEqual([...cells(memory).subarray(0, 2)], [4, 5]);
    memory.unmap();
  },
  async 'a descriptor in a worker'() {
    const memory = SharedMemory.create(4096);
    const worker = new RoleWorker('memory/adopts', [memory.fd]);
    await worker.next();
    await worker.ended;
    assert.equal(cells(memory)[0], 3);
    memory.unmap();
  },
};

export const roles: Roles = {
  named(name = '') {
    const memory = SharedMemory.open(name);
    cells(memory)[1] = 7;
  },
  async inherits(tells = '') {
    const memory = inherited('table');
    Atomics.add(cells(memory), 0, 1);
    // Taken out of the environment: a grandchild was handed nothing.
    cells(memory)[1] = process.env['MEMMAP_SHARED'] === undefined ? 1 : 0;
    if (tells === '') return;
    process.send?.('added');
    await once(process, 'disconnect');
  },
  adopts(fd = '') {
    const memory = SharedMemory.adopt(Number(fd));
    cells(memory)[0] = 3;
    parentPort?.postMessage('well');
  },
  has() {
    const { shared } = workerData as { shared: SharedArrayBuffer };
    const mapping = Mapping.from(shared);
    Atomics.store(new Int32Array(shared), 0, 4);
    cells(mapping)[1] = 5;
    parentPort?.postMessage(mapping.length);
  },
};
