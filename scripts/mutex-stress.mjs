// One lock, four processes, ten threads: COUNT additions by each (--long: a million), then deaths at random.
// Needs npm run build; two of the four parts need to be allowed pid namespaces.
import { spawnSync } from 'node:child_process';
import { run, size } from './long-program.mjs';

const { count, seed } = size({ short: 20_000, long: 1_000_000 });
const deaths = Math.max(5, Math.round(count / 20_000));
console.log(`seed ${seed}, ${count} additions each, ${deaths} deaths`);
run('mutex-stress', 'add', count);
run('mutex-stress', 'kill', deaths, seed);
const { status, stderr, error } = spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']);
if (status === 0) {
  run('mutex-stress', 'add', count, 'namespaces');
  run('mutex-stress', 'kill', deaths, seed, 'namespaces');
} else {
  console.log(`no pid namespaces here: ${error ?? stderr}`);
}
