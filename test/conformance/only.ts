// A process that has the add-on in workers only: this file does not import it.

import type { Roles } from './feature.js';
import { RoleWorker } from './feature.js';

export const features = {};
export const roles: Roles = {
  /** Ends of a signal that comes when the add-on's only threads are gone. */
  async inWorker() {
    for (let i = 0; i < 2; i++) {
      const worker = new RoleWorker('guard/cut');
      await worker.next();
      await worker.ended;
    }
    setInterval(() => process.kill(process.pid, 'SIGBUS'), 1); // some runtimes survive the first
  },
};
