// Ten million waits and wakes across processes (--long), of which none is lost; COUNT is in ten thousands
// of them. Needs npm run build.
import { run, size } from './long-program.mjs';

const { count, seed } = size({ short: 1, long: 100 });
console.log(`seed ${seed}`);
run('wake-ups', count, seed);
