// Channels among worker threads, some of which are terminated.
import { describe, expect, test } from 'vitest';
import { channel, handing } from './support/channel.js';
import { program, run } from './support/program.js';

describe.each(['inherited', 'adopt', 'from'])('workers that find the channel by %s', (way) => {
  test.each([
    'senders',
    'receivers',
    'a sender is terminated',
    'a sender is terminated while it is blocked',
    'a sender exits in order',
    'a receiver is terminated',
    'a receiver is terminated while it is blocked',
    'the memory is unmapped',
  ])('%s', async (scenario) => {
    const options = way === 'inherited' ? handing(channel(4096, 3)) : {};
    const { code, signal, stdout, stderr } = await run(
      program('channel-workers'),
      [way, scenario],
      // A mapping that another thread unmaps under one that waits is a fault, of which there is a warning.
      { ...options, node: scenario === 'the memory is unmapped' ? ['--no-warnings'] : [] },
    );
    expect({ code, signal, stdout, stderr }).toEqual({
      code: 0,
      signal: null,
      stdout: 'well\n',
      stderr: '',
    });
  });
});
