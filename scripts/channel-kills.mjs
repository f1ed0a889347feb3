// A thousand ends of a channel, killed at random instants and replaced, after `npm run build`:
//   node scripts/channel-kills.mjs [COUNT | --short | --long] [--seed=N]
import { runLong } from './long-program.mjs';

runLong('channel-kills', { short: 40, long: 1000 });
