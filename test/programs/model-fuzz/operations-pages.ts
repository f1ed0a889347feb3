// Calls on the pages of a Mapping.

import { P } from './memory.js';
import { range } from './operations-mapping.js';
import * as ranges from './ranges.js';
import { type Core, isClosed, type Mapped, type State } from './state.js';
import type { Expected } from './world.js';

const CLOSED = 'ERR_MAPPING_CLOSED';

const inRegion = ({ region, delta }: Core, [at, length]: [number, number]): ranges.Range => ({
  region,
  from: delta + at,
  to: delta + at + length,
});

/** Calls a method with a range; `model` is asked what comes of it, unless the mapping is closed. */
function onRange(
  state: State,
  mapped: Mapped,
  method: string,
  first: readonly unknown[],
  model: (range: ranges.Range) => Expected,
): unknown {
  const { label, mapping, core } = mapped;
  const [args, where] = range(state, core);
  const code = isClosed(mapped) ? CLOSED : model(inRegion(core, where));
  return state.world.call('Mapping', label, mapping, method, [...first, ...args], code);
}

export function advise(state: State, mapped: Mapped): void {
  const { world } = state;
  const { label, mapping, core } = mapped;
  const [args, where] = range(state, core);
  if (isClosed(mapped)) {
    world.call('Mapping', label, mapping, 'advise', ['normal', ...args], CLOSED);
    return;
  }
  const [advice, code] = ranges.advise(world.draw, inRegion(core, where), core.open);
  world.call('Mapping', label, mapping, 'advise', [advice, ...args], code);
}

export function protect(state: State, mapped: Mapped): void {
  const access = state.world.draw.of(['none', 'read', 'read', 'write', 'write'] as const);
  onRange(state, mapped, 'protect', [access], (r) => ranges.protect(r, ranges.PROTECTIONS[access]));
}

export function lock(state: State, mapped: Mapped): void {
  onRange(state, mapped, 'lock', [], ranges.lock);
}
export function unlock(state: State, mapped: Mapped): void {
  onRange(state, mapped, 'unlock', [], (where) => {
    ranges.unlock(where);
    return '';
  });
}

export function checkResidency(state: State, where: ranges.Range, map: Uint8Array): void {
  const { region, from, to } = where;
  const [first, end] = ranges.pagesOf(where);
  const pages = region === undefined || from === to ? 0 : end - first;
  state.world.equal('pages of a residency', map.length, pages);
  for (const [i, one] of map.entries()) {
    if (one > 1) state.world.fail('a page of a residency', one, '0 or 1');
    const page = region?.pages[first + i];
    const has = page?.own !== undefined || page?.patch?.some((byte) => byte !== 0);
    if (one === 0 && page?.locked && has) state.world.fail('a locked page', one, 1);
  }
}

export function residency(state: State, mapped: Mapped): void {
  const { world } = state;
  let where: ranges.Range | undefined;
  const got = onRange(state, mapped, 'residency', [], (range_) => {
    where = range_;
    return '';
  }) as { pages: number; resident: number; map: Uint8Array } | undefined;
  if (got === undefined || where === undefined) return;
  checkResidency(state, where, got.map);
  world.equal('pages', got.pages, got.map.length);
  world.equal(
    'resident',
    got.resident,
    got.map.reduce((sum, page) => sum + page, 0),
  );
}

export function usage(state: State, mapped: Mapped): void {
  const { world } = state;
  const { label, mapping, core } = mapped;
  const code = isClosed(mapped) ? CLOSED : '';
  const got = world.call<Record<string, number>>('Mapping', label, mapping, 'usage', [], code);
  if (got === undefined) return;
  const { size = -1, rss = -1, pss = -1 } = got;
  // Areas of neighbours that the kernel has merged with it are counted too.
  const least = (core.region?.length ?? 0) * P;
  if (size < least) world.fail('size', size, `at least ${least}`);
  if (!(pss >= 0 && pss <= rss && rss <= size)) world.fail('usage', got, 'pss <= rss <= size');
}
