// Another process that has loaded the add-on and run some of its code, until its channel closes.

import { stats } from 'memmap';

process.once('message', () => {}); // listening keeps the process there
process.send?.(stats().regions);
