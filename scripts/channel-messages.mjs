// A hundred million messages from four processes, each checked for order and content, after `npm run build`:
//   node scripts/channel-messages.mjs [COUNT | --short | --long] [--seed=N]
import { runLong } from './long-program.mjs';

runLong('channel-messages', { short: 1_000_000, long: 100_000_000 });
